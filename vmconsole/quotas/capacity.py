# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has against what its guests were promised, and who would get what if all wanted everything.

Under full load the kernel's scheduler divides CPU time by weights among those that want it; who has reached the cap, or
the number of vCPUs, takes no more and leaves the rest to the others (kernel: sched-design-CFS.rst, cgroup-v2.rst
«Weights»). Pure functions, any thread.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory import units
from vmconsole.inventory.limits import LimitRef, Limits
from vmconsole.quotas.problems import Problem
from vmconsole.quotas.table import BY_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vmconsole.inventory.facts import Guest, Host
    from vmconsole.inventory.limits import Value

VCPUS_PER_CPU = 4.0
"""Above this many vCPUs to a CPU, guests wait for each other noticeably: the usual rule of thumb."""
HOST_NEEDS_KIB = 512 * 1024
"""Left to the host itself."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What one guest was promised. Memory in KiB; None where there is no limit, or it is not known."""

    uuid: str
    name: str
    is_running: bool
    vcpus: int
    cap_cores: float | None
    weight: int
    memory_max_kib: int | None
    balloon_kib: int | None
    hard_kib: int | None
    share_cores: float | None = None
    """What it would get if all running guests wanted everything; None for one that is off."""

    @property
    def most_cores(self) -> float:
        return float(self.vcpus) if self.cap_cores is None else min(float(self.vcpus), self.cap_cores)


@dataclass(frozen=True, slots=True)
class Capacity:
    """A host's promises, guest by guest, and in sum over the running ones."""

    cpus: int | None
    memory_kib: int | None
    promises: tuple[Promise, ...]

    @property
    def running(self) -> tuple[Promise, ...]:
        return tuple(promise for promise in self.promises if promise.is_running)

    @property
    def vcpus(self) -> int:
        return sum(promise.vcpus for promise in self.running)

    @property
    def most_cores(self) -> float:
        """What the running guests may use together, by their caps and vCPUs."""
        return sum(promise.most_cores for promise in self.running)

    @property
    def memory_max_kib(self) -> int:
        return sum(promise.memory_max_kib or 0 for promise in self.running)

    @property
    def balloon_kib(self) -> int:
        return sum(promise.balloon_kib or promise.memory_max_kib or 0 for promise in self.running)

    @property
    def hard_kib(self) -> int | None:
        """Sum of the hard limits; None where a running guest has none, so that there is no bound."""
        hard = [promise.hard_kib for promise in self.running]
        return None if None in hard else sum(found for found in hard if found is not None)


def capacity_of(host: Host, guests: Iterable[Guest]) -> Capacity:
    """Limits in force of running guests, and those of the next boot of the others."""
    default = BY_KEY["cpu_weight"].range_on(host.cgroup_layout)
    weight = (default.default if default is not None else None) or 100
    promises = [_promise(guest, weight) for guest in guests]
    running = [promise for promise in promises if promise.is_running]
    shares: Mapping[str, float] = {}
    if host.cpus:
        wants = [(float(promise.weight), promise.most_cores) for promise in running]
        shares = dict(zip([p.uuid for p in running], full_load_shares(wants, float(host.cpus)), strict=True))
    whole = tuple(_with_share(promise, shares.get(promise.uuid)) for promise in promises)
    memory = None if host.memory_bytes is None else host.memory_bytes // 1024
    return Capacity(host.cpus, memory, tuple(sorted(whole, key=lambda p: (not p.is_running, p.name))))


def _promise(guest: Guest, default_weight: int) -> Promise:
    limits = guest.live or guest.stored or Limits()
    return Promise(
        uuid=guest.id.uuid, name=guest.name, is_running=guest.state.has_process,
        vcpus=limits.number("vcpu_count") or guest.vcpus or 1,
        cap_cores=limits.tightest_cap_cores(limits.number("vcpu_count") or guest.vcpus or 1),
        weight=limits.number("cpu_weight") or default_weight,
        memory_max_kib=limits.number("memory_max") or guest.memory_max_kib,
        balloon_kib=limits.number("memory_balloon"), hard_kib=limits.number("memory_hard"),
    )  # fmt: skip


def _with_share(promise: Promise, share: float | None) -> Promise:
    return dataclasses.replace(promise, share_cores=share)


def full_load_shares(wants: Sequence[tuple[float, float]], cpus: float) -> list[float]:
    """Cores for each (weight, most cores) when all want everything: by weight, those that are full leave the rest."""
    given = [0.0] * len(wants)
    open_ones = {place for place, (weight, most) in enumerate(wants) if weight > 0 and most > 0}
    left = cpus
    while open_ones and left > 0:
        total = sum(wants[place][0] for place in open_ones)
        full = {place for place in open_ones if wants[place][1] <= left * wants[place][0] / total}
        for place in full or open_ones:
            given[place] = wants[place][1] if full else left * wants[place][0] / total
        if not full:
            break
        left -= sum(given[place] for place in full)
        open_ones -= full
    return given


def over_commits(capacity: Capacity) -> tuple[str, ...]:
    """What was promised twice, in sentences."""
    found = []
    memory = None if capacity.memory_kib is None else max(0, capacity.memory_kib - HOST_NEEDS_KIB)
    if memory is not None and capacity.balloon_kib > memory:
        found.append(
            f"The running guests may hold {_size(capacity.balloon_kib)} of memory; "
            f"the host has {_size(memory)} for them."
        )
    if capacity.cpus and capacity.vcpus > capacity.cpus * VCPUS_PER_CPU:
        found.append(f"{capacity.vcpus} vCPUs share {capacity.cpus} CPUs: guests wait for each other.")
    return tuple(found)


def over_commit_problems(host: Host, guests: Iterable[Guest], changed: Guest, ref: LimitRef) -> tuple[Problem, ...]:
    """What a change of one guest would promise twice that was not before; a warning, never a refusal."""
    before = list(guests)
    after = [changed if guest.id == changed.id else guest for guest in before]
    known = set(over_commits(capacity_of(host, before)))
    new = [text for text in over_commits(capacity_of(host, after)) if text not in known]
    advice = "Lower another guest's first, or accept it."
    return tuple(Problem(ref, text, advice=advice, is_fatal=False) for text in new)


def limits_with(guest: Guest, live: Mapping[LimitRef, Value]) -> Guest:
    """The guest as it would run with other limits."""
    return dataclasses.replace(guest, live=(guest.live or Limits()).changed(live)) if guest.live is not None else guest


def _size(kib: int) -> str:
    return units.binary(kib * 1024)
