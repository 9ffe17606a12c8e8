# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a filesystem is not shown: what the appliance's kernel has is asked, and the hint names what would help."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from vmconsole.images.child import support

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
