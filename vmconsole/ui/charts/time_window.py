# SPDX-License-Identifier: GPL-3.0-or-later
"""Which stretch of time all charts of a page show: the last minutes, or one that was chosen. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

SPANS_S = (300.0, 600.0, 3600.0)
LEAST_SPAN_S = 10.0
KEPT_S = 3600.0


class TimeWindow(QObject):
    """``changed`` tells that ``range()`` jumped, not that time goes on."""

    changed = Signal()

    def __init__(self, now: Callable[[], float], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._now = now
        self.span_s = SPANS_S[0]
        self._held: tuple[float, float] | None = None

    @property
    def is_live(self) -> bool:
        """Whether it follows the clock."""
        return self._held is None

    def range(self) -> tuple[float, float]:
        """Begin and end in ``time.time()`` seconds."""
        now = self._now()
        return self._held if self._held is not None else (now - self.span_s, now)

    @property
    def reach_s(self) -> float:
        """How far back data is needed, from now."""
        return min(KEPT_S, max(LEAST_SPAN_S, self._now() - self.range()[0]) + 5.0)

    def set_span(self, span_s: float) -> None:
        self.span_s, self._held = span_s, None
        self.changed.emit()

    def hold(self, start: float, end: float) -> None:
        """Show this range until ``reset``. It is kept within what is known: not before the history, not after now."""
        now = self._now()
        span = min(KEPT_S, max(LEAST_SPAN_S, end - start))
        end = min(now, (start + end + span) / 2)
        start = max(now - KEPT_S, end - span)
        self._held = (start, start + span)
        self.changed.emit()

    def reset(self) -> None:
        self._held = None
        self.changed.emit()
