# SPDX-License-Identifier: GPL-3.0-or-later
"""An event loop for libvirt's client that is ours alone: file descriptors and timers, run by one thread.

libvirt's own loop runs on GLib's default context, and so does Qt's: whichever thread comes first serves both, and
libvirt's work would be done in the GUI thread. This one shares nothing, and knows nothing of libvirt.
All methods may be called from any thread and never block, ``run_once`` aside.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import select
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
    So does ``free`` with the opaque of what was removed: a callback that is under way may still use it.

    There is no lock: Python's garbage collector may end one of libvirt's objects in the middle of any line here, and
    that calls back into this loop from the same thread. What is asked is put into a queue; the loop's thread does it.
    """

    def __init__(self, *, free: Callable[[Any], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._free = free
        self._clock = clock
        self._numbers = itertools.count(1)
        self._known: set[int] = set()
        """What was added and not yet removed, as those who ask see it."""
        self._asked: collections.deque[Callable[[], None]] = collections.deque()
        self._handles: dict[int, _Handle] = {}
        self._timers: dict[int, _Timer] = {}
        self._removed: list[Any] = []
        self._is_closed = False
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # -- what libvirt calls --------------------------------------------------------------------------------------------

    def add_handle(self, fd: int, events: int, callback: Callable[[int, int, int, Any], None], opaque: Any) -> int:
        return self._add(self._handles, _Handle(fd, events, callback, opaque))

    def update_handle(self, number: int, events: int) -> None:
        self._ask(lambda: self._set_events(number, events))

    def remove_handle(self, number: int) -> int:
        return self._remove(self._handles, number)

    def add_timer(self, interval_ms: int, callback: Callable[[int, Any], None], opaque: Any) -> int:
        return self._add(self._timers, _Timer(interval_ms, self._clock() + interval_ms / 1000, callback, opaque))

    def update_timer(self, number: int, interval_ms: int) -> None:
        due = self._clock() + interval_ms / 1000
        self._ask(lambda: self._set_interval(number, interval_ms, due))

    def remove_timer(self, number: int) -> int:
        return self._remove(self._timers, number)

    def _add(self, table: dict[int, Any], what: _Handle | _Timer) -> int:
        number = next(self._numbers)
        self._known.add(number)
        self._ask(lambda: table.__setitem__(number, what))
        return number

    def _remove(self, table: dict[int, Any], number: int) -> int:
        if number not in self._known:
            return -1
        self._known.discard(number)
        self._ask(lambda: self._drop(table, number))
        return 0

    def _ask(self, change: Callable[[], None]) -> None:
        self._asked.append(change)
        self.wake()

    def wake(self) -> None:
        if self._is_closed:
            return
        with contextlib.suppress(BlockingIOError):  # it is awake already
            os.write(self._wake_write, b"x")

    # -- the loop's thread ---------------------------------------------------------------------------------------------

    def run_once(self) -> None:
        """Wait until something is due, and do it."""
        self._do_what_was_asked()
        watched = [(number, handle) for number, handle in self._handles.items() if handle.events]
        ready = dict(self._poll(watched).poll(self._wait_ms()))
        if ready.pop(self._wake_read, 0):
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        self._do_what_was_asked()
        for number, timer in self._due():
            if number in self._known:
                timer.callback(number, timer.opaque)
        for number, handle in watched:
            events = _from_poll(ready.get(handle.fd, 0)) & (handle.events | ERROR | HANGUP)
            if events and handle.events and number in self._known:
                handle.callback(number, handle.fd, events, handle.opaque)
        removed, self._removed = self._removed, []
        for opaque in removed:
            self._free(opaque)

    def _do_what_was_asked(self) -> None:
        while self._asked:
            self._asked.popleft()()

    def _set_events(self, number: int, events: int) -> None:
        if number in self._handles:
            self._handles[number].events = events

    def _set_interval(self, number: int, interval_ms: int, due: float) -> None:
        if number in self._timers:
            self._timers[number].interval_ms, self._timers[number].due = interval_ms, due

    def _drop(self, table: dict[int, Any], number: int) -> None:
        found = table.pop(number, None)
        if found is not None:
            self._removed.append(found.opaque)

    def _poll(self, watched: list[tuple[int, _Handle]]) -> select.poll:
        wanted: dict[int, int] = {self._wake_read: select.POLLIN}
        for _, handle in watched:
            wanted[handle.fd] = wanted.get(handle.fd, 0) | _to_poll(handle.events)
        poll = select.poll()
        for fd, mask in wanted.items():
            poll.register(fd, mask)
        return poll

    def _wait_ms(self) -> float | None:
        due = [timer.due for timer in self._timers.values() if timer.interval_ms >= 0]
        return max(0.0, (min(due) - self._clock()) * 1000 + 1) if due else None

    def _due(self) -> list[tuple[int, _Timer]]:
        now = self._clock()
        found = [(n, t) for n, t in self._timers.items() if t.interval_ms >= 0 and t.due <= now]
        for _, timer in found:
            timer.due = now + timer.interval_ms / 1000
        return found

    def close(self) -> None:
        """Once nobody runs it any more. What it was told stays: connections that are open have no events then."""
        self._is_closed = True
        os.close(self._wake_read)
        os.close(self._wake_write)


def _to_poll(events: int) -> int:
    return sum(mask for event, mask in _POLL if events & event)


def _from_poll(mask: int) -> int:
    if mask & select.POLLNVAL:
        mask |= select.POLLERR
    return sum(event for event, bit in _POLL if mask & bit)
