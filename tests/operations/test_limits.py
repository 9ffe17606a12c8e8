# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing limits: checked first, written in order, taken back, undone, read back. On a host small enough to read."""

import dataclasses
import shlex

import pytest

from tests.operations.fakes import HOST, FakeVerbs, a_guest, situation_of
from vmconsole.inventory.errors import DomainBusy, LinkLost, OperationRefused, OutOfRange
from vmconsole.inventory.facts import GuestState
from vmconsole.inventory.limits import CpuCap, LimitRef, Limits
from vmconsole.operations.limits import ChangeLimits

CAP = CpuCap(100_000, 150_000)
OLD = CpuCap(50_000, 100_000)
NONE = CpuCap()
WHOLE = LimitRef("guest_cap")
WEIGHT = LimitRef("cpu_weight")
HARD, SWAP = LimitRef("memory_hard"), LimitRef("memory_swap_hard")


def with_caps(live=OLD, stored=NONE, vcpu=NONE):
    guest = a_guest()
    return dataclasses.replace(
        guest, live=Limits.of(guest_cap=live, vcpu_cap=vcpu), stored=Limits.of(guest_cap=stored, vcpu_cap=vcpu)
    )


def change(guest, live=None, stored=None, *, layout="v1"):
    return ChangeLimits(situation_of(guest, layout=layout), live=live or {}, stored=stored or {})


def test_the_running_guest_alone():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    outcome = change(guest, {WHOLE: CAP}).run(verbs)
    assert verbs.written() == [("write_limits", guest.id.uuid, {WHOLE: CAP}, False)]
    assert outcome.deltas[0].guest.live.guest_cap == CAP
    assert outcome.deltas[0].guest.stored == guest.stored
    assert outcome.note == "1.50 cores now; proved on the host"


def test_both_places_the_running_guest_first():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    outcome = change(guest, {WHOLE: CAP}, {WHOLE: CAP}).run(verbs)
    assert [(call[0], call[-1]) for call in verbs.written()] == [("write_limits", False), ("write_limits", True)]
    assert outcome.note == "1.50 cores now; 1.50 cores next boot; proved on the host"


def test_what_is_so_already_is_not_written():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    change(guest, {WHOLE: OLD}, {WHOLE: None}).run(verbs)
    assert verbs.written() == []


def test_limits_of_one_call_are_one_call_in_an_order_that_is_accepted():
    guest = dataclasses.replace(with_caps(), live=Limits.of(memory_hard=10_000_000, memory_swap_hard=11_000_000))
    verbs = FakeVerbs(guest)
    raised = change(guest, {HARD: 20_000_000, SWAP: 21_000_000})
    raised.run(verbs)
    assert [call[2] for call in verbs.written()] == [{SWAP: 21_000_000}, {HARD: 20_000_000}]
    raised.run(verbs)
    verbs.calls.clear()
    change(guest, {HARD: 10_000_000, SWAP: 11_000_000}).run(verbs)
    assert [call[2] for call in verbs.written()] == [{HARD: 10_000_000}, {SWAP: 11_000_000}]


def test_undo_is_exactly_the_state_before_even_where_the_two_differed():
    guest = with_caps(live=OLD, stored=CpuCap())
    verbs = FakeVerbs(guest)
    undo = change(guest, {WHOLE: CAP}, {WHOLE: CAP}).run(verbs).undo
    redo = undo.run(verbs).undo
    assert verbs.guests[guest.id.uuid] == guest
    redo.run(verbs)
    assert verbs.guests[guest.id.uuid].live.guest_cap == CAP
    assert verbs.guests[guest.id.uuid].stored.guest_cap == CAP


def test_undo_reads_the_host_and_not_what_the_screen_showed():
    shown = with_caps(live=CpuCap(100_000, 30_000))
    verbs = FakeVerbs(with_caps(live=CpuCap(100_000, 70_000)))
    undo = change(shown, {WHOLE: CAP}).run(verbs).undo
    assert (undo.live, undo.stored) == ({WHOLE: CpuCap(100_000, 70_000)}, {})


def test_undo_leaves_alone_what_somebody_else_stored_meanwhile():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    undo = change(guest, stored={WHOLE: CAP}).run(verbs).undo
    theirs = dataclasses.replace(guest, stored=Limits.of(guest_cap=CAP, cpu_weight=512))
    verbs.guests[guest.id.uuid] = theirs
    undo.run(verbs)
    assert verbs.guests[guest.id.uuid].stored == Limits.of(cpu_weight=512)


def test_the_note_tells_what_the_host_made_of_it():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    verbs.quota_step_us = 40_000
    note = change(guest, {WHOLE: CAP}).run(verbs).note
    assert note == "1.20 cores now; not as asked: CPU cap, whole guest is 1.20 cores (now)"


def test_the_note_tells_what_the_hosts_files_say_otherwise():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    verbs.files = {WHOLE: "100000 100000"}
    note = change(guest, {WHOLE: CAP}).run(verbs).note
    assert note.endswith("CPU cap, whole guest: libvirt says 1.50 cores, cpu.cfs_quota_us says 1.00 cores")


