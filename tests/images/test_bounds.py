# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files that are too much, through one real appliance: all of it is bounded, in memory and in words."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images import bounds, disks
from tests.images.sessions import LAUNCH_S, Opened, close, done, session_on
from vmconsole.images.messages import EntryKind, ImageSource
from vmconsole.inventory.errors import ImageError, ImageNoSpace
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from vmconsole.images.messages import Folder, Transferred

pytestmark = [pytest.mark.appliance, pytest.mark.slow, pytest.mark.timeout(1800)]
MIB = 1 << 20
XFS, EXT4 = "/sda", "/sdb"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 120 MiB. It is there before the session: not every system tells others of its new mounts."""
    folder = tmp_path_factory.mktemp("small")
    disks.run("mount", "-t", "tmpfs", "-o", "size=120M", "none", folder)
    yield folder
    disks.run("umount", folder)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, small: Path) -> Iterator[Opened]:
    folder = tmp_path_factory.mktemp("bounds")
    shell = LocalShell()
    xfs = bounds.million(folder / "million.raw")
    ext4 = bounds.everything_else(folder, folder / "else.raw")
    source = ImageSource(str(xfs), "raw", is_read_only=True, more=(ImageSource(str(ext4), "raw"),))
    one = session_on(xfs, shell, folder / "work", source)
    overview = done(one.session.open(), deadline_s=LAUNCH_S)
    assert sorted(f.mounted_at for f in overview.filesystems) == [XFS, EXT4]
    yield one
    close(one)
    shell.close()


def end_of(future: Future[Transferred]) -> str:
    """The words of a failure; empty if it went well."""
    try:
        done(future, deadline_s=600)
    except ImageError as error:
        explanation = error.explanation
        return explanation.text() if explanation.cause or explanation.said else ""
    return ""


def most_memory_mib(pid: int) -> int:
    """0 for a process that has ended and was not waited for yet."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next((n for n in lines if n.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) >> 10


def memory_mib() -> int:
    line = next(n for n in Path("/proc/self/status").read_text().splitlines() if n.startswith("VmRSS"))
    return int(line.split()[1]) >> 10


def test_a_million_names(opened: Opened) -> None:
    parts: list[float] = []
    count = 0
    began, before = time.monotonic(), memory_mib()

    def on_part(part: Folder) -> None:
        nonlocal count
        count += len(part.entries)
        parts.append(time.monotonic())

    listed = done(opened.session.list_folder(f"{XFS}/many", on_part=on_part), deadline_s=1500)
    took_s = time.monotonic() - began
    keeper, appliance = opened.session.pids
    child = max(most_memory_mib(pid) for pid in disks.family(keeper) if pid != appliance)
    print(
        f"{count} names: first rows after {parts[0] - began:.1f} s, all after {took_s:.0f} s; "
        f"child {child} MiB at most, here {memory_mib() - before} MiB more"
    )
    assert count == bounds.MILLION == len(listed.entries)
    assert len({e.name for e in listed.entries}) == bounds.MILLION
    assert child < 2048
    assert memory_mib() - before < 2048


def test_a_listing_of_a_million_is_stopped_at_once(opened: Opened) -> None:
    came = threading.Event()
    listing = opened.session.list_folder(f"{XFS}/many", on_part=lambda _part: came.set())
    assert came.wait(300)
    began = time.monotonic()
    opened.session.cancel()
    with pytest.raises(BaseException, match=r"^$|cancel"):
        done(listing)
    assert time.monotonic() - began < 20
    assert "huge" in opened.names(XFS), "the session goes on"


def test_a_petabyte_that_holds_nothing(opened: Opened, tmp_path: Path) -> None:
    entry = next(e for e in done(opened.session.list_folder(XFS)).entries if e.name == "huge")
    assert entry.size_bytes == bounds.PETABYTE
    began = time.monotonic()
    words = end_of(opened.session.export_paths([f"{XFS}/huge"], tmp_path))
    copy = tmp_path / "huge"
    if words:
        # ext4 has files of 16 TiB at most.
        assert "large" in words.lower(), words
        assert os.listdir(tmp_path) == []
    else:
        assert copy.stat().st_size == bounds.PETABYTE
        assert copy.stat().st_blocks * 512 < MIB
    print(f"a petabyte: {time.monotonic() - began:.1f} s")
    assert time.monotonic() - began < 30, "holes are not read"
    content = done(opened.session.read_file(f"{XFS}/huge", limit_bytes=4 * MIB))
    assert (len(content.data), content.size_bytes) == (4 * MIB, bounds.PETABYTE)


