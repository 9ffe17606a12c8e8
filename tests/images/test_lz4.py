# SPDX-License-Identifier: GPL-3.0-or-later
"""Images and archives in LZ4, packed by its own tool: opened like those that are not packed, refused when damaged."""

from __future__ import annotations

import io
import os
import tarfile
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.images import disks
from tests.images.test_archives import listed
from tests.images.test_unpacking import ext4, unpacked
from vmconsole.images import archives, lz4_frames, unpacking
from vmconsole.images.facts import Packing, look_at
from vmconsole.images.lz4_frames import BadLz4, Unpacked
from vmconsole.images.messages import ImageSource
from vmconsole.inventory.errors import ImageDamaged, ImageUnreadable

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.links.ssh import LocalShell


def packed(path: Path, *options: str) -> Path:
    disks.run("lz4", "-q", *options, path, f"{path}.lz4")
    path.unlink()
    return path.with_name(f"{path.name}.lz4")


def whole(stream: Unpacked) -> bytes:
    return b"".join(iter(lambda: stream.read(1 << 20), b""))


@pytest.mark.parametrize("options", [(), ("-9", "-BD"), ("-B4", "--content-size"), ("--no-frame-crc",)], ids=str)
def test_what_its_own_tool_packs_is_read(tmp_path: Path, options: tuple[str, ...]) -> None:
    content = os.urandom(300_000) + bytes(3 << 20) + b"the end"
    (tmp_path / "a").write_bytes(content)
    data = packed(tmp_path / "a", *options).read_bytes()
    assert data.startswith(lz4_frames.MAGIC)
    assert whole(Unpacked(io.BytesIO(data))) == content
    assert whole(Unpacked(io.BytesIO(data * 2))) == content * 2, "one frame after the other"
    assert whole(Unpacked(io.BytesIO(b""))) == b""
    small = Unpacked(io.BytesIO(data))
    assert small.read(7) == content[:7]
    assert max(len(part) for part in iter(lambda: small.read(1000), b"")) <= 1000


def test_each_damaged_byte_and_each_cut_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text that packs well " * 400)
    data = packed(tmp_path / "a").read_bytes()
    for at in range(1, len(data)):
        with pytest.raises(BadLz4, match="cut off"):
            whole(Unpacked(io.BytesIO(data[:at])))
    for at in range(4, len(data)):
        broken = bytearray(data)
        broken[at] ^= 0x10
        with pytest.raises(BadLz4):
            whole(Unpacked(io.BytesIO(bytes(broken))))


@given(st.binary(max_size=400))
def test_any_bytes_after_the_mark_end_in_words(data: bytes) -> None:
    with pytest.raises(BadLz4):
        whole(Unpacked(io.BytesIO(lz4_frames.MAGIC + b"\x64\x40\xa7" + data + b"\xff")))


def test_an_image_and_a_sparse_image(shell: LocalShell, tmp_path: Path) -> None:
    raw = ext4(tmp_path / "system.img")
    content = raw.read_bytes()
    disks.run("img2simg", raw, tmp_path / "vendor.img")
    for name in ("system.img", "vendor.img"):
        image = packed(tmp_path / name)
        assert look_at(shell, ImageSource(str(image))).packing is Packing.LZ4
        found = unpacked(shell, image, tmp_path / "work")
        ((source, its_shell),) = found.parts
        with open(source.path, "rb") as file:
            assert file.read() == content
        assert (source.target, its_shell.is_local) == (name.split(".")[0], True)
        found.close()
    assert not list((tmp_path / "work").iterdir())


def archive_of(path: Path, entries: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as made:
        for name, data in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return path


def test_archives_and_folders_of_it(shell: LocalShell, tmp_path: Path) -> None:
    image = packed(ext4(tmp_path / "vendor.img"))
    firmware = archive_of(tmp_path / "AP.tar.md5", {"vendor.img.lz4": image.read_bytes(), "note": b"x"})
    files = packed(archive_of(tmp_path / "data.tar", {"a/b.txt": b"hello"}))
    folder = tmp_path / "backup"
    folder.mkdir()
    for one in (image, files):
        one.rename(folder / one.name)
    for path, targets in ((firmware, ["vendor"]), (folder / files.name, ["data"]), (folder, ["data", "vendor"])):
        found = unpacked(shell, path, tmp_path / "work")
        assert sorted(source.target for source, _ in found.parts) == targets
        for source, _ in found.parts:
            if source.target == "data":
                assert "a/b.txt" in " ".join(listed(source.path))
            else:
                disks.run("e2fsck", "-fn", source.path)
        found.close()


def test_damage_and_bombs_leave_nothing(shell: LocalShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = packed(ext4(tmp_path / "system.img"))
    data = image.read_bytes()
    (tmp_path / "cut.img.lz4").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageDamaged, match=r"LZ4 data is damaged: «cut\.img»") as told:
        unpacked(shell, tmp_path / "cut.img.lz4", tmp_path / "work")
    assert "Copy it to the host again" in told.value.explanation.advice
    with pytest.raises(CancelledError):
        unpacked(shell, image, tmp_path / "work", cancelled=True)
    monkeypatch.setattr(archives, "MOST_BYTES", 4 << 20)
    with pytest.raises(ImageUnreadable, match="There is more than"):
        unpacked(shell, image, tmp_path / "work")
    monkeypatch.setattr(unpacking.lz4_frames, "can_be_read", lambda: False)
    with pytest.raises(ImageUnreadable, match="LZ4") as refused:
        unpacked(shell, image, tmp_path / "work")
    assert "liblz4-1" in refused.value.explanation.advice
    assert not list((tmp_path / "work").iterdir())


def test_a_disk_that_only_begins_like_it_is_a_disk(shell: LocalShell, tmp_path: Path) -> None:
    """A guest chooses what its disk begins with."""
    (tmp_path / "guest.img").write_bytes(lz4_frames.MAGIC + bytes(1 << 20))
    assert look_at(shell, ImageSource(str(tmp_path / "guest.img"), "raw")).packing is Packing.NONE
