# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a guest's limits. Plain data, run in a lane thread of the guest's host.

The running guest and the stored definition (the next boot) are two places that may hold two values: an operation
names what each becomes. It reads first, because undo must restore what was there and not what the screen showed; it
checks before it writes, because libvirt stores values with which a guest does not start; what a step cannot do takes
the steps before it back; and it reads back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from vmconsole.domainxml.limit_edits import with_limits
from vmconsole.inventory.deltas import GuestSeen
from vmconsole.inventory.errors import ConsoleError, LinkError
from vmconsole.inventory.facts import HostState
from vmconsole.inventory.limits import LimitRef, Limits, LimitWrite, Value
from vmconsole.operations.base import Confirmation, Outcome
from vmconsole.operations.limit_lines import virsh_arguments
from vmconsole.operations.limit_notes import HELPED_BY_GUEST, note
from vmconsole.operations.lines import virsh_line
from vmconsole.quotas.plan import differences, in_text, plan
from vmconsole.quotas.problems import refuse
from vmconsole.quotas.proofs import provable
from vmconsole.quotas.rows import Place
from vmconsole.quotas.rules import problems
from vmconsole.quotas.sets import format_set
from vmconsole.quotas.settled import settled
from vmconsole.quotas.situation import Situation
from vmconsole.quotas.table import row_of
from vmconsole.quotas.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import GuestId
    from vmconsole.links.base import HostVerbs

