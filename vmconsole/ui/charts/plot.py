# SPDX-License-Identifier: GPL-3.0-or-later
"""One plot: values over the time of day. GUI thread. The only file that knows pyqtgraph.

pyqtgraph gives the curves and the transformation; what it is slow at is done here. Its grid costs five times the
curves, so grid and shaded stretches are painted as a background. Ranges are set and never searched. The mouse is
handled here as well: panning and zooming are wishes that the owner grants to all plots alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen

from vmconsole.ui.charts.units import Unit, mark_text, nice_step, time_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PySide6.QtGui import QMouseEvent, QWheelEvent
    from PySide6.QtWidgets import QWidget

    from vmconsole.ui.charts.look import Look

AXIS_WIDTH_EMS = 4.3
MARK_EVERY_PX = 90
MARK_EVERY_PX_Y = 26
ZOOM_PER_NOTCH = 1.25


@dataclass(frozen=True, slots=True)
class Stretch:
    """A shaded stretch of time; ``strength`` 0–1."""

    begin: float
    end: float
    strength: float


class _TimeAxis(pg.AxisItem):
    """Time of day, in the steps of clocks."""

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:  # noqa: N803 - pyqtgraph's names
        step = time_step(maxVal - minVal, marks=int(size // MARK_EVERY_PX))
        # Marks stand at whole local hours and minutes, which are not multiples in UTC where a zone has half hours.
        offset = datetime.fromtimestamp(minVal).astimezone().utcoffset()
        shift = offset.total_seconds() if offset is not None else 0.0
        first = np.ceil((minVal + shift) / step) * step - shift
        return [(step, [float(v) for v in np.arange(first, maxVal, step)])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        form = "%H:%M" if spacing >= 60 else "%H:%M:%S"
        return [datetime.fromtimestamp(v).astimezone().strftime(form) for v in values]


class _ValueAxis(pg.AxisItem):
    """Values in the plot's unit."""

    def __init__(self, unit: Unit) -> None:
        super().__init__("left")
        self._unit = unit

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:  # noqa: N803 - pyqtgraph's names
        step = nice_step(self._unit, maxVal - minVal, marks=max(2, int(size // MARK_EVERY_PX_Y)))
        first = np.ceil(minVal / step) * step
        return [(step, [float(v) for v in np.arange(first, maxVal + step * 1e-6, step)])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [mark_text(self._unit, v, step=spacing) for v in values]


class TimePlot(pg.PlotWidget):
    """Curves, shaded stretches and level lines over time. The owner sets what is shown and which range."""

    hovered = Signal(object)
    """The time under the mouse (``time.time()`` seconds), or None when it left."""
    range_asked = Signal(float, float)
    """The user pans or zooms: show this range of time instead."""
    reset_asked = Signal()
    laid_out = Signal()
    """Pixels and values stand in a new relation: overlays must move."""

    def __init__(self, unit: Unit, look: Look, parent: QWidget | None = None) -> None:
        self._stretches: tuple[Stretch, ...] = ()
        self._look = look
        self._top = 1.0
        self._drag_from: tuple[float, float, float] | None = None
        axes = {"left": _ValueAxis(unit), "bottom": _TimeAxis("bottom")}
        super().__init__(parent=parent, axisItems=axes, enableMenu=False)
        self._curves: dict[str, pg.PlotCurveItem] = {}
        self._levels: dict[str, pg.InfiniteLine] = {}
        self._start, self._end = 0.0, 1.0
        self._cursor = pg.InfiniteLine(angle=90)
        self._set_up()
        self.set_look(look)

    def _set_up(self) -> None:
        self.setViewportUpdateMode(self.ViewportUpdateMode.FullViewportUpdate)
        self.setFrameShape(self.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMouseTracking(True)
        item = self.getPlotItem()
        item.hideButtons()
        item.setContentsMargins(0, 8, 4, 0)
        box = item.getViewBox()
        box.setMouseEnabled(x=False, y=False)
        box.disableAutoRange()
        box.setDefaultPadding(0)
        box.sigResized.connect(self._on_resized)
        ems = self.fontMetrics().horizontalAdvance("m")
        item.getAxis("left").setWidth(AXIS_WIDTH_EMS * ems)
        self._cursor.setVisible(False)
        self._cursor.setZValue(20)
        self.addItem(self._cursor, ignoreBounds=True)

    # -- what is shown -----------------------------------------------------------------------------------------

    def set_look(self, look: Look) -> None:
        self._look = look
        self.setBackground(look.background)
        for name in ("left", "bottom"):
            axis = self.getPlotItem().getAxis(name)
            axis.setStyle(tickLength=0, tickFont=self.font(), tickTextOffset=5)
            axis.setPen(QPen(look.grid, 1))
            axis.setTextPen(QPen(look.quiet))
        self._cursor.setPen(QPen(look.quiet, 1, Qt.PenStyle.DashLine))
        self.viewport().update()

    def add_curve(self, key: str, *, colour: QColor, is_main: bool = True) -> None:
        curve = self._curves.get(key)
        if curve is None:
            curve = pg.PlotCurveItem(antialias=True)
            curve.setZValue(10 if is_main else 5)
            self._curves[key] = curve
            self.addItem(curve, ignoreBounds=True)
        pen = QPen(colour, 1)
        pen.setCosmetic(True)
        curve.setPen(pen)

    def remove_curve(self, key: str) -> None:
        self.removeItem(self._curves.pop(key))

    def set_curve(self, key: str, times: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        has_gaps = bool(np.isnan(values).any())
        self._curves[key].setData(times, values, connect="finite" if has_gaps else "all", skipFiniteCheck=not has_gaps)

    def show_curve(self, key: str, *, visible: bool) -> None:
        self._curves[key].setVisible(visible)

    def set_stretches(self, stretches: Sequence[Stretch]) -> None:
        self._stretches = tuple(stretches)

    def set_level(self, key: str, value: float | None, *, pen: QPen, label: str = "") -> None:
        """A horizontal line at ``value`` with a word on it; None takes it away."""
        line = self._levels.get(key)
        if value is None:
            if line is not None:
                self.removeItem(self._levels.pop(key))
            return
        if line is None:
            options = {"position": 0.02, "anchors": [(0, 1), (0, 0)], "color": pen.color(), "movable": False}
            line = pg.InfiniteLine(angle=0, label="", labelOpts=options)
            line.setZValue(7)
            self._levels[key] = line
            self.addItem(line, ignoreBounds=True)
        pen.setCosmetic(True)
        line.setPen(pen)
        line.setValue(value)
        line.label.setFormat(label)
        line.label.setColor(pen.color())

    def set_ranges(self, start: float, end: float, *, top: float) -> None:
        """Time from ``start`` to ``end`` (``time.time()`` seconds), values from 0 to ``top``."""
        self._start, self._end, self._top = start, end, top
        self.getPlotItem().getViewBox().setRange(xRange=(start, end), yRange=(0, top), padding=0, disableAutoRange=True)
        self.viewport().update()
        self.laid_out.emit()

    def set_cursor(self, at: float | None) -> None:
        self._cursor.setVisible(at is not None)
        if at is not None:
            self._cursor.setValue(at)

    # -- pixels and values -------------------------------------------------------------------------------------

    @property
    def top(self) -> float:
        return self._top

    @property
    def seconds_per_pixel(self) -> float:
        return (self._end - self._start) / max(1.0, self.area().width())

    def area(self) -> QRectF:
        """Where the curves are, in pixels of the viewport."""
        return self.getPlotItem().getViewBox().sceneBoundingRect()

    def y_of(self, value: float) -> float:
        """Pixel row of a value in the viewport; values out of the range lie outside ``area()``."""
        area = self.area()
        return area.bottom() - value / self._top * area.height()

    def value_of(self, y: float) -> float:
        area = self.area()
        return (area.bottom() - y) / max(1.0, area.height()) * self._top

    def time_of(self, x: float) -> float:
        area = self.area()
        return self._start + (x - area.left()) / max(1.0, area.width()) * (self._end - self._start)

    def _x_of(self, at: float) -> float:
        area = self.area()
        return area.left() + (at - self._start) / max(1e-9, self._end - self._start) * area.width()

    # -- painting ----------------------------------------------------------------------------------------------

    def drawBackground(self, painter: QPainter, rect: QRectF) -> None:
        super().drawBackground(painter, rect)
        area = self.area()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        for stretch in self._stretches:
            left, right = max(area.left(), self._x_of(stretch.begin)), min(area.right(), self._x_of(stretch.end))
            if right > left:
                colour = self._look.faded("band", 0.10 + 0.25 * min(1.0, stretch.strength))
                painter.fillRect(QRectF(left, area.top(), max(1.0, right - left), area.height()), colour)
        painter.setPen(QPen(self._look.grid, 1))
        for name, is_row in (("left", True), ("bottom", False)):
            for value in self._marks(name, area):
                if is_row:
                    y = round(self.y_of(value)) + 0.5
                    painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
                else:
                    x = round(self._x_of(value)) + 0.5
                    painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))

    def _marks(self, name: str, area: QRectF) -> list[float]:
        axis = self.getPlotItem().getAxis(name)
        low, high, size = (0.0, self._top, area.height()) if name == "left" else (self._start, self._end, area.width())
        return axis.tickValues(low, high, size)[0][1] if size > 1 and high > low else []

    def _on_resized(self) -> None:
        self.laid_out.emit()

    # -- the mouse ---------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self._drag_from = (event.position().x(), self._start, self._end)
            self.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag_from is None:
            inside = self.area().contains(event.position())
            self.hovered.emit(self.time_of(event.position().x()) if inside else None)
        else:
            began, start, end = self._drag_from
            by = (event.position().x() - began) * self.seconds_per_pixel
            self.range_asked.emit(start - by, end - by)
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._drag_from = None
        self.viewport().unsetCursor()
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.reset_asked.emit()
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Ctrl and the wheel zoom; the wheel alone belongs to the page, which may have to be scrolled."""
        if not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()
            return
        factor = ZOOM_PER_NOTCH ** (-event.angleDelta().y() / 120)
        at = self.time_of(event.position().x())
        self.range_asked.emit(at - (at - self._start) * factor, at + (self._end - at) * factor)
        event.accept()

    def leaveEvent(self, event: object) -> None:
        self.hovered.emit(None)
        super().leaveEvent(event)
