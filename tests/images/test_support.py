# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a filesystem is not shown: what the appliance's kernel has is asked, and the hint names what would help."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from tests.images import bsd
from vmconsole.images.child import support, volumes
from vmconsole.images.child.blocks import Block
from vmconsole.images.child.volume import Volume

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.images.child.handle import Handle


class Appliance:
    """A kernel with these filesystems."""

    def __init__(self, *has: str) -> None:
        self.has, self.asked = has, 0

    def filesystem_available(self, kind: str) -> int:
        self.asked += 1
        return int(kind in self.has)

    def statvfs(self, path: str) -> dict[str, int]:
        return {"flag": 1 if path == "/sleeping" else 0}

    def debug(self, subcommand: str, arguments: list[str]) -> str:
        return "6.1.0-1-cloud-amd64\n"


def problem(appliance: Appliance, kind: str) -> str:
    return support.problem_of_type(cast("Handle", appliance), kind)


def test_a_kernel_that_lacks_it_is_named_with_the_one_that_helps() -> None:
    words = problem(Appliance(), "ufs")
    assert "6.1.0-1-cloud-amd64 cannot read ufs" in words
    assert "linux-image-amd64" in words or "SUPERMIN_KERNEL=" in words
    assert problem(Appliance("ufs"), "ufs") == ""


def test_usual_filesystems_cost_no_question() -> None:
    appliance = Appliance()
    assert [problem(appliance, kind) for kind in ("ext4", "xfs", "btrfs", "ntfs", "vfat")] == [""] * 5
    assert appliance.asked == 0


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("crypto_LUKS", "passphrase"),
        ("BitLocker", "recovery key"),
        ("LVM2_member", "together"),
        ("zfs_member", "ZFS"),
    ],
)
def test_what_is_no_filesystem_says_what_to_do(kind: str, word: str) -> None:
    assert word in problem(Appliance(), kind)


@pytest.mark.parametrize(("kind", "word"), [("ntfs", "hibernated"), ("hfsplus", "journal"), ("ext4", "damaged")])
def test_a_driver_that_only_reads_by_itself_is_told_of(kind: str, word: str) -> None:
    appliance = cast("Handle", Appliance())
    assert word in support.why_made_read_only(appliance, kind, "/sleeping")
    assert support.why_made_read_only(appliance, kind, "/awake") == ""


def test_words_of_a_mount_that_nobody_knows_are_told_as_they_are() -> None:
    said = "mount exited with status 32: something new"
    assert support.why_not(cast("Handle", Appliance("ext4")), "ext4", said) == said
    known = support.why_not(cast("Handle", Appliance("ext4")), "ext4", "wrong fs type, bad option, bad superblock")
    assert "damaged" in known


def test_a_kernel_of_this_computer_that_could_is_found(tmp_path: Path) -> None:
    for kernel, module in (("6.1-cloud", "xfs"), ("6.1-generic", "ufs"), ("6.2", "")):
        folder = tmp_path / kernel / "kernel/fs" / (module or "none")
        folder.mkdir(parents=True)
        (folder / f"{module}.ko.xz").touch()
    assert support.kernels_with("ufs", tmp_path) == ("6.1-generic",)
    assert support.kernels_with("zfs", tmp_path) == ()
    assert support.kernels_with("ufs", tmp_path / "gone") == ()


@pytest.mark.parametrize(("kind", "word"), [("bsd_disklabel", "BSD disk label"), ("apple_map", "Apple partition map")])
def test_a_table_that_the_kernel_does_not_know_is_named(kind: str, word: str) -> None:
    words = problem(Appliance(), kind)
    assert word in words
    assert "6.1.0-1-cloud-amd64 cannot read" in words
    assert "linux-image-amd64" in words or "SUPERMIN_KERNEL=" in words


def test_kernels_are_found_by_their_configuration(tmp_path: Path) -> None:
    for name, text in (("1", "# CONFIG_X is not set\n"), ("2", "a\nCONFIG_X=y\nb\n"), ("3", "a\nCONFIG_X=y\nb\n")):
        (tmp_path / f"config-{name}").write_text(text)
    for name in "12":
        (tmp_path / f"vmlinuz-{name}").touch()
    assert support.kernels_built_with("CONFIG_X", tmp_path) == ("2",)
    assert support.kernels_built_with("CONFIG_X", tmp_path / "nothing") == ()


class Disk:
    def __init__(self, start: bytes) -> None:
        self.start = start

    def pread_device(self, _device: str, count: int, offset: int) -> bytes:
        if not self.start:
            raise RuntimeError("it cannot be read")
        return self.start[offset : offset + count]


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (bytes(512) + bsd.label(8192), "bsd_disklabel"), (bytes(512) + bsd.label(8192)[:100], "unknown"),
        (b"ER".ljust(512, b"\0") + b"PM".ljust(512, b"\0"), "apple_map"), (b"ER".ljust(1024, b"\0"), "unknown"),
        (b"", "unknown"), (b"\xff" * 1024, "unknown"),
    ],
)  # fmt: skip
def test_tables_are_told_by_their_marks(start: bytes, kind: str) -> None:
    disk = cast("Handle", Disk(start))
    assert volumes._told_apart(disk, Volume("/dev/sda1", "unknown")).type == kind
    assert volumes._told_apart(disk, Volume("/dev/sda1", "ext4")).type == "ext4"


def part(device: str, *, kind: str = "", size: int = 1 << 20) -> Block:
    return Block(device, "part", kind, size, "", "", "", "", ())


def disk_with(*parts: Block) -> Block:
    return Block("/dev/sda", "disk", "", 1 << 30, "", "", "", "", parts)


def test_a_slice_of_which_the_partitions_are_seen_is_told_from_others() -> None:
    slice_, inner = part("/dev/sda1"), part("/dev/sda5", kind="ufs")
    assert volumes._has_slices(disk_with(slice_, inner))
    assert not volumes._has_slices(disk_with(slice_, part("/dev/sda2")))
    extended = part("/dev/sda2", size=1024)
    assert not volumes._has_slices(disk_with(slice_, extended, inner)), "it may be a logical one"
    assert not volumes._has_slices(disk_with())
