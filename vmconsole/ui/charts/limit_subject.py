# SPDX-License-Identifier: GPL-3.0-or-later
"""Which limit of which guest a line is, how far it may go, and why perhaps not at all. Facts and rules, no widgets.

GUI thread. What the rules forbid (``quotas.rules``) is known before anything is let go of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.facts import Guest, Host, HostState
from vmconsole.inventory.limits import CpuCap, LimitRef, Value
from vmconsole.operations.limits import NOTHING, ChangeLimits
from vmconsole.quotas.rows import Kind, Place
from vmconsole.quotas.rules import problems
from vmconsole.quotas.situation import Situation, unavailable
from vmconsole.quotas.table import row_of
from vmconsole.ui.charts.limit_scale import NO_LIMIT, Scale

if TYPE_CHECKING:
    from vmconsole.inventory.ids import GuestId
    from vmconsole.inventory.limits import Limits
    from vmconsole.quotas.rows import LimitRow
    from vmconsole.store.store import Store

GUEST_CAP_REF, VCPU_CAP_REF = LimitRef("guest_cap"), LimitRef("vcpu_cap")
HEADROOM = 1.12
"""An axis ends this much above a limit: dragged into that strip, the line becomes «no limit»."""
MOST_STEPS = 2**52


@dataclass(frozen=True, slots=True)
class Fit:
    """Where a line may stand, and what is to be said of it."""

    number: float
    why: str = ""
    is_held: bool = False
    """Whether a rule keeps it from going where it was sent."""


@dataclass(frozen=True, slots=True)
class LimitSubject:
    """One limit of one guest. Of a guest that is not running the next boot's is edited."""

    situation: Situation
    ref: LimitRef
    scale: Scale
    blocked: str = ""
    """Why it cannot be changed; empty when it can."""

    @property
    def row(self) -> LimitRow:
        return row_of(self.ref)

    @property
    def guest(self) -> GuestId:
        return self.situation.guest.id

    @property
    def is_live(self) -> bool:
        return self.situation.guest.live is not None

    @property
    def place(self) -> Place:
        return Place.LIVE if self.is_live else Place.STORED

    @property
    def live(self) -> Value:
        return _value(self.situation.guest.live, self.ref)

    @property
    def stored(self) -> Value:
        return _value(self.situation.guest.stored, self.ref)

    @property
    def has_stored(self) -> bool:
        """Whether there is a next boot that can have a value of its own."""
        return not self.blocked and not unavailable(self.row, self.situation, Place.STORED)

    @property
    def current(self) -> Value:
        """The value that is edited: of the running guest, else of the next boot."""
        return self.live if self.is_live else self.stored

    @property
    def number(self) -> float:
        return self.scale.number(self.current)

    @property
    def stored_number(self) -> float:
        return self.scale.number(self.stored)

    @property
    def notice(self) -> str:
        """What to know before changing it; may be empty."""
        guest = self.situation.guest
        if self.is_live or guest.stored is None:
            return ""
        return f"{guest.name} is {guest.state.value}: this is the limit of its next boot."

    @property
    def can_be_none(self) -> bool:
        return self.row.none_words != "unknown"

    @property
    def most(self) -> float:
        """Above this a limit is none: as many cores as there are vCPUs, or more where more is already set."""
        if self.scale.kind is not Kind.CAP:
            return NO_LIMIT
        found = [self.number, self.stored_number]
        return max([float(self.situation.guest.vcpus or 1), *(n for n in found if not math.isinf(n))])

    def usual_room(self, top: float) -> float:
        """As ``room``, without asking the rules for the least: for every time that a chart is drawn."""
        known = [n for n in (self.number, self.stored_number) if not math.isinf(n)]
        return max(top, self.scale.room, *(number * HEADROOM for number in known))

    def room(self, top: float) -> float:
        """How far an axis that ends at ``top`` must reach for this limit to be moved in it."""
        if self.scale.kind is Kind.CAP:
            return max(top, self.most * HEADROOM)
        known = [n for n in (self.number, self.stored_number) if not math.isinf(n)]
        if known:
            return max(top, max(known) * HEADROOM)
        least = self.fitted(self.scale.least, step=self.scale.least).number
        return max(top, self.scale.room, 0.0 if math.isinf(least) else least * 1.3)

    # -- where it may stand --------------------------------------------------------------------------------------------

    def snapped(self, number: float, step: float) -> float:
        """The nearest round number; NO_LIMIT above ``most``."""
        if number > self.most + step / 2:
            return NO_LIMIT
        return min(self.most, max(self.scale.least, round(round(number / step) * step, 6)))

    def stepped(self, number: float, by: float, *, top: float) -> float:
        """One key press from ``number``. The step above ``most`` is no limit; the one below that is ``most``, or
        ``top`` where there is no most."""
        if math.isinf(number):
            start = self.most if not math.isinf(self.most) else top
            return NO_LIMIT if by > 0 else self.snapped(start, abs(by))
        if by > 0 and number >= self.most:
            return NO_LIMIT
        to = round(number + by, 6)
        if self.scale.kind is not Kind.CAP:
            to = round(to / abs(by)) * abs(by)
        return min(self.most, max(self.scale.least, to))

    def fitted(self, number: float, *, step: float) -> Fit:
        """``number``, or the nearest to it on the way back that no rule forbids."""
        if math.isinf(number) and not self.can_be_none:
            return Fit(self.number, "", is_held=True)
        told = problems(self.situation, self.place, {self.ref: self.value(number)})
        fatal = next((problem for problem in told if problem.is_fatal), None)
        if fatal is None:
            return Fit(number, told[0].what if told else "")
        allowed = self._nearest(number, step)
        return Fit(allowed, fatal.what, is_held=True)

    def _nearest(self, number: float, step: float) -> float:
        """Between a number that is forbidden and the limit in force: in leaps that double, then by halving."""
        home = self.number
        way = step if home > number else -step
        bad, good = 0, 1
        while not self._is_allowed(number + good * way):
            bad, good = good, good * 2
            if good > MOST_STEPS or abs(number + good * way - number) >= abs(home - number):
                if math.isinf(home) and good <= MOST_STEPS:
                    continue
                return home
        while good - bad > 1:
            middle = (bad + good) // 2
            bad, good = (bad, middle) if self._is_allowed(number + middle * way) else (middle, good)
        return round(number + good * way, 6)

    def _is_allowed(self, number: float) -> bool:
        if number <= 0:
            return False
        told = problems(self.situation, self.place, {self.ref: self.value(number)})
        return not any(problem.is_fatal for problem in told)

    # -- the change ----------------------------------------------------------------------------------------------------

    def value(self, number: float) -> Value:
        return self.scale.value(number, before=self.current)

    def change(self, number: float, *, also_stored: bool) -> ChangeLimits:
        """The operation that sets it. A guest that is off has only the next boot."""
        wanted = {self.ref: self.value(number)}
        to_stored = not self.is_live or (also_stored and self.has_stored)
        return ChangeLimits(
            self.situation, live=wanted if self.is_live else NOTHING, stored=wanted if to_stored else NOTHING
        )


