# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts of guests may run on which of a host's CPUs. Pure functions, any thread."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.limits import LimitRef, Limits
from vmconsole.quotas.rows import Place
from vmconsole.quotas.sets import format_set, parse_set

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.limits import Value
    from vmconsole.quotas.situation import Situation

PIN_KEYS = ("vcpu_pin", "emulator_pin", "iothread_pin")


@dataclass(frozen=True, slots=True)
class Pinned:
    """Another guest that is kept to some CPUs."""

    name: str
    cpus: frozenset[int]


def pin_rows(situation: Situation) -> tuple[LimitRef, ...]:
    """The guest's parts that can be pinned: vCPUs, the emulator, I/O threads."""
    return tuple(ref for row, ref in situation.refs() if row.key in PIN_KEYS)


def allowed(value: Value, cpus: Iterable[int]) -> frozenset[int]:
    """Where a part may run; everywhere where nothing is set."""
    return parse_set(value) if isinstance(value, str) else frozenset(cpus)


def toggled(value: Value, chosen: Iterable[int], cpus: Iterable[int], *, on: bool) -> Value:
    """``value`` with CPUs allowed or not. All CPUs, and none at all, are «any»: a part must run somewhere.

    From «any», allowing one CPU means that one only: that is what a first click is for.
    """
    there = frozenset(cpus)
    before = parse_set(value) if isinstance(value, str) else frozenset()
    after = before | frozenset(chosen) if on else before - frozenset(chosen)
    after &= there
    return None if not after or after == there else format_set(after)


def pinned_elsewhere(guests: Iterable[Guest], *, besides: Guest) -> tuple[Pinned, ...]:
    """Other guests whose vCPUs are kept to some of the host's CPUs, as they run now or else will."""
    found = []
    for guest in guests:
        limits = guest.live or (guest.stored if not guest.state.has_process else None) or Limits()
        sets = [parse_set(v) for ref, v in limits.values.items() if ref.key == "vcpu_pin" and isinstance(v, str)]
        if guest.id != besides.id and sets:
            found.append(Pinned(guest.name, frozenset().union(*sets)))
    return tuple(found)


def crowd(pinned: Iterable[Pinned]) -> Counter[int]:
    """CPU → how many other guests are pinned to it."""
    return Counter(cpu for guest in pinned for cpu in guest.cpus)


def place_of_pins(situation: Situation) -> Place:
    """What is edited first: the running guest where there is one."""
    return Place.LIVE if situation.guest.live is not None else Place.STORED
