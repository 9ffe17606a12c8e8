# SPDX-License-Identifier: GPL-3.0-or-later
import dataclasses
import shlex

import pytest

from tests.operations.fakes import HOST, FakeVerbs, a_guest
from vmconsole.inventory.errors import DomainBusy, LinkLost, OperationRefused, OutOfRange, Unsupported
from vmconsole.inventory.facts import GuestState
from vmconsole.inventory.limits import CpuCap, Limits
from vmconsole.operations.limits import SetGuestCap

CAP = CpuCap(100_000, 150_000)
OLD = CpuCap(50_000, 100_000)


NONE = CpuCap()


def with_caps(live=OLD, stored=NONE, vcpu=NONE):
    guest = a_guest()
    return dataclasses.replace(
        guest, live=Limits.of(guest_cap=live, vcpu_cap=vcpu), stored=Limits.of(guest_cap=stored, vcpu_cap=vcpu)
    )


def test_the_running_guest_alone():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    outcome = SetGuestCap(guest.id, "web1", live=CAP).run(verbs)
    assert verbs.written() == [("set_guest_cap", guest.id.uuid, CAP, True, False)]
    assert outcome.deltas[0].guest.live.guest_cap == CAP
    assert outcome.note == "cap is now 1.50 cores (quota 150000 of 100000 µs)"


def test_both_at_once_are_one_call():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    SetGuestCap(guest.id, "web1", live=CAP, stored=CAP).run(verbs)
    assert verbs.written() == [("set_guest_cap", guest.id.uuid, CAP, True, True)]


def test_undo_is_exactly_the_state_before_even_where_the_two_differed():
    guest = with_caps(live=OLD, stored=CpuCap())
    verbs = FakeVerbs(guest)
    undo = SetGuestCap(guest.id, "web1", live=CAP, stored=CAP).run(verbs).undo
    undo.run(verbs)
    assert verbs.guests[guest.id.uuid] == guest


def test_undo_reads_the_host_and_not_what_the_screen_showed():
    guest = with_caps(live=CpuCap(100_000, 30_000))
    verbs = FakeVerbs(guest)
    undo = SetGuestCap(guest.id, "web1", live=CAP).run(verbs).undo
    assert undo == SetGuestCap(guest.id, "web1", live=CpuCap(100_000, 30_000), stored=None)


def test_the_note_tells_what_the_host_made_of_it():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    verbs.quota_step_us = 40_000
    note = SetGuestCap(guest.id, "web1", live=CAP).run(verbs).note
    assert "now 1.20 cores" in note
    assert "1.50 cores (quota 150000 of 100000 µs) was asked for" in note


def test_a_failed_second_half_puts_the_first_back():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    verbs.fail["set_stored"] = OperationRefused("no")
    with pytest.raises(OperationRefused):
        SetGuestCap(guest.id, "web1", live=CAP, stored=OLD).run(verbs)
    assert verbs.guests[guest.id.uuid] == guest


def test_a_lost_link_is_not_taken_for_an_answer():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    verbs.fail["set_stored"] = LinkLost("gone")
    with pytest.raises(LinkLost):
        SetGuestCap(guest.id, "web1", live=CAP, stored=OLD).run(verbs)
    assert len(verbs.written()) == 2


@pytest.mark.parametrize("layout", ["v1", "hybrid"])
def test_v1_refuses_less_than_one_vcpu_before_anything_is_written(layout):
    guest = with_caps(vcpu=CpuCap(100_000, 80_000))
    verbs = FakeVerbs(guest)
    with pytest.raises(OutOfRange, match=r"Choose 0\.8 cores or more"):
        SetGuestCap(guest.id, "web1", live=CpuCap(100_000, 50_000), cgroup_layout=layout).run(verbs)
    assert verbs.written() == []


def test_v2_has_no_such_rule():
    guest = with_caps(vcpu=CpuCap(100_000, 80_000))
    verbs = FakeVerbs(guest)
    SetGuestCap(guest.id, "web1", live=CpuCap(100_000, 50_000), cgroup_layout="v2").run(verbs)
    assert len(verbs.written()) == 1


def test_a_value_that_the_kernel_would_refuse_is_not_stored():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    with pytest.raises(OutOfRange):
        SetGuestCap(guest.id, "web1", stored=CpuCap(100_000, 999)).run(verbs)
    assert verbs.written() == []


def test_a_guest_that_is_off_has_no_cap_to_set_now():
    guest = a_guest(state=GuestState.SHUT_OFF)
    with pytest.raises(DomainBusy, match="next boot"):
        SetGuestCap(guest.id, "web1", live=CAP).run(FakeVerbs(guest))


def test_a_transient_guest_has_no_next_boot():
    guest = dataclasses.replace(a_guest(), stored=None)
    with pytest.raises(Unsupported):
        SetGuestCap(guest.id, "web1", stored=CAP).run(FakeVerbs(guest))


def test_virsh_lines():
    guest = a_guest()
    both = SetGuestCap(guest.id, "web 1", live=CAP, stored=CAP).virsh()
    assert shlex.split(both) == [
        *("virsh", "-c", HOST, "schedinfo", "web 1", "--live", "--config"),
        *("global_period=100000", "global_quota=150000"),
    ]
    two = SetGuestCap(guest.id, "web1", live=CAP, stored=CpuCap()).virsh().splitlines()
    assert two[0].endswith("--live global_period=100000 global_quota=150000")
    assert two[1].endswith("--config global_period=100000 global_quota=-1")
