# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of files become filesystems with the same files: read back with unsquashfs, by nobody of ours."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
import zlib
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.zoo import blob
from vmconsole.images import archives
from vmconsole.images.facts import Packing, look_at
from vmconsole.images.messages import ImageSource
from vmconsole.images.unpacking import unpack
from vmconsole.inventory.errors import ImageDamaged, ImageError, ImageUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmconsole.images.unpacking import Unpacked
    from vmconsole.links.ssh import LocalShell

Entry = tuple[str, bytes | None, dict[str, object]]
LABEL = "u:object_r:system_data_file:s0"
FILES: list[Entry] = [
    ("data", None, {"type": tarfile.DIRTYPE, "mode": 0o771, "uid": 1000, "gid": 1000}),
    ("data/app/base.apk", blob("apk"), {"uid": 10012, "gid": 10012, "mode": 0o600, "mtime": 1_700_000_000}),
    ("data/odd\udcffname\n", b"odd", {"pax_headers": {"RHT.security.selinux": LABEL}}),
    ("data/link", None, {"type": tarfile.SYMTYPE, "linkname": "../../etc/passwd"}),
    ("data/twin.apk", None, {"type": tarfile.LNKTYPE, "linkname": "./data/app/base.apk"}),
]
HOSTILE: list[Entry] = [
    ("../out", b"x", {}), ("data/null", None, {"type": tarfile.CHRTYPE}), ("data/app/base.apk", b"again", {}),
    ("data/link/passwd", b"through a link", {}),
    ("data/hard", None, {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}),
    ("data/odd/s", b"of its own", {"type": b"s"}), ("/", None, {"type": tarfile.DIRTYPE}),
]  # fmt: skip


def tar(entries: list[Entry]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as archive:
        for name, data, fields in entries:
            made = tarfile.TarInfo(name)
            for key, value in fields.items():
                setattr(made, key, value)
            made.size = len(data or b"")
            archive.addfile(made, io.BytesIO(data or b""))
    return out.getvalue()


def unpacked(shell: LocalShell, path: Path, work: Path, *, cancelled: Callable[[], bool] = lambda: False) -> Unpacked:
    facts = look_at(shell, ImageSource(str(path)))
    assert facts.packing is (Packing.FOLDER if path.is_dir() else Packing.TAR)
    return unpack(shell, facts, work, report=lambda _w, _p, _t: None, is_cancelled=cancelled)


def listed(image: str) -> list[str]:
    return disks.run("unsquashfs", "-lln", image).splitlines()


def content(image: str, name: str) -> bytes:
    return subprocess.run(["unsquashfs", "-cat", image, name], capture_output=True, check=True).stdout


@pytest.mark.parametrize("name", ["files.tar", "files.tar.gz", "data.ext4.win", "data.win", "files.tar.md5"])
def test_a_tar_of_files_is_a_filesystem_with_them(shell: LocalShell, tmp_path: Path, name: str) -> None:
    made = tar(FILES + HOSTILE)
    zipped = gzip.compress(made) if name in {"files.tar.gz", "data.win"} else made
    (tmp_path / name).write_bytes(zipped + (b"0123  files.tar\n" if name.endswith("md5") else b""))
    found = unpacked(shell, tmp_path / name, tmp_path / "work")
    ((source, _),) = found.parts
    assert (source.format_hint, source.is_read_only, source.target) == ("raw", True, name.split(".")[0])
    rows = {
        line.split("squashfs-root/", 1)[1]: line.split() for line in listed(source.path) if "squashfs-root/" in line
    }
    assert sorted(rows) == ["data", "data/app", "data/app/base.apk", "data/link -> ../../etc/passwd",
                            "data/odd\ufffdname", "data/twin.apk"]  # fmt: skip
    assert rows["data"][:2] == ["drwxrwx--x", "1000/1000"]
    assert rows["data/app/base.apk"][:2] == ["-rw-------", "10012/10012"]
    assert content(source.path, "data/app/base.apk") == content(source.path, "data/twin.apk") == blob("apk")
    assert "archive of files" in found.reason.what
    assert "lead out" in found.reason.cause
    found.close()
    assert os.listdir(tmp_path / "work") == []


def test_attributes_of_the_files_are_kept(shell: LocalShell, tmp_path: Path) -> None:
    made: list[Entry] = [("a", b"x", {"pax_headers": {"SCHILY.xattr.user.note": "kept", "comment": "not"}})]
    (tmp_path / "data.win").write_bytes(tar(made))
    found = unpacked(shell, tmp_path / "data.win", tmp_path / "work")
    ((source, _),) = found.parts
    disks.run("unsquashfs", "-quiet", "-user-xattrs", "-d", tmp_path / "out", source.path)
    assert os.getxattr(tmp_path / "out/a", "user.note") == b"kept"
    found.close()
    member = tarfile.TarInfo("x")
    member.pax_headers = {"RHT.security.selinux": LABEL}
    assert archives._plain(member, "x").pax_headers == {"SCHILY.xattr.security.selinux": LABEL}


@pytest.mark.parametrize("compression", [b"0", b"1"])
def test_a_backup_of_adb(shell: LocalShell, tmp_path: Path, compression: bytes) -> None:
    made = tar([("apps/org.example/f/note", blob("note"), {})])
    data = zlib.compress(made) if compression == b"1" else made
    (tmp_path / "phone.ab").write_bytes(b"ANDROID BACKUP\n5\n" + compression + b"\nnone\n" + data)
    found = unpacked(shell, tmp_path / "phone.ab", tmp_path / "work")
    ((source, _),) = found.parts
    assert content(source.path, "apps/org.example/f/note") == blob("note")
    found.close()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"5\n1\nAES-256\n" + bytes(100), "is encrypted"), (b"5\n7\nnone\n", "begins with something else"),
        (b"5", "begins with something else"), (b"5\n1\nnone\n" + zlib.compress(tar(FILES))[:5000], "is damaged"),
        (b"5\n1\nnone\nnot zlib", "is damaged"),
    ],
)  # fmt: skip
def test_a_bad_backup_of_adb_is_refused(shell: LocalShell, tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "phone.ab").write_bytes((b"ANDROID BACKUP\n" + data).ljust(600, b"\0"))
    with pytest.raises(ImageError, match=words) as refused:
        unpacked(shell, tmp_path / "phone.ab", tmp_path / "work")
    assert refused.value.explanation.where == str(tmp_path / "phone.ab")
    assert os.listdir(tmp_path / "work") == []


