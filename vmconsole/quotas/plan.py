# SPDX-License-Identifier: GPL-3.0-or-later
"""From «these limits shall become those» to the calls that do it, in an order in which each is accepted.

Sources of the order: on cgroup v1 a child may never be allowed more CPU time than its parent (sched-bwc.rst), and
memory alone never more than memory with swap (cgroup-v1/memory.rst). A running guest's count of vCPUs and its balloon
never exceed their maximum. A disk's and a NIC's settings are one call, always given whole: what is left out of it
would stay behind, and a burst length without its rate keeps a guest from starting.
Pure functions, any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory.limits import NO_CAP, CpuCap, LimitRef, Limits, LimitWrite, Value, is_none
from vmconsole.quotas.rows import Call, Place
from vmconsole.quotas.table import BY_KEY, rows_of_call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WHOLE = {Call.BLOCK_IO_TUNE, Call.INTERFACE}
"""Calls that are given all their parameters. So are a stored definition's memory limits: libvirt holds the ones that
it is given there against those of the *running* guest where it is not given both (qemuDomainSetMemoryParameters)."""
_ORDER = {key: number for number, key in enumerate(BY_KEY)}
_FIRST_WHEN_RAISED = ("guest_cap", "memory_swap_hard", "memory_max", "vcpu_max")
"""Limits above others: raised before them, lowered after them."""
_PARTS = ("vcpu_cap", "emulator_cap", "iothread_cap")
_UNLIMITED = float("inf")


def differences(before: Limits, wanted: Mapping[LimitRef, Value]) -> dict[LimitRef, Value]:
    """What of ``wanted`` is not so already."""
    return {ref: value for ref, value in wanted.items() if Limits({ref: value})[ref] != before[ref]}


def plan(before: Limits, wanted: Mapping[LimitRef, Value], *, place: Place = Place.LIVE) -> tuple[LimitWrite, ...]:
    """The writes that turn ``before`` into ``before.changed(wanted)``; nothing where nothing differs."""
    after = before.changed(wanted)
    whole = _WHOLE | {Call.MEMORY} if place is Place.STORED else _WHOLE
    writes: dict[tuple[int, Call, str], dict[LimitRef, Value]] = {}
    for rank, ref in sorted(_ranked(before, wanted, whole), key=lambda one: (one[0], _ORDER[one[1].key])):
        call = BY_KEY[ref.key].call
        group = writes.setdefault((rank, call, ref.target), {})
        group.update(_whole(call, ref, before, after) if call in whole else {ref: after[ref]})
    return tuple(
        LimitWrite(call.name, target, tuple(found.items()))
        for (_, call, target), group in writes.items()
        for found in ([_quotas_first(before, after, group), group] if place is Place.LIVE else [group])
        if found
    )


def _quotas_first(before: Limits, after: Limits, group: Mapping[LimitRef, Value]) -> dict[LimitRef, Value]:
    """Caps that get their new quota before their new period. libvirt gives a running guest's cap its period first, and
    for that moment the old quota stands in it: the whole guest would have less than its parts, or a part more than the
    whole, which the kernel refuses (sched-bwc.rst, «Hierarchical considerations»)."""
    found: dict[LimitRef, Value] = {}
    for ref, value in group.items():
        old, new = before[ref], NO_CAP if value is None else value
        if not isinstance(old, CpuCap) or not isinstance(new, CpuCap) or old.quota_us is None:
            continue
        cores = _height(CpuCap(new.period_us, old.quota_us))
        if ref.key == "guest_cap":
            caps = [limits.cap(part) for part in _PARTS for limits in (before, after)]
            is_upset = any(cap.quota_us is not None and _height(cap) > cores for cap in caps)
            is_upset &= new.period_us > old.period_us
        else:
            is_upset = any(_height(limits.guest_cap) < cores for limits in (before, after))
            is_upset &= new.period_us < old.period_us
        if is_upset:
            found[ref] = CpuCap(old.period_us, new.quota_us)
    return found


def _ranked(before: Limits, wanted: Mapping[LimitRef, Value], whole: set[Call]) -> Iterator[tuple[int, LimitRef]]:
    after = before.changed(wanted)
    for ref in differences(before, wanted):
        yield (1 if BY_KEY[ref.key].call in whole else _rank(ref, before, after)), ref


_LEFT_BY_SETTERS = frozenset(
    {Call.SCHEDULER, Call.PIN_VCPU, Call.PIN_EMULATOR, Call.PIN_IOTHREAD, Call.NUMA, Call.INTERFACE}
)


def in_text(write: LimitWrite, before: Limits) -> bool:
    """Whether a stored definition must be edited as text to do this: libvirt's setters leave something behind when
    they take these away («shares» 0, which keeps the guest from starting, a quota of -1, a pinning to all CPUs, an
    empty ``<bandwidth>``), or refuse it (NUMA nodes, the throttle group's name).
    """
    call, values = Call[write.call], [value for _, value in write.values]
    if call is Call.BLOCK_IO_TUNE:
        return any(value is None and ref.key == "disk_group" and before[ref] is not None for ref, value in write.values)
    if call not in _LEFT_BY_SETTERS:
        return False
    return all(map(is_none, values)) if call is Call.INTERFACE else any(map(is_none, values))


def _rank(ref: LimitRef, before: Limits, after: Limits) -> int:
    """0 is written first: what is above and raised; 1 the rest; 2 what is above and lowered.

    What lies below is raised after its upper limit and lowered before it, so it is in the middle either way.
    """
    if ref.key not in _FIRST_WHEN_RAISED:
        return 1
    return 0 if _height(after[ref]) > _height(before[ref]) else 2


def _height(value: Value) -> float:
    if isinstance(value, CpuCap):
        return _UNLIMITED if value.cores is None else value.cores
    return float(value) if isinstance(value, int) else _UNLIMITED


def _whole(call: Call, ref: LimitRef, before: Limits, after: Limits) -> dict[LimitRef, Value]:
    """Without a throttle group that neither was nor shall be there: naming none would make one without a name."""
    found = {one: after[one] for one in _siblings(call, ref)}
    group = LimitRef("disk_group", ref.target)
    if group in found and before[group] is None and after[group] is None:
        del found[group]
    return found


def _siblings(call: Call, ref: LimitRef) -> Iterator[LimitRef]:
    for row in rows_of_call(call):
        if call is not Call.INTERFACE or row.parameter.split(".")[0] == BY_KEY[ref.key].parameter.split(".")[0]:
            yield LimitRef(row.key, ref.target)
