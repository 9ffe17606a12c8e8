# SPDX-License-Identifier: GPL-3.0-or-later
"""«Who takes what»: the host's guests as layers over time, names at the right, values under the mouse. GUI thread."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QToolTip, QWidget

from vmconsole.ui.capacity.stack_data import Stack
from vmconsole.ui.charts.look import look_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.ui.formats import Formats

HUES = (212, 28, 150, 285, 48, 186, 340, 0)
"""Of the layers; the last is the others' and has no colour."""
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 10, 22
LINES = 4
LEAST_LABEL = 12


class StackView(QWidget):
    """``chosen`` carries the uuid of a layer that was clicked."""

    chosen = Signal(str)

    def __init__(self, formats: Formats, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._formats = formats
        self._stack = Stack(np.empty(0), ())
        self._words: Callable[[float], str] = str
        self._whole: float | None = None
        self.setMinimumHeight(180)
        self.setMouseTracking(True)

    def show_stack(self, stack: Stack, *, words: Callable[[float], str], whole: float | None) -> None:
        """``whole`` is what the host has, drawn as a line; ``words`` makes a value readable."""
        self._stack, self._words, self._whole = stack, words, whole
        names = ", ".join(f"{layer.name} {words(layer.latest)}" for layer in stack.layers)
        self.setAccessibleName(self.tr("Who takes what: {names}").format(names=names or self.tr("nothing known yet")))
        self.update()

    # -- painting ----------------------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self._area()
        painter.fillRect(area, self.palette().base())
        if len(self._stack.times) < 2:
            painter.setPen(look_of(self.palette()).quiet)
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self.tr("No figures yet"))
            return
        top = self._top()
        self._paint_grid(painter, area, top)
        sums = np.cumsum([layer.values for layer in self._stack.layers], axis=0)
        below = np.zeros(len(self._stack.times))
        for number, above in enumerate(sums):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._colour(number))
            painter.drawPolygon(self._band(area, top, below, above))
            below = above
        self._paint_whole(painter, area, top)
        self._paint_names(painter, area, top, sums)

    def _area(self) -> QRectF:
        return QRectF(LEFT, TOP, max(1, self.width() - LEFT - RIGHT), max(1, self.height() - TOP - BOTTOM))

    def _top(self) -> float:
        """A little above the highest sum, or the host's size where that is near."""
        highest = float(np.max(np.sum([layer.values for layer in self._stack.layers], axis=0), initial=0.0))
        if self._whole is not None and highest > 0.5 * self._whole:
            highest = max(highest, self._whole)
        return _round_up(highest * 1.05) or 1.0

    def _band(self, area: QRectF, top: float, below: np.ndarray, above: np.ndarray) -> QPolygonF:
        xs = area.left() + area.width() * np.linspace(0, 1, len(below))
        around = [*zip(xs, above, strict=True), *zip(xs[::-1], below[::-1], strict=True)]
        return QPolygonF([QPointF(x, area.bottom() - area.height() * y / top) for x, y in around])

    def _paint_grid(self, painter: QPainter, area: QRectF, top: float) -> None:
        look = look_of(self.palette())
        for line in range(LINES + 1):
            y = area.bottom() - area.height() * line / LINES
            painter.setPen(look.grid)
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(look.quiet)
            box = QRectF(0, y - 10, LEFT - 6, 20)
            middle_right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(box, middle_right, self._words(top * line / LINES))
        for at, align in ((0, Qt.AlignmentFlag.AlignLeft), (-1, Qt.AlignmentFlag.AlignRight)):
            text = self._formats.clock_s(float(self._stack.times[at]))
            painter.drawText(QRectF(area.left(), area.bottom() + 2, area.width(), BOTTOM - 2), align, text)

    def _paint_whole(self, painter: QPainter, area: QRectF, top: float) -> None:
        if self._whole is None or self._whole > top:
            return
        y = area.bottom() - area.height() * self._whole / top
        painter.setPen(QPen(look_of(self.palette()).curve("limit"), 1.5, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.drawText(QPointF(area.left() + 4, y - 3), self.tr("all of the host"))

    def _paint_names(self, painter: QPainter, area: QRectF, top: float, sums: np.ndarray) -> None:
        """At the right, as far up as the layer is, pushed apart where layers are thin."""
        painter.setPen(self.palette().text().color())
        height = float(self.fontMetrics().height())
        y = area.bottom() + height
        for number, layer in enumerate(self._stack.layers):
            low = float(sums[number - 1][-1]) if number else 0.0
            middle = area.bottom() - area.height() * (low + layer.latest / 2) / top
            y = min(middle, y - height)
            if y < LEAST_LABEL:
                return
            painter.fillRect(QRectF(area.right() + 8, y - 4, 8, 8), self._colour(number))
            words = f"{layer.name}  {self._words(layer.latest)}"
            text = self.fontMetrics().elidedText(words, Qt.TextElideMode.ElideMiddle, RIGHT - 26)
            painter.drawText(
                QRectF(area.right() + 22, y - height / 2, RIGHT - 24, height), Qt.AlignmentFlag.AlignVCenter, text
            )

    def _colour(self, number: int) -> QColor:
        """Neighbours differ in lightness too, so that they can be told apart without seeing colours."""
        lightness = 110 if look_of(self.palette()).is_dark else 130
        saturation = 0 if not self._stack.layers[number].uuid else 150
        return QColor.fromHsl(HUES[number % len(HUES)], saturation, lightness + 30 * (number % 2))

    # -- the mouse ---------------------------------------------------------------------------------------------

    def _layer_at(self, where: QPointF) -> tuple[int, int] | None:
        """(layer, point in time) below the mouse."""
        area, count = self._area(), len(self._stack.times)
        if count < 2 or not area.contains(where):
            return None
        point = round((where.x() - area.left()) / area.width() * (count - 1))
        value = (area.bottom() - where.y()) / area.height() * self._top()
        sums = np.cumsum([layer.values[point] for layer in self._stack.layers])
        number = int(np.searchsorted(sums, value))
        return (number, point) if number < len(sums) else None

    def event(self, event: object) -> bool:
        if isinstance(event, QHelpEvent):
            found = self._layer_at(QPointF(event.pos()))
            if found is not None:
                layer = self._stack.layers[found[0]]
                at = self._formats.clock_s(float(self._stack.times[found[1]]))
                words = self.tr("{name}: {value} at {time}")
                QToolTip.showText(
                    event.globalPos(),
                    words.format(name=layer.name, value=self._words(float(layer.values[found[1]])), time=at),
                )
                return True
        return super().event(event)  # type: ignore[arg-type]  # Qt's own event type

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        found = self._layer_at(event.position())
        if found is not None and self._stack.layers[found[0]].uuid:
            self.chosen.emit(self._stack.layers[found[0]].uuid)


def _round_up(value: float) -> float:
    """To 1, 2, 2.5 or 5 of its power of ten, so that the axis has round numbers."""
    if value <= 0 or not math.isfinite(value):
        return 0.0
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)
