# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door from worker threads into the GUI thread.

Anything may ``post`` a delta or ``call`` a function from any thread: both are appended to one queue, and one queued
signal wakes the GUI thread, which takes all that is there, applies the deltas to the Store, and announces one
ChangeSet. No other signal crosses threads in vmconsole: a lambda connected to a foreign thread's signal runs there.
"""

from __future__ import annotations

import logging
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Qt, Signal, Slot

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from vmconsole.metrics.delta import Delta
    from vmconsole.store.store import Store

T = TypeVar("T")
log = logging.getLogger(__name__)


class Bridge(QObject):
    """Lives in the GUI thread. ``store_changed`` carries a ``store.changes.ChangeSet``."""

    store_changed = Signal(object)
    _wake = Signal()

    def __init__(self, store: Store, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._lock = Lock()
        self._deltas: list[Delta] = []
        self._calls: deque[Callable[[], None]] = deque()
        self._pending = False
        self._closed = False
        self._wake.connect(self._on_wake, Qt.ConnectionType.QueuedConnection)

    def post(self, delta: Delta) -> None:
        """From any thread: apply a delta soon."""
        with self._lock:
            if self._closed:
                return
            self._deltas.append(delta)
            must_wake, self._pending = not self._pending, True
        if must_wake:
            self._wake.emit()

    def call(self, function: Callable[[], None]) -> None:
        """From any thread: run ``function`` in the GUI thread soon, after the deltas posted before it."""
        with self._lock:
            if self._closed:
                return
            self._calls.append(function)
            must_wake, self._pending = not self._pending, True
        if must_wake:
            self._wake.emit()

    def when_done(self, future: Future[T], then: Callable[[Future[T]], None]) -> None:
        """Run ``then(future)`` in the GUI thread when the future has ended in whatever way."""
        future.add_done_callback(lambda ended: self.call(lambda: then(ended)))

    def close(self) -> None:
        """Nothing is delivered afterwards."""
        with self._lock:
            self._closed = True
            self._deltas.clear()
            self._calls.clear()

    @Slot()
    def _on_wake(self) -> None:
        with self._lock:
            batch, self._deltas = self._deltas, []
            calls, self._calls = self._calls, deque()
            self._pending = False
        if batch:
            changes = self._store.apply(batch)
            if changes:
                self.store_changed.emit(changes)
        for function in calls:
            function()
