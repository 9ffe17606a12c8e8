# SPDX-License-Identifier: GPL-3.0-or-later
"""An appliance that is started before it is known for which image, and is given the image's disk then. Child process.

libguestfs cannot add a disk to a running appliance any more (since 1.48). But its QEMU can: the appliance starts with a
blank disk, and QMP puts the overlay behind that disk («qom-set» of a device's «drive», QEMU 6.0 and later), where it
keeps its address and so its name. The kernel inside is then told to look again. If anything of it fails, the appliance
is thrown away, and one is started as usual. So are the layers of a draft changed when a step is undone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING, Any

from vmconsole.images.child import mounts
from vmconsole.images.qmp import MONITOR, Qmp
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Handle, Work

_BLANK_BYTES = 1 << 20
_DEVICES = "/machine/peripheral-anon"
_APPLIANCE_DRIVE = "appliance"
"""What libguestfs calls the drive of the appliance's own root (lib/launch-direct.c)."""
_NODE = "image"
_QMP_DEADLINE_S = 60.0
# What libguestfs' own init does when it starts, for what may now be there: arrays, volume groups, dynamic disks.
_LOOK_AGAIN = """
for d in /sys/block/sd*; do echo 1 > $d/device/rescan; done
for d in /dev/sd?; do blockdev --rereadpt $d 2>/dev/null; done
udevadm settle
t=$(lsblk -n -o FSTYPE)
case "$t" in *linux_raid_member*) mdadm -As --auto=yes --no-degraded;; esac
case "$t" in *LVM2_member*|*linux_raid_member*) lvm vgchange -aay --sysinit;; esac
case "$t" in *ldm_member*) ldmtool create all;; esac
udevadm settle
lsblk -n -b -d -o SIZE
"""
# The other way: groups of volumes go, nothing of the old content stays in memory; and what is there then.
_LET_GO = """
exec 3>&1 >/dev/null 2>&1
t=$(lsblk -n -l -o TYPE,FSTYPE)
case "$t" in *lvm*) lvm vgchange -an; udevadm settle;; esac
case "$t" in *btrfs*) btrfs device scan --forget;; esac
for d in /dev/sd?; do blockdev --flushbufs $d; done
echo 3 > /proc/sys/vm/drop_caches
lsblk -n -l -o TYPE >&3
"""
_PLAIN = frozenset({"disk", "part", "rom", "loop"})
"""Kinds of devices, as lsblk(8) names them, below which a disk may change."""


def add_blank(handle: Any, folder: str) -> None:
    """Before the launch: a blank disk, and a socket to plug by. ``folder`` is private to this process."""
    blank = os.path.join(folder, "blank.raw")
    with open(blank, "wb") as file:
        file.truncate(_BLANK_BYTES)
    handle.add_drive(blank, format="raw", readonly=False)
    add_monitor(handle, _socket(folder))


def add_monitor(handle: Any, path: str) -> None:
    """Before the launch: QEMU's machine protocol at a socket. Commas are doubled, as QEMU's options want it."""
    handle.config("-qmp", f"unix:{path.replace(',', ',,')},server=on,wait=off")


def plug(handle: Handle, folder: str, overlay: str) -> None:
    """Put a qcow2 overlay where the blank disk is. RuntimeError or OSError if this QEMU cannot."""
    with contextlib.closing(Qmp(_socket(folder), deadline_s=_QMP_DEADLINE_S)) as monitor:
        device = _blank_device(monitor)
        image = {"driver": "file", "filename": overlay}
        monitor.do("blockdev-add", {"driver": "qcow2", "node-name": _NODE, "file": image})
        monitor.do("qom-set", {"path": device, "property": "drive", "value": _NODE})
    sizes = handle.debug("sh", [_LOOK_AGAIN]).split()
    if str(_BLANK_BYTES) in sizes:
        raise RuntimeError("the appliance did not see its new disk")


def swap(work: Work, folder: str, overlays: tuple[str, ...]) -> None:
    """Put other layers under the disks while the appliance runs. Raises ImageError if that cannot be done, for example
    because something inside holds a disk that is not a mount."""
    try:
        if work.contents is not None:
            mounts.unmount(work, work.contents)
        work.found = None
        kinds = set(work.handle.debug("sh", [_LET_GO]).split())
        if not kinds <= _PLAIN:
            raise ImageError("The disks are held inside the appliance.", said=" ".join(sorted(kinds - _PLAIN)))
        with contextlib.closing(Qmp(_socket(folder), deadline_s=_QMP_DEADLINE_S)) as monitor:
            _put_behind(monitor, overlays)
        work.handle.debug("sh", [_LOOK_AGAIN])
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        raise ImageError("The layers below the running appliance could not be changed.", said=str(error)) from error


def _put_behind(monitor: Qmp, overlays: tuple[str, ...]) -> None:
    before = {node["node-name"] for node in monitor.do("query-named-block-nodes")}
    token = secrets.token_hex(4)
    for number, (device, overlay) in enumerate(zip(_image_devices(monitor), overlays, strict=True)):
        node = f"{_NODE}-{token}-{number}"
        image = {"driver": "file", "filename": overlay}
        monitor.do("blockdev-add", {"driver": "qcow2", "node-name": node, "file": image})
        monitor.do("qom-set", {"path": device, "property": "drive", "value": node})
    for node in before:
        if node.startswith(_NODE):
            monitor.do("blockdev-del", {"node-name": node})  # of an earlier change: it is kept open until told


def _socket(folder: str) -> str:
    return os.path.join(folder, MONITOR)


def _blank_device(monitor: Qmp) -> str:
    """The one disk that is not the appliance's own."""
    found = _image_devices(monitor)
    if not found:
        raise RuntimeError("the appliance has no blank disk")
    return found[0]


def _image_devices(monitor: Qmp) -> list[str]:
    """The disks that are not the appliance's own, in their order on the controller."""
    found = []
    for child in monitor.do("qom-list", {"path": _DEVICES}):
        if child["type"] == "child<scsi-hd>":
            path = f"{_DEVICES}/{child['name']}"
            if monitor.do("qom-get", {"path": path, "property": "drive"}) != _APPLIANCE_DRIVE:
                found.append((monitor.do("qom-get", {"path": path, "property": "scsi-id"}), path))
    return [path for _, path in sorted(found)]
