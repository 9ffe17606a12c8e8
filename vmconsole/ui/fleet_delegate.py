# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting of the tree's cells: a name with its state and remark, a figure with its curve. GUI thread.

A cell is painted in one go from the kept texts: asking the model role by role would cost ten calls a cell. Flags
are plain numbers here: the way through Python's enums costs more than the drawing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetrics, QIcon, QPainter, QPalette, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from vmconsole.inventory.ids import GuestId
from vmconsole.ui import sparkline
from vmconsole.ui.columns import COLUMNS, CPU, MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.inventory.ids import HostId
    from vmconsole.ui.fleet_model import FleetModel, Row
    from vmconsole.ui.sparkline import Sparklines
    from vmconsole.ui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
PAD = 5
ICON = 16
MARK = 4
"""Width of a host's colour, between its arrow and its icon."""
GAP = 3
"""Above and below a curve."""
NARROWEST_CURVE = 16
WIDEST = {CPU: "888.88", MEMORY: "88.8 GiB"}
WIDEST_RATE = "88.8 MiB/s"
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_SELECTED: int = QStyle.StateFlag.State_Selected.value
_ACTIVE: int = QStyle.StateFlag.State_Active.value
_LIT: int = _SELECTED | QStyle.StateFlag.State_MouseOver.value


class _Cell(QStyledItemDelegate):
    """What both kinds of cell have in common: the ground, and inks by state of the row."""

    def __init__(self, model: FleetModel, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._model = model
        self._theme = theme
        self._inks: dict[tuple[int, str], QColor] = {}

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(80, row_height(option.fontMetrics))

    def forget_looks(self) -> None:
        """After a change of font or palette."""
        self._inks.clear()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        if option.state.value & _LIT:
            self._background(painter, option)
        wanted = self._model.id_of(index)
        if wanted is not None:
            self._paint_row(painter, option, index, wanted)

    def _paint_row(self, painter: QPainter, option: QStyleOptionViewItem, index: Index, wanted: Row) -> None:
        raise NotImplementedError

    @staticmethod
    def _background(painter: QPainter, option: QStyleOptionViewItem) -> None:
        widget: QWidget = option.widget
        widget.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, widget)

    def _ink(self, option: QStyleOptionViewItem, state: int, colour: str = "") -> QColor:
        """Text colour of the row: the theme's ``colour`` (or plain) where the row is not selected."""
        key = (state & (_SELECTED | _ACTIVE), colour)
        ink = self._inks.get(key)
        if ink is None:
            if state & _SELECTED:
                ink = option.palette.color(_group(state), QPalette.ColorRole.HighlightedText)
            else:
                ink = self._theme.colour(colour) if colour else option.palette.color(QPalette.ColorRole.Text)
            self._inks[key] = ink
        return ink


