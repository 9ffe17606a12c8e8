# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a guest's limits. Plain data, run in a lane thread of the guest's host.

The running guest and the stored definition (the next boot) are two places that may hold two values: an operation
names what each becomes. It reads first, because undo must restore what was there and not what the screen showed; it
checks before it writes, because libvirt stores values with which a guest does not start; and it reads back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.deltas import GuestSeen
from vmconsole.inventory.errors import DomainBusy, OperationRefused, Unsupported
from vmconsole.inventory.facts import Guest
from vmconsole.inventory.limits import CpuCap, Limits
from vmconsole.operations.base import Confirmation, Outcome
from vmconsole.operations.lines import virsh_line
from vmconsole.quotas.cpucap import check_against_vcpus, check_cap, same_limit, words

if TYPE_CHECKING:
    from vmconsole.inventory.ids import GuestId
    from vmconsole.links.base import HostVerbs

DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class SetGuestCap:
    """Set the CPU cap of the whole guest, emulator and I/O threads included.

    ``live`` is the running guest's new cap, ``stored`` the next boot's; None leaves that one alone. A cap without a
    quota removes the cap. ``cgroup_layout`` and ``parameter`` are the host's, as in ``inventory.facts.Host``.
    """

    guest: GuestId
    name: str
    live: CpuCap | None = None
    stored: CpuCap | None = None
    cgroup_layout: str = ""
    parameter: str = "global"

    @property
    def title(self) -> str:
        if self.live is None:
            return f"CPU cap of {self.name} at the next boot: {words(self.stored or CpuCap())}"
        also = " now and at the next boot" if self.stored == self.live else ""
        return f"CPU cap of {self.name}{also}: {words(self.live)}"

    @property
    def deadline_s(self) -> float:
        return DEADLINE_S

    @property
    def confirmation(self) -> Confirmation | None:
        return None

    def virsh(self) -> str:
        if self.live is not None and self.live == self.stored:
            return _schedinfo(self, self.live, "--live", "--config")
        lines = []
        if self.live is not None:
            lines.append(_schedinfo(self, self.live, "--live"))
        if self.stored is not None:
            lines.append(_schedinfo(self, self.stored, "--config"))
        return "\n".join(lines)

    def run(self, verbs: HostVerbs) -> Outcome:
        before = verbs.describe_guest(self.guest.uuid)
        old_live, old_stored = self._check(before)
        self._write(verbs, old_live)
        now = verbs.describe_guest(self.guest.uuid)
        undo = SetGuestCap(
            self.guest,
            self.name,
            live=None if self.live is None else old_live,
            stored=None if self.stored is None else old_stored,
            cgroup_layout=self.cgroup_layout,
            parameter=self.parameter,
        )
        return Outcome((GuestSeen(now),), note=self._note(now), undo=undo)

    def _check(self, before: Guest) -> tuple[CpuCap, CpuCap]:
        """Refuse what cannot work, with nothing written yet. Returns the caps in force now and at the next boot."""
        where = f"{self.name} on {self.guest.host}"
        if self.live is not None:
            if before.live is None:
                raise DomainBusy(
                    f"{self.name} is {before.state.value}: there is no running guest to limit.",
                    advice="Start it, or set the cap for the next boot.",
                    where=where,
                )
            self._check_one(self.live, before.live, where)
        if self.stored is not None:
            if before.stored is None:
                raise Unsupported(
                    f"{self.name} has no stored definition.",
                    cause="It is a transient guest, gone when it is shut off.",
                    advice="Set the cap of the running guest only.",
                    where=where,
                )
            self._check_one(self.stored, before.stored, where)
        return (before.live or Limits()).guest_cap, (before.stored or Limits()).guest_cap

    def _check_one(self, cap: CpuCap, beside: Limits, where: str) -> None:
        check_cap(cap, where=where)
        check_against_vcpus(cap, beside.vcpu_cap, cgroup_layout=self.cgroup_layout, where=where)

    def _write(self, verbs: HostVerbs, old_live: CpuCap) -> None:
        uuid = self.guest.uuid
        if self.live is not None and self.live == self.stored:
            verbs.set_guest_cap(uuid, self.live, live=True, stored=True)
            return
        if self.live is not None:
            verbs.set_guest_cap(uuid, self.live, live=True, stored=False)
        if self.stored is not None:
            try:
                verbs.set_guest_cap(uuid, self.stored, live=False, stored=True)
            except OperationRefused:
                if self.live is not None:
                    verbs.set_guest_cap(uuid, old_live, live=True, stored=False)
                raise

    def _note(self, now: Guest) -> str:
        """What the host answers now, and a word where that is not what was asked for."""
        parts = []
        for asked, limits, form in ((self.live, now.live, "now {}"), (self.stored, now.stored, "{} at the next boot")):
            if asked is not None and limits is not None:
                found = limits.guest_cap
                differs = "" if same_limit(asked, found) else f", though {words(asked)} was asked for"
                parts.append(form.format(words(found)) + differs)
        return f"cap is {'; '.join(parts)}" if parts else "the guest ended meanwhile"


def _schedinfo(change: SetGuestCap, cap: CpuCap, *where: str) -> str:
    quota = -1 if cap.quota_us is None else cap.quota_us
    values = (f"{change.parameter}_period={cap.period_us}", f"{change.parameter}_quota={quota}")
    return virsh_line("schedinfo", change.guest, change.name, *where, *values)
