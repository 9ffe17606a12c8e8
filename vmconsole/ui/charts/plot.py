# SPDX-License-Identifier: GPL-3.0-or-later
"""One plot: values over the time of day. GUI thread. The only file that knows pyqtgraph.

pyqtgraph gives the scene, the transformation and paths out of arrays; what it is slow at is done here. Its grid costs
five times the curves and its axes as much as they do, so both are painted as a background. Ranges are set and never
searched. Straight lines are filled rectangles: a thin line of a transparent colour is stroked in half a millisecond.
The mouse is handled here as well: panning and zooming are wishes that the owner grants to all plots alike.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem

from vmconsole.ui.charts.units import Unit, mark_text, nice_step, time_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PySide6.QtGui import QColor, QMouseEvent, QWheelEvent
    from PySide6.QtWidgets import QWidget

    from vmconsole.ui.charts.look import Look

AXIS_WIDTH_EMS = 4.7
MARK_EVERY_PX = 66
MARK_EVERY_PX_Y = 26
MOST_MARKS_Y = 6
AXIS_GAP_PX = 6
FINE_PIXELS = 1.5
ZOOM_PER_NOTCH = 1.25


@dataclass(frozen=True, slots=True)
class Stretch:
    """A shaded stretch of time; ``strength`` 0–1."""

    begin: float
    end: float
    strength: float


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line with a word on it."""

    value: float
    pen: QPen
    label: str


class _Curve(QGraphicsItem):
    """One line. pyqtgraph's own item spends more time on bounds that nobody asks for than on painting."""

    def __init__(self, box: pg.ViewBox) -> None:
        super().__init__()
        self._box = box
        self._path = QPainterPath()
        self.pen = QPen()

    def set_data(self, times: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        self._path = pg.arrayToQPath(times, values, connect="finite", finiteCheck=True)
        self.update()

    def boundingRect(self) -> QRectF:
        return self._box.viewRect()

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self.pen)
        painter.drawPath(self._path)