def test_a_weight_taken_away_is_the_default_one_in_a_running_guest_and_gone_from_the_stored_definition():
    guest = dataclasses.replace(a_guest(), live=Limits.of(cpu_weight=7), stored=Limits.of(cpu_weight=7))
    verbs = FakeVerbs(guest)
    note = change(guest, {WEIGHT: None}, {WEIGHT: None}).run(verbs).note
    assert verbs.guests[guest.id.uuid].live == Limits.of(cpu_weight=1024)
    assert verbs.guests[guest.id.uuid].stored == Limits()
    assert [call[0] for call in verbs.written()] == ["write_limits", "define"]
    assert note == "1024 now; default next boot; proved on the host"


def test_a_guest_that_does_not_help_is_waited_for_and_told_of(monkeypatch):
    monkeypatch.setattr("vmconsole.operations.limits.GUEST_PATIENCE_S", 0.0)
    guest = dataclasses.replace(a_guest(), live=Limits.of(memory_balloon=2**20, memory_max=2**20))
    verbs = FakeVerbs(guest)
    verbs.ignores = frozenset({"memory_balloon"})
    note = change(guest, {LimitRef("memory_balloon"): 2**19}).run(verbs).note
    assert "asked for 512 MiB, the guest keeps 1.00 GiB" in note


def test_a_guest_that_keeps_a_vcpu_is_no_failure(monkeypatch):
    monkeypatch.setattr("vmconsole.operations.limits.GUEST_PATIENCE_S", 0.0)
    guest = dataclasses.replace(a_guest(), live=Limits.of(vcpu_count=2, vcpu_max=4))
    verbs = FakeVerbs(guest)
    verbs.fail["set_live"] = DomainBusy("late", entry="vcpu-unplug-timeout")
    note = change(guest, {LimitRef("vcpu_count"): 1}).run(verbs).note
    assert "asked for 1, the guest keeps 2" in note


def test_a_failed_second_half_puts_the_first_back():
    guest = dataclasses.replace(with_caps(), live=Limits.of(guest_cap=OLD, cpu_weight=512))
    verbs = FakeVerbs(guest)
    verbs.fail["set_stored"] = OperationRefused("no")
    with pytest.raises(OperationRefused):
        change(guest, {WHOLE: CAP, WEIGHT: 7}, {WHOLE: OLD}).run(verbs)
    assert verbs.guests[guest.id.uuid] == guest


def test_a_lost_link_is_not_taken_for_an_answer():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    verbs.fail["set_stored"] = LinkLost("gone")
    with pytest.raises(LinkLost):
        change(guest, {WHOLE: CAP}, {WHOLE: OLD}).run(verbs)
    assert len(verbs.written()) == 2


@pytest.mark.parametrize("layout", ["v1", "hybrid"])
def test_v1_refuses_less_than_one_vcpu_before_anything_is_written(layout):
    guest = with_caps(vcpu=CpuCap(100_000, 80_000))
    verbs = FakeVerbs(guest)
    with pytest.raises(OutOfRange, match=r"Lower it to 0\.50 cores or less, or raise the cap of the whole guest"):
        change(guest, {WHOLE: CpuCap(100_000, 50_000)}, layout=layout).run(verbs)
    assert verbs.written() == []


def test_v2_has_no_such_rule():
    guest = with_caps(vcpu=CpuCap(100_000, 80_000))
    verbs = FakeVerbs(guest)
    change(guest, {WHOLE: CpuCap(100_000, 50_000)}, layout="v2").run(verbs)
    assert len(verbs.written()) == 1


def test_a_value_that_the_kernel_would_refuse_is_not_stored():
    guest = with_caps()
    verbs = FakeVerbs(guest)
    with pytest.raises(OutOfRange):
        change(guest, stored={WHOLE: CpuCap(100_000, 999)}).run(verbs)
    assert verbs.written() == []


def test_a_guest_that_is_off_has_no_cap_to_set_now():
    guest = a_guest(state=GuestState.SHUT_OFF)
    verbs = FakeVerbs(guest)
    with pytest.raises(OutOfRange, match="shut off"):
        change(guest, {WHOLE: CAP}).run(verbs)
    assert verbs.written() == []


def test_a_transient_guest_has_no_next_boot():
    guest = dataclasses.replace(a_guest(), stored=None)
    with pytest.raises(OutOfRange, match="transient"):
        change(guest, stored={WHOLE: CAP}).run(FakeVerbs(guest))


def test_virsh_lines():
    both = change(a_guest("web 1"), {WHOLE: CAP}, {WHOLE: CAP}).virsh().splitlines()
    assert [shlex.split(line) for line in both] == [
        ["virsh", "-c", HOST, "schedinfo", "web 1", "global_period=100000", "global_quota=150000", place]
        for place in ("--live", "--config")
    ]
    two = change(with_caps(stored=CAP), {WHOLE: CAP}, {WHOLE: CpuCap()}).virsh().splitlines()
    assert two[0].endswith("global_period=100000 global_quota=150000 --live")
    assert two[1].endswith("global_period=100000 global_quota=-1 --config")
