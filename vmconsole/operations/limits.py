# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a guest's limits. Plain data, run in a lane thread of the guest's host.

The running guest and the stored definition (the next boot) are two places that may hold two values: an operation
names what each becomes. It reads first, because undo must restore what was there and not what the screen showed; it
checks before it writes, because libvirt stores values with which a guest does not start; what a step cannot do takes
the steps before it back; and it reads back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from vmconsole.inventory.deltas import GuestSeen
from vmconsole.inventory.errors import ConsoleError, LinkError
from vmconsole.inventory.limits import LimitRef, Limits, LimitWrite, Value
from vmconsole.operations.base import Confirmation, Outcome
from vmconsole.operations.limit_lines import virsh_arguments
from vmconsole.operations.lines import virsh_line
from vmconsole.quotas.plan import differences, plan
from vmconsole.quotas.problems import refuse
from vmconsole.quotas.rows import Place
from vmconsole.quotas.rules import problems
from vmconsole.quotas.sets import format_set
from vmconsole.quotas.table import row_of
from vmconsole.quotas.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import GuestId
    from vmconsole.links.base import HostVerbs
    from vmconsole.quotas.situation import Situation

DEADLINE_S = 30.0
Changes = "Mapping[LimitRef, Value]"
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
            for write in plan(self.situation.limits(place) or Limits(), wanted):
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
        now = replace(self.situation, guest=before, memory_used_kib=verbs.memory_used_kib(uuid))
        for place, wanted in self.places():
            refuse(problems(now, place, wanted), where=now.where)
        old_text = verbs.stored_xml(uuid) if self.stored else ""
        self._write(verbs, now, old_text)
        after = verbs.describe_guest(uuid)
        new_text = verbs.stored_xml(uuid) if self.stored else ""
        text = StoredText(after=new_text, before=old_text) if old_text else None
        return Outcome((GuestSeen(after),), note=self._note(after), undo=self._undo(now, text))

    def _undo(self, before: Situation, text: StoredText | None) -> ChangeLimits:
        old = {
            place: {ref: (before.limits(place) or Limits())[ref] for ref in wanted} for place, wanted in self.places()
        }
        return ChangeLimits(before, old.get(Place.LIVE, NOTHING), old.get(Place.STORED, NOTHING), text)

    def _write(self, verbs: HostVerbs, now: Situation, old_text: str) -> None:
        written: list[LimitWrite] = []
        try:
            for place, wanted in self.places():
                if place is Place.STORED and self.text is not None and self.text.after == old_text:
                    verbs.define(self.guest.uuid, self.text.before)
                    continue
                for write in plan(now.limits(place) or Limits(), wanted):
                    if place is Place.LIVE:
                        written.append(write)  # before it is tried: a call that fails may have done half of it
                    verbs.write_limits(self.guest.uuid, write, stored=place is Place.STORED)
        except LinkError:
            raise  # nothing more can be said to the host, and what it did is unknown
        except ConsoleError as error:
            self._take_back(verbs, now, written, old_text, error)
            raise

    def _take_back(
        self, verbs: HostVerbs, now: Situation, written: list[LimitWrite], old_text: str, error: ConsoleError
    ) -> None:
        """Leave both places as they were. What cannot be taken back is told beside the first error."""
        before = now.limits(Place.LIVE) or Limits()
        half = before.changed({ref: value for write in written for ref, value in write.values})
        uuid, left = self.guest.uuid, []
        for write in plan(half, {ref: before[ref] for call in written for ref, _ in call.values}):
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

    def _note(self, after: Guest) -> str:
        """What the host has now, and a word where that is not what was asked for."""
        parts, wrong = [], []
        for place, wanted in self.places():
            limits = after.live if place is Place.LIVE else after.stored
            if limits is None:
                parts.append("the guest ended meanwhile")
                continue
            missed = differences(limits, wanted)
            wrong += [f"{row_of(r).title} is {shown(row_of(r), limits[r])} ({place.value})" for r in missed]
            parts += [f"{shown(row_of(ref), limits[ref])} {place.value}" for ref in wanted if len(wanted) == 1]
        if not parts and not wrong:
            parts = [f"{len(self.live) + len(self.stored)} values read back as asked"]
        return "; ".join(parts + [f"not as asked: {text}" for text in wrong])
