# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until a window is painted for the first time. GUI thread.

A timer of 0 ms, set when the window is shown, comes before that: the display answers later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

LATEST_MS = 1000
"""A window that starts as an icon, or behind others, may never be painted."""


class FirstPaint(QObject):
    """Calls ``then`` once, after the first paint of ``window``. Make it before the window is shown."""

    def __init__(self, window: QWidget, then: Callable[[], object]) -> None:
        super().__init__(window)
        self._then: Callable[[], object] | None = then
        window.installEventFilter(self)
        QTimer.singleShot(LATEST_MS, self, self._go)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, self, self._go)
        return False

    def _go(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()
