# SPDX-License-Identifier: GPL-3.0-or-later
"""The words that go along with a limit line. They let the mouse through. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PySide6.QtGui import QFontMetrics, QPaintEvent

    from vmconsole.ui.charts.look import Look

MARGIN_PX = 6
GAP_PX = 4


class LimitTag(QWidget):
    """Small text on the plot's ground, framed in the line's colour while the line is in use."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._lines: tuple[str, ...] = ("",)
        self._colour, self._ink, self._ground = QColor(), QColor(), QColor()
        self._is_strong = False

    @property
    def text(self) -> str:
        """The first line: the limit."""
        return self._lines[0]

    @property
    def more(self) -> str:
        """The others: what is to be known of it."""
        return "\n".join(self._lines[1:])

    def show_text(self, *lines: str, colour: QColor, look: Look, is_strong: bool, room: float) -> None:
        """``room``: how wide it may become; what is longer is broken into lines."""
        self._colour, self._ink, self._is_strong = colour, look.text, is_strong
        self._ground = QColor(look.background)
        metrics = self.fontMetrics()
        most = max(40.0, room - 2 * MARGIN_PX)
        self._lines = tuple(part for line in lines if line for part in _broken(line, most, metrics)) or ("",)
        width = max(metrics.horizontalAdvance(line) for line in self._lines)
        self.resize(width + 2 * MARGIN_PX, metrics.height() * len(self._lines) + 4)
        self.update()

    def put(self, area: QRectF, y: float, *, others: Iterable[QRectF] = (), lines: Sequence[float] = ()) -> bool:
        """At the right, above the line, or below it where there is no room or another of ``lines`` (their heights)
        would cross it; left of ``others`` that stand there.

        False where all places are taken.
        """
        above, below = y - GAP_PX - self.height(), y + GAP_PX
        taken = sorted(others, key=lambda rect: -rect.left())
        tops = [top for top in (above, below) if area.top() <= top <= area.bottom() - self.height()]
        places = [QPointF(self._left(area, top, taken), top) for top in tops or [area.bottom() - self.height()]]
        crossed = {at.y(): sum(at.y() < line < at.y() + self.height() for line in lines) for at in places}
        place = max(places, key=lambda at: (at.x() >= area.left() - 1, -crossed[at.y()], at.x()))
        self.move(place.toPoint())
        return place.x() >= area.left() - 1

    def _left(self, area: QRectF, top: float, taken: Iterable[QRectF]) -> float:
        """The first free place from the right, at that height."""
        right = area.right() - GAP_PX
        for other in taken:
            if QRectF(right - self.width(), top, self.width(), self.height()).intersects(other):
                right = other.left() - GAP_PX
        return right - self.width()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._ground.setAlphaF(1.0 if self._is_strong else 0.9)
        painter.setBrush(self._ground)
        painter.setPen(QPen(self._colour, 1) if self._is_strong else Qt.PenStyle.NoPen)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        height, room = self.fontMetrics().height(), self.width() - 2 * MARGIN_PX
        for i, line in enumerate(self._lines):
            painter.setPen(self._ink if i else self._colour)
            at = QRectF(MARGIN_PX, 2 + i * height, room + 1, height)
            painter.drawText(at, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, line)


def _broken(line: str, most: float, metrics: QFontMetrics) -> list[str]:
    """In pieces of whole words that are no wider than ``most`` pixels."""
    found = [""]
    for word in line.split(" "):
        longer = f"{found[-1]} {word}".strip()
        if found[-1] and metrics.horizontalAdvance(longer) > most:
            found.append(word)
        else:
            found[-1] = longer
    return found
