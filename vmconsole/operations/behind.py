# SPDX-License-Identifier: GPL-3.0-or-later
"""A change behind libvirt's back, by QEMU's own monitor: only while the guest runs, never stored, never silently.

Plain data, run in a lane thread of the guest's host.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmconsole.inventory.deltas import GuestSeen
from vmconsole.inventory.errors import OutOfRange
from vmconsole.operations.base import Confirmation, Outcome
from vmconsole.quotas.behind import BY_KEY, command_of

if TYPE_CHECKING:
    from vmconsole.inventory.ids import GuestId
    from vmconsole.links.base import HostVerbs

DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class ChangeBehind:
    """``act`` is a key of ``quotas.behind.ACTS``; ``before`` is what it is now, as far as known, for undo."""

    guest: GuestId
    name: str
    act: str
    part: str
    value: str
    before: str

    @property
    def title(self) -> str:
        part = f" {self.part}" if self.part else ""
        return f"Behind libvirt: {BY_KEY[self.act].title.lower()}{part} of {self.name}: {self.value}"

    @property
    def deadline_s(self) -> float:
        return DEADLINE_S

    @property
    def confirmation(self) -> Confirmation | None:
        return None

    def virsh(self) -> str:
        """``DEVICE`` stands for QEMU's name of the part, which is looked up when it is done."""
        command, arguments = command_of(BY_KEY[self.act], self.value, "DEVICE" if self.part else "")
        text = json.dumps({"execute": command, "arguments": arguments})
        return shlex.join(["virsh", "-c", self.guest.host, "qemu-monitor-command", self.guest.uuid, text])

    def run(self, verbs: HostVerbs) -> Outcome:
        act = BY_KEY[self.act]
        if self.value not in act.choices:
            raise OutOfRange(f"{act.title}: there is no «{self.value}».", advice=f"Choose {', '.join(act.choices)}.")
        verbs.change_behind(self.guest.uuid, self.act, self.part, self.value)
        undo = replace(self, value=self.before, before=self.value)
        note = f"{self.value}, behind libvirt, until the next boot"
        return Outcome((GuestSeen(verbs.describe_guest(self.guest.uuid)),), note=note, undo=undo)