def nandroid(folder: Path) -> dict[str, bytes]:
    """TWRP's: an archive in one piece, one in three, one packed, one that was cut (ClockworkMod), and an image."""
    folder.mkdir()
    parts = [tar([FILES[0], (f"data/{n}", blob(f"part{n}"), {})]) for n in range(3)]
    cut = tar([("cache/a", blob("cut"), {})])
    made = {f"data.ext4.win00{n}": part for n, part in enumerate(parts)}
    made |= {"system.ext4.win": gzip.compress(tar([("system/bin/sh", blob("sh"), {})])), "recovery.log": b"log"}
    made |= {"cache.tar.a": cut[:100_000], "cache.tar.b": cut[100_000:200_000], "cache.tar.c": cut[200_000:]}
    for name, data in made.items():
        (folder / name).write_bytes(data)
    return made


def check_nandroid(found: Unpacked, *names: str) -> None:
    images = {source.target: source.path for source, _ in found.parts}
    assert sorted(images) == sorted(names)
    for n in range(3):
        assert content(images["data"], f"data/{n}") == blob(f"part{n}")
    assert content(images["system"], "system/bin/sh") == blob("sh")
    if "cache" in images:
        assert content(images["cache"], "cache/a") == blob("cut")
    assert "recovery.log" in found.reason.cause
    assert "win" not in found.reason.cause


def test_a_nandroid_folder_of_archives(shell: LocalShell, tmp_path: Path) -> None:
    nandroid(tmp_path / "backup")
    found = unpacked(shell, tmp_path / "backup", tmp_path / "work")
    check_nandroid(found, "data", "system", "cache")
    found.close()


def test_a_tar_of_a_nandroid_folder(shell: LocalShell, tmp_path: Path) -> None:
    nandroid(tmp_path / "backup")
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "backup", arcname="TWRP/backup")
    found = unpacked(shell, tmp_path / "all.tar.gz", tmp_path / "work")
    check_nandroid(found, "data", "system")
    assert "cache.tar.a" in found.reason.cause
    found.close()


@pytest.mark.parametrize("first", ["data.ext4.win000", "cache.tar.a"])
def test_the_first_part_stands_for_all(shell: LocalShell, tmp_path: Path, first: str) -> None:
    nandroid(tmp_path / "backup")
    found = unpacked(shell, tmp_path / "backup" / first, tmp_path / "work")
    ((source, _),) = found.parts
    name, whole = ("data/2", "part2") if first.startswith("data") else ("cache/a", "cut")
    assert content(source.path, name) == blob(whole)
    found.close()


