# SPDX-License-Identifier: GPL-3.0-or-later
"""Two disks of one guest with everything on them: found, unlocked, mounted as its fstab says, edited, applied.

``zoo.py`` makes them, and reads them again afterwards, with libguestfs alone.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.images import bitlocker, disks, ufs, zoo
from tests.images.sessions import Opened, close, done, session_on
from vmconsole.images.messages import ImageMode, ImageSource
from vmconsole.inventory.errors import ImageUnreadable
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmconsole.images.messages import Filesystem, ImageOverview

pytestmark = [pytest.mark.appliance, pytest.mark.slow, pytest.mark.timeout(3000)]

BITLOCKER = bitlocker.Keys.of(zoo.PASSWORD)
OPEN_S = 900.0
"""Two appliances' starts and a stretched key, on a machine that may be busy."""


def both(folder: Path) -> ImageSource:
    a, b = (ImageSource(str(folder / f"{n}.qcow2"), "qcow2", target=f"vd{n}") for n in "ab")
    return ImageSource(a.path, "qcow2", target="vda", more=(b,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("zoo")
    (made / "ufs-tree").mkdir()
    (made / "ufs-tree/proof.txt").write_text("ufs\n")
    ufs.make(made / "ufs-tree", made / "ufs.raw")
    files = {"proof.txt": b"this is /bit\n", "blob.bin": zoo.blob("/bit")}
    bitlocker.make(made, made / "bit.raw", BITLOCKER, size_mib=16, label="bit", files=files)
    disks.run(sys.executable, zoo.__file__, "make", made)
    return made


@pytest.fixture(scope="module")
def guest(folder: Path) -> Iterator[Opened]:
    shell = LocalShell()
    opened = session_on(folder / "a.qcow2", shell, folder / "work", both(folder))
    opened.overview = done(opened.session.open(), deadline_s=OPEN_S)  # type: ignore[attr-defined]  # for the tests
    yield opened
    close(opened)
    shell.close()


def by_device(overview: ImageOverview) -> dict[str, Filesystem]:
    return {f.device: f for f in overview.filesystems}


def test_what_is_locked_or_damaged_or_unknown_does_not_hide_the_rest(guest: Opened) -> None:
    overview: ImageOverview = guest.overview  # type: ignore[attr-defined]  # see the fixture
    found = by_device(overview)
    assert overview.mode is ImageMode.DRAFT
    assert (overview.os_name, overview.has_os_tree) == ("Zoo Linux 1", True)
    shown = {f.device: f.mounted_at for f in overview.filesystems if f.mounted_at}
    assert shown == {d: p for d, p in zoo.PLACES.items() if "unlocked" not in d}
    assert found["/dev/pool/span"].disks == found["/dev/md127"].disks == ("/dev/sda", "/dev/sdb")
    assert found["/dev/sda5"].is_locked
    assert (found["/dev/sda8"].type, found["/dev/sda8"].mounted_at) == ("swap", "")
    assert found["/dev/sda9"].problem == "No filesystem is known in it."
    assert "damaged" in found["/dev/sda12"].problem
    assert all(found[d].is_writable for d in shown)
    assert [(d.name, d.path.rpartition("/")[2], d.target) for d in overview.devices] == [
        ("/dev/sda", "a.qcow2", "vda"), ("/dev/sdb", "b.qcow2", "vdb"),
    ]  # fmt: skip


def test_the_files_are_those_that_were_put_there(guest: Opened) -> None:
    overview: ImageOverview = guest.overview  # type: ignore[attr-defined]  # see the fixture
    for filesystem in overview.filesystems:
        if filesystem.mounted_at:
            check_files(guest, filesystem.mounted_at)
    used = {u.device: u for u in done(guest.session.usage())}
    assert set(used) == {f.device for f in overview.filesystems if f.mounted_at}
    assert all(0 < u.free_bytes < u.size_bytes for u in used.values())


def check_files(guest: Opened, where: str) -> None:
    top = where.rstrip("/")
    assert guest.read(f"{top}/proof.txt") == f"this is {where}\n".encode()
    got = guest.read(f"{top}/blob.bin")
    assert hashlib.sha256(got).digest() == hashlib.sha256(zoo.blob(where)).digest(), where


def test_a_key_opens_the_locked_partition_in_its_place(guest: Opened) -> None:
    with pytest.raises(ImageUnreadable, match="not unlocked"):
        done(guest.session.unlock("/dev/sda5", "wrong"))
    after = done(guest.session.unlock("/dev/sda5", zoo.PASSPHRASE), deadline_s=OPEN_S)
    assert by_device(after)["/dev/mapper/unlocked_sda5"].mounted_at == "/secret"
    check_files(guest, "/secret")
    check_files(guest, "/home")


def test_a_recovery_key_opens_bitlocker_however_it_is_typed(guest: Opened) -> None:
    overview: ImageOverview = guest.overview  # type: ignore[attr-defined]  # see the fixture
    assert (by_device(overview)["/dev/sda13"].type, by_device(overview)["/dev/sda13"].is_locked) == ("BitLocker", True)
    off_by_eleven = BITLOCKER.recovery_key[:-6] + f"{(int(BITLOCKER.recovery_key[-6:]) + 11) % 720896:06}"
    with pytest.raises(ImageUnreadable, match="not unlocked"):
        done(guest.session.unlock("/dev/sda13", off_by_eleven))
    typed = BITLOCKER.recovery_key.replace("-", " ", 3).replace("-", "", 2)
    after = done(guest.session.unlock("/dev/sda13", typed), deadline_s=OPEN_S)
    inside = by_device(after)[zoo.BITLOCKER]
    assert (inside.type, inside.mounted_at, inside.is_writable) == ("ntfs", "/bit", True)
    check_files(guest, "/bit")
    check_files(guest, "/secret")


def test_ufs_is_read_or_the_kernel_is_named_that_could(guest: Opened) -> None:
    overview: ImageOverview = guest.overview  # type: ignore[attr-defined]  # see the fixture
    found = by_device(overview)["/dev/sda11"]
    assert found.type == "ufs"
    assert "kernel" in found.problem or "only reads" in found.problem


def test_a_draft_of_both_disks_is_applied_to_both(guest: Opened, folder: Path) -> None:
    before = {n: disks.fingerprint(folder / f"{n}.qcow2") for n in "ab"}
    for where in zoo.PLACES.values():
        done(guest.session.write_file(f"{where.rstrip('/')}/new.txt", f"new on {where}\n".encode()))
    assert before == {n: disks.fingerprint(folder / f"{n}.qcow2") for n in "ab"}
    done(guest.session.apply(), deadline_s=OPEN_S)
    read = json.loads(disks.run(sys.executable, zoo.__file__, "read", folder))
    for where in zoo.PLACES.values():
        assert read[where]["new.txt"] == hashlib.sha256(f"new on {where}\n".encode()).hexdigest()
        assert read[where]["blob.bin"] == hashlib.sha256(zoo.blob(where)).hexdigest()


def test_opened_again_it_needs_no_key(guest: Opened) -> None:
    overview = done(guest.session.open(), deadline_s=OPEN_S)
    assert by_device(overview)["/dev/mapper/unlocked_sda5"].mounted_at == "/secret"
    assert guest.read("/secret/new.txt") == b"new on /secret\n"
    assert by_device(overview)[zoo.BITLOCKER].mounted_at == "/bit"
    assert guest.read("/bit/new.txt") == b"new on /bit\n"
