# SPDX-License-Identifier: GPL-3.0-or-later
"""The few things that QEMU can change on a running guest although libvirt refuses to, and that are safe to change.

libvirt knows nothing of them: its XML goes on saying what it said, the guest is marked as tainted, and the next boot
has the old value again. Nothing is ever stored. What could hurt (objects, block devices, migration, memory dumps) is
not here, and the link lets no other command pass: an object whose name libvirt does not expect crashes libvirtd 9.0.
Sources: QEMU QMP Reference Manual; libvirt virDomainQemuMonitorCommand. Plain data, any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UP, DOWN = "up", "down"


@dataclass(frozen=True, slots=True)
class BehindAct:
    """One thing that can be changed behind libvirt's back."""

    key: str
    title: str
    choices: tuple[str, ...]
    meaning: str
    source: str
    needs: str = ""
    """What the guest must have for it: ``nic``, ``watchdog``; empty for every guest."""


ACTS: tuple[BehindAct, ...] = (
    BehindAct(
        "watchdog_action", "When the watchdog fires", ("reset", "shutdown", "poweroff", "pause", "inject-nmi", "none"),
        "What QEMU does when the guest's watchdog has not been fed.", "QMP watchdog-set-action", "watchdog",
    ),
    BehindAct(
        "on_reboot", "When the guest reboots", ("reset", "shutdown"),
        "Whether a reboot from inside restarts the guest, or ends it.", "QMP set-action",
    ),
    BehindAct(
        "nic_link", "Cable of the interface", (UP, DOWN),
        "Whether the guest sees its network cable plugged in.", "QMP set_link", "nic",
    ),
)  # fmt: skip
BY_KEY: Mapping[str, BehindAct] = {act.key: act for act in ACTS}
CHANGING = frozenset({"watchdog-set-action", "set-action", "set_link"})
SAFE = CHANGING | {"query-status"}
"""The only commands that may pass."""


def command_of(act: BehindAct, value: str, device: str) -> tuple[str, dict[str, object]]:
    """The QMP command and its arguments. ``device`` is QEMU's name of the NIC."""
    match act.key:
        case "watchdog_action":
            return "watchdog-set-action", {"action": value}
        case "on_reboot":
            return "set-action", {"reboot": value}
    return "set_link", {"name": device, "up": value == UP}