def _value(limits: Limits | None, ref: LimitRef) -> Value:
    if limits is None:
        return None
    found = limits[ref]
    return CpuCap() if found is None and row_of(ref).kind is Kind.CAP else found


def subject_of(
    store: Store, guest_id: GuestId, ref: LimitRef = GUEST_CAP_REF, *, memory_used_kib: int | None = None
) -> LimitSubject | None:
    """What the Store knows; None for a guest that is gone."""
    guest, host = store.guest(guest_id), store.hosts.get(guest_id.host)
    if guest is None or host is None:
        return None
    return subject(Situation(host, guest, memory_used_kib), ref)


def subject(situation: Situation, ref: LimitRef) -> LimitSubject:
    guest, row = situation.guest, row_of(ref)
    parts = (guest.vcpus or 1) if ref == VCPU_CAP_REF else 1
    place = Place.LIVE if guest.live is not None else Place.STORED
    blocked = why_blocked(guest, situation.host) or unavailable(row, situation, place)
    return LimitSubject(situation, ref, Scale(row.kind, parts), blocked)


def why_blocked(guest: Guest, host: Host) -> str:
    """Why none of a guest's limits can be changed; empty when some can."""
    if host.state is not HostState.CONNECTED:
        reason = f" ({host.reason.what})" if host.reason is not None else ""
        return f"{host.name} is not connected, so limits cannot be changed{reason}."
    if host.is_read_only:
        return f"{host.name} is opened for looking only, so limits cannot be changed."
    if guest.live is None and guest.stored is None:
        return (
            f"The limits of {guest.name} are not read yet." if not guest.described else f"{guest.name} has no limits."
        )
    return ""
