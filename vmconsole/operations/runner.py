# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs operations in their hosts' lanes and tells the task list about each. No Qt; every method may be called anywhere.

Hosts work side by side; on one host one operation runs after the other, so that a later wish never overtakes an
earlier one. The queue is kept here and not in the link: a cancelled operation then certainly never runs, and a
deadline counts from when the host was asked.

A link that dies or a deadline that passes under a running operation leaves its outcome UNKNOWN: libvirt may have
done it. Only an operation that never began is FAILED or CANCELLED with nothing changed.

What is asked of a host itself (``HostOperation``) waits in a line of its own: it is meant for when libvirt hangs, and
with it whatever was asked of libvirt before. What changes the console alone (``OwnOperation``) waits for nothing.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from vmconsole.inventory.catalogue import catalogue
from vmconsole.inventory.deltas import TaskSeen
from vmconsole.inventory.errors import ConsoleError, LinkError
from vmconsole.inventory.tasks import Task, TaskState
from vmconsole.operations.base import HostOperation, OwnOperation, host_of
from vmconsole.operations.batch import Batch, Kind
from vmconsole.operations.history import Step, UndoHistory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.inventory.errors import Explanation
    from vmconsole.inventory.ids import HostId
    from vmconsole.links.base import Link
    from vmconsole.metrics.delta import Post
    from vmconsole.operations.base import AnyOperation, Outcome

log = logging.getLogger(__name__)
T = TypeVar("T")

LOST = "The host stopped answering while this ran: it may be done or not. Reconnect and look."


@dataclass(slots=True, eq=False)
class _Entry:
    """One operation on its way. Guarded by the runner's lock."""

    operation: AnyOperation
    batch: Batch
    task: Task
    has_begun: bool = False


_Line = tuple["HostId", str]
"""What waits one after the other: the operations of one host, those on the host itself and our own apart."""


def _line_of(entry: _Entry) -> _Line:
    operation = entry.operation
    kind = "own" if isinstance(operation, OwnOperation) else "host" if isinstance(operation, HostOperation) else ""
    return host_of(operation), kind


