# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of a guest's limits: how it looks; a limit is edited from its name as from its value. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeView

from vmconsole.ui.limits.model import LIMIT, LIVE, MARK, STORED

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

VALUE_WIDTH, MARK_WIDTH = 130, 28


class LimitsView(QTreeView):
    """Give it its model, then call ``set_up_columns``."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Limits of the guest"))
        self.setUniformRowHeights(True)
        self.setStyleSheet("QTreeView::item { padding: 2px; }")
        self.setAllColumnsShowFocus(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectItems)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed | triggers.AnyKeyPressed)

    def set_up_columns(self) -> None:
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(LIMIT, QHeaderView.ResizeMode.Stretch)
        for column, width in ((LIVE, VALUE_WIDTH), (MARK, MARK_WIDTH), (STORED, VALUE_WIDTH)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
            header.resizeSection(column, width)
        header.setMinimumSectionSize(MARK_WIDTH)

    def edit(self, index: QModelIndex, *how: Any) -> bool | None:  # type: ignore[override]  # a slot, and one more
        """Who chose a limit by its name and types means its value: that in force if it can be changed, else the next
        boot's."""
        if not how:
            return super().edit(index)
        trigger, event = how
        wanted = _value_of(index) if index.column() == LIMIT and trigger & self.editTriggers() else index
        if wanted != index:
            self.setCurrentIndex(wanted)
        return super().edit(wanted, trigger, event)


def _value_of(name: QModelIndex) -> QModelIndex:
    sides = (name.siblingAtColumn(column) for column in (LIVE, STORED))
    return next((side for side in sides if side.flags() & Qt.ItemFlag.ItemIsEditable), name)
