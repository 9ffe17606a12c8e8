# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said after a change of limits: what the host has now, where that is not what was asked for, and whether the
host's own files bear it out. Pure functions, any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory.limits import Limits
from vmconsole.quotas.plan import differences
from vmconsole.quotas.proofs import provable, proved
from vmconsole.quotas.rows import Place
from vmconsole.quotas.table import row_of
from vmconsole.quotas.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmconsole.inventory.limits import LimitRef, Value
    from vmconsole.quotas.situation import Situation

    Wanted = Mapping[Place, Mapping[LimitRef, Value]]

HELPED_BY_GUEST = frozenset({"memory_balloon", "vcpu_count"})
"""What a running guest must help with, and may not."""


def note(after: Situation, wanted: Wanted, proofs: Mapping[LimitRef, str]) -> str:
    """``after`` is the guest as read back, ``wanted`` what each place was asked to hold."""
    if any(after.limits(place) is None for place in wanted):
        return "the guest ended meanwhile"
    parts = _values(after, wanted)
    wrong = [text for place, refs in wanted.items() for text in _missed(after, place, refs)]
    wrong += proved(after, _held(after, wanted), proofs)
    if not wrong and not parts:
        parts = [f"{sum(map(len, wanted.values()))} values read back as asked"]
    return "; ".join([*parts, *wrong, *_proof_words(after, wanted, proofs, is_right=not wrong)])


def _values(after: Situation, wanted: Wanted) -> list[str]:
    """«1.50 cores now» for one limit; nothing for many."""
    found = []
    for place, refs in wanted.items():
        limits = after.limits(place) or Limits()
        found += [f"{shown(row_of(ref), limits[ref])} {place.value}" for ref in refs if len(refs) == 1]
    return found


def _missed(after: Situation, place: Place, refs: Mapping[LimitRef, Value]) -> list[str]:
    limits = after.limits(place) or Limits()
    found = []
    for ref, value in differences(limits, refs).items():
        row, there = row_of(ref), shown(row_of(ref), limits[ref])
        if ref.key in HELPED_BY_GUEST and place is Place.LIVE:
            found.append(f"{row.title}: asked for {shown(row, value)}, the guest keeps {there}")
        else:
            found.append(f"not as asked: {row.title} is {there} ({place.value})")
    return found


def _held(after: Situation, wanted: Wanted) -> dict[LimitRef, Value]:
    """What libvirt says holds now, of what was changed: that is what the host's files are held against."""
    limits = after.limits(Place.LIVE) or Limits()
    return {ref: limits[ref] for ref in wanted.get(Place.LIVE, {})}


def _proof_words(after: Situation, wanted: Wanted, proofs: Mapping[LimitRef, str], *, is_right: bool) -> list[str]:
    live = wanted.get(Place.LIVE, {})
    if not live:
        return []
    if not proofs and not after.host.has_shell and not after.host.is_demo:
        return ["not proved: no shell"]
    missing = [row_of(ref).title for ref in provable(live) if ref not in proofs]
    if missing and proofs.keys() < live.keys() and after.host.has_shell:
        return [f"not proved, as the host did not tell of it: {', '.join(missing)}"]
    return ["proved on the host"] if is_right and proofs and live.keys() <= proofs.keys() else []