def test_a_text_of_four_gigabytes(opened: Opened, tmp_path: Path) -> None:
    before = memory_mib()
    content = done(opened.session.read_file(f"{EXT4}/text.txt", limit_bytes=4 * MIB))
    assert content.data.startswith(b"begin\n")
    assert (len(content.data), content.size_bytes) == (4 * MIB, bounds.TEXT_BYTES)
    most = done(opened.session.read_file(f"{EXT4}/text.txt", limit_bytes=1 << 40))
    assert len(most.data) <= 64 * MIB
    window = done(opened.session.tools.read_window(f"{EXT4}/text.txt", bounds.TEXT_BYTES - 100, 4096))
    assert window.data == bytes(100)
    began = time.monotonic()
    done(opened.session.export_paths([f"{EXT4}/text.txt"], tmp_path))
    copy = tmp_path / "text.txt"
    assert copy.stat().st_size == bounds.TEXT_BYTES
    assert copy.stat().st_blocks * 512 < MIB, "holes were filled"
    print(f"4 GiB of holes: {time.monotonic() - began:.1f} s; here {memory_mib() - before} MiB more")
    assert memory_mib() - before < 512


@pytest.mark.parametrize("tree", ["deep", "loop"])
def test_folders_without_an_end(opened: Opened, tmp_path: Path, tree: str) -> None:
    """Copying ends in words or in what could be copied; nothing stays behind that cannot be removed."""
    path = f"{EXT4}/{tree}"
    began = time.monotonic()
    words = end_of(opened.session.export_paths([path], tmp_path))
    assert not words or os.listdir(tmp_path) == [], "something of it stays"
    print(f"{tree}: {time.monotonic() - began:.1f} s: {words[:300]}")
    assert "lost" not in str(opened.session.state).lower()
    assert opened.names(path)
    step, few, many = ("/d", 1500, 4000) if tree == "deep" else ("/in/again", 0, 40)
    assert opened.names(path + step * few)
    with pytest.raises(ImageError) as refused:
        opened.names(path + step * many)  # of a loop the kernel says that it is one
    assert refused.value.explanation.what
    disks.run("rm", "-rf", tmp_path / tree)


def test_names_of_every_kind(opened: Opened, tmp_path: Path) -> None:
    folder = f"{EXT4}/odd"
    wanted = sorted(os.fsdecode(name) for name in bounds.ODD)
    assert opened.names(folder) == wanted
    for name in wanted:
        assert opened.read(f"{folder}/{name}") == os.fsencode(name)
    done(opened.session.export_paths([folder], tmp_path))
    assert sorted(os.listdir(tmp_path / "odd")) == wanted
    done(opened.session.export_paths([f"{folder}/{name}" for name in wanted], tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted([*wanted, "odd"])
    assert not os.path.exists("hacked")


def test_devices_pipes_and_sockets_are_left_out(opened: Opened, tmp_path: Path) -> None:
    folder = f"{EXT4}/special"
    kinds = {e.name: e.kind for e in done(opened.session.list_folder(folder)).entries}
    assert kinds["pipe"] is EntryKind.PIPE
    assert kinds["memory"] is EntryKind.CHARACTER_DEVICE
    copied = done(opened.session.export_paths([folder], tmp_path))
    assert os.listdir(tmp_path / "special") == ["plain"]
    assert len(copied.skipped) >= 3, "and it is said"
    for name in ("pipe", "memory", "disk", "socket"):
        for future in (
            opened.session.read_file(f"{folder}/{name}", limit_bytes=10),
            opened.session.export_paths([f"{folder}/{name}"], tmp_path),
        ):
            with pytest.raises(ImageError, match=r"device|pipe|socket"):
                done(future)
    assert os.listdir(tmp_path) == ["special"]


def test_a_farm_of_links_beside_files_of_the_same_names(opened: Opened, tmp_path: Path) -> None:
    for name in ("farm", "passwd"):
        (tmp_path / name).write_text("mine\n")
    before = Path("/etc/passwd").read_bytes()
    copied = done(opened.session.export_paths([f"{EXT4}/farm"], tmp_path))
    assert (tmp_path / "farm").read_text() == "mine\n"
    out = Path(copied.paths[0])
    assert out.name == "farm (2)"
    for place, _, files in os.walk(out):
        for name in files:
            path = os.path.join(place, name)
            assert os.path.realpath(path).startswith(str(out)), f"{name} leads out"
            assert stat.S_ISREG(os.lstat(path).st_mode) or os.path.islink(path)
    assert (out / "good" / "file").read_text() == "inside\n"
    assert sum("leads out" in line for line in copied.skipped) >= 5
    assert Path("/etc/passwd").read_bytes() == before


@pytest.mark.parametrize("what", ["full", "full/data.bin"])
def test_room_is_looked_at_before(opened: Opened, small: Path, what: str) -> None:
    done(opened.session.export_paths([f"{EXT4}/{what}"], small))
    disks.run("rm", "-rf", small / os.path.basename(what))
    (small / "mine").write_bytes(bytes(30 * MIB))
    with pytest.raises(ImageNoSpace) as refused:
        done(opened.session.export_paths([f"{EXT4}/{what}"], small))
    assert "40 MiB are to be copied out" in refused.value.explanation.what
    assert os.listdir(small) == ["mine"]
    (small / "mine").unlink()
