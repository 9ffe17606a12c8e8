# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums of promises, and who gets what under full load."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.fakes import HOST, a_guest
from vmconsole.inventory.facts import GuestState, Host, HostState
from vmconsole.inventory.limits import CpuCap, LimitRef, Limits
from vmconsole.quotas.capacity import capacity_of, full_load_shares, limits_with, over_commit_problems, over_commits

GIB = 2**20
WANTS = st.lists(st.tuples(st.floats(1, 10_000), st.floats(0.01, 64)), min_size=1, max_size=20)


def a_host(cpus=8, gib=16, layout="v2"):
    return Host(HOST, "kvm1", HostState.CONNECTED, cpus=cpus, memory_bytes=gib * 2**30, cgroup_layout=layout)


def guest(name, *, vcpus=2, memory_gib=4, state=GuestState.RUNNING, **rows):
    limits = Limits.of(vcpu_count=vcpus, memory_max=memory_gib * GIB, memory_balloon=memory_gib * GIB, **rows)
    live = limits if state.has_process else None
    return dataclasses.replace(a_guest(name, vcpus=vcpus, state=state), live=live, stored=limits)


@given(WANTS, st.floats(0.5, 256))
def test_nobody_gets_more_than_it_may_and_all_is_given_away(wants, cpus):
    shares = full_load_shares(wants, cpus)
    assert all(share <= most * 1.000001 for share, (_, most) in zip(shares, wants, strict=True))
    assert sum(shares) == pytest.approx(min(cpus, sum(most for _, most in wants)), rel=1e-6)


@given(WANTS, st.floats(0.5, 256))
def test_those_that_are_not_full_share_by_weight(wants, cpus):
    shares = full_load_shares(wants, cpus)
    hungry = [(s / w) for s, (w, most) in zip(shares, wants, strict=True) if s < most * 0.999999]
    assert not hungry or max(hungry) == pytest.approx(min(hungry), rel=1e-6)


def test_twice_the_weight_is_twice_the_time_until_the_cap():
    guests = [
        guest("a", vcpus=8, cpu_weight=200),
        guest("b", vcpus=8),
        guest("c", vcpus=8, guest_cap=CpuCap(100_000, 50_000)),
    ]
    shares = {promise.name: promise.share_cores for promise in capacity_of(a_host(), guests).promises}
    assert shares == {"a": pytest.approx(5.0), "b": pytest.approx(2.5), "c": pytest.approx(0.5)}


def test_sums_are_of_the_running_guests():
    found = capacity_of(
        a_host(), [guest("a", memory_hard=5 * GIB), guest("b"), guest("off", state=GuestState.SHUT_OFF)]
    )
    assert (found.vcpus, found.memory_max_kib, found.hard_kib) == (4, 8 * GIB, None)
    assert [promise.name for promise in found.promises] == ["a", "b", "off"]
    assert found.promises[2].share_cores is None
    assert capacity_of(a_host(), [guest("a", memory_hard=5 * GIB)]).hard_kib == 5 * GIB


def test_what_is_promised_twice_is_told():
    assert over_commits(capacity_of(a_host(), [guest("a")])) == ()
    told = over_commits(capacity_of(a_host(cpus=1), [guest(f"g{n}", memory_gib=6) for n in range(3)]))
    assert len(told) == 2
    assert "18.0 GiB" in told[0]
    assert "6 vCPUs share 1 CPUs" in told[1]


def test_a_change_that_promises_too_much_is_warned_of_and_one_that_was_so_before_is_not():
    ref = LimitRef("memory_balloon")
    guests = [guest("a", memory_gib=12), guest("b", memory_gib=12, state=GuestState.RUNNING)]
    guests[1] = limits_with(guests[1], {ref: 2 * GIB})
    more = limits_with(guests[1], {ref: 12 * GIB})
    found = over_commit_problems(a_host(), guests, more, ref)
    assert [problem.is_fatal for problem in found] == [False]
    assert over_commit_problems(a_host(), [guests[0], more], more, ref) == ()
