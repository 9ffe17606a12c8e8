# SPDX-License-Identifier: GPL-3.0-or-later
"""View → Columns, and the same on the tree's header: which columns are shown. The name always is. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from vmconsole.ui import columns
from vmconsole.ui.columns import COLUMNS, STATE

if TYPE_CHECKING:
    from vmconsole.ui.fleet_view import FleetView


class ColumnsMenu(QMenu):
    """Looks at the tree each time it opens, as the header can be restored or changed meanwhile."""

    def __init__(self, tree: FleetView, parent: QWidget) -> None:
        super().__init__(parent)
        self._tree = tree
        self.setTitle(self.tr("Co&lumns"))
        for column in range(STATE, len(COLUMNS)):
            action = self.addAction(columns.title(column))
            action.setCheckable(True)
            action.setData(column)
            action.triggered.connect(self._on_triggered)  # by the user alone: setChecked does not trigger
        self.aboutToShow.connect(self._on_about_to_show)

    @Slot(QPoint)
    def on_header_menu(self, at: QPoint) -> None:
        self.popup(self._tree.header().mapToGlobal(at))

    @Slot()
    def _on_about_to_show(self) -> None:
        for action in self.actions():
            action.setChecked(not self._tree.isColumnHidden(int(action.data())))

    @Slot()
    def _on_triggered(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self._tree.setColumnHidden(int(action.data()), not action.isChecked())
