# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting of the tree's cells: a name with its state and remark, a figure with its curve. GUI thread.

A cell is painted in one go from the model's kept texts: asking the model role by role would cost ten calls a cell.
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
    from vmconsole.ui.fleet_model import FleetModel
    from vmconsole.ui.sparkline import Sparklines
    from vmconsole.ui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
PAD = 5
ICON = 16
WIDEST = {CPU: "888.88", MEMORY: "88.8 GiB"}
WIDEST_RATE = "88.8 MiB/s"
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
"""Plain numbers: the way through the enum costs three times what the drawing does."""


class _Cell(QStyledItemDelegate):
    """What both kinds of cell have in common."""

    def __init__(self, model: FleetModel, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._model = model
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(80, row_height(option.fontMetrics))

    def _background(self, painter: QPainter, option: QStyleOptionViewItem) -> None:
        if option.state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
            widget: QWidget = option.widget
            widget.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, widget)

    def _ink(self, option: QStyleOptionViewItem, colour: str = "") -> QColor:
        """Text colour of the row: the theme's ``colour`` where the row is not selected."""
        if option.state & QStyle.StateFlag.State_Selected:
            group = _group(option)
            return option.palette.color(group, QPalette.ColorRole.HighlightedText)
        return self._theme.colour(colour) if colour else option.palette.color(QPalette.ColorRole.Text)


class NameCell(_Cell):
    """Icon, name, and a remark in small words that gives way first when room is short."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        self._background(painter, option)
        wanted = self._model.id_of(index)
        if wanted is None:
            return
        box = option.rect.adjusted(2, 0, -PAD, 0)
        icon = self._model.data(index, int(Qt.ItemDataRole.DecorationRole))
        if isinstance(icon, QIcon):
            mode = self._icon_mode(option, wanted)
            place = QRect(box.left(), box.center().y() - ICON // 2 + 1, ICON, ICON)
            icon.paint(painter, place, Qt.AlignmentFlag.AlignCenter, mode)
        box.setLeft(box.left() + ICON + 6)
        used = self._name(painter, option, index, box)
        box.setLeft(box.left() + used + 10)
        if box.width() > 24:
            self._remark(painter, option, self._model.cells.remark(wanted), box, wanted)

    def _icon_mode(self, option: QStyleOptionViewItem, wanted: HostId | GuestId) -> QIcon.Mode:
        """Pale where a guest's state is only the last that was known."""
        if option.state & QStyle.StateFlag.State_Selected:
            return QIcon.Mode.Selected
        is_stale = isinstance(wanted, GuestId) and self._model.is_away(wanted.host)
        return QIcon.Mode.Disabled if is_stale else QIcon.Mode.Normal

    def _name(self, painter: QPainter, option: QStyleOptionViewItem, index: Index, box: QRect) -> int:
        """Draw the name; its width in pixels."""
        font = QFont(option.font)
        font.setBold(index.internalId() == 0)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        name = metrics.elidedText(self._model.data(index), Qt.TextElideMode.ElideMiddle, box.width())
        painter.setPen(self._ink(option, "quiet" if self._model.is_faded(index) else ""))
        painter.drawText(box, _LEFT, name)
        return metrics.horizontalAdvance(name)

    def _remark(
        self, painter: QPainter, option: QStyleOptionViewItem, text: str, box: QRect, wanted: HostId | GuestId
    ) -> None:
        if not text:
            return
        painter.setFont(option.font)
        shown = option.fontMetrics.elidedText(text, Qt.TextElideMode.ElideRight, box.width())
        painter.setPen(self._ink(option, self._model.cells.colour(wanted)))
        painter.drawText(box, _LEFT, shown)


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
        self._colours: dict[tuple[int, bool, bool], tuple[QPen, QBrush]] = {}

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        self._background(painter, option)
        wanted = self._model.id_of(index)
        if wanted is None:
            return
        column = index.column()
        box = option.rect.adjusted(PAD, 0, -PAD, 0)
        faded = self._model.is_faded(index)
        painter.setFont(option.font)
        painter.setPen(self._ink(option, "quiet" if faded else ""))
        painter.drawText(box, _RIGHT, self._model.cells.of(wanted)[column])
        if isinstance(wanted, GuestId):
            self._curve(painter, option, wanted, column, self._curve_box(option, column, box), faded=faded)

    def _curve_box(self, option: QStyleOptionViewItem, column: int, box: QRect) -> QRect:
        width = self._text_width.get(column)
        if width is None:
            width = number_width(option.fontMetrics, column)
            self._text_width[column] = width
        return box.adjusted(0, 3, -width - PAD, -3)

    def _curve(
        self, painter: QPainter, option: QStyleOptionViewItem, guest: GuestId, column: int, box: QRect, *, faded: bool
    ) -> None:
        if box.width() < 16:
            return
        size = (box.width(), box.height())
        curve = self._sparklines.curve(guest, column, size, self._visible(guest.host))
        sparkline.draw(painter, curve, QPointF(box.topLeft()), self._curve_colours(option, column, faded=faded))

    def _curve_colours(self, option: QStyleOptionViewItem, column: int, *, faded: bool) -> tuple[QPen, QBrush]:
        is_selected = bool(option.state & QStyle.StateFlag.State_Selected)
        key = (column, faded, is_selected)
        found = self._colours.get(key)
        if found is None:
            line = self._ink(option, "quiet" if faded else COLUMNS[column].key)
            role = QPalette.ColorRole.Highlight if is_selected else QPalette.ColorRole.Base
            ground = option.palette.color(_group(option), role)
            found = QPen(line, 0), QBrush(sparkline.mixed(line, ground))
            self._colours[key] = found
        return found

    def forget_looks(self) -> None:
        """After a change of font or palette."""
        self._text_width.clear()
        self._colours.clear()


def number_width(metrics: QFontMetrics, column: int) -> int:
    return metrics.horizontalAdvance(WIDEST.get(column, WIDEST_RATE))


def row_height(metrics: QFontMetrics) -> int:
    return metrics.height() + 8


def _group(option: QStyleOptionViewItem) -> QPalette.ColorGroup:
    active = option.state & QStyle.StateFlag.State_Active
    return QPalette.ColorGroup.Active if active else QPalette.ColorGroup.Inactive
