# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that a running guest obeys, asked before anything is written: libvirt stores nearly anything, and a wrong
value would only show when the guest does not start.

Each rule looks at all limits as they would be afterwards and names what is wrong with them. Pure, any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.quotas import rules_cpu, rules_disk, rules_memory, rules_net
from vmconsole.quotas.plan import differences
from vmconsole.quotas.problems import Problem
from vmconsole.quotas.rows import Kind, Place
from vmconsole.quotas.situation import unavailable
from vmconsole.quotas.table import row_of
from vmconsole.quotas.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vmconsole.inventory.limits import LimitRef, Limits, Value
    from vmconsole.quotas.situation import Situation

_RULES = (*rules_cpu.RULES, *rules_memory.RULES, *rules_disk.RULES, *rules_net.RULES)


def problems(situation: Situation, place: Place, wanted: Mapping[LimitRef, Value]) -> tuple[Problem, ...]:
    """What is wrong with ``wanted`` in that place. Only what the change has to do with: a rule that was broken before
    and has nothing to do with the change does not hold it up."""
    before = situation.limits(place)
    changed = differences(before, wanted) if before is not None else dict(wanted)
    if before is None:
        return tuple(_refused(ref, situation, place) for ref in changed)
    after = before.changed(changed)
    found = [_refused(ref, situation, place) for ref in changed if unavailable(row_of(ref), situation, place)]
    found += [problem for ref, value in changed.items() for problem in _out_of_range(ref, value, situation, place)]
    known = {problem.what for problem in _broken(before, situation, place)}
    found += [p for p in _broken(after, situation, place) if p.ref in changed or p.what not in known]
    return tuple(found)


def _broken(limits: Limits, situation: Situation, place: Place) -> Iterator[Problem]:
    for rule in _RULES:
        yield from rule(limits, situation, place)


def _refused(ref: LimitRef, situation: Situation, place: Place) -> Problem:
    row = row_of(ref)
    reason = unavailable(row, situation, place)
    when = "now" if place is Place.LIVE else "for the next boot"
    other = Place.STORED if place is Place.LIVE else Place.LIVE
    advice = f"Change what holds {other.value}." if not unavailable(row, situation, other) else "Leave it as it is."
    return Problem(ref, f"{row.title} cannot be changed {when}: {reason}", advice=advice)


def _out_of_range(ref: LimitRef, value: Value, situation: Situation, place: Place) -> Iterator[Problem]:
    row = row_of(ref)
    found = row.range_on(situation.layout)
    if ref.target not in situation.targets(row.scope):
        yield Problem(ref, f"{situation.guest.name} has no {row.scope.value} {ref.target}.", advice="Look again.")
    if value is None and row.none_words == "unknown":
        yield Problem(ref, f"{row.title} must have a value.", "No guest is without.", "Give a number.")
    if value is None and row.kind is Kind.WEIGHT and place is Place.LIVE and found and found.default is None:
        yield Problem(
            ref, f"{row.title}: the usual one of {situation.host.name} is not known.",
            "It differs between cgroup v1 and v2, and without a shell there the console cannot tell which it has.",
            "Give a number, or take the weight away for the next boot.",
        )  # fmt: skip
    if found is None or not isinstance(value, int) or found.low <= value <= found.high:
        return
    yield Problem(
        ref,
        f"{row.title}: {value} is out of range.",
        cause=f"{situation.host.name} accepts {found.low} to {found.high} {row.unit}.",
        advice=f"Choose a value from {shown(row, found.low)} to {shown(row, found.high)}.",
    )
