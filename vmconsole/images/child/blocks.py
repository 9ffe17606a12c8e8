# SPDX-License-Identifier: GPL-3.0-or-later
"""lsblk(8) inside the appliance, read: which block device is inside which, under the names that libguestfs uses.

Child process. About 0.4 s emulated. The kernel's own names are not enough: with several disks, which of them is sda
depends on which answered first, while libguestfs names them in the order they were added. The address on the
controller (HCTL) has that order.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Handle

# lsblk asks udev for the types, so udev must be done: right after the start, on a slow machine, it is not.
# NAME is asked for because only with it lsblk shows what is inside what.
_LSBLK = "udevadm settle; lsblk -b -J -o NAME,PATH,SIZE,TYPE,FSTYPE,LABEL,UUID,PARTLABEL,PARTUUID,MOUNTPOINT,HCTL"
_PARTITION = re.compile(r"(/dev/sd[a-z]+)(\d*)")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Block:
    """A disk, partition, logical volume, array or opened volume."""

    device: str
    """As libguestfs names it."""
    kind: str
    """``disk``, ``part``, ``lvm``, ``crypt``, ``raid1``…"""
    type: str
    """What is on it, as blkid names it; empty if nothing is known."""
    size_bytes: int | None
    label: str
    uuid: str
    part_label: str
    part_uuid: str
    children: tuple[Block, ...]


def read_blocks(handle: Handle) -> tuple[Block, ...]:
    """The image's disks in order, and what is inside them. RuntimeError, ValueError or KeyError if lsblk cannot tell
    (it may be missing from the appliance, or too old for JSON)."""
    disks = _our_disks(json.loads(handle.debug("sh", [_LSBLK]))["blockdevices"])
    names = {str(node["path"]): disk_name(place) for place, node in enumerate(disks)}
    return tuple(_block(node, names) for node in disks)


def disk_name(place: int) -> str:
    """``/dev/sda`` for 0, ``/dev/sdaa`` for 26."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = _LETTERS[rest] + letters
    return f"/dev/sd{letters}"


def _our_disks(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All but the one that holds the appliance's own root. KeyError if their order is not clear."""
    ours = [n for n in nodes if str(n["path"]).startswith("/dev/sd") and n.get("mountpoint") != "/"]
    if len(ours) > 1:
        ours.sort(key=_place_on_controller)
    if not ours:
        raise KeyError("disk")
    return ours


def _place_on_controller(node: dict[str, Any]) -> tuple[int, ...]:
    """«2:0:1:0», the number of the controller, channel, target and unit, is as drives were added."""
    try:
        return tuple(int(part) for part in str(node["hctl"]).split(":"))
    except ValueError as error:
        raise KeyError("hctl") from error


def _block(node: dict[str, Any], names: dict[str, str]) -> Block:
    def text(key: str) -> str:
        return str(node.get(key) or "")

    return Block(
        device=_device(text("path"), text("type"), names),
        kind=text("type"),
        type=text("fstype"),
        size_bytes=int(node["size"]) if node.get("size") else None,
        label=text("label"),
        uuid=text("uuid"),
        part_label=text("partlabel"),
        part_uuid=text("partuuid"),
        children=tuple(_block(child, names) for child in node.get("children", ())),
    )


def _device(path: str, kind: str, names: dict[str, str]) -> str:
    found = _PARTITION.fullmatch(path)
    if found is not None:
        return names.get(found.group(1), found.group(1)) + found.group(2)
    return path if kind == "crypt" else lvm_path(path)


def lvm_path(path: str) -> str:
    """«/dev/mapper/vg-root» as libguestfs and people name it: «/dev/vg/root». Dashes inside names are doubled
    (lvm(8))."""
    found = re.fullmatch(r"/dev/mapper/((?:[^-]|--)+)-((?:[^-]|--)+)", path)
    return path if found is None else "/dev/" + "/".join(part.replace("--", "-") for part in found.groups())
