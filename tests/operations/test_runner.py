# SPDX-License-Identifier: GPL-3.0-or-later
import threading
import time

import pytest

from tests.operations.fakes import HOST, OTHER, FakeLink, FakeVerbs, a_guest, situation_of
from vmconsole.inventory.deltas import GuestSeen, TaskSeen
from vmconsole.inventory.errors import DomainBusy, HostNotAnswering
from vmconsole.inventory.limits import CpuCap, LimitRef
from vmconsole.inventory.tasks import TaskState
from vmconsole.operations.lifecycle import PauseGuest, ResumeGuest, StartGuest
from vmconsole.operations.limits import ChangeLimits
from vmconsole.operations.runner import OperationRunner


class World:
    """Two hosts, a runner, and all that it posted."""

    def __init__(self):
        self.guest, self.second, self.far = a_guest(), a_guest("web2"), a_guest("db1", host=OTHER)
        self.links = {
            HOST: FakeLink(HOST, FakeVerbs(self.guest, self.second)),
            OTHER: FakeLink(OTHER, FakeVerbs(self.far)),
        }
        self.posted = []
        self._news = threading.Condition()
        self.runner = OperationRunner(self.links.get, self._post, host_name=lambda host: host.split("@")[1][:5])

    def _post(self, delta):
        with self._news:
            self.posted.append(delta)
            self._news.notify_all()

    def states(self, task_id):
        return [d.task.state for d in list(self.posted) if isinstance(d, TaskSeen) and d.task.id == task_id]

    def task(self, task_id):
        return [d.task for d in list(self.posted) if isinstance(d, TaskSeen) and d.task.id == task_id][-1]

    def wait(self, *ids):
        """Until all of them are over."""
        with self._news:
            assert self._news.wait_for(lambda: all(self.task(i).state.is_over for i in ids), timeout=10)
        return [self.task(i) for i in ids]

    def close(self):
        self.runner.close()
        for link in self.links.values():
            link.close()


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


def pause(guest):
    return PauseGuest(guest.id, guest.name)


def cap(guest, cores):
    return ChangeLimits(situation_of(guest), live={LimitRef("guest_cap"): CpuCap(100_000, round(cores * 100_000))})


def test_a_task_goes_through_its_states_and_the_facts_come_before_its_end(world):
    (number,) = world.runner.run([pause(world.guest)])
    (task,) = world.wait(number)
    assert world.states(number) == [TaskState.QUEUED, TaskState.RUNNING, TaskState.DONE]
    assert isinstance(world.posted[-2], GuestSeen)
    assert (task.where, task.host, task.note) == ("node1", HOST, "now paused")
    assert task.virsh == f"virsh -c {HOST} suspend web1"
    assert task.ended_at >= task.began_at


def test_a_refusal_is_a_failure_with_its_reason(world):
    world.links[HOST].verbs.fail["pause"] = DomainBusy("web1 is not running.", said="domain is not running")
    (task,) = world.wait(*world.runner.run([pause(world.guest)]))
    assert task.state is TaskState.FAILED
    assert task.problem.said == "domain is not running"
    assert not world.runner.can_undo


def test_a_link_lost_under_a_running_operation_leaves_the_outcome_unknown(world):
    link = world.links[HOST]
    link.gate.clear()
    (number,) = world.runner.run([pause(world.guest)])
    assert link.began.wait(10)
    link.lose()
    (task,) = world.wait(number)
    assert task.state is TaskState.UNKNOWN
    assert "Reconnect and look" in task.note
    link.gate.set()
    link.close()
    assert world.task(number).state is TaskState.UNKNOWN, "an answer that comes too late changes nothing"


def test_a_deadline_passed_while_running_is_unknown_too(world):
    world.links[HOST].verbs.fail["pause"] = HostNotAnswering("node1 did not answer within 20 s.")
    (task,) = world.wait(*world.runner.run([pause(world.guest)]))
    assert task.state is TaskState.UNKNOWN


def test_a_deadline_passed_before_it_began_means_nothing_was_done(world):
    link = world.links[HOST]
    blocker = threading.Event()
    link._lane.submit(blocker.wait, 10)
    (number,) = world.runner.run([pause(world.guest)])
    link.lose()
    (task,) = world.wait(number)
    assert task.state is TaskState.FAILED
    blocker.set()
    link.close()
    assert link.verbs.calls == [], "it must not run after it was given up"


def test_a_host_that_is_not_there(world):
    stranger = a_guest("x", host="qemu+ssh://root@node9/system")
    tasks = world.wait(*world.runner.run([StartGuest(stranger.id, "x") for _ in range(2000)]))
    assert {task.state for task in tasks} == {TaskState.FAILED}
    assert "not connected" in tasks[0].problem.what


def test_an_unforeseen_error_is_never_a_silent_success(world, caplog):
    world.links[HOST].verbs.fail["pause"] = ValueError("bug")
    (task,) = world.wait(*world.runner.run([pause(world.guest)]))
    assert task.state is TaskState.UNKNOWN
    assert "ValueError: bug" in task.problem.said
    assert "unforeseen" in caplog.text