class OperationRunner:
    """``fleet_link`` finds a host's link or None; ``post`` takes deltas from any thread; ``host_name`` is for tasks.

    The history of undo is up to date before the TaskSeen that ends a batch is posted: a window may look at
    ``can_undo`` whenever tasks change. ``on_done`` is told of each operation that was done, on the lane's thread and
    under the runner's lock: it must not block.
    """

    def __init__(
        self,
        fleet_link: Callable[[HostId], Link | None],
        post: Post,
        *,
        host_name: Callable[[HostId], str] = str,
        now: Callable[[], float] = time.time,
        on_done: Callable[[AnyOperation, Outcome], None] = lambda operation, outcome: None,
    ) -> None:
        self._fleet_link = fleet_link
        self._post = post
        self._host_name = host_name
        self._now = now
        self._on_done = on_done
        self._lock = RLock()
        self._numbers = itertools.count(1)
        self._entries: dict[int, _Entry] = {}
        self._queues: dict[_Line, deque[_Entry]] = {}
        self._busy: set[_Line] = set()
        self._pumping: set[_Line] = set()
        self._history = UndoHistory()
        self._closed = False

    # -- what can be asked -------------------------------------------------------------------------------------

    def new_task_id(self) -> int:
        """A number for a task that somebody else runs and posts (an image's Apply, say)."""
        return next(self._numbers)

    def run(self, operations: Sequence[AnyOperation]) -> tuple[int, ...]:
        """Queue operations, which count as one step for undo. Returns their task ids, in the same order, at once."""
        if not operations:
            return ()
        text = operations[0].title if len(operations) == 1 else f"{len(operations)} changes"
        return self._enqueue(operations, Batch(Kind.NEW, text, len(operations)))

    def cancel(self, task_id: int) -> None:
        """A queued task never runs. A running one cannot be taken back from the host: it is marked and waited for."""
        with self._lock:
            entry = self._entries.get(task_id)
            if entry is None:
                return
            if entry.has_begun:
                self._show(entry, note="cancelled too late: the host is already at it; waiting for its answer")
            else:
                self._end(entry, TaskState.CANCELLED, note="never ran; nothing was changed")

    def undo(self) -> tuple[int, ...]:
        """Take the last step back; returns the tasks that do it, or nothing when there is none."""
        with self._lock:
            step = self._history.undo.pop() if self._history.undo else None
        return () if step is None else self._enqueue_step(step, Kind.UNDO)

    def redo(self) -> tuple[int, ...]:
        with self._lock:
            step = self._history.redo.pop() if self._history.redo else None
        return () if step is None else self._enqueue_step(step, Kind.REDO)

    @property
    def can_undo(self) -> bool:
        return bool(self._history.undo)

    @property
    def can_redo(self) -> bool:
        return bool(self._history.redo)

    @property
    def undo_text(self) -> str:
        """What would be undone («CPU cap of web1 now: 1.50 cores»), or empty."""
        with self._lock:
            return self._history.undo[-1].text if self._history.undo else ""

    @property
    def redo_text(self) -> str:
        with self._lock:
            return self._history.redo[-1].text if self._history.redo else ""

    def close(self) -> None:
        """Nothing more begins, and nothing is posted afterwards. What a host is already at goes on there."""
        with self._lock:
            self._closed = True
            self._queues.clear()
            self._entries.clear()

    # -- queues ------------------------------------------------------------------------------------------------

    def _enqueue_step(self, step: Step, kind: Kind) -> tuple[int, ...]:
        return self._enqueue(step.operations, Batch(kind, step.text, len(step.operations)))

    def _enqueue(self, operations: Sequence[AnyOperation], batch: Batch) -> tuple[int, ...]:
        with self._lock:
            if self._closed:
                return ()
            entries = [self._entry(operation, batch) for operation in operations]
            for entry in entries:
                self._queues.setdefault(_line_of(entry), deque()).append(entry)
                self._post(TaskSeen(entry.task))
        for line in dict.fromkeys(map(_line_of, entries)):
            self._pump(line)
        return tuple(entry.task.id for entry in entries)

    def _entry(self, operation: AnyOperation, batch: Batch) -> _Entry:
        host = host_of(operation)
        task = Task(
            id=self.new_task_id(),
            title=batch.prefix + operation.title,
            where=self._host_name(host),
            state=TaskState.QUEUED,
            began_at=self._now(),
            host=host,
            virsh=operation.virsh(),
            guest=None if isinstance(operation, (HostOperation, OwnOperation)) else operation.guest,
        )
        entry = _Entry(operation, batch, task)
        self._entries[task.id] = entry
        return entry

    def _pump(self, line: _Line) -> None:
        """Hand the host its next operations until one of them takes time.

        A loop, as an answer given at once comes back here. The lock is not held while a link is called: a link may
        end a future under a lock of its own.
        """
        with self._lock:
            if line in self._pumping:
                return
            self._pumping.add(line)
        while (entry := self._next(line)) is not None:
            self._submit(line, entry)

    def _next(self, line: _Line) -> _Entry | None:
        with self._lock:
            queue = self._queues.get(line)
            while queue and line not in self._busy:
                entry = queue.popleft()
                if not entry.task.state.is_over:
                    self._busy.add(line)
                    return entry
            self._pumping.discard(line)
            return None

    def _submit(self, line: _Line, entry: _Entry) -> None:
        operation = entry.operation
        if isinstance(operation, OwnOperation):
            self._on_ended(line, entry, self._done_here(entry, operation))
            return
        link = self._fleet_link(host_of(operation))
        if link is None:
            with self._lock:
                self._busy.discard(line)
                if not entry.task.state.is_over:
                    self._end(entry, TaskState.FAILED, problem=catalogue().own("task-not-connected"))
            return
        if isinstance(operation, HostOperation):
            future = link.submit_shell(self._begun(entry, operation.run_on), deadline_s=operation.deadline_s)
        else:
            future = link.submit(self._begun(entry, operation.run), deadline_s=operation.deadline_s)
        future.add_done_callback(lambda ended: self._on_ended(line, entry, ended))

    def _done_here(self, entry: _Entry, operation: OwnOperation) -> Future[Outcome]:
        ended: Future[Outcome] = Future()
        try:
            self._begin(entry)
            ended.set_result(operation.run_here())
        except CancelledError:
            ended.cancel()
        except Exception as error:  # noqa: BLE001  # told apart where all that ends is
            ended.set_exception(error)
        return ended

    def _begun(self, entry: _Entry, run: Callable[[T], Outcome]) -> Callable[[T], Outcome]:
        """``run`` for the lane, told to the task list when it begins."""

        def job(means: T) -> Outcome:
            self._begin(entry)
            return run(means)

        return job

    def _begin(self, entry: _Entry) -> None:
        """In the lane thread."""
        with self._lock:
            if self._closed or entry.task.state.is_over:
                raise CancelledError  # given up while it waited in the lane: it must not run after all
            entry.has_begun = True
            self._show(entry, state=TaskState.RUNNING)

    # -- how they end ------------------------------------------------------------------------------------------

    def _on_ended(self, line: _Line, entry: _Entry, future: Future[Outcome]) -> None:
        with self._lock:
            self._busy.discard(line)
            if self._closed:
                return
            if not entry.task.state.is_over:
                self._take(entry, None if future.cancelled() else future.exception(), future)
        self._pump(line)

    def _take(self, entry: _Entry, error: BaseException | None, future: Future[Outcome]) -> None:
        if future.cancelled():
            state = TaskState.UNKNOWN if entry.has_begun else TaskState.CANCELLED
            self._end(entry, state, note=LOST if entry.has_begun else "never ran; nothing was changed")
        elif error is None:
            outcome = future.result()
            for delta in outcome.deltas:
                self._post(delta)
            self._on_done(entry.operation, outcome)
            self._end(entry, TaskState.DONE, note=outcome.note, undo=outcome.undo)
        elif isinstance(error, ConsoleError):
            is_unknown = isinstance(error, LinkError) and entry.has_begun
            state = TaskState.UNKNOWN if is_unknown else TaskState.FAILED
            self._end(entry, state, note=LOST if is_unknown else "", problem=error.explanation)
        else:
            log.error("%s failed in an unforeseen way", entry.task.title, exc_info=error)
            problem = catalogue().own("task-our-fault", said=f"{type(error).__name__}: {error}")
            self._end(entry, TaskState.UNKNOWN if entry.has_begun else TaskState.FAILED, problem=problem)

    def _end(
        self,
        entry: _Entry,
        state: TaskState,
        *,
        note: str = "",
        problem: Explanation | None = None,
        undo: AnyOperation | None = None,
    ) -> None:
        self._entries.pop(entry.task.id, None)
        entry.batch.ended(entry.operation, state, undo)
        if entry.batch.is_over:
            entry.batch.enter(self._history)
        self._show(entry, state=state, note=note, problem=problem, ended_at=self._now())

    def _show(self, entry: _Entry, **changes: object) -> None:
        entry.task = replace(entry.task, **changes)  # type: ignore[arg-type]  # fields of Task, named by our callers
        self._post(TaskSeen(entry.task))
