# SPDX-License-Identifier: GPL-3.0-or-later
"""Android's sparse images and nandroid backups: unpacked as their own tools do, and refused in words when damaged."""

from __future__ import annotations

import io
import os
import struct
import tarfile
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.images import disks
from tests.images.zoo import blob
from vmconsole.images.android_sparse import MAGIC, BadSparse, expand
from vmconsole.images.facts import Packing, look_at
from vmconsole.images.messages import ImageSource
from vmconsole.images.unpacking import unpack
from vmconsole.inventory.errors import ImageDamaged, ImageUnreadable

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.images.unpacking import Unpacked
    from vmconsole.links.ssh import LocalShell


def ext4(path: Path) -> Path:
    disks.run("truncate", "-s", "8M", path)
    disks.run("mkfs.ext4", "-q", path)
    with path.open("r+b") as file:
        file.seek(6 << 20)
        file.write(blob(path.name))
        file.write(b"\x11\x22\x33\x44" * 4096)  # img2simg makes a piece of one pattern of it
    return path


def sparse(folder: Path, name: str) -> tuple[Path, bytes]:
    raw = ext4(folder / f"{name}.plain")
    made = folder / name
    disks.run("img2simg", raw, made)
    content = raw.read_bytes()
    raw.unlink()
    return made, content


def unpacked(shell: LocalShell, path: Path, work: Path, *, cancelled: bool = False) -> Unpacked:
    facts = look_at(shell, ImageSource(str(path)))
    return unpack(shell, facts, work, report=lambda _w, _p, _t: None, is_cancelled=lambda: cancelled)


def test_a_sparse_image_becomes_what_its_own_tool_makes_of_it(shell: LocalShell, tmp_path: Path) -> None:
    image, content = sparse(tmp_path, "system.img")
    disks.run("simg2img", image, tmp_path / "by-tool")
    assert (tmp_path / "by-tool").read_bytes() == content
    assert look_at(shell, ImageSource(str(image))).packing is Packing.SPARSE
    found = unpacked(shell, image, tmp_path / "work")
    ((source, _),) = found.parts
    with open(source.path, "rb") as copy:
        assert copy.read() == content
    assert os.stat(source.path).st_blocks * 512 < len(content), "holes were filled"
    assert (source.format_hint, source.target) == ("raw", "system")
    found.close()
    assert os.listdir(tmp_path / "work") == []


def nandroid(folder: Path) -> tuple[Path, dict[str, bytes]]:
    backup = folder / "2026-01-01"
    backup.mkdir()
    _, system = sparse(backup, "system.img")
    data = ext4(backup / "data.ext4.img").read_bytes()
    (backup / "boot.img").write_bytes(b"ANDROID!" + bytes(5000))
    (backup / "cache.ext4.tar").write_bytes(bytes(10240))
    (backup / "nandroid.md5").write_text("0 system.img\n")
    (backup / "x\udcff.img").write_bytes(b"odd")
    os.symlink("/etc/passwd", backup / "link.img")
    return backup, {"system": system, "data": data}


def test_a_nandroid_folder(shell: LocalShell, tmp_path: Path) -> None:
    backup, contents = nandroid(tmp_path)
    assert look_at(shell, ImageSource(str(backup))).packing is Packing.FOLDER
    found = unpacked(shell, backup, tmp_path / "work")
    parts = {source.target: source for source, _ in found.parts}
    assert set(parts) == {"system", "data"}
    assert parts["data"].path == str(backup / "data.ext4.img"), "a raw image of a folder is not copied"
    for name, source in parts.items():
        with open(source.path, "rb") as file:
            assert file.read() == contents[name]
    assert "boot.img" in found.reason.cause
    assert "x\\xff.img" in found.reason.cause
    assert "link" not in found.reason.cause
    found.close()


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_nandroid_archive(shell: LocalShell, tmp_path: Path, suffix: str) -> None:
    backup, contents = nandroid(tmp_path)
    archive = tmp_path / f"backup{suffix}"
    with tarfile.open(archive, "w:gz" if suffix.endswith("gz") else "w") as tar:
        tar.add(backup, arcname="../../backup")  # a name that leads out is only a name
    assert look_at(shell, ImageSource(str(archive))).packing is Packing.TAR
    found = unpacked(shell, archive, tmp_path / "work")
    read = {}
    for source, _ in found.parts:
        assert source.path.startswith(str(tmp_path / "work"))
        with open(source.path, "rb") as file:
            read[source.target] = file.read()
    assert read == contents
    found.close()
    assert os.listdir(tmp_path / "work") == []


@pytest.mark.parametrize("damage", ["cut off", "nothing in it", "cut archive"])
def test_damage_is_told_and_leaves_nothing(shell: LocalShell, tmp_path: Path, damage: str) -> None:
    if damage == "cut off":
        path, _ = sparse(tmp_path, "system.img")
        with path.open("r+b") as file:
            file.truncate(300_000)
    elif damage == "nothing in it":
        path = tmp_path / "empty"
        path.mkdir()
        (path / "readme.txt").write_text("no image")
    else:
        backup, _ = nandroid(tmp_path)
        path = tmp_path / "backup.tar"
        with tarfile.open(path, "w") as tar:
            tar.add(backup / "data.ext4.img", arcname="data.ext4.img")
        with path.open("r+b") as file:
            file.truncate(3_000_000)
    with pytest.raises((ImageDamaged, ImageUnreadable)) as refused:
        unpacked(shell, path, tmp_path / "work")
    assert refused.value.explanation.where.startswith(str(path))
    assert os.listdir(tmp_path / "work") == []


def test_a_cancel_leaves_nothing(shell: LocalShell, tmp_path: Path) -> None:
    image, _ = sparse(tmp_path, "system.img")
    with pytest.raises(CancelledError):
        unpacked(shell, image, tmp_path / "work", cancelled=True)
    assert os.listdir(tmp_path / "work") == []


def header(*, block: int = 4096, blocks: int = 4, chunks: int = 1) -> bytes:
    return struct.pack("<4sHHHHIIII", MAGIC, 1, 0, 28, 12, block, blocks, chunks, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"", MAGIC, header(), header(block=0), header(block=3), header(block=1 << 30),
        header(blocks=0xFFFFFFFF, block=1 << 24), header(chunks=0), header() + struct.pack("<HHII", 0xCAC1, 0, 4, 12),
        header() + struct.pack("<HHII", 0xCAC3, 0, 5, 12), header() + struct.pack("<HHII", 0xCAC3, 0, 3, 12),
        header() + struct.pack("<HHII", 0x1234, 0, 4, 12), header() + struct.pack("<HHII", 0xCAC2, 0, 4, 12),
        header() + struct.pack("<HHII", 0xCAC1, 0, 4, 0),
    ],
)  # fmt: skip
def test_hostile_sparse_images_are_refused(data: bytes) -> None:
    written: list[int] = []
    with pytest.raises(BadSparse):
        expand(io.BytesIO(data), io.BytesIO(), wrote=written.append)
    assert sum(written) < 1 << 20


@given(st.binary(max_size=200))
def test_any_bytes_after_a_header_end_in_words(data: bytes) -> None:
    try:
        expand(io.BytesIO(header() + data), io.BytesIO(), wrote=lambda _n: None)
    except BadSparse:
        return
