# SPDX-License-Identifier: GPL-3.0-or-later
"""One thread that owns a host's state: calls run on it in order, and some of them later.

Whoever keeps all changes of its state on its actor needs no lock. Calls must not block: what blocks goes to a ``Lane``.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)


class Timer:
    """A call that is due later. ``cancel`` from any thread; a cancelled call never begins."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def cancel(self) -> None:
        self._function = None

    def run(self) -> None:
        function, self._function = self._function, None
        if function is not None:
            function()

    @property
    def is_cancelled(self) -> bool:
        """Also true once it ran."""
        return self._function is None


class Actor:
    """``call`` and ``call_later`` from any thread; the calls run on the actor's own daemon thread."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def call(self, function: Callable[[], None]) -> Timer:
        """Run soon, after everything that was asked for earlier."""
        return self.call_later(0.0, function)

    def call_later(self, delay_s: float, function: Callable[[], None]) -> Timer:
        """Run in ``delay_s`` seconds. Ignored once closed."""
        timer = Timer(function)
        with self._changed:
            if not self._closed:
                heapq.heappush(self._due, (self._clock() + delay_s, next(self._numbers), timer))
                self._changed.notify()
        return timer

    def close(self, *, timeout_s: float = 0.5) -> bool:
        """Drop what is due, and end the thread. True when it has ended (or the caller is that thread)."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._changed.notify()
        if self._thread is threading.current_thread() or not self._thread.is_alive():
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (timer := self._next()) is not None:
            try:
                timer.run()
            except Exception:  # noqa: BLE001  whatever one call does wrong, the host must stay under control
                _log.exception("a call of %s failed", self._thread.name)

    def _next(self) -> Timer | None:
        with self._changed:
            while not self._closed:
                self._drop_cancelled()
                wait_s = self._due[0][0] - self._clock() if self._due else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait_s)
            return None

    def _drop_cancelled(self) -> None:
        while self._due and self._due[0][2].is_cancelled:
            heapq.heappop(self._due)