def test_archives_among_files_are_only_files(shell: LocalShell, tmp_path: Path) -> None:
    inner = gzip.compress(tar([("x", b"x", {})]))
    (tmp_path / "root.tar").write_bytes(tar([("usr/src/linux.tar.gz", inner, {}), ("etc/fstab", b"", {})]))
    found = unpacked(shell, tmp_path / "root.tar", tmp_path / "work")
    ((source, _),) = found.parts
    assert content(source.path, "usr/src/linux.tar.gz") == inner
    found.close()


@pytest.mark.parametrize("damage", ["cut", "noise", "long header", "many headers", "broken gzip"])
def test_damage_is_told_and_leaves_nothing(shell: LocalShell, tmp_path: Path, damage: str) -> None:
    path, made = tmp_path / "data.win", tar(FILES)
    if damage == "cut":
        made = made[:200_000]
    elif damage == "noise":
        made = made[:512] + os.urandom(4096) + made[512:]
    elif damage == "long header":
        header = tarfile.TarInfo("x")
        header.type, header.size = tarfile.XHDTYPE, 5 << 30
        made = made[:512] + header.tobuf() + bytes(1 << 20)
    elif damage == "broken gzip":
        made = gzip.compress(made)[:-2000] + bytes(3000)
    else:
        header = tarfile.TarInfo("x")
        header.type = tarfile.XHDTYPE
        made = made[:512] + header.tobuf() * 5000 + made[512:]
    path.write_bytes(made)
    with pytest.raises(ImageDamaged) as refused:
        unpacked(shell, path, tmp_path / "work")
    assert refused.value.explanation.where == str(path)
    assert "data.win" in refused.value.explanation.what
    assert os.listdir(tmp_path / "work") == []


def test_a_bomb_is_stopped(shell: LocalShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.win").write_bytes(gzip.compress(tar([(f"data/{n}", bytes(100_000), {}) for n in range(60)])))
    for limit, value, words in (("MOST_NAMES", 50, "more than 50 files"), ("MOST_BYTES", 3 << 20, "TiB")):
        with monkeypatch.context() as bounded:
            bounded.setattr(archives, limit, value)
            with pytest.raises(ImageUnreadable, match=words):
                unpacked(shell, tmp_path / "data.win", tmp_path / "work")
        assert os.listdir(tmp_path / "work") == []


def test_a_cancel_leaves_nothing(shell: LocalShell, tmp_path: Path) -> None:
    (tmp_path / "data.win").write_bytes(tar([(f"data/{n}", blob(str(n)), {}) for n in range(8)]))
    with pytest.raises(CancelledError):
        unpacked(shell, tmp_path / "data.win", tmp_path / "work", cancelled=lambda: True)
    assert os.listdir(tmp_path / "work") == []
    assert not disks.command_lines(str(tmp_path))


def test_without_the_tool_it_is_named(shell: LocalShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.win").write_bytes(tar(FILES))
    monkeypatch.setattr(archives, "can_be_packed", lambda: False)
    with pytest.raises(ImageError) as refused:
        unpacked(shell, tmp_path / "data.win", tmp_path / "work")
    assert "squashfs-tools" in refused.value.explanation.advice


@pytest.mark.parametrize(
    ("name", "whole", "cut"),
    [
        ("data.ext4.win001", "data.ext4.win", False), ("data.tar.b", "data.tar", True),
        ("x.tar.gz.c", "x.tar.gz", True),
        ("data.win", "data.win", False), ("data.win01", "data.win01", False), ("a\n.win000", "a\n.win", False),
    ],
)  # fmt: skip
def test_parts_know_their_whole(name: str, whole: str, cut: bool) -> None:
    assert (archives.whole_name(name), archives.is_cut(name)) == (whole, cut)


def test_a_head_that_only_looks_packed_is_none() -> None:
    assert not archives.is_archive(b"\x1f\x8b" + bytes(500), "data.win")
    assert not archives.is_archive(gzip.compress(zlib.compress(os.urandom(4000))), "data.win")
    assert archives.is_archive(gzip.compress(tar(FILES))[:2048], "data.win")
    assert not archives.is_archive(gzip.compress(tar(FILES))[:2048], "data.apk")
