# SPDX-License-Identifier: GPL-3.0-or-later
"""Which filesystems the disks have. Child process.

One lsblk(8) inside the appliance tells nearly all; subvolumes of a btrfs are asked for one by one. Only where lsblk
knows nothing at all, libguestfs' own thorough list is asked: it takes some seconds for each partition, emulated.
"""

from __future__ import annotations

import dataclasses
import re
import struct
from typing import TYPE_CHECKING, Any
from uuid import UUID

from vmconsole.images.child.blocks import Block, read_blocks
from vmconsole.images.child.volume import ENCRYPTED, Volume
from vmconsole.images.messages import Device

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.images.child.handle import Handle

_SUBVOLUMES = "btrfs"
_SECTOR_BYTES = 512
_WHOLE_DISK = {"iso9660", "udf"}
"""Such a disk may have a partition table beside its filesystem, to start from (isohybrid)."""
_BSD_MARK = (0x82564557).to_bytes(4, "little")
_MOST_PRIMARY = 4
_TABLE_BYTES = 1024
"""The size that the kernel gives an extended partition: it holds others, and nothing itself."""


def find_volumes(handle: Handle) -> tuple[tuple[Device, ...], tuple[Volume, ...]]:
    """The disks, and what is on them. RuntimeError if the appliance cannot tell."""
    try:
        disks = read_blocks(handle)
    except (RuntimeError, ValueError, KeyError):
        return (), _thorough(handle, ())
    devices = tuple(Device(disk.device, disk.size_bytes or 0) for disk in disks)
    quick = _merged(v for disk in disks for v in _inside(disk, (disk.device,), None))
    quick = tuple(_told_apart(handle, _with_identifier(handle, volume)) for volume in quick)
    divided = {disk.device for disk in disks if _has_slices(disk)}
    quick = tuple(v for v in quick if v.type != "bsd_disklabel" or not divided.intersection(v.disks))
    if all(v.type == "unknown" for v in quick):
        return devices, _thorough(handle, quick)
    return devices, tuple(found for volume in quick for found in (volume, *_subvolumes(handle, volume)))


def _with_identifier(handle: Handle, volume: Volume) -> Volume:
    """A BitLocker volume with its GUID, by which its key is known again: blkid(8) does not tell it.

    It is in each copy of the metadata, 80 bytes after its begin; the first sector says where these are (libbde's
    «BitLocker Drive Encryption (BDE) format»).
    """
    if volume.type != "BitLocker" or volume.uuid:
        return volume
    try:
        first = handle.pread_device(volume.device, _SECTOR_BYTES, 0)
        place = struct.unpack_from("<Q", first, 440 if first[3:11] == b"MSWIN4.1" else 176)[0]
        found = handle.pread_device(volume.device, 16, place + 80)
        return dataclasses.replace(volume, uuid=str(UUID(bytes_le=found)))
    except (RuntimeError, ValueError, OverflowError, struct.error):
        return volume  # then its key is asked for at each open


def _told_apart(handle: Handle, volume: Volume) -> Volume:
    """What blkid(8) knows nothing of may be a table of partitions that this kernel cannot read: BSD's disk label, in
    the second sector, with its mark twice (FreeBSD's sys/disklabel.h), or Apple's map («ER», then «PM»)."""
    if volume.type != "unknown":
        return volume
    try:
        start = handle.pread_device(volume.device, 2 * _SECTOR_BYTES, 0)
    except RuntimeError:
        return volume
    label = start[_SECTOR_BYTES:]
    if label[:4] == _BSD_MARK == label[132:136]:
        return dataclasses.replace(volume, type="bsd_disklabel")
    return dataclasses.replace(volume, type="apple_map") if start[:2] == b"ER" and label[:2] == b"PM" else volume


def _has_slices(disk: Block) -> bool:
    """Whether the kernel has read a BSD label in a partition: what is in it gets numbers from 5 on, beside it, as what
    is in an extended partition does."""
    numbers = [re.search(r"\d*$", part.device) for part in disk.children if part.kind == "part"]
    has_more = any(int(found.group() or 0) > _MOST_PRIMARY for found in numbers if found is not None)
    return has_more and not any(_is_table(part) for part in disk.children)


def _is_table(block: Block) -> bool:
    return block.kind == "part" and not block.type and block.size_bytes == _TABLE_BYTES


def _subvolumes(handle: Handle, volume: Volume) -> tuple[Volume, ...]:
    """Of a btrfs, as libguestfs names them."""
    if volume.type != _SUBVOLUMES:
        return ()
    try:
        listed = handle.btrfs_subvolume_list(volume.device)
    except RuntimeError:
        # A damaged filesystem must not hide the others; it is shown without its subvolumes.
        return ()
    paths = (str(found["btrfssubvolume_path"]) for found in listed)
    return tuple(dataclasses.replace(volume, device=f"btrfsvol:{volume.device}/{path}") for path in paths)


def _inside(block: Block, disks: tuple[str, ...], container: Volume | None) -> Iterator[Volume]:
    own = _volume(block, disks, container)
    if block.kind == "disk" and block.type in _WHOLE_DISK:
        yield own
        others = [child for child in block.children if child.type != block.type]
    else:
        others = list(block.children)
        if not block.children and not _is_table(block):
            yield own
    inner = own if block.type in ENCRYPTED else container
    for child in others:
        yield from _inside(child, disks, inner)


def _volume(block: Block, disks: tuple[str, ...], container: Volume | None) -> Volume:
    return Volume(
        block.device, block.type or "unknown", block.size_bytes, block.label, block.uuid, block.part_label,
        block.part_uuid, disks, container,
    )  # fmt: skip


def _merged(found: Iterator[Volume]) -> tuple[Volume, ...]:
    """Each volume once: one that lies on several disks is found in each of them, and so is a btrfs of several."""
    kept: dict[str, Volume] = {}
    for volume in found:
        key = f"btrfs {volume.uuid}" if volume.type == _SUBVOLUMES and volume.uuid else volume.device
        known = kept.get(key)
        if known is None:
            kept[key] = volume
        else:
            more = tuple(d for d in volume.disks if d not in known.disks)
            kept[key] = dataclasses.replace(known, disks=known.disks + more)
    return tuple(kept.values())


def _thorough(handle: Handle, quick: tuple[Volume, ...]) -> tuple[Volume, ...]:
    """What libguestfs lists, with what lsblk knows of it."""
    known = {volume.device: volume for volume in quick}
    found = []
    for device, kind in handle.list_filesystems().items():
        if device in known:
            found.append(dataclasses.replace(known[device], type=kind))
        else:
            label, uuid = _ask(handle.vfs_label, device), _ask(handle.vfs_uuid, device)
            found.append(Volume(device, kind, label=label, uuid=uuid))
    return tuple(found)


def _ask(question: Any, device: str) -> str:
    try:
        return str(question(device))
    except RuntimeError:
        return ""
