# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests' agents: one that hangs holds up its own guest alone, not too many are asked at a time, nothing is left."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.waiting import no_thread_left, wait_until
from vmconsole.inventory.errors import DomainBusy, LinkLost
from vmconsole.links import agent_lanes
from vmconsole.links.actor import Actor
from vmconsole.links.agent_lanes import MOST_AT_ONCE, MOST_LANES, AgentLanes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

IDLE_S = 0.3


class Agents:
    """Lanes, and agents that hang until they are released."""

    def __init__(self, actor: Actor) -> None:
        self.lanes = AgentLanes("agent kvm1", where="kvm1", call_later=actor.call_later, idle_s=IDLE_S)
        self.release = threading.Event()
        self.hanging = 0

    def ask(self, uuid: str) -> Future[str]:
        return self.lanes.submit(uuid, lambda: f"from {uuid}", deadline_s=20)

    def hang(self, uuid: str) -> Future[bool]:
        def hang() -> bool:
            self.hanging += 1
            return self.release.wait(30)

        return self.lanes.submit(uuid, hang, deadline_s=20)

    def names(self) -> set[str]:
        return {lane.guest for lane in self.lanes.debug()}


@pytest.fixture
def agents(actor: Actor) -> Iterator[Agents]:
    with no_thread_left():
        agents = Agents(actor)
        yield agents
        agents.release.set()
        assert agents.lanes.close(timeout_s=2)


def test_one_that_hangs_holds_up_its_own_guest_alone(agents: Agents) -> None:
    hung, same = agents.hang("a"), agents.ask("a")
    assert agents.ask("b").result(5) == "from b"
    assert not hung.done()
    assert not same.done()
    agents.release.set()
    assert same.result(5) == "from a"


def test_not_more_are_asked_at_once_than_the_daemon_leaves_room_for(agents: Agents) -> None:
    hung = [agents.hang(str(number)) for number in range(MOST_AT_ONCE + 1)]
    wait_until(lambda: agents.hanging == MOST_AT_ONCE, what="so many are asked")
    one_more = agents.ask("more")
    with pytest.raises(TimeoutError):
        one_more.result(0.2)
    assert agents.hanging == MOST_AT_ONCE
    agents.release.set()
    assert one_more.result(5) == "from more"
    assert all(future.result(5) for future in hung)


def test_who_waits_too_long_for_the_others_is_told(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_lanes, "PATIENCE_S", 0.1)
    for number in range(MOST_AT_ONCE):
        agents.hang(str(number))
    wait_until(lambda: agents.hanging == MOST_AT_ONCE, what="so many are asked")
    with pytest.raises(DomainBusy, match="Too many guests' agents of kvm1"):
        agents.ask("more").result(5)


def test_there_is_an_end_to_the_lanes(agents: Agents) -> None:
    for number in range(MOST_LANES):
        agents.hang(str(number))
    with pytest.raises(DomainBusy):
        agents.ask("more").result(0)
    agents.release.set()
    wait_until(lambda: agents.ask("more").exception(5) is None, what="one that was idle made room")
    assert len(agents.names()) <= MOST_LANES


def test_a_lane_that_nobody_uses_is_ended_and_made_again(agents: Agents) -> None:
    busy = agents.hang("busy")
    assert agents.ask("idle").result(5) == "from idle"
    wait_until(lambda: agents.names() == {"busy"}, what="the idle one was ended")
    assert agents.ask("idle").result(5) == "from idle"
    agents.release.set()
    assert busy.result(5)
    wait_until(lambda: not agents.names(), what="all were ended")


def test_the_lane_of_a_guest_that_stops_is_ended_at_once_unless_something_waits_in_it(agents: Agents) -> None:
    agents.hang("busy")
    assert agents.ask("idle").result(5) == "from idle"
    wait_until(lambda: all(lane.busy_s is None for lane in agents.lanes.debug() if lane.guest == "idle"), what="idle")
    for uuid in ("idle", "busy", "never asked"):
        agents.lanes.retire(uuid)
    assert agents.names() == {"busy"}


def test_close_lets_go_of_those_that_wait(agents: Agents) -> None:
    waiting = [agents.hang(str(number)) for number in range(MOST_AT_ONCE + 3)]
    wait_until(lambda: agents.hanging == MOST_AT_ONCE, what="so many are asked")
    began = time.monotonic()
    agents.lanes.close()
    assert time.monotonic() - began < 0.5
    for future in waiting:
        with pytest.raises(LinkLost):
            future.result(0)
    with pytest.raises(LinkLost):
        agents.ask("afterwards").result(0)
