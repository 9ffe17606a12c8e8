# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: whatever is asked for, no step on the way breaks what the kernel demands, and the way back leads back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import assume, given
from hypothesis import strategies as st

from vmconsole.inventory.limits import CpuCap, LimitRef, Limits, Value
from vmconsole.quotas.plan import differences, in_text, plan
from vmconsole.quotas.rows import Call, Place
from vmconsole.quotas.table import BY_KEY, TABLE

if TYPE_CHECKING:
    from vmconsole.inventory.limits import LimitWrite

CAPS = st.builds(CpuCap, st.integers(1000, 1_000_000), st.none() | st.integers(1000, 10**7))
MEMORY = st.none() | st.integers(1, 2**40)
PARTS = ("vcpu_cap", "emulator_cap", "iothread_cap")
HELD = st.fixed_dictionaries(
    {LimitRef(key): CAPS for key in ("guest_cap", *PARTS)}
    | {LimitRef(key): MEMORY for key in ("memory_hard", "memory_swap_hard", "memory_soft")}
    | {LimitRef("vcpu_count"): st.integers(1, 64), LimitRef("vcpu_max"): st.integers(1, 64)}
    | {LimitRef("memory_balloon"): st.integers(1, 2**30), LimitRef("memory_max"): st.integers(1, 2**30)}
)
ANY = st.dictionaries(
    st.builds(LimitRef, st.sampled_from([row.key for row in TABLE if row.v1 and row.key not in {*PARTS, "guest_cap"}]),
              st.sampled_from(["", "vda", "vdb"])),
    st.none() | st.integers(1, 1000),
)  # fmt: skip


def height(value: Value) -> float:
    if isinstance(value, CpuCap):
        return float("inf") if value.cores is None else value.cores
    return float(value) if isinstance(value, int) else float("inf")


def is_accepted(limits: Limits) -> bool:
    """By a host with cgroup v1, and by libvirt."""
    whole = height(limits.guest_cap)
    return (
        all(limits.cap(part).quota_us is None or height(limits.cap(part)) <= whole for part in PARTS)
        and height(limits.number("memory_hard")) <= height(limits.number("memory_swap_hard"))
        and height(limits.number("vcpu_count")) <= height(limits.number("vcpu_max"))
        and height(limits.number("memory_balloon")) <= height(limits.number("memory_max"))
    )


def made_valid(values: dict[LimitRef, Value]) -> Limits:
    """Lifts what lies above until it holds what lies below."""
    limits = Limits(values)
    capped = [limits.cap(part) for part in PARTS if limits.cap(part).quota_us is not None]
    highest = max(capped, key=height, default=CpuCap())
    changes: dict[LimitRef, Value] = {}
    if capped and height(highest) > height(limits.guest_cap):
        changes[LimitRef("guest_cap")] = highest
    for low, high in (
        ("memory_hard", "memory_swap_hard"),
        ("vcpu_count", "vcpu_max"),
        ("memory_balloon", "memory_max"),
    ):
        if height(limits.number(low)) > height(limits.number(high)):
            changes[LimitRef(high)] = limits.number(low)
    return limits.changed(changes)


def steps(before: Limits, writes: tuple[LimitWrite, ...]) -> list[Limits]:
    """The limits after each write, and in the middle of it: libvirt gives a cap its period before its quota."""
    found = [before]
    for write in writes:
        for ref, value in write.values:
            old, new = found[-1][ref], value or CpuCap()
            if isinstance(old, CpuCap) and isinstance(new, CpuCap):
                found.append(found[-1].changed({ref: CpuCap(new.period_us, old.quota_us)}))
                found.append(found[-1].changed({ref: new}))
        found.append(found[-1].changed(dict(write.values)))
    return found


def wanted_of(before: Limits, after: Limits) -> dict[LimitRef, Value]:
    return {ref: after[ref] for ref in {*before.values, *after.values}}


@given(HELD, HELD)
def test_no_step_on_the_way_is_refused_and_the_way_leads_there_and_back(one: dict, other: dict) -> None:
    before, after = made_valid(one), made_valid(other)
    assume(is_accepted(before) and is_accepted(after))
    there = steps(before, plan(before, wanted_of(before, after)))
    assert there[-1] == after
    assert all(map(is_accepted, there)), [str(write) for write in plan(before, wanted_of(before, after))]
    back = steps(after, plan(after, wanted_of(before, before.changed({})) | wanted_of(after, before)))
    assert back[-1] == before
    assert all(map(is_accepted, back))


@given(ANY, ANY)
def test_there_and_back_for_any_limits_in_both_places(one: dict, other: dict) -> None:
    before, after = Limits(one), Limits(other)
    for place in Place:
        wanted = wanted_of(before, after)
        assert steps(before, plan(before, wanted, place=place))[-1] == after
        assert steps(after, plan(after, wanted_of(after, before), place=place))[-1] == before


@given(ANY, ANY)
def test_what_is_so_already_is_not_written_and_one_call_is_made_once(one: dict, other: dict) -> None:
    before = Limits(one)
    writes = plan(before, other, place=Place.STORED)
    assert bool(writes) == bool(differences(before, other))
    whole = [(write.call, write.target) for write in writes if Call[write.call] in {Call.BLOCK_IO_TUNE, Call.MEMORY}]
    assert len(whole) == len(set(whole))
    assert plan(before, before.values) == ()


@given(st.sampled_from(["vda", "vdb"]), st.integers(1, 10**6))
def test_a_disks_settings_are_given_whole_and_without_a_group_that_nobody_has(target: str, rate: int) -> None:
    (write,) = plan(Limits(), {LimitRef("disk_read_bytes", target): rate})
    keys = {ref.key for ref, _ in write.values}
    assert keys == {row.key for row in TABLE if row.call is Call.BLOCK_IO_TUNE} - {"disk_group"}
    grouped = Limits({LimitRef("disk_group", target): "g", LimitRef("disk_read_bytes", target): rate})
    (write,) = plan(grouped, {LimitRef("disk_group", target): None})
    assert in_text(write, grouped)


def test_every_row_stands_in_the_order() -> None:
    assert list(BY_KEY) == [row.key for row in TABLE]
