# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of CPUs, and what a click on the grid of pinning makes of them."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.fakes import HOST, a_guest
from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.facts import Host, HostState
from vmconsole.inventory.limits import LimitRef, Limits
from vmconsole.quotas.pins import allowed, crowd, pin_rows, pinned_elsewhere, toggled
from vmconsole.quotas.sets import format_set, parse_set
from vmconsole.quotas.situation import Situation

CPUS = st.sets(st.integers(0, 63))


@given(CPUS)
def test_a_set_is_read_back(cpus):
    assert parse_set(format_set(cpus)) == cpus


@pytest.mark.parametrize("text", ["0-", "a", "3-1", "1,,x", "-1", "99999999", "0-70000", "1 2"])
def test_what_is_no_set_is_told(text):
    with pytest.raises(OutOfRange, match="no set"):
        parse_set(text)


def test_parts_are_taken_out_by_a_caret():
    assert parse_set("0-4,^2") == {0, 1, 3, 4}


@given(CPUS.filter(bool), st.integers(0, 63), st.booleans())
def test_a_click_changes_one_cpu_and_leaves_a_part_somewhere_to_run(cpus, cpu, on):
    there = range(64)
    value = None if len(cpus) == 64 else format_set(cpus)
    after = allowed(toggled(value, [cpu], there, on=on), there)
    assert after
    if value is not None and after != set(there):
        assert after == (cpus | {cpu} if on else cpus - {cpu})


def test_the_first_click_pins_to_that_cpu():
    assert toggled(None, [3], range(8), on=True) == "3"
    assert toggled("3", [3], range(8), on=False) is None
    assert toggled("0-6", [7], range(8), on=True) is None


def test_other_guests_that_are_pinned():
    web, db, off = a_guest("web"), a_guest("db"), a_guest("off")
    db = dataclasses.replace(db, live=Limits({LimitRef("vcpu_pin", "0"): "0-1", LimitRef("vcpu_pin", "1"): "2"}))
    off = dataclasses.replace(off, live=Limits())
    found = pinned_elsewhere([web, db, off], besides=web)
    assert [(guest.name, guest.cpus) for guest in found] == [("db", {0, 1, 2})]
    assert crowd(found)[2] == 1
    assert pinned_elsewhere([db], besides=db) == ()


def test_every_part_that_can_be_pinned_has_a_row():
    guest = dataclasses.replace(a_guest(vcpus=2), iothreads=(1,))
    situation = Situation(Host(HOST, "kvm1", HostState.CONNECTED), guest)
    assert [str(ref) for ref in pin_rows(situation)] == ["vcpu_pin@0", "vcpu_pin@1", "emulator_pin", "iothread_pin@1"]
