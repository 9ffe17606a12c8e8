# SPDX-License-Identifier: GPL-3.0-or-later
"""A flat list with columns (tasks, events), which says something where it has no rows yet. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractItemModel, Qt
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import QAbstractItemView, QTreeView, QWidget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PySide6.QtGui import QPaintEvent


class ListView(QTreeView):
    """``letters``: column → its width in letters; the last column takes what is left."""

    def __init__(
        self, model: QAbstractItemModel, letters: Mapping[int, int], *, name: str, empty_text: str, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._empty_text = empty_text
        self.setModel(model)
        self.setAccessibleName(name)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        for column, count in letters.items():
            self.setColumnWidth(column, self.fontMetrics().averageCharWidth() * count)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.model().rowCount():
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(self.viewport().rect().adjusted(8, 8, -8, -8), Qt.TextFlag.TextWordWrap, self._empty_text)
