# SPDX-License-Identifier: GPL-3.0-or-later
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.limits import DEFAULT_PERIOD_US, CpuCap
from vmconsole.quotas.cpucap import (
    MAX_PERIOD_US,
    MAX_QUOTA_US,
    MIN_CORES,
    MIN_PERIOD_US,
    MIN_QUOTA_US,
    cap_of_cores,
    check_against_vcpus,
    check_cap,
    same_limit,
    words,
)

cores_st = st.floats(MIN_CORES, 4096, allow_nan=False)
periods = st.integers(MIN_PERIOD_US, MAX_PERIOD_US)


@given(cores_st, periods)
def test_every_cap_in_cores_can_be_written_and_is_as_near_as_microseconds_allow(cores, period):
    cap = cap_of_cores(cores, period_us=period)
    check_cap(cap)
    assert abs(cap.cores - cores) <= 0.5 / cap.period_us + 1e-12 or cap.quota_us == MIN_QUOTA_US
    assert abs(cap.cores - cores) <= cores * 0.001 + 0.5 / cap.period_us


@given(cores_st, periods)
def test_the_period_is_kept_where_the_quota_is_long_enough(cores, period):
    cap = cap_of_cores(cores, period_us=period)
    if round(cores * period) >= MIN_QUOTA_US:
        assert cap.period_us == period
    else:
        assert cap.period_us >= period


@given(cores_st, periods)
def test_there_and_back_again_changes_nothing_more(cores, period):
    once = cap_of_cores(cores, period_us=period)
    assert cap_of_cores(once.cores, period_us=once.period_us) == once


@given(st.floats(MIN_CORES, 100), st.floats(MIN_CORES, 100), periods)
def test_more_is_never_less(one, other, period):
    low, high = sorted((one, other))
    assert cap_of_cores(low, period_us=period).cores <= cap_of_cores(high, period_us=period).cores + 1 / period


@pytest.mark.parametrize("period", [0, -1, 999, 1_000_001])
def test_a_period_that_was_never_set_becomes_the_default(period):
    assert cap_of_cores(1.5, period_us=period) == CpuCap(DEFAULT_PERIOD_US, 150_000)


@pytest.mark.parametrize("cores", [0, -1, 0.0009, math.nan, math.inf])
def test_cores_that_cannot_be_written(cores):
    with pytest.raises(OutOfRange):
        cap_of_cores(cores)


def test_no_cap():
    assert cap_of_cores(None) == CpuCap()
    assert same_limit(CpuCap(50_000, None), CpuCap(100_000, None))
    assert not same_limit(CpuCap(50_000, 50_000), CpuCap(100_000, None))
    assert words(CpuCap()) == "no cap"


def test_words():
    assert words(CpuCap(100_000, 150_000)) == "1.50 cores (quota 150000 of 100000 µs)"
    assert words(CpuCap(1_000_000, 1_000)).startswith("0.001 cores")


@pytest.mark.parametrize(
    "cap", [CpuCap(999, None), CpuCap(1_000_001, 5000), CpuCap(100_000, 999), CpuCap(100_000, MAX_QUOTA_US + 1)]
)
def test_what_the_kernel_refuses_is_refused_here(cap):
    with pytest.raises(OutOfRange):
        check_cap(cap)


caps = st.builds(CpuCap, periods, st.none() | st.integers(MIN_QUOTA_US, 10_000_000))


@given(caps, caps)
def test_the_v1_rule_is_the_kernels(guest_cap, vcpu_cap):
    """tg_cfs_schedulable_down() in kernel/sched/core.c."""
    unlimited = 1 << 100

    def ratio(cap):
        return unlimited if cap.quota_us is None else (cap.quota_us << 20) // cap.period_us

    parent, child = ratio(guest_cap), ratio(vcpu_cap)
    refused = child not in (unlimited,) and parent != unlimited and child > parent
    if refused:
        with pytest.raises(OutOfRange) as caught:
            check_against_vcpus(guest_cap, vcpu_cap, cgroup_layout="v1")
        assert "per vCPU" in caught.value.explanation.advice
    else:
        check_against_vcpus(guest_cap, vcpu_cap, cgroup_layout="v1")
    check_against_vcpus(guest_cap, vcpu_cap, cgroup_layout="v2")
