# SPDX-License-Identifier: GPL-3.0-or-later
"""An event loop for libvirt's client that is ours alone: file descriptors and timers, run by one thread.

libvirt's own loop runs on GLib's default context, and so does Qt's: whichever thread comes first serves both, and
libvirt's work would be done in the GUI thread. This one shares nothing, and knows nothing of libvirt.
All methods may be called from any thread and never block, ``run_once`` aside.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

READABLE, WRITABLE, ERROR, HANGUP = 1, 2, 4, 8
"""virEventHandleType."""
_POLL = ((READABLE, select.POLLIN), (WRITABLE, select.POLLOUT), (ERROR, select.POLLERR), (HANGUP, select.POLLHUP))


@dataclass(slots=True)
class _Handle:
    fd: int
    events: int
    callback: Callable[[int, int, int, Any], None]
    opaque: Any


@dataclass(slots=True)
class _Timer:
    interval_ms: int
    """Negative: not running."""
    due: float
    callback: Callable[[int, Any], None]
    opaque: Any


class PollLoop:
    """Callbacks run in ``run_once``: of a handle with (number, fd, events, opaque), of a timer with (number, opaque).
    So does ``free`` with the opaque of what was removed: a callback that is under way may still use it."""

    def __init__(self, *, free: Callable[[Any], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._free = free
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._handles: dict[int, _Handle] = {}
        self._timers: dict[int, _Timer] = {}
        self._removed: list[Any] = []
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # -- what libvirt calls --------------------------------------------------------------------------------------------

    def add_handle(self, fd: int, events: int, callback: Callable[[int, int, int, Any], None], opaque: Any) -> int:
        with self._lock:
            number = next(self._numbers)
            self._handles[number] = _Handle(fd, events, callback, opaque)
        self.wake()
        return number

    def update_handle(self, number: int, events: int) -> None:
        with self._lock:
            if number in self._handles:
                self._handles[number].events = events
        self.wake()

    def remove_handle(self, number: int) -> int:
        return self._remove(self._handles, number)

    def add_timer(self, interval_ms: int, callback: Callable[[int, Any], None], opaque: Any) -> int:
        with self._lock:
            number = next(self._numbers)
            self._timers[number] = _Timer(interval_ms, self._clock() + interval_ms / 1000, callback, opaque)
        self.wake()
        return number

    def update_timer(self, number: int, interval_ms: int) -> None:
        with self._lock:
            if number in self._timers:
                timer = self._timers[number]
                timer.interval_ms, timer.due = interval_ms, self._clock() + interval_ms / 1000
        self.wake()

    def remove_timer(self, number: int) -> int:
        return self._remove(self._timers, number)

    def _remove(self, table: dict[int, Any], number: int) -> int:
        with self._lock:
            found = table.pop(number, None)
            if found is not None:
                self._removed.append(found.opaque)
        self.wake()
        return 0 if found is not None else -1

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is awake already
            os.write(self._wake_write, b"x")

    # -- the loop's thread ---------------------------------------------------------------------------------------------

    def run_once(self) -> None:
        """Wait until something is due, and do it."""
        poll, wait_ms = self._prepared()
        ready = dict(poll.poll(wait_ms))
        if ready.pop(self._wake_read, 0):
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        for number, timer in self._due():
            timer.callback(number, timer.opaque)
        for number, handle, events in self._happened(ready):
            handle.callback(number, handle.fd, events, handle.opaque)
        with self._lock:
            removed, self._removed = self._removed, []
        for opaque in removed:
            self._free(opaque)

    def _prepared(self) -> tuple[select.poll, float | None]:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        with self._lock:
            wanted: dict[int, int] = {}
            for handle in self._handles.values():
                if handle.events:
                    wanted[handle.fd] = wanted.get(handle.fd, 0) | _to_poll(handle.events)
            due = [timer.due for timer in self._timers.values() if timer.interval_ms >= 0]
        for fd, mask in wanted.items():
            poll.register(fd, mask)
        return poll, max(0.0, (min(due) - self._clock()) * 1000 + 1) if due else None

    def _due(self) -> list[tuple[int, _Timer]]:
        now = self._clock()
        with self._lock:
            found = [(n, t) for n, t in self._timers.items() if t.interval_ms >= 0 and t.due <= now]
            for _, timer in found:
                timer.due = now + timer.interval_ms / 1000
        return found

    def _happened(self, ready: dict[int, int]) -> list[tuple[int, _Handle, int]]:
        with self._lock:
            found = [
                (number, handle, _from_poll(ready[handle.fd]) & (handle.events | ERROR | HANGUP))
                for number, handle in self._handles.items()
                if handle.events and handle.fd in ready
            ]
        return [(number, handle, events) for number, handle, events in found if events]

    def close(self) -> None:
        """Once nobody runs it any more. What it was told stays: connections that are open have no events then."""
        os.close(self._wake_read)
        os.close(self._wake_write)


def _to_poll(events: int) -> int:
    return sum(mask for event, mask in _POLL if events & event)


def _from_poll(mask: int) -> int:
    if mask & select.POLLNVAL:
        mask |= select.POLLERR
    return sum(event for event, bit in _POLL if mask & bit)
