# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid of pinning: click or drag over cells, Space on the keyboard. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QHeaderView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTableView, QWidget

from vmconsole.ui.limits.pin_model import ALLOWED_ROLE, NODE_ROLE, AnyIndex, PinModel

if TYPE_CHECKING:
    from vmconsole.ui.theme import Theme

CELL = 22
FAINT = 60
"""Alpha of «may run anywhere», out of 255."""
BAND = 22


class PinCell(QStyledItemDelegate):
    """Filled: allowed. Hatched lightly: nothing is set. Empty: not allowed. Every other NUMA node has a tint."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        rect = option.rect
        if int(index.data(NODE_ROLE) or 0) % 2:
            tint = option.palette.text().color()
            tint.setAlpha(BAND)
            painter.fillRect(rect, tint)
        may = index.data(ALLOWED_ROLE)
        if index.data(Qt.ItemDataRole.DisplayRole) is not None:
            super().paint(painter, option, index)
        elif may is not False:
            colour = self._theme.colour("cpu")
            colour.setAlpha(FAINT if may is None else 255)
            painter.fillRect(rect.adjusted(4, 4, -4, -4), colour)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(option.palette.highlight().color(), 2))
            painter.drawRect(rect.adjusted(1, 1, -2, -2))


class PinView(QTableView):
    """The first cell that the mouse presses says whether the drag allows or takes away."""

    def __init__(self, model: PinModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pins = model
        self._start: tuple[int, int] | None = None
        self._end: tuple[int, int] | None = None
        self._sets = True
        self.setModel(model)
        self.setItemDelegate(PinCell(theme, self))
        self.setAccessibleName(self.tr("Pinning of virtual CPUs to the host's CPUs"))
        self.setSelectionMode(QTableView.SelectionMode.NoSelection)
        self.setEditTriggers(QTableView.EditTrigger.NoEditTriggers)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setMinimumSectionSize(CELL)
            header.setDefaultSectionSize(CELL)
            header.setHighlightSections(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        font = self.horizontalHeader().font()
        font.setPointSizeF(font.pointSizeF() * 0.8)
        self.horizontalHeader().setFont(font)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        if event.button() is not Qt.MouseButton.LeftButton or not index.isValid():
            super().mousePressEvent(event)
            return
        self.setCurrentIndex(index)
        self._sets = index.data(ALLOWED_ROLE) is not True
        self._start = self._end = (index.row(), index.column())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        if self._start is None or not index.isValid():
            super().mouseMoveEvent(event)
            return
        self._end = (index.row(), index.column())
        self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        cells, self._start, self._end = self._dragged(), None, None
        if cells:
            self._pins.set_allowed(cells, on=self._sets)
        self.viewport().update()
        super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        index = self.currentIndex()
        if event.key() == Qt.Key.Key_Space and index.isValid():
            self._pins.set_allowed({(index.row(), index.column())}, on=index.data(ALLOWED_ROLE) is not True)
            return
        super().keyPressEvent(event)

    def _dragged(self) -> set[tuple[int, int]]:
        if self._start is None or self._end is None:
            return set()
        rows, columns = zip(self._start, self._end, strict=True)
        return {
            (row, column)
            for row in range(min(rows), max(rows) + 1) for column in range(min(columns), max(columns) + 1)
        }  # fmt: skip

    def paintEvent(self, event: object) -> None:
        super().paintEvent(event)  # type: ignore[arg-type]  # Qt's own event type
        if self._start is None or self._end is None or self._start == self._end:
            return
        first, last = (self.visualRect(self._pins.index(*cell)) for cell in (self._start, self._end))
        painter = QPainter(self.viewport())
        painter.setPen(QPen(self.palette().highlight().color(), 2))
        painter.drawRect(QRect(first).united(last).adjusted(0, 0, -1, -1))
        painter.end()

    def cell_centre(self, row: int, column: int) -> QPoint:
        """Where the mouse would press a cell, in the viewport."""
        return self.visualRect(self._pins.index(row, column)).center()