@dataclass(frozen=True, slots=True)
class Patch:
    """A filled shape: times and values of its corners."""

    times: NDArray[np.float64]
    values: NDArray[np.float64]
    colour: QColor
    edge: QColor


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
        self._unit = unit
        self._curves: dict[str, _Curve] = {}
        self._levels: dict[str, Level] = {}
        self._patches: dict[str, Patch] = {}
        self._start, self._end = 0.0, 1.0
        self._cursor: float | None = None
        self._area: QRectF | None = None
        super().__init__(parent=parent, enableMenu=False)
        self._set_up()
        self.set_look(look)

    def _set_up(self) -> None:
        self.setViewportUpdateMode(self.ViewportUpdateMode.FullViewportUpdate)
        self.setCacheMode(self.CacheModeFlag.CacheNone)  # the background has the axes: it changes as often as the rest
        self.setFrameShape(self.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMouseTracking(True)
        item = self.getPlotItem()
        item.hideButtons()
        for name in ("left", "bottom", "top", "right"):
            item.hideAxis(name)
            item.getAxis(name).unlinkFromView()  # hidden axes would go on laying out their labels
        metrics = self.fontMetrics()
        left, below = AXIS_WIDTH_EMS * metrics.horizontalAdvance("m"), metrics.height() + AXIS_GAP_PX
        item.layout.setContentsMargins(left, metrics.height() / 2, 4, below)
        box = item.getViewBox()
        box.setMouseEnabled(x=False, y=False)
        box.disableAutoRange()
        box.setDefaultPadding(0)
        box.geometryChanged.connect(self._on_moved)

    # -- what is shown -----------------------------------------------------------------------------------------

    def set_look(self, look: Look) -> None:
        self._look = look
        self.setBackground(look.background)
        self.viewport().update()

    def add_curve(self, key: str, *, colour: QColor, is_main: bool = True) -> None:
        curve = self._curves.get(key)
        box = self.getPlotItem().getViewBox()
        if curve is None:
            curve = _Curve(box)
            curve.setZValue(10 if is_main else 5)
            self._curves[key] = curve
            box.addItem(curve, ignoreBounds=True)
        # A pen of one device pixel is by far the fastest; where pixels are tiny the main curves need more to be seen.
        ratio = self.devicePixelRatioF()
        curve.pen = QPen(colour, ratio if is_main and ratio >= FINE_PIXELS else 1)
        curve.pen.setCosmetic(True)
        curve.update()

    def set_curve(self, key: str, times: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """``values`` may have NaN where the line is to break."""
        self._curves[key].set_data(times, values)

    def show_curve(self, key: str, *, visible: bool) -> None:
        self._curves[key].setVisible(visible)

    def set_stretches(self, stretches: Sequence[Stretch]) -> None:
        self._stretches = tuple(stretches)

    def set_level(self, key: str, value: float | None, *, pen: QPen, label: str = "") -> None:
        """A horizontal line at ``value`` with a word on it; None takes it away."""
        level = None if value is None else Level(value, pen, label)
        if level != self._levels.get(key):
            if level is None:
                self._levels.pop(key, None)
            else:
                self._levels[key] = level
            self.viewport().update()

    def set_patch(self, key: str, patch: Patch | None) -> None:
        """A filled shape behind the curves; None takes it away."""
        if patch is not None:
            self._patches[key] = patch
        elif self._patches.pop(key, None) is None:
            return
        self.viewport().update()

    def set_ranges(self, start: float, end: float, *, top: float) -> None:
        """Time from ``start`` to ``end`` (``time.time()`` seconds), values from 0 to ``top``.

        Raises ValueError for an empty range: found while painting, it would end the program (PySide 6.11).
        """
        if not (end > start and top > 0):
            raise ValueError(f"an empty range: {start} to {end}, 0 to {top}")
        self._start, self._end, self._top = start, end, top
        self.getPlotItem().getViewBox().setRange(xRange=(start, end), yRange=(0, top), padding=0, disableAutoRange=True)
        self.scene().prepareForPaint()  # now: done while painting, it would call for a second painting
        self.laid_out.emit()

    def raise_top(self, top: float) -> None:
        """Let the values' axis reach at least to ``top``."""
        if top > self._top:
            self.set_ranges(self._start, self._end, top=top)

    def set_cursor(self, at: float | None) -> None:
        if at != self._cursor:
            self._cursor = at
            self.viewport().update()

    # -- pixels and values -------------------------------------------------------------------------------------

    @property
    def top(self) -> float:
        return self._top

    @property
    def seconds_per_pixel(self) -> float:
        return (self._end - self._start) / max(1.0, self.area().width())

    def area(self) -> QRectF:
        """Where the curves are, in pixels of the viewport. Kept until the layout moves it: it is asked for often."""
        if self._area is None:
            self._area = self.getPlotItem().getViewBox().sceneBoundingRect()
        return self._area

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
                width = max(1, round(right - left))
                painter.fillRect(round(left), round(area.top()), width, round(area.height()), colour)
        self._paint_patches(painter, area)
        self._paint_values(painter, area)
        self._paint_times(painter, area)

    def _paint_patches(self, painter: QPainter, area: QRectF) -> None:
        """In pixels: a shape that lies at 1.7 thousand million seconds is not filled right."""
        if self._patches:
            painter.save()
            painter.setClipRect(area)
            for patch in self._patches.values():
                painter.fillPath(self._shape(patch, area), patch.colour)
            painter.restore()

    def _shape(self, patch: Patch, area: QRectF) -> QPainterPath:
        x = area.left() + (patch.times - self._start) / (self._end - self._start) * area.width()
        y = area.bottom() - patch.values / self._top * area.height()
        return pg.arrayToQPath(x, y, connect="all", finiteCheck=False)

    def _paint_edges(self, painter: QPainter, area: QRectF) -> None:
        """Over the curves: a peak of one pixel would hide what is filled behind it."""
        if self._patches:
            painter.save()
            painter.setClipRect(area)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for patch in self._patches.values():
                painter.setPen(QPen(patch.edge, 1.2))
                painter.drawPath(self._shape(patch, area))
            painter.restore()

    def _paint_values(self, painter: QPainter, area: QRectF) -> None:
        step = nice_step(self._unit, self._top, marks=min(MOST_MARKS_Y, max(2, int(area.height() // MARK_EVERY_PX_Y))))
        half = self.fontMetrics().height() / 2
        for i in range(int(self._top / step + 1e-6) + 1):
            y = round(self.y_of(i * step))
            painter.fillRect(round(area.left()), y, round(area.width()), 1, self._look.grid)
            painter.setPen(self._look.quiet)
            box = QRectF(0, y - half, area.left() - AXIS_GAP_PX, 2 * half)
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(box, right, mark_text(self._unit, i * step, step=step))

    def _paint_times(self, painter: QPainter, area: QRectF) -> None:
        step = time_step(self._end - self._start, marks=int(area.width() // MARK_EVERY_PX))
        form = "%H:%M" if step >= 60 else "%H:%M:%S"
        width = MARK_EVERY_PX
        for at in _time_marks(self._start, self._end, step):
            x = round(self._x_of(at))
            painter.fillRect(x, round(area.top()), 1, round(area.height()), self._look.grid)
            left = max(area.left() - width / 4, min(x - width / 2, self.viewport().width() - width * 0.75))
            painter.setPen(self._look.quiet)
            text = time.strftime(form, time.localtime(at))
            painter.drawText(QRectF(left, area.bottom() + 2, width, 40), Qt.AlignmentFlag.AlignHCenter, text)

    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:
        area = self.area()
        self._paint_edges(painter, area)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        for level in self._levels.values():
            y = round(self.y_of(level.value)) + 0.5
            if area.top() <= y <= area.bottom():
                painter.setPen(level.pen)
                painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
                painter.drawText(QPointF(area.left() + 8, y - 4), level.label)
        if self._cursor is not None and self._start <= self._cursor <= self._end:
            x = round(self._x_of(self._cursor)) + 0.5
            painter.setPen(QPen(self._look.quiet, 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))

    def _on_moved(self) -> None:
        self._area = None
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


def _time_marks(start: float, end: float, step: float) -> list[float]:
    """Moments at whole local minutes and hours, which are no multiples in UTC where a zone has half hours."""
    shift = time.localtime(start).tm_gmtoff
    first = np.ceil((start + shift) / step) * step - shift
    return [float(at) for at in np.arange(first, end, step)]
