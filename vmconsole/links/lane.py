# SPDX-License-Identifier: GPL-3.0-or-later
"""A thread for calls that may block for ever, each with a deadline.

When a deadline passes, the job's future ends at once with HostNotAnswering; if the job was being run, its thread is
left behind (it ends by itself when the call returns) and a new one takes over. Jobs run on daemon threads: nothing
joins them without a time-out.
"""

from __future__ import annotations

import collections
import contextlib
import threading
import time
import traceback
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from vmconsole.inventory.errors import HostNotAnswering, LinkLost
from vmconsole.links.base import LaneDebug

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Cancellable(Protocol):
    def cancel(self) -> None: ...


class CallLater(Protocol):
    """``Actor.call_later``."""

    def __call__(self, delay_s: float, function: Callable[[], None], /) -> Cancellable: ...


class _Job:
    def __init__(self, work: Callable[[], Any], future: Future[Any]) -> None:
        self.work = work
        self.future = future
        self.timer: Cancellable | None = None
        self.began_at: float | None = None

    def fail(self, error: BaseException) -> bool:
        """True when this was the first end of the job."""
        try:
            self.future.set_exception(error)
        except InvalidStateError:
            return False
        return True

    def run(self) -> None:
        self.began_at = time.monotonic()
        try:
            result = self.work()
        except CancelledError:
            self.future.cancel()
        except BaseException as error:  # noqa: BLE001  the future carries it to whoever asked
            _let_go(error)
            self.fail(error)
        else:
            with contextlib.suppress(InvalidStateError):  # its deadline has passed: nobody waits for the result
                self.future.set_result(result)
        finally:
            self.work = _nothing
            if self.timer is not None:
                self.timer.cancel()


def _nothing() -> None:
    pass


def _let_go(error: BaseException) -> None:
    """Of what the failed calls worked on. Error, frames and future hold each other, so the garbage collector would end
    libvirt's connection sooner or later, in whichever thread it runs just then, and that talks to the host."""
    told: BaseException | None = error
    while told is not None:
        traceback.clear_frames(told.__traceback__)
        told = told.__cause__ or told.__context__


class Lane:
    """Jobs one after the other. ``submit`` from any thread."""

    def __init__(self, name: str, *, where: str, call_later: CallLater, on_stuck: Callable[[], None]) -> None:
        self._name = name
        self._where = where
        self._call_later = call_later
        self._on_stuck = on_stuck
        self._changed = threading.Condition()
        self._jobs: collections.deque[_Job] = collections.deque()
        self._current: _Job | None = None
        self._worker: threading.Thread | None = None
        self._left_behind: list[threading.Thread] = []
        self._closed = False

    def submit(self, work: Callable[[], T], *, deadline_s: float) -> Future[T]:
        """Run ``work``. The time spent in the queue counts towards its deadline."""
        future: Future[T] = Future()
        job = _Job(work, future)
        with self._changed:
            if self._closed:
                job.fail(LinkLost(f"The connection to {self._where} was closed.", where=self._where))
                return future
            self._jobs.append(job)
            if self._worker is None:
                self._hire()
            self._changed.notify()
        job.timer = self._call_later(deadline_s, lambda: self._expire(job, deadline_s))
        if future.done():
            job.timer.cancel()
        return future

    def debug(self) -> LaneDebug:
        """How it is now; any thread."""
        abandoned = self.abandoned
        with self._changed:
            current = self._current
            began_at = None if current is None else current.began_at
            queued = sum(not job.future.done() for job in self._jobs)
        busy_s = None if current is None else time.monotonic() - (began_at or time.monotonic())
        return LaneDebug(self._name, queued, busy_s, abandoned)

    @property
    def abandoned(self) -> int:
        """How many threads are still stuck in a call whose deadline has passed."""
        with self._changed:
            self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
            return len(self._left_behind)

    def close(self, *, timeout_s: float = 0.2) -> bool:
        """Fail what waits, and end. True when no thread is left."""
        with self._changed:
            self._closed = True
            waiting = [*self._jobs, *([self._current] if self._current else [])]
            self._jobs.clear()
            self._changed.notify_all()
            threads = [*self._left_behind, *([self._worker] if self._worker else [])]
        for job in waiting:
            job.fail(LinkLost(f"The connection to {self._where} was closed.", where=self._where))
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(timeout_s)
        return not any(thread.is_alive() for thread in threads)

    def _hire(self) -> None:
        self._worker = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._worker.start()

    def _expire(self, job: _Job, deadline_s: float) -> None:
        late = HostNotAnswering(
            f"{self._where} did not answer within {deadline_s:.0f} s.",
            cause="libvirt's daemon hangs, or the guest is busy with something else.",
            advice="Whether the change was made is not known: look before repeating it.",
            where=self._where,
        )
        with self._changed:
            if not job.fail(late):
                return
            if job is not self._current:
                return
            self._current = None
            if self._worker is not None:
                self._left_behind.append(self._worker)
            self._worker = None
            if not self._closed:
                self._hire()
        self._on_stuck()

    def _work(self) -> None:
        me = threading.current_thread()
        while (job := self._next(me)) is not None:
            job.run()

    def _next(self, me: threading.Thread) -> _Job | None:
        with self._changed:
            if self._worker is me:
                self._current = None
            while not self._closed and self._worker is me:
                while self._jobs:
                    job = self._jobs.popleft()
                    if not job.future.done() and job.future.set_running_or_notify_cancel():
                        self._current = job
                        return job
                self._changed.wait()
            return None
