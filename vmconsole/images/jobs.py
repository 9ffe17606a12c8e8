# SPDX-License-Identifier: GPL-3.0-or-later
"""One thread that does jobs one after the other and answers with futures. ``submit`` and ``drop`` from any thread."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class JobThread:
    """Starts with its first job, ends with ``close``."""

    def __init__(self, name: str) -> None:
        self._queue: queue.SimpleQueue[tuple[Future[object], Callable[[], object]] | None] = queue.SimpleQueue()
        self._waiting: set[Future[object]] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._is_started = False
        self._is_closed = False

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Do ``job`` after those before it. After ``close`` the future is cancelled at once."""
        future: Future[T] = Future()
        with self._lock:
            if self._is_closed:
                future.cancel()
                return future
            if not self._is_started:
                self._is_started = True
                self._thread.start()
            self._waiting.add(future)  # type: ignore[arg-type]  # Future is invariant; here only its end matters
        self._queue.put((future, job))  # type: ignore[arg-type]  # as above
        return future

    def drop(self) -> None:
        """Cancel the jobs that have not begun."""
        with self._lock:
            waiting = list(self._waiting)
        for future in waiting:
            future.cancel()

    def close(self, last: Callable[[], None]) -> None:
        """Cancel what waits; do ``last`` after the job that runs now, and end."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            is_started = self._is_started
        self.drop()
        if is_started:
            self._queue.put((Future(), last))
            self._queue.put(None)
        else:
            last()

    def join(self, timeout_s: float) -> bool:
        """Whether the thread has ended within that time."""
        if self._is_started:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            future, job = item
            with self._lock:
                self._waiting.discard(future)
            if future.set_running_or_notify_cancel():
                _fulfil(future, job)


def _fulfil(future: Future[object], job: Callable[[], object]) -> None:
    try:
        value = job()
    except CancelledError as error:
        # A running future cannot be cancelled any more: it ends with the same error.
        future.set_exception(error)
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to the one who waits for the future
        future.set_exception(error)
    else:
        future.set_result(value)