def test_a_queued_task_that_is_cancelled_never_runs(world):
    link = world.links[HOST]
    link.gate.clear()
    first, second = world.runner.run([pause(world.guest), pause(world.second)])
    assert link.began.wait(10)
    world.runner.cancel(second)
    assert world.task(second).state is TaskState.CANCELLED
    link.gate.set()
    world.wait(first)
    link.close()
    assert ("pause", world.second.id.uuid) not in link.verbs.calls


def test_a_running_task_that_is_cancelled_is_marked_and_waited_for(world):
    link = world.links[HOST]
    link.gate.clear()
    (number,) = world.runner.run([pause(world.guest)])
    assert link.began.wait(10)
    world.runner.cancel(number)
    assert world.task(number).state is TaskState.RUNNING
    assert "too late" in world.task(number).note
    link.gate.set()
    assert world.wait(number)[0].state is TaskState.DONE


def test_cancelling_what_is_over_does_nothing(world):
    (number,) = world.runner.run([pause(world.guest)])
    world.wait(number)
    before = len(world.posted)
    world.runner.cancel(number)
    world.runner.cancel(999)
    assert len(world.posted) == before


def test_hosts_work_side_by_side(world):
    world.links[HOST].gate.clear()
    slow, quick = world.runner.run([pause(world.guest), pause(world.far)])
    world.wait(quick)
    assert not world.task(slow).state.is_over
    world.links[HOST].gate.set()
    world.wait(slow)


def test_one_host_does_one_after_the_other_each_with_its_own_deadline(world):
    link = world.links[HOST]
    link.gate.clear()
    numbers = world.runner.run([pause(world.guest), cap(world.second, 1.0)])
    assert link.began.wait(10)
    assert len(link.deadlines) == 1
    link.gate.set()
    world.wait(*numbers)
    assert link.deadlines == [pause(world.guest).deadline_s, cap(world.second, 1.0).deadline_s]


def test_undo_and_redo_go_back_and_forth(world):
    verbs = world.links[HOST].verbs

    def live_cores():
        return verbs.guests[world.guest.id.uuid].live.guest_cap.cores

    world.wait(*world.runner.run([cap(world.guest, 1.5)]))
    world.wait(*world.runner.run([cap(world.guest, 0.5)]))
    assert world.runner.undo_text == "CPU cap, whole guest of web1: 0.50 cores"
    (task,) = world.wait(*world.runner.undo())
    assert task.title.startswith("Undo: ")
    assert live_cores() == 1.5
    world.wait(*world.runner.undo())
    assert live_cores() is None
    assert not world.runner.can_undo
    assert world.runner.undo() == ()
    world.wait(*world.runner.redo())
    assert live_cores() == 1.5
    world.wait(*world.runner.redo())
    assert live_cores() == 0.5
    assert not world.runner.can_redo


def test_a_new_act_forgets_what_could_be_redone(world):
    world.wait(*world.runner.run([cap(world.guest, 1.5)]))
    world.wait(*world.runner.undo())
    assert world.runner.can_redo
    world.wait(*world.runner.run([cap(world.guest, 2.0)]))
    assert not world.runner.can_redo


def test_many_at_once_are_one_step_and_what_failed_to_be_undone_stays(world):
    world.wait(*world.runner.run([pause(world.guest), pause(world.far)]))
    assert world.runner.undo_text == "2 changes"
    world.links[OTHER].verbs.fail["resume"] = HostNotAnswering("node2 does not answer.")
    world.wait(*world.runner.undo())
    assert world.runner.can_undo
    assert world.runner.can_redo
    del world.links[OTHER].verbs.fail["resume"]
    tasks = world.wait(*world.runner.undo())
    assert [t.where for t in tasks] == ["node2"]
    assert not world.runner.can_undo


def test_a_failure_is_no_step(world):
    world.links[HOST].verbs.fail["resume"] = DomainBusy("no")
    world.wait(*world.runner.run([ResumeGuest(world.guest.id, "web1")]))
    assert not world.runner.can_undo


def test_nothing_is_posted_after_close(world):
    link = world.links[HOST]
    link.gate.clear()
    world.runner.run([pause(world.guest), pause(world.second)])
    assert link.began.wait(10)
    world.runner.close()
    before = len(world.posted)
    link.gate.set()
    link.close()
    assert len(world.posted) == before
    assert link.verbs.written() == [("pause", world.guest.id.uuid)]
    assert world.runner.run([pause(world.guest)]) == ()


def test_many_threads_may_ask(world):
    numbers = []
    threads = [
        threading.Thread(target=lambda: numbers.extend(world.runner.run([pause(world.guest)] * 20))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    began = time.monotonic()
    tasks = world.wait(*numbers)
    assert time.monotonic() - began < 10
    assert len({t.id for t in tasks}) == 160
    assert {t.state for t in tasks} == {TaskState.DONE}
