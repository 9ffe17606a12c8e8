# SPDX-License-Identifier: GPL-3.0-or-later
"""Lanes and actors: order, deadlines, stuck calls, and that nothing is left."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until
from vmconsole.inventory.errors import HostNotAnswering, LinkLost, OutOfRange
from vmconsole.links.actor import Actor
from vmconsole.links.backoff import Backoff
from vmconsole.links.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stuck:
    """Counts how often a lane reports that it is stuck, and can release what is."""

    def __init__(self) -> None:
        self.count = 0
        self.release = threading.Event()

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def stuck() -> Stuck:
    return Stuck()


@pytest.fixture
def lane(actor: Actor, stuck: Stuck) -> Iterator[Lane]:
    lane = Lane("test lane", where="kvm1", call_later=actor.call_later, on_stuck=stuck)
    yield lane
    stuck.release.set()
    assert lane.close(timeout_s=2)


def test_jobs_run_in_order_on_one_thread(lane: Lane) -> None:
    futures = [lane.submit(lambda n=n: (n, threading.get_ident()), deadline_s=5) for n in range(20)]
    results = [future.result(5) for future in futures]
    assert [n for n, _ in results] == list(range(20))
    assert len({thread for _, thread in results}) == 1


class Domain:
    """Stands for libvirt's, which keeps its connection."""

    def look(self) -> None:
        raise OSError("libvirt's words")


def test_what_a_failed_job_worked_on_is_not_left_to_the_garbage_collector(lane: Lane) -> None:
    """It would end a connection in any thread, in the middle of anything."""
    found: list[weakref.ref[Domain]] = []

    def call() -> None:
        domain = Domain()
        found.append(weakref.ref(domain))
        try:
            domain.look()
        except OSError as error:
            raise OutOfRange("no") from error

    gc.collect()
    gc.disable()
    try:
        future = lane.submit(call, deadline_s=5)
        assert isinstance(future.exception(5), OutOfRange)
        wait_until(lambda: found[0]() is None)
    finally:
        gc.enable()
    assert future.exception() is not None, "the error is still there for who asks"


def test_a_job_s_error_reaches_its_future(lane: Lane) -> None:
    def fail() -> None:
        raise OutOfRange("no")

    with pytest.raises(OutOfRange):
        lane.submit(fail, deadline_s=5).result(5)


def test_a_stuck_job_fails_at_its_deadline_and_the_rest_goes_on(lane: Lane, stuck: Stuck) -> None:
    began = time.monotonic()
    hung = lane.submit(lambda: stuck.release.wait(30), deadline_s=0.2)
    waiting = lane.submit(lambda: "next", deadline_s=5)
    with pytest.raises(HostNotAnswering) as caught:
        hung.result(5)
    assert 0.15 < time.monotonic() - began < 1.5
    assert caught.value.explanation.where == "kvm1"
    assert waiting.result(5) == "next"
    assert (stuck.count, lane.abandoned) == (1, 1)
    stuck.release.set()
    wait_until(lambda: lane.abandoned == 0)


def test_a_job_that_never_began_also_fails_in_time_and_never_runs(lane: Lane, stuck: Stuck) -> None:
    ran = threading.Event()
    hung = lane.submit(lambda: stuck.release.wait(30), deadline_s=5)
    late = lane.submit(ran.set, deadline_s=0.1)
    with pytest.raises(HostNotAnswering):
        late.result(5)
    stuck.release.set()
    assert hung.result(5)
    assert lane.submit(lambda: "after", deadline_s=5).result(5) == "after"
    assert not ran.is_set()
    assert stuck.count == 0  # nobody was left behind for a job that only waited


def test_a_job_can_be_cancelled_before_it_begins(lane: Lane, stuck: Stuck) -> None:
    lane.submit(lambda: stuck.release.wait(30), deadline_s=5)
    ran = threading.Event()
    waiting = lane.submit(ran.set, deadline_s=5)
    assert waiting.cancel()
    stuck.release.set()
    assert lane.submit(lambda: 1, deadline_s=5).result(5) == 1
    assert not ran.is_set()


def test_close_fails_what_runs_and_what_waits_at_once(actor: Actor, stuck: Stuck) -> None:
    lane = Lane("closing lane", where="kvm1", call_later=actor.call_later, on_stuck=stuck)
    begun = threading.Event()
    futures = [lane.submit(lambda: (begun.set(), stuck.release.wait(30)), deadline_s=60) for _ in range(3)]
    assert begun.wait(5)
    began = time.monotonic()
    assert not lane.close(timeout_s=0.05)  # its thread is in the call still
    assert time.monotonic() - began < 0.5
    for future in futures:
        with pytest.raises(LinkLost):
            future.result(0.5)
    with pytest.raises(LinkLost):
        lane.submit(lambda: 1, deadline_s=1).result(0.5)
    stuck.release.set()
    assert lane.close(timeout_s=2)


def test_many_stuck_jobs_end_one_after_the_other(lane: Lane, stuck: Stuck) -> None:
    futures = [lane.submit(lambda: stuck.release.wait(30), deadline_s=0.1 + n / 20) for n in range(5)]
    for future in futures:
        with pytest.raises(HostNotAnswering):
            future.result(5)
    assert lane.submit(lambda: "alive", deadline_s=5).result(5) == "alive"


# ---- the actor


def test_calls_keep_their_order_and_later_ones_wait(actor: Actor) -> None:
    seen: list[str] = []
    done = threading.Event()
    actor.call_later(0.05, lambda: (seen.append("later"), done.set()))
    for name in "abc":
        actor.call(lambda name=name: seen.append(name))
    assert done.wait(5)
    assert seen == ["a", "b", "c", "later"]


def test_a_cancelled_call_never_begins(actor: Actor) -> None:
    seen: list[str] = []
    actor.call_later(0.05, lambda: seen.append("no")).cancel()
    done = threading.Event()
    actor.call_later(0.1, done.set)
    assert done.wait(5)
    assert seen == []


def test_a_call_that_fails_does_not_end_the_actor(actor: Actor, caplog: pytest.LogCaptureFixture) -> None:
    actor.call(lambda: 1 // 0)
    done = threading.Event()
    actor.call(done.set)
    assert done.wait(5)
    assert "ZeroDivisionError" in caplog.text


def test_a_closed_actor_runs_nothing_more() -> None:
    actor = Actor("short")
    actor.start()
    seen: list[str] = []
    actor.call_later(0.05, lambda: seen.append("no"))
    assert actor.close()
    actor.call(lambda: seen.append("no"))
    assert seen == []


def test_an_actor_that_was_never_started_can_be_closed() -> None:
    assert Actor("never").close()


# ---- back-off


def test_back_off_doubles_up_to_half_a_minute_with_a_little_chance() -> None:
    middle = Backoff(rand=lambda: 0.5)
    assert [middle.next_s() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    middle.reset()
    assert middle.next_s() == 1
    assert Backoff(rand=lambda: 0.0).next_s() == pytest.approx(0.8)
    assert Backoff(rand=lambda: 1.0).next_s() == pytest.approx(1.2)
