# SPDX-License-Identifier: GPL-3.0-or-later
"""Which filesystems a disk has. Child process.

The quick look is one lsblk(8) inside the appliance (about 0.4 s emulated); where it sees something it cannot name
as libguestfs does (btrfs subvolumes, md, LDM), or nothing at all, libguestfs' own thorough list is asked too (1 to
4 s).
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmconsole.images.messages import Device

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Handle

DISK = "/dev/sda"
"""libguestfs' name of the one disk that is added."""
# lsblk asks udev for the types, so udev must be done: right after the start, on a slow machine, it is not.
# NAME is asked for because only with it lsblk shows what is inside what.
_LSBLK = "udevadm settle; lsblk -b -J -o NAME,PATH,SIZE,TYPE,FSTYPE,LABEL,UUID,PARTLABEL,PARTUUID,MOUNTPOINT"
_NEEDS_THOROUGH = {"btrfs", "linux_raid_member", "zfs_member", "ldm_member"}
NOT_MOUNTABLE = {"", "unknown", "swap", "LVM2_member", "linux_raid_member", "zfs_member", "ldm_member"}
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

    @property
    def is_mountable(self) -> bool:
        return self.type not in NOT_MOUNTABLE and self.type not in ENCRYPTED


def find_volumes(handle: Handle) -> tuple[tuple[Device, ...], tuple[Volume, ...]]:
    """The disk, and what is on it. RuntimeError if the appliance cannot tell."""
    try:
        disk = _our_disk(json.loads(handle.debug("sh", [_LSBLK]))["blockdevices"])
    except (RuntimeError, ValueError, KeyError):
        # lsblk may be missing from the appliance, or too old for JSON: then only the thorough way is left.
        return (), _thorough(handle, {})
    devices = (Device(DISK, int(disk["size"] or 0)),)
    quick = [_renamed(v, str(disk["path"])) for v in _volumes_below(disk)]
    if any(v.type in _NEEDS_THOROUGH for v in quick) or all(v.type == "unknown" for v in quick):
        return devices, _thorough(handle, {v.device: v for v in quick})
    return devices, tuple(v for v in quick if v.type != "LVM2_member")


def _our_disk(disks: list[dict[str, Any]]) -> dict[str, Any]:
    """The image's disk: the other one holds the appliance's own root. Which of them the kernel calls sda depends on
    which answered first, while libguestfs names them in the order they were added. KeyError if it is not clear."""
    ours = [d for d in disks if str(d["path"]).startswith("/dev/sd") and d.get("mountpoint") != "/"]
    if len(ours) != 1:
        raise KeyError("disk")
    return ours[0]


def _renamed(volume: Volume, kernel_name: str) -> Volume:
    """With libguestfs' name for the kernel's."""
    part = volume.device.removeprefix(kernel_name)
    is_part = volume.device.startswith(kernel_name) and (not part or part.isdecimal())
    return dataclasses.replace(volume, device=DISK + part) if is_part else volume


def _volumes_below(node: dict[str, Any]) -> list[Volume]:
    children = [v for child in node.get("children", ()) for v in _volumes_below(child)]
    kind = node.get("fstype") or ""
    # A disk with partitions, and an extended partition, hold nothing themselves.
    is_container = (node.get("type") == "disk" and children) or (not kind and children)
    return children if is_container else [_volume(node, kind), *children]


def _volume(node: dict[str, Any], kind: str) -> Volume:
    def text(key: str) -> str:
        return str(node.get(key) or "")

    return Volume(
        device=lvm_path(text("path")),
        type=kind or "unknown",
        size_bytes=int(node["size"]) if node.get("size") else None,
        label=text("label"),
        uuid=text("uuid"),
        part_label=text("partlabel"),
        part_uuid=text("partuuid"),
    )


def lvm_path(path: str) -> str:
    """«/dev/mapper/vg-root» as libguestfs and people name it: «/dev/vg/root». Dashes inside names are doubled
    (lvm(8))."""
    found = re.fullmatch(r"/dev/mapper/((?:[^-]|--)+)-((?:[^-]|--)+)", path)
    return path if found is None else "/dev/" + "/".join(part.replace("--", "-") for part in found.groups())


def _thorough(handle: Handle, quick: dict[str, Volume]) -> tuple[Volume, ...]:
    found = []
    for device, kind in handle.list_filesystems().items():
        known = quick.get(device) or quick.get(_disk_of_subvolume(device))
        if known is None:
            known = Volume(device, kind, label=_ask(handle.vfs_label, device), uuid=_ask(handle.vfs_uuid, device))
        found.append(Volume(device, kind, known.size_bytes, known.label, known.uuid, known.part_label, known.part_uuid))
    return tuple(found)


def _disk_of_subvolume(device: str) -> str:
    found = re.match(r"btrfsvol:(/dev/[^/]+(?:/[^/]+)?)/", device)
    return found.group(1) if found and device.startswith("btrfsvol:") else device


def _ask(question: Any, device: str) -> str:
    try:
        return str(question(device))
    except RuntimeError:
        return ""
