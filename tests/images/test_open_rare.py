# SPDX-License-Identifier: GPL-3.0-or-later
"""Filesystems that are rare, each made by its own tool: read or written where the appliance's kernel can, or else the
kernel is named that could. Which modules the kernel has is looked up here, not asked of the code under test: run it
also with a kernel that has more (``SUPERMIN_KERNEL=… SUPERMIN_MODULES=…``, supermin(1)).
"""

from __future__ import annotations

import dataclasses
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images import apple, bsd, disks, ufs
from tests.images.sessions import LAUNCH_S, Opened, close, done, session_on
from vmconsole.images.messages import ImageMode, ImageSource
from vmconsole.inventory.errors import ImageError
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.images.messages import Filesystem, ImageOverview

pytestmark = [pytest.mark.appliance, pytest.mark.slow, pytest.mark.timeout(1200)]

KINDS = {
    "ufs2": "ufs", "ufs1": "ufs", "ufs-gpt": "ufs", "ufs-mbr": "ufs", "squashfs": "squashfs", "f2fs": "f2fs",
    "exfat": "exfat", "minix": "minix", "hibernated": "ntfs", "zfs": "zfs_member", "hfsplus": "hfsplus", "bsd": "ufs",
}  # fmt: skip
WRITABLE = ("f2fs", "exfat", "minix")
ORDER = tuple(KINDS)
FREEBSD = {"gpt": "type=516E7CB6-6ECF-11D6-8FF8-00022D09712B", "dos": "type=a5"}
UBERBLOCK = 0x00BAB10C


def make_all(folder: Path) -> None:
    tree = folder / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "proof.txt").write_text("rare\n")
    ufs.make(tree, folder / "ufs2")
    ufs.make(tree, folder / "ufs1", version=1)
    for label in FREEBSD:
        in_partition(folder / "ufs2", folder / f"ufs-{'mbr' if label == 'dos' else label}", label)
    apple.make(tree, folder / "disc", folder / "hfsplus")
    in_partition(bsd.slice_with(folder / "ufs2", folder / "slice"), folder / "bsd", "dos")
    disks.run("mksquashfs", tree, folder / "squashfs", "-quiet", "-no-progress")
    for name, command, size in (
        ("exfat", ["mkfs.exfat"], "16M"),
        ("minix", ["mkfs.minix", "-3"], "16M"),
        ("f2fs", ["mkfs.f2fs", "-q"], "64M"),
        ("hibernated", ["mkntfs", "-q", "-F", "-f", "-s", "512", "-p", "0", "-H", "0", "-S", "0"], "16M"),
    ):
        disks.run("truncate", "-s", size, folder / name)
        disks.run(*command, folder / name)
    (folder / "hiberfil.sys").write_bytes(b"hibr".ljust(8192, b"\0"))  # so it begins while Windows sleeps
    disks.run("ntfscp", "-q", "-f", folder / "hibernated", folder / "hiberfil.sys", "hiberfil.sys")
    with (folder / "zfs").open("wb") as file:
        file.truncate(64 << 20)
        for number in range(8):
            file.seek((128 + number) << 10)
            file.write(struct.pack("<5Q", UBERBLOCK, 5000, number, 1, 1_700_000_000))


def in_partition(filesystem: Path, disk: Path, label: str) -> None:
    disks.run("truncate", "-s", "12M", disk)
    script = disk.with_suffix(".sfdisk")
    script.write_text(f"label: {label}\nstart=2048,size=10M,{FREEBSD[label]}\n")
    disks.run("sh", "-c", f"sfdisk -q '{disk}' < '{script}'")
    disks.run("dd", f"if={filesystem}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc", "status=none")


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    folder = tmp_path_factory.mktemp("rare")
    make_all(folder)
    first, *more = (ImageSource(str(folder / name), "raw", target=name) for name in ORDER)
    shell = LocalShell()
    opened = session_on(folder / ORDER[0], shell, folder / "work", dataclasses.replace(first, more=tuple(more)))
    opened.overview = done(opened.session.open(), deadline_s=LAUNCH_S)  # type: ignore[attr-defined]  # for the tests
    yield opened
    close(opened)
    shell.close()


