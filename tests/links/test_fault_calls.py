# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that hit a call and not the whole host: what was asked ends honestly, and nothing else is held up."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.links.fault_engine import RECOVERY_S, SETTLED_S, Report, Wired, wait_state
from tests.links.fault_list import master_pid
from tests.links.recording import Recorder
from tests.links.stuck import Hasty, freeze_agent, pool_on_a_mount
from tests.waiting import wait_until
from vmconsole.inventory import deltas
from vmconsole.inventory.errors import ConsoleError
from vmconsole.inventory.facts import HostState
from vmconsole.inventory.ids import GuestId
from vmconsole.inventory.tasks import Task, TaskState
from vmconsole.operations.daemon import RestartDaemon, find_daemon, read_log
from vmconsole.operations.lifecycle import PauseGuest, ShutDownGuest
from vmconsole.operations.runner import OperationRunner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.lab.vmlab import LabHost

pytestmark = pytest.mark.lab

GAP_S = 2.5


class Asked:
    """A runner of operations for one host, and what became of them."""

    def __init__(self, one: Wired) -> None:
        self.posted = Recorder()
        self.runner = OperationRunner(lambda _: one.link, self.posted)

    def wait_for(self, number: int, *states: TaskState, within_s: float) -> Task:
        return self.posted.wait_for(
            lambda d: (
                d.task if isinstance(d, deltas.TaskSeen) and d.task.id == number and d.task.state in states else None
            ),
            within_s=within_s,
        )

    def end_of(self, number: int, *, within_s: float) -> Task:
        return self.wait_for(number, *(state for state in TaskState if state.is_over), within_s=within_s)


@pytest.fixture
def asked(well: list[Wired]) -> Iterator[Asked]:
    asked = Asked(well[0])
    yield asked
    asked.runner.close()


def guest(one: Wired, name: str) -> GuestId:
    return GuestId(one.link.host_id, one.uuid(name))


# ---- libvirtd hangs under an act


def test_an_act_in_flight_ends_unknown_later_ones_fail_at_once_and_a_restart_cures(
    well: list[Wired], asked: Asked, report: Report
) -> None:
    one = well[0]
    name = one.host.guests[0]
    pause = PauseGuest(guest(one, name), name)
    one.host.freeze()
    frozen_at = time.monotonic()
    (flying,) = asked.runner.run([pause])
    task = asked.end_of(flying, within_s=16)
    assert task.state is TaskState.UNKNOWN
    assert "Reconnect and look" in task.note
    wait_state(one, HostState.NOT_ANSWERING)
    one.posted.host_that(lambda h: h.reason is not None and h.reason.what == "libvirtd does not answer; SSH does.")
    began = time.monotonic()
    (late,) = asked.runner.run([pause])
    refused = asked.end_of(late, within_s=1)
    assert time.monotonic() - began < 0.5
    assert refused.state is TaskState.FAILED
    assert refused.problem is not None
    assert refused.problem.what == "libvirtd does not answer; SSH does."
    # what the console offers then works: the log, and the restart, both through SSH
    log = one.link.submit_shell(lambda shell: read_log(shell, one.link.host_id), deadline_s=30).result(30)
    assert log.source == "/var/log/libvirt/libvirtd.log"
    daemon = one.link.submit_shell(lambda shell: find_daemon(shell, one.link.host_id), deadline_s=15).result(15)
    assert (daemon.name, daemon.state, daemon.managed_by) == ("libvirtd", "T", "none")
    mark, asked_at = one.posted.mark(), time.monotonic()
    (again,) = asked.runner.run([RestartDaemon(one.link.host_id, "kvm1", daemon)])
    done = asked.end_of(again, within_s=40)
    restarted_s = time.monotonic() - asked_at
    assert done.state is TaskState.DONE, done.problem
    assert done.virsh.startswith("ssh -l root kvm1 'kill -TERM ")
    assert one.host.daemons()["libvirtd"] == "running"
    one.posted.host(HostState.CONNECTED, within_s=RECOVERY_S, since=mark)
    one.posted.listing(since=mark)
    report({
        "fault": "libvirtd frozen under an act, restarted by the console",
        "act_unknown_s": round((task.ended_at or 0) - task.began_at, 2),
        "restart_s": round(restarted_s, 2), "total_s": round(time.monotonic() - frozen_at, 2),
    })  # fmt: skip
    assert one.states() == one.host.domains(timeout_s=30)
    if one.states()[name] == "paused":
        one.host.virsh("resume", name)


def is_busy(one: Wired, lane: str) -> bool:
    return any(each.name.startswith(lane) and each.busy_s is not None for each in one.link.debug().lanes)


def test_an_act_in_flight_when_the_connection_dies_ends_unknown(
    well: list[Wired], asked: Asked, report: Report
) -> None:
    one = well[0]
    name = one.host.guests[0]
    one.host.freeze()  # so that the act is surely under way
    (number,) = asked.runner.run([PauseGuest(guest(one, name), name)])
    asked.wait_for(number, TaskState.RUNNING, within_s=5)
    wait_until(lambda: is_busy(one, "command "), what="the call has begun")
    mark, killed_at = one.posted.mark(), time.monotonic()
    os.kill(master_pid(one), signal.SIGKILL)
    task = asked.end_of(number, within_s=5)
    ended_s = time.monotonic() - killed_at
    one.host.thaw()
    one.posted.host(HostState.CONNECTED, within_s=RECOVERY_S, since=mark)
    one.posted.listing(since=mark)
    report({"fault": "ssh master killed under an act", "act_unknown_s": round(ended_s, 2), "note": task.note})
    assert task.state is TaskState.UNKNOWN
    assert "Reconnect and look" in task.note
    assert one.states() == one.host.domains(timeout_s=30)
    if one.states()[name] == "paused":
        one.host.virsh("resume", name)


