# SPDX-License-Identifier: GPL-3.0-or-later
import dataclasses
import shlex

import pytest

from tests.operations.fakes import HOST, FakeVerbs, a_guest
from vmconsole.inventory.deltas import GuestGone, GuestSeen
from vmconsole.inventory.errors import LinkLost
from vmconsole.inventory.facts import GuestState
from vmconsole.inventory.ids import GuestId
from vmconsole.operations.lifecycle import (
    ForceOffGuest,
    PauseGuest,
    RebootGuest,
    ResumeGuest,
    ShutDownGuest,
    StartGuest,
)

VERBS = [StartGuest, ShutDownGuest, RebootGuest, PauseGuest, ResumeGuest, ForceOffGuest]
POSSIBLE = {
    GuestState.RUNNING: {ShutDownGuest, RebootGuest, PauseGuest, ForceOffGuest},
    GuestState.PAUSED: {ResumeGuest, ForceOffGuest},
    GuestState.SHUTTING_DOWN: {PauseGuest, ForceOffGuest},
    GuestState.SHUT_OFF: {StartGuest},
    GuestState.CRASHED: {StartGuest, ForceOffGuest},
    GuestState.SUSPENDED: {ForceOffGuest},
}


@pytest.mark.parametrize("state", POSSIBLE)
@pytest.mark.parametrize("verb", VERBS)
def test_what_cannot_be_done_says_why(verb, state):
    reason = verb.possible(a_guest(state=state))
    assert (reason == "") == (verb in POSSIBLE[state])
    if reason:
        assert reason.startswith("web1 is ")
        assert reason.endswith(".")


@pytest.mark.parametrize(
    ("verb", "before", "asked", "after"),
    [
        (StartGuest, GuestState.SHUT_OFF, "start", GuestState.RUNNING),
        (ShutDownGuest, GuestState.RUNNING, "shut_down", GuestState.RUNNING),
        (RebootGuest, GuestState.RUNNING, "reboot", GuestState.RUNNING),
        (PauseGuest, GuestState.RUNNING, "pause", GuestState.PAUSED),
        (ResumeGuest, GuestState.PAUSED, "resume", GuestState.RUNNING),
        (ForceOffGuest, GuestState.RUNNING, "force_off", GuestState.SHUT_OFF),
    ],
)
def test_each_asks_the_host_and_reads_back(verb, before, asked, after):
    guest = a_guest(state=before)
    verbs = FakeVerbs(guest)
    outcome = verb(guest.id, guest.name).run(verbs)
    assert verbs.calls == [(asked, guest.id.uuid), ("describe", guest.id.uuid)]
    (seen,) = outcome.deltas
    assert isinstance(seen, GuestSeen)
    assert seen.guest.state is after


def test_shutting_down_says_that_it_was_only_asked():
    guest = a_guest()
    assert "asked" in ShutDownGuest(guest.id, guest.name).run(FakeVerbs(guest)).note


def test_a_transient_guest_is_gone_after_force_off():
    guest = dataclasses.replace(a_guest(), persistent=False)
    outcome = ForceOffGuest(guest.id, guest.name).run(FakeVerbs(guest))
    assert outcome.deltas == (GuestGone(guest.id),)


def test_pause_and_resume_take_each_other_back():
    guest = a_guest()
    verbs = FakeVerbs(guest)
    undo = PauseGuest(guest.id, guest.name).run(verbs).undo
    assert undo == ResumeGuest(guest.id, guest.name)
    assert undo.run(verbs).undo == PauseGuest(guest.id, guest.name)


def test_only_force_off_asks_first():
    guest = a_guest()
    asked = {verb for verb in VERBS if verb(guest.id, guest.name).confirmation is not None}
    assert asked == {ForceOffGuest}
    assert "lost" in ForceOffGuest(guest.id, guest.name).confirmation.loses


def test_an_error_of_the_host_comes_through():
    guest = a_guest()
    verbs = FakeVerbs(guest)
    verbs.fail["pause"] = LinkLost("gone")
    with pytest.raises(LinkLost):
        PauseGuest(guest.id, guest.name).run(verbs)


@pytest.mark.parametrize("name", ["web1", "a guest; rm -rf ~", "it's", "ünïcode", "$(id)"])
def test_virsh_lines_survive_a_shell(name):
    line = StartGuest(GuestId(HOST, "uuid-x"), name).virsh()
    assert shlex.split(line) == ["virsh", "-c", HOST, "start", name]


@pytest.mark.parametrize("name", ["7", "--all"])
def test_virsh_is_given_the_uuid_where_it_would_misread_the_name(name):
    assert StartGuest(GuestId(HOST, "uuid-x"), name).virsh().endswith("start uuid-x")
