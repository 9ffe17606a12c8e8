# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down what operations have changed in guests' limits. Any thread; the file has a thread of its own."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from vmconsole.inventory.limit_changes import LimitChange
from vmconsole.operations.limits import ChangeLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.operations.base import AnyOperation, Outcome
    from vmconsole.settings.limit_history import LimitHistory


class LimitRecord:
    """``done`` is for ``OperationRunner``: it returns at once."""

    def __init__(self, history: LimitHistory) -> None:
        self._history = history
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="limit history")

    def close(self) -> None:
        self._writer.shutdown(wait=True)

    def done(self, operation: AnyOperation, outcome: Outcome) -> None:
        if isinstance(operation, ChangeLimits) and isinstance(outcome.undo, ChangeLimits):
            self._writer.submit(self._history.add, tuple(_changes(operation, outcome.undo)))


def _changes(done: ChangeLimits, undo: ChangeLimits) -> Iterator[LimitChange]:
    before = dict(undo.places())
    for place, wanted in done.places():
        for ref, value in wanted.items():
            old = before.get(place, {}).get(ref)
            if old != value:
                yield LimitChange(time.time(), done.guest, done.name, place.value, ref, old, value)