class NameCell(_Cell):
    """Icon, name, and a remark in small words that gives way first when room is short."""

    def _paint_row(self, painter: QPainter, option: QStyleOptionViewItem, index: Index, wanted: Row) -> None:
        state = option.state.value
        mark = self._model.cells.mark(wanted)
        if mark:
            painter.fillRect(
                option.rect.left() - MARK, option.rect.top() + 2, MARK, option.rect.height() - 4, QColor(mark)
            )
        box = option.rect.adjusted(2, 0, -PAD, 0)
        icon = self._model.data(index, int(Qt.ItemDataRole.DecorationRole))
        if isinstance(icon, QIcon):
            place = QRect(box.left(), box.center().y() - ICON // 2 + 1, ICON, ICON)
            icon.paint(painter, place, Qt.AlignmentFlag.AlignCenter, self._icon_mode(state, wanted))
        box.setLeft(box.left() + ICON + 6)
        used = self._name(painter, option, wanted, box)
        box.setLeft(box.left() + used + 10)
        remark = self._model.cells.remark(wanted)
        if remark and box.width() > 24:
            painter.setFont(option.font)
            painter.setPen(self._ink(option, state, self._model.cells.colour(wanted)))
            shown = option.fontMetrics.elidedText(remark, Qt.TextElideMode.ElideRight, box.width())
            painter.drawText(box, _LEFT, shown)

    def _icon_mode(self, state: int, wanted: Row) -> QIcon.Mode:
        """Pale where a guest's state is only the last that was known."""
        if state & _SELECTED:
            return QIcon.Mode.Selected
        is_stale = isinstance(wanted, GuestId) and self._model.is_away(wanted.host)
        return QIcon.Mode.Disabled if is_stale else QIcon.Mode.Normal

    def _name(self, painter: QPainter, option: QStyleOptionViewItem, wanted: Row, box: QRect) -> int:
        """Draw the name, a host's in bold; its width in pixels."""
        font = QFont(option.font)
        font.setBold(not isinstance(wanted, GuestId))
        painter.setFont(font)
        metrics = painter.fontMetrics()
        cells = self._model.cells
        name = metrics.elidedText(cells.of(wanted)[0], Qt.TextElideMode.ElideMiddle, box.width())
        painter.setPen(self._ink(option, option.state.value, "quiet" if cells.is_faded(wanted) else ""))
        painter.drawText(box, _LEFT, name)
        return metrics.horizontalAdvance(name)


class WordCell(_Cell):
    """One word, as in the column of states."""

    def _paint_row(self, painter: QPainter, option: QStyleOptionViewItem, index: Index, wanted: Row) -> None:
        state = option.state.value
        box = option.rect.adjusted(PAD, 0, -PAD, 0)
        text = self._model.cells.of(wanted)[index.column()]
        painter.setPen(self._ink(option, state, "quiet" if self._model.cells.is_faded(wanted) else ""))
        painter.drawText(box, _LEFT, option.fontMetrics.elidedText(text, Qt.TextElideMode.ElideRight, box.width()))


class FigureCell(_Cell):
    """The number at the right, the last minute's curve at its left."""

    def __init__(
        self, model: FleetModel, theme: Theme, parent: QObject, *, sparklines: Sparklines,
        visible: Callable[[HostId], Sequence[GuestId]],
    ) -> None:  # fmt: skip
        super().__init__(model, theme, parent)
        self._sparklines = sparklines
        self._visible = visible
        self._text_width: dict[int, int] = {}
        self._colours: dict[tuple[int, int, bool], tuple[QPen, QBrush]] = {}

    def forget_looks(self) -> None:
        super().forget_looks()
        self._text_width.clear()
        self._colours.clear()

    def _paint_row(self, painter: QPainter, option: QStyleOptionViewItem, index: Index, wanted: Row) -> None:
        state = option.state.value
        cells, column = self._model.cells, index.column()
        is_faded = cells.is_faded(wanted)
        box = option.rect.adjusted(PAD, 0, -PAD, 0)
        painter.setPen(self._ink(option, state, "quiet" if is_faded else ""))
        painter.drawText(box, _RIGHT, cells.of(wanted)[column])
        if isinstance(wanted, GuestId):
            width = box.width() - self._width_of_text(option, column) - PAD
            if width >= NARROWEST_CURVE:
                size = (width, box.height() - 2 * GAP)
                curve = self._sparklines.curve(wanted, column, size, self._visible(wanted.host))
                place = QPointF(box.left(), box.top() + GAP)
                sparkline.draw(painter, curve, place, self._curve_colours(option, state, column, is_faded=is_faded))

    def _width_of_text(self, option: QStyleOptionViewItem, column: int) -> int:
        width = self._text_width.get(column)
        if width is None:
            width = number_width(option.fontMetrics, column)
            self._text_width[column] = width
        return width

    def _curve_colours(
        self, option: QStyleOptionViewItem, state: int, column: int, *, is_faded: bool
    ) -> tuple[QPen, QBrush]:
        key = (state & (_SELECTED | _ACTIVE), column, is_faded)
        found = self._colours.get(key)
        if found is None:
            line = self._ink(option, state, "quiet" if is_faded else COLUMNS[column].key)
            role = QPalette.ColorRole.Highlight if state & _SELECTED else QPalette.ColorRole.Base
            found = QPen(line, 0), QBrush(sparkline.mixed(line, option.palette.color(_group(state), role)))
            self._colours[key] = found
        return found


def number_width(metrics: QFontMetrics, column: int) -> int:
    return metrics.horizontalAdvance(WIDEST.get(column, WIDEST_RATE))


def row_height(metrics: QFontMetrics) -> int:
    return metrics.height() + 8


def _group(state: int) -> QPalette.ColorGroup:
    return QPalette.ColorGroup.Active if state & _ACTIVE else QPalette.ColorGroup.Inactive
