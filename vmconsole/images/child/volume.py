# SPDX-License-Identifier: GPL-3.0-or-later
"""What a volume inside an image is: a plain fact, found by ``child.volumes``. Child process."""

from __future__ import annotations

from dataclasses import dataclass

NOT_MOUNTABLE = {
    "", "unknown", "swap", "LVM2_member", "linux_raid_member", "zfs_member", "ldm_member", "bsd_disklabel", "apple_map",
}  # fmt: skip
ENCRYPTED = {"crypto_LUKS", "BitLocker"}


@dataclass(frozen=True, slots=True)
class Volume:
    """A partition, logical volume or whole disk with something on it."""

    device: str
    type: str
    size_bytes: int | None = None
    label: str = ""
    uuid: str = ""
    part_label: str = ""
    part_uuid: str = ""
    disks: tuple[str, ...] = ()
    """The disks it lies on, by libguestfs' names."""
    container: Volume | None = None
    """The encrypted volume that it is the inside of."""

    @property
    def is_mountable(self) -> bool:
        return self.type not in NOT_MOUNTABLE and self.type not in ENCRYPTED