DEADLINE_S = 30.0
GUEST_PATIENCE_S = 3.0
"""So long a guest is waited for that must help: to give memory or a vCPU back."""
LOOK_EVERY_S = 0.15
NOT_HELPED = frozenset({"vcpu-unplug-timeout", "vcpu-unplug-too-early"})
"""Entries of the catalogue: the guest did not help."""
NOTHING: Mapping[LimitRef, Value] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class StoredText:
    """A stored definition's XML as a change left it, and as it was before: to take the change back to the letter."""

    after: str = field(repr=False)
    before: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangeLimits:
    """Give a guest other limits. None takes a limit away; what is so already is not written.

    ``situation`` is the guest and its host as the user saw them; the guest is read again before anything is written.
    """

    situation: Situation
    live: Mapping[LimitRef, Value] = field(default_factory=lambda: NOTHING)
    stored: Mapping[LimitRef, Value] = field(default_factory=lambda: NOTHING)
    text: StoredText | None = None
    """For an undo."""

    @property
    def guest(self) -> GuestId:
        return self.situation.guest.id

    @property
    def name(self) -> str:
        return self.situation.guest.name

    @property
    def title(self) -> str:
        refs = list(dict.fromkeys((*self.live, *self.stored)))
        if len(refs) != 1:
            return f"{len(refs)} limits of {self.name}{self._when()}"
        value = self.live[refs[0]] if refs[0] in self.live else self.stored[refs[0]]
        row = row_of(refs[0])
        part = f" {refs[0].target}" if refs[0].target else ""
        return f"{row.title}{part} of {self.name}{self._when()}: {shown(row, value)}"

    def _when(self) -> str:
        if self.live and self.stored:
            return " now and at the next boot"
        return " at the next boot" if self.stored else ""

    @property
    def deadline_s(self) -> float:
        return DEADLINE_S

    @property
    def confirmation(self) -> Confirmation | None:
        return None

    def places(self) -> Iterator[tuple[Place, Mapping[LimitRef, Value]]]:
        """The running guest first: it is pickier than the stored definition."""
        for place, wanted in ((Place.LIVE, self.live), (Place.STORED, self.stored)):
            if wanted:
                yield place, wanted

    def virsh(self) -> str:
        lines: dict[str, None] = {}
        for place, wanted in self.places():
            for write in plan(self.situation.limits(place) or Limits(), wanted, place=place):
                lines[self._line(write, place)] = None
        return "\n".join(lines)

    def _line(self, write: LimitWrite, place: Place) -> str:
        verb, arguments = virsh_arguments(
            write, every_cpu=self._every_cpu(), cap_parameter=self.situation.host.cap_parameter
        )
        where = "--config" if place is Place.STORED else "--live"
        return virsh_line(verb, self.guest, self.name, *arguments, where)

    def _every_cpu(self) -> str:
        host = self.situation
        return format_set({cpu.number for cpu in host.resources.cpus} or range(host.host.cpus or 1))

    # -- in the host's lane --------------------------------------------------------------------------------------------

    def run(self, verbs: HostVerbs) -> Outcome:
        uuid = self.guest.uuid
        before = verbs.describe_guest(uuid)
        host = replace(self.situation.host, state=HostState.CONNECTED)  # else nothing would run here
        now = Situation(host, before, verbs.memory_used_kib(uuid))
        wanted = {place: settled(now, place, refs) for place, refs in self.places()}
        for place, refs in wanted.items():
            refuse(problems(now, place, refs), where=now.where)
        old_text = verbs.stored_xml(uuid) if self.stored else ""
        self._write(verbs, now, wanted, old_text)
        after = self._read_back(verbs, wanted.get(Place.LIVE, NOTHING))
        new_text = verbs.stored_xml(uuid) if self.stored else ""
        text = StoredText(after=new_text, before=old_text) if old_text else None
        live = provable(wanted.get(Place.LIVE, NOTHING))
        proofs = verbs.limit_proofs(uuid, live) if live and after.live is not None else {}
        said = note(replace(now, guest=after), wanted, proofs)
        return Outcome((GuestSeen(after),), note=said, undo=self._undo(now, text))

    def _read_back(self, verbs: HostVerbs, live: Mapping[LimitRef, Value]) -> Guest:
        """The guest as it is now. What it must help with itself is waited for a little."""
        helped = {ref: value for ref, value in live.items() if ref.key in HELPED_BY_GUEST}
        ends_at = time.monotonic() + GUEST_PATIENCE_S
        while True:
            found = verbs.describe_guest(self.guest.uuid)
            is_there = found.live is None or not differences(found.live, helped)
            if is_there or time.monotonic() >= ends_at:
                return found
            time.sleep(LOOK_EVERY_S)

    def _undo(self, before: Situation, text: StoredText | None) -> ChangeLimits:
        old = {
            place: {ref: (before.limits(place) or Limits())[ref] for ref in wanted} for place, wanted in self.places()
        }
        return ChangeLimits(before, old.get(Place.LIVE, NOTHING), old.get(Place.STORED, NOTHING), text)

    def _write(
        self, verbs: HostVerbs, now: Situation, wanted: Mapping[Place, Mapping[LimitRef, Value]], old_text: str
    ) -> None:
        written: list[LimitWrite] = []
        try:
            if Place.LIVE in wanted:
                self._write_live(verbs, plan(now.limits(Place.LIVE) or Limits(), wanted[Place.LIVE]), written)
            if Place.STORED in wanted:
                self._store(verbs, now.limits(Place.STORED) or Limits(), wanted[Place.STORED], old_text)
        except LinkError:
            raise  # nothing more can be said to the host, and what it did is unknown
        except ConsoleError as error:
            self._take_back(verbs, now, written, old_text, error)
            raise

    def _write_live(self, verbs: HostVerbs, writes: Sequence[LimitWrite], written: list[LimitWrite]) -> None:
        for write in writes:
            written.append(write)  # before it is tried: a call that fails may have done half of it
            try:
                verbs.write_limits(self.guest.uuid, write, stored=False)
            except ConsoleError as error:
                if error.explanation.entry not in NOT_HELPED:
                    raise  # the guest may still help: what it keeps is read back and said

    def _store(self, verbs: HostVerbs, before: Limits, wanted: Mapping[LimitRef, Value], old_text: str) -> None:
        uuid = self.guest.uuid
        if self.text is not None and self.text.after == old_text:
            verbs.define(uuid, self.text.before)
            return
        edits: dict[LimitRef, Value] = {}
        for write in plan(before, wanted, place=Place.STORED):
            if in_text(write, before):
                edits.update(write.values)
            else:
                verbs.write_limits(uuid, write, stored=True)
        if edits:
            verbs.define(uuid, with_limits(verbs.stored_xml(uuid), edits))

    def _take_back(
        self, verbs: HostVerbs, now: Situation, written: list[LimitWrite], old_text: str, error: ConsoleError
    ) -> None:
        """Leave both places as they were. What cannot be taken back is told beside the first error."""
        before = now.limits(Place.LIVE) or Limits()
        half = before.changed({ref: value for write in written for ref, value in write.values})
        uuid, left = self.guest.uuid, []
        old = settled(now, Place.LIVE, {ref: before[ref] for call in written for ref, _ in call.values})
        for write in plan(half, old):
            try:
                verbs.write_limits(uuid, write, stored=False)
            except ConsoleError:
                left.append(str(write))
        try:
            if old_text and verbs.stored_xml(uuid) != old_text:
                verbs.define(uuid, old_text)
        except ConsoleError:
            left.append("the stored definition")
        if left:
            error.add_advice(f"These could not be taken back, look at them: {'; '.join(left)}.")
