# SPDX-License-Identifier: GPL-3.0-or-later
"""What was last asked of a host, and what it has not answered yet. For ``--debug``; any thread.

One log lives as long as the link, so that calls which are stuck in a connection that was given up still show.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import TYPE_CHECKING

from vmconsole.links.base import CallDebug

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class CallLog:
    """``call`` around each call; ``last`` and ``under_way`` are for looking."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._under_way: dict[int, tuple[str, float]] = {}
        self._last: tuple[str, float, float | None] | None = None
        self._last_number = -1

    @contextlib.contextmanager
    def call(self, what: str) -> Iterator[None]:
        number, began = next(self._numbers), self._clock()
        with self._lock:
            self._under_way[number] = (what, began)
            self._last, self._last_number = (what, began, None), number
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[number]
                if number == self._last_number:
                    self._last = (what, began, self._clock() - began)

    def last(self) -> CallDebug | None:
        """The call that began last; None before the first."""
        with self._lock:
            last = self._last
        return None if last is None else CallDebug(last[0], self._clock() - last[1], last[2])

    def under_way(self) -> tuple[CallDebug, ...]:
        """Calls that have not returned, the oldest first."""
        with self._lock:
            calls = list(self._under_way.values())
        return tuple(CallDebug(what, self._clock() - began, None) for what, began in sorted(calls, key=lambda c: c[1]))
