# SPDX-License-Identifier: GPL-3.0-or-later
"""The word that goes along with the limit line. It lets the mouse through. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from vmconsole.ui.charts.look import Look

MARGIN_PX = 6
GAP_PX = 4


class LimitTag(QWidget):
    """Small text on the plot's ground, framed in the line's colour while the line is in use."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._text = ""
        self._colour = QColor()
        self._ground = QColor()
        self._is_strong = False

    @property
    def text(self) -> str:
        return self._text

    def show_text(self, text: str, *, colour: QColor, look: Look, is_strong: bool) -> None:
        self._text, self._colour, self._is_strong = text, colour, is_strong
        self._ground = QColor(look.background)
        metrics = self.fontMetrics()
        self.resize(metrics.horizontalAdvance(text) + 2 * MARGIN_PX, metrics.height() + 4)
        self.update()

    def put(self, area: QRectF, y: float) -> None:
        """At the right, above the line, or below it where there is no room."""
        above = y - GAP_PX - self.height()
        top = above if above >= area.top() else y + GAP_PX
        self.move(round(area.right() - self.width() - GAP_PX), round(top))
        self.raise_()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._ground.setAlphaF(1.0 if self._is_strong else 0.75)
        painter.setBrush(self._ground)
        painter.setPen(QPen(self._colour, 1) if self._is_strong else Qt.PenStyle.NoPen)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        painter.setPen(self._colour)
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._text)
