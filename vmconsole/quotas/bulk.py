# SPDX-License-Identifier: GPL-3.0-or-later
"""The same change for many guests: what becomes of each, and what cannot be, before anything is written.

A wish is what a person typed, not a value: «25 % of this host» is another number of cores on every host.
Pure functions, any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.limits import LimitRef, Limits, Value
from vmconsole.quotas.plan import differences
from vmconsole.quotas.problems import Problem
from vmconsole.quotas.rows import Place, Scope
from vmconsole.quotas.rules import problems
from vmconsole.quotas.situation import unavailable
from vmconsole.quotas.table import BY_KEY, row_of
from vmconsole.quotas.typed import typed
from vmconsole.quotas.words import raw, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vmconsole.quotas.situation import Situation

EVERY = "*"
"""As a wish's target: all disks, interfaces, vCPUs… of the guest."""
SIZES = frozenset({"vcpu_count", "vcpu_max", "memory_balloon", "memory_max"})
"""How large a guest is: not copied to others as a limit."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One limit and the text that it shall become."""

    key: str
    text: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.key}@{self.target}" if self.target else self.key


@dataclass(frozen=True, slots=True)
class BulkChange:
    """One value of one guest."""

    place: Place
    ref: LimitRef
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class BulkRow:
    """What becomes of one guest."""

    situation: Situation
    changes: tuple[BulkChange, ...]
    problems: tuple[Problem, ...]

    @property
    def can_run(self) -> bool:
        return bool(self.changes) and not any(problem.is_fatal for problem in self.problems)

    def values(self, place: Place) -> dict[LimitRef, Value]:
        return {change.ref: change.after for change in self.changes if change.place is place}


def bulk(situations: Sequence[Situation], wishes: Sequence[Wish], places: Sequence[Place]) -> tuple[BulkRow, ...]:
    """A row for each guest. A place that the guest has not (it is off, or transient) is left out without a word; what
    cannot be set in one that it has is a problem of that guest alone."""
    return tuple(_row(situation, wishes, places) for situation in situations)


def _row(situation: Situation, wishes: Sequence[Wish], places: Sequence[Place]) -> BulkRow:
    changes: list[BulkChange] = []
    found: list[Problem] = []
    for place in places:
        before = situation.limits(place)
        if before is None:
            continue
        wanted, told = _wanted(situation, wishes, place)
        found += told
        wanted = differences(before, wanted)
        changes += [BulkChange(place, ref, before[ref], value) for ref, value in wanted.items()]
        found += problems(situation, place, wanted) if wanted else ()
    if all(situation.limits(place) is None for place in places):
        when = " or ".join(place.value for place in places)
        state = situation.guest.state.value
        found.append(Problem(LimitRef(""), f"{situation.guest.name} is {state}: it has no limits to set {when}."))
    return BulkRow(situation, tuple(changes), tuple(dict.fromkeys(found)))


def _wanted(situation: Situation, wishes: Sequence[Wish], place: Place) -> tuple[dict[LimitRef, Value], list[Problem]]:
    wanted: dict[LimitRef, Value] = {}
    found: list[Problem] = []
    for wish in wishes:
        row = BY_KEY[wish.key]
        is_elsewhere = (place is Place.STORED and not row.stored) or (place is Place.LIVE and not row.live)
        for ref in () if is_elsewhere else _refs(wish, situation):
            why = unavailable(row, situation, place)
            if why:
                found.append(Problem(ref, f"{row.title} cannot be set.", cause=why, advice=why))
                continue
            try:
                wanted[ref] = typed(row, wish.text, situation)
            except OutOfRange as error:
                found.append(Problem(ref, error.explanation.what, error.explanation.cause, error.explanation.advice))
    return wanted, found


def _refs(wish: Wish, situation: Situation) -> Iterator[LimitRef]:
    targets = situation.targets(BY_KEY[wish.key].scope)
    yield from (LimitRef(wish.key, target) for target in (targets if wish.target == EVERY else (wish.target,)))


def wishes_of(limits: Limits, situation: Situation) -> tuple[Wish, ...]:
    """A guest's limits as wishes for others: exact, without the guest's size.

    Those of its only interface are for «all interfaces», as nobody else has its MAC.
    """
    wishes = []
    for ref, value in sorted(limits.values.items()):
        row = row_of(ref)
        if ref.key in SIZES or value is None:
            continue
        is_only_one = row.scope is Scope.NIC and len(situation.targets(Scope.NIC)) == 1
        text = shown(row, value) if row.kind.is_text else raw(row, value)
        wishes.append(Wish(ref.key, text, EVERY if is_only_one else ref.target))
    return tuple(wishes)


def combined(wishes: Sequence[Wish]) -> tuple[Wish, ...]:
    """The last wish for each limit counts."""
    by_limit: Mapping[tuple[str, str], Wish] = {(wish.key, wish.target): wish for wish in wishes}
    return tuple(by_limit.values())
