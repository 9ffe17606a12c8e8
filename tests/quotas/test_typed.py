# SPDX-License-Identifier: GPL-3.0-or-later
"""What people type for a limit, and what is shown typed in again."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.facts import Guest, GuestState, Host, HostState
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.inventory.limits import CpuCap, Limits, is_none
from vmconsole.quotas.rows import Kind
from vmconsole.quotas.situation import Situation
from vmconsole.quotas.table import BY_KEY, TABLE
from vmconsole.quotas.typed import examples, typed
from vmconsole.quotas.words import raw, shown

HOST = HostId("qemu+ssh://kvm1/system")
GUEST = Guest(GuestId(HOST, "u"), "web", GuestState.RUNNING, vcpus=2, live=Limits(), stored=Limits())
V1 = Situation(Host(HOST, "kvm1", HostState.CONNECTED, cpus=8, cgroup_layout="v1"), GUEST)
V2 = Situation(Host(HOST, "kvm1", HostState.CONNECTED, cpus=8, cgroup_layout="v2"), GUEST)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("guest_cap", "1.5 cores", CpuCap(100_000, 150_000)),
        ("guest_cap", "1,5", CpuCap(100_000, 150_000)),
        ("guest_cap", "25 %", CpuCap(100_000, 200_000)),
        ("guest_cap", "25 % of this host", CpuCap(100_000, 200_000)),
        ("vcpu_cap", "25 % of a core", CpuCap(100_000, 25_000)),
        ("vcpu_cap", "20000/50000", CpuCap(50_000, 20_000)),
        ("vcpu_cap", "quota 20000 of 50000 µs", CpuCap(50_000, 20_000)),
        ("guest_cap", "No cap", None),
        ("cpu_weight", "2x", 2048),
        ("cpu_weight", "twice", None),
        ("cpu_weight", "512", 512),
        ("memory_hard", "2 GiB", 2 * 2**20),
        ("memory_hard", "2g", 2 * 2**20),
        ("memory_hard", "2 GB", 1_953_125),
        ("memory_hard", "512", 512 * 1024),
        ("disk_read_bytes", "20 MB/s", 20_000_000),
        ("disk_read_bytes", "16 MiB/s", 16 * 2**20),
        ("disk_read_bytes", "1000", 1000),
        ("disk_read_iops", "2k", 2000),
        ("disk_read_iops", "300 IOPS", 300),
        ("disk_read_bytes_burst_length", "2 min", 120),
        ("nic_in_average", "100 Mbit/s", 12500),
        ("nic_in_average", "12.5 MB/s", 12500),
        ("nic_in_burst", "512", 512),
        ("nic_in_burst", "1 MiB", 1024),
        ("vcpu_pin", "3, 0-2", "0-3"),
        ("vcpu_pin", "any", None),
        ("iothread_poll_max", "32 µs", 32_000),
        ("iothread_poll_max", "0", 0),
        ("disk_group", "slow", "slow"),
        ("vcpu_count", "4", 4),
    ],
)  # fmt: skip
def test_what_people_type(key, text, value):
    row = BY_KEY[key]
    if text == "twice":
        with pytest.raises(OutOfRange, match="2x"):
            typed(row, text, V1)
        return
    found = typed(row, text, V1)
    assert found == value or (is_none(found) and is_none(value))


def test_twice_the_default_depends_on_the_host():
    assert typed(BY_KEY["cpu_weight"], "2x", V2) == 200


@pytest.mark.parametrize("text", ["abc", "1.5 fish", "--", "1..2", "9" * 40 + " GiB", "5 GiB/fortnight", "\0", "1 2 3"])
@pytest.mark.parametrize("row", [row for row in TABLE if not row.kind.is_text], ids=lambda row: row.key)
def test_what_is_not_understood_is_told_with_an_example(row, text):
    with pytest.raises(OutOfRange) as told:
        typed(row, text, V1)
    assert told.value.explanation.advice


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.key)
def test_every_kind_has_examples_that_are_understood(row):
    for text in examples(row).split(", "):
        if row.none_words != "unknown" or text not in {"none", "default"}:
            typed(row, text.split(" (")[0], V1)


@given(
    st.integers(1, 2**40), st.sampled_from([row for row in TABLE if not row.kind.is_text and row.kind is not Kind.CAP])
)
def test_the_raw_form_is_read_back_exactly(number, row):
    assert typed(row, raw(row, number), V1) == number


@given(st.integers(1000, 10**9), st.integers(1000, 1_000_000))
def test_a_raw_cap_is_read_back_exactly(quota, period):
    cap = CpuCap(period, quota)
    assert typed(BY_KEY["vcpu_cap"], raw(BY_KEY["vcpu_cap"], cap), V1) == cap


@given(
    st.integers(1024, 2**40),
    st.sampled_from([row for row in TABLE if not row.kind.is_text and row.kind is not Kind.CAP]),
)
def test_what_is_shown_can_be_typed_in_again(number, row):
    again = typed(row, shown(row, number), V1)
    assert isinstance(again, int)
    assert abs(again - number) <= number * 0.006 + 1


@given(st.text(max_size=30), st.sampled_from(TABLE))
def test_any_text_is_a_value_or_a_clear_error(text, row):
    with contextlib.suppress(OutOfRange):
        typed(row, text, V1)
