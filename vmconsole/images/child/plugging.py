# SPDX-License-Identifier: GPL-3.0-or-later
"""An appliance that is started before it is known for which image, and is given the image's disk then. Child process.

libguestfs cannot add a disk to a running appliance any more (since 1.48). But its QEMU can: the appliance starts with a
blank disk, and QMP puts the overlay behind that disk («qom-set» of a device's «drive», QEMU 6.0 and later), where it
keeps its address and so its name. The kernel inside is then told to look again. If anything of it fails, the appliance
is thrown away, and one is started as usual.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from vmconsole.images.qmp import MONITOR, Qmp

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Handle

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


def _socket(folder: str) -> str:
    return os.path.join(folder, MONITOR)


def _blank_device(monitor: Qmp) -> str:
    """The one disk that is not the appliance's own."""
    for child in monitor.do("qom-list", {"path": _DEVICES}):
        if child["type"] == "child<scsi-hd>":
            path = f"{_DEVICES}/{child['name']}"
            if monitor.do("qom-get", {"path": path, "property": "drive"}) != _APPLIANCE_DRIVE:
                return path
    raise RuntimeError("the appliance has no blank disk")