def found(opened: Opened, name: str) -> Filesystem:
    overview: ImageOverview = opened.overview  # type: ignore[attr-defined]  # see the fixture
    assert overview.mode is ImageMode.DRAFT
    device = f"/dev/sd{chr(ord('a') + ORDER.index(name))}"
    return next(f for f in overview.filesystems if device in f.disks)


def modules() -> Path:
    """Of the kernel that the appliance boots: the newest of /boot, unless the environment names another."""
    named = os.environ.get("SUPERMIN_MODULES")
    return Path(named) if named else max(Path("/lib/modules").iterdir())


def has(kind: str) -> bool:
    return bool(list(modules().glob(f"kernel/fs/{kind}/*.ko*")))


@pytest.mark.parametrize("name", [n for n, kind in KINDS.items() if kind not in {"zfs_member", "ntfs"} and n != "bsd"])
def test_it_opens_or_the_kernel_is_named(rare: Opened, name: str) -> None:
    filesystem, kind = found(rare, name), KINDS[name]
    assert filesystem.type == kind
    if not has(kind):
        assert (filesystem.mounted_at, filesystem.is_writable) == ("", False)
        assert f"kernel {modules().name} cannot read {kind}" in filesystem.problem
        assert "linux-image-amd64" in filesystem.problem or "SUPERMIN_KERNEL" in filesystem.problem
        return
    assert filesystem.mounted_at
    assert filesystem.is_writable == (name in WRITABLE)
    new = f"{filesystem.mounted_at}/new.txt"
    if name in WRITABLE:
        assert filesystem.problem == ""
        done(rare.session.write_file(new, b"new\n"))
        assert rare.read(new) == b"new\n"
        return
    assert ("experimental" if kind == "ufs" else "only be read") in filesystem.problem
    assert rare.read(f"{filesystem.mounted_at}/proof.txt") == b"rare\n"
    assert rare.names(filesystem.mounted_at) == ["etc", "proof.txt"]
    with pytest.raises(ImageError, match="cannot be written") as refused:
        done(rare.session.write_file(new, b"new\n"))
    assert refused.value.explanation.cause == filesystem.problem


def test_a_hibernated_windows_is_read_and_says_why_it_is_not_written(rare: Opened) -> None:
    filesystem = found(rare, "hibernated")
    assert rare.names(filesystem.mounted_at) == ["hiberfil.sys"]
    assert not filesystem.is_writable
    assert "hibernated" in filesystem.problem
    with pytest.raises(ImageError, match="cannot be written"):
        done(rare.session.write_file(f"{filesystem.mounted_at}/new.txt", b"new\n"))


def test_zfs_is_named(rare: Opened) -> None:
    filesystem = found(rare, "zfs")
    assert (filesystem.type, filesystem.mounted_at) == ("zfs_member", "")
    assert "inside the guest" in filesystem.problem


def test_a_bsd_disk_label_is_read_or_named(rare: Opened) -> None:
    filesystem = found(rare, "bsd")
    boot = Path(os.environ.get("SUPERMIN_KERNEL", "/boot/vmlinuz")).parent
    config = (boot / f"config-{modules().name}").read_text("utf-8")
    if "\nCONFIG_BSD_DISKLABEL=y\n" not in config:
        assert (filesystem.type, filesystem.mounted_at) == ("bsd_disklabel", "")
        assert f"BSD disk label (FreeBSD, OpenBSD or NetBSD), which the appliance's kernel {modules().name} cannot" in (
            filesystem.problem
        )
        assert "linux-image-amd64" in filesystem.problem or "SUPERMIN_KERNEL" in filesystem.problem
        return
    assert filesystem.type == "ufs"
    assert rare.read(f"{filesystem.mounted_at}/proof.txt") == b"rare\n"
    assert not filesystem.is_writable
