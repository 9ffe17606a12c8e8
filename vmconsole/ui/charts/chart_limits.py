# SPDX-License-Identifier: GPL-3.0-or-later
"""Which limits are lines in which chart, for a guest and the device that was chosen. Rules only, GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.limits import LimitRef, is_none
from vmconsole.ui.charts.specs import QT_TRANSLATE_NOOP

if TYPE_CHECKING:
    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.limits import Limits
    from vmconsole.quotas.situation import Situation


@dataclass(frozen=True, slots=True)
class LineSpec:
    """One line. ``keys``: rows of the table, the first whose target the chart shows."""

    key: str
    name: str
    """For people who do not see it."""
    short: str
    """Beside its value."""
    curves: tuple[str, ...]
    """Keys of the chart's curves whose sum it holds back; none where no curve measures the same thing (the balloon is
    of the guest's own memory, the curves have QEMU's as well)."""
    is_offered: bool = True
    """Whether a handle is shown where it is not set."""
    device_key: str = ""
    """The row for a block device of the host."""


@dataclass(frozen=True, slots=True)
class Lines:
    """What a chart shows: a limit, or None, for each of its specs; or a hint why there are none."""

    refs: tuple[LimitRef | None, ...]
    hint: str = ""


_ = QT_TRANSLATE_NOOP
LINES: dict[str, tuple[LineSpec, ...]] = {
    "cpu": (
        LineSpec("guest_cap", _("charts", "CPU limit"), _("charts", "limit"), ("total",)),
        LineSpec("vcpu_cap", _("charts", "vCPUs' limit"), _("charts", "vCPUs together"), ("total",), is_offered=False),
    ),
    "memory": (
        LineSpec("memory_hard", _("charts", "Memory hard limit"), _("charts", "hard limit"), ("used",)),
        LineSpec("memory_balloon", _("charts", "Memory balloon"), _("charts", "balloon"), (), is_offered=False),
    ),
    "disk": (
        LineSpec("disk_total_bytes", _("charts", "Disk limit"), _("charts", "limit"), ("read", "write")),
        LineSpec("disk_read_bytes", _("charts", "Disk read limit"), _("charts", "read limit"), ("read",),
                 device_key="device_read_bytes"),
        LineSpec("disk_write_bytes", _("charts", "Disk write limit"), _("charts", "write limit"), ("write",),
                 device_key="device_write_bytes"),
    ),
    "iops": (
        LineSpec("disk_total_iops", _("charts", "Disk operations limit"), _("charts", "limit"), ("read", "write")),
        LineSpec("disk_read_iops", _("charts", "Disk read operations limit"), _("charts", "read limit"), ("read",),
                 device_key="device_read_iops"),
        LineSpec("disk_write_iops", _("charts", "Disk write operations limit"), _("charts", "write limit"),
                 ("write",), device_key="device_write_iops"),
    ),
    "network": (
        LineSpec("nic_in_average", _("charts", "Network receive limit"), _("charts", "receive limit"), ("rx",)),
        LineSpec("nic_out_average", _("charts", "Network send limit"), _("charts", "send limit"), ("tx",)),
    ),
}  # fmt: skip
ONE_DISK = QT_TRANSLATE_NOOP("charts", "choose one disk to limit it")
ONE_NIC = QT_TRANSLATE_NOOP("charts", "choose one interface to limit it")


def lines_of(chart: str, situation: Situation, *, device: str) -> Lines:
    """``device`` is the chart's choice: empty for all, a disk's target, «8:0 sda» of the host, or a tap."""
    specs, guest = LINES[chart], situation.guest
    if chart in {"cpu", "memory"}:
        return Lines(tuple(_whole(spec, guest) for spec in specs))
    if chart == "network":
        macs = [nic.mac for nic in guest.interfaces if not device or device in {nic.tap, nic.mac}]
        if len(macs) != 1:
            return Lines((None,) * len(specs), ONE_NIC if len(macs) > 1 else "")
        return Lines(tuple(LimitRef(spec.key, macs[0]) for spec in specs))
    return _disk_lines(specs, situation, device)


def _whole(spec: LineSpec, guest: Guest) -> LimitRef | None:
    ref = LimitRef(spec.key)
    return ref if spec.is_offered or _is_set(ref, guest) else None


def _disk_lines(specs: tuple[LineSpec, ...], situation: Situation, device: str) -> Lines:
    guest, none = situation.guest, (None,) * len(specs)
    targets = [disk.target for disk in guest.disks if disk.source and disk.device in {"disk", "lun"}]
    if device in targets:
        targets = [device]
    elif device:
        path = f"/dev/{device.split()[-1]}"
        known = {found.path for found in situation.resources.block_devices}
        refs = (LimitRef(spec.device_key, path) if spec.device_key and path in known else None for spec in specs)
        return Lines(tuple(refs))
    if len(targets) != 1:
        return Lines(none, ONE_DISK if targets else "")
    found = [LimitRef(spec.key, targets[0]) for spec in specs]
    has_total, has_parts = _is_set(found[0], guest), any(_is_set(ref, guest) for ref in found[1:])
    return Lines(tuple(
        None if (has_total and i > 0) or (has_parts and not has_total and i == 0) else ref
        for i, ref in enumerate(found)
    ))  # fmt: skip


def _is_set(ref: LimitRef, guest: Guest) -> bool:
    """In the running guest, or at the next boot."""
    definitions: tuple[Limits | None, ...] = (guest.live, guest.stored)
    return any(limits is not None and not is_none(limits[ref]) for limits in definitions)