def test_a_daemon_that_is_dead_is_started_as_the_host_has_it(well: list[Wired], asked: Asked) -> None:
    one = well[0]
    one.host.stop()
    one.posted.host_that(lambda h: h.reason is not None and "does not run there" in h.reason.what, within_s=10)
    daemon = one.link.submit_shell(lambda shell: find_daemon(shell, one.link.host_id), deadline_s=15).result(15)
    assert daemon.pid is None
    mark = one.posted.mark()
    (started,) = asked.runner.run([RestartDaemon(one.link.host_id, "kvm1", daemon)])
    task = asked.end_of(started, within_s=40)
    assert (task.state, task.title) == (TaskState.DONE, "Start libvirtd on kvm1")
    one.posted.host(HostState.CONNECTED, within_s=RECOVERY_S, since=mark)


# ---- a guest agent that never answers


def ping(one: Wired, name: str) -> Future[object]:
    uuid = one.uuid(name)
    return one.link.submit_agent(uuid, lambda verbs: verbs.agent(uuid, "guest-ping", {}), deadline_s=25)


def test_a_guest_agent_that_never_answers_holds_up_nobody(well: list[Wired], asked: Asked, report: Report) -> None:
    one, (name, awake) = well[0], well[0].host.guests[:2]
    for each in (name, awake):
        one.host.wait_for_agent(each)
    freeze_agent(one.host, name)
    hanging = ping(one, name)
    asked_at = time.monotonic()
    assert ping(one, awake).result(5) == {}
    other_s = time.monotonic() - asked_at
    assert not hanging.done()
    assert {lane.guest for lane in one.link.debug().lanes if lane.busy_s is not None} >= {one.uuid(name)}
    began, mark = time.monotonic(), one.posted.mark()
    (number,) = asked.runner.run([ShutDownGuest(guest(one, name), name)])
    task = asked.end_of(number, within_s=30)
    ended = time.monotonic()
    shown = [d.host.state for d in one.posted.deltas[mark:] if isinstance(d, deltas.HostSeen)]
    report({
        "fault": "guest agent never answers", "act_s": round(ended - began, 2), "state": task.state.value,
        "note": task.note, "other_agent_s": round(other_s, 2),
        "others_gap_s": round(max(w.worst_gap_s(began, ended) for w in well[1:]), 2),
        "own_gap_s": round(one.worst_gap_s(began, ended), 2),
    })  # fmt: skip
    assert set(shown) <= {HostState.CONNECTED}  # the host is not given up for one guest's sake
    assert task.state in {TaskState.DONE, TaskState.FAILED}
    assert task.note or task.problem
    with pytest.raises(ConsoleError):
        hanging.result(20)
    assert one.worst_gap_s(began, ended) <= GAP_S
    one.host.virsh("destroy", name)


# ---- a storage pool on a mount that is dead


@pytest.fixture
def dead_pool(well: list[Wired]) -> Iterator[tuple[LabHost, int]]:
    with pool_on_a_mount(well[0].host) as server:
        yield well[0].host, server


def test_a_pool_on_a_dead_mount_holds_up_no_other_host_and_what_was_asked_ends_unknown(
    well: list[Wired], asked: Asked, dead_pool: tuple[LabHost, int], report: Report
) -> None:
    one, (host, server) = well[0], dead_pool
    dead = one.posted.wait_for(
        lambda d: d.guest.id if isinstance(d, deltas.GuestSeen) and d.guest.name == "dead1" else None
    )
    host.exec("kill", "-STOP", str(server))
    hit_at, mark = time.monotonic(), one.posted.mark()
    refresh = threading.Thread(target=lambda: host.exec("virsh", "pool-refresh", "dead", check=False, timeout_s=120))
    refresh.start()
    (number,) = asked.runner.run([Hasty(dead, "dead1")])
    task = asked.end_of(number, within_s=20)
    assert task.state is TaskState.UNKNOWN
    said = [d.host for d in one.posted.deltas[mark:] if isinstance(d, deltas.HostSeen) and d.host.reason is not None]
    until = time.monotonic()
    host.exec("kill", "-CONT", str(server))
    cured_at = time.monotonic()
    wait_state(one, HostState.CONNECTED)
    wait_until(lambda: one.states() == host.domains(timeout_s=30), within_s=SETTLED_S, what="states right again")
    recovered = time.monotonic()
    refresh.join(30)
    report({
        "fault": "pool on a dead mount", "act_unknown_s": round(until - hit_at, 2),
        "host_said": sorted({h.reason.what for h in said if h.reason}), "recovery_s": round(recovered - cured_at, 2),
        "others_gap_s": round(max(w.worst_gap_s(hit_at, until) for w in well[1:]), 2),
        "own_gap_s": round(one.worst_gap_s(hit_at, until), 2),
    })  # fmt: skip
    assert recovered - cured_at < RECOVERY_S
    assert max(w.worst_gap_s(hit_at, until) for w in well[1:]) <= GAP_S
    assert one.worst_gap_s(hit_at, until) <= GAP_S  # charts of the same host go on, too
