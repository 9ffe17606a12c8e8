# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console has changed in a guest's limits, also before its last start; old values can be taken. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.quotas.rows import Place
from vmconsole.quotas.table import BY_KEY
from vmconsole.quotas.words import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.limit_changes import LimitChange
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.limits.draft import LimitsDraft

_CHANGE = Qt.ItemDataRole.UserRole


class HistoryDialog(QDialog):
    """Newest first. «Take the Value Before» puts it into the draft; nothing is applied here."""

    def __init__(
        self, changes: Sequence[LimitChange], draft: LimitsDraft, formats: Formats, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._draft = draft
        self.setWindowTitle(self.tr("History of limits"))
        self.resize(720, 400)
        self.list = QTreeWidget(self)
        self.list.setAccessibleName(self.tr("Changes of this guest's limits"))
        self.list.setRootIsDecorated(False)
        self.list.setAllColumnsShowFocus(True)
        titles = [self.tr("Time"), self.tr("Limit"), self.tr("When"), self.tr("Before"), self.tr("After")]
        self.list.setHeaderLabels(titles)
        self.list.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for change in reversed(changes):
            if change.ref.key in BY_KEY:
                self.list.addTopLevelItem(_item(change, formats))
        self.take_button = QPushButton(self.tr("&Take the Value Before"), self)
        self.take_button.setEnabled(False)
        self.take_button.clicked.connect(self._on_take)
        self.list.currentItemChanged.connect(lambda item: self.take_button.setEnabled(item is not None))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.addButton(self.take_button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        if not self.list.topLevelItemCount():
            column.addWidget(QLabel(self.tr("Nothing was changed from this console yet."), self))
        column.addWidget(self.list)
        column.addWidget(buttons)

    def _on_take(self) -> None:
        item = self.list.currentItem()
        change = item.data(0, _CHANGE) if item is not None else None
        if change is not None:
            self._draft.edit(Place(change.place), change.ref, change.before)
            self.accept()


def _item(change: LimitChange, formats: Formats) -> QTreeWidgetItem:
    row = BY_KEY[change.ref.key]
    title = f"{row.title} · {change.ref.target}" if change.ref.target else row.title
    texts = [formats.clock_s(change.at), title, change.place, shown(row, change.before), shown(row, change.after)]
    item = QTreeWidgetItem(texts)
    item.setData(0, _CHANGE, change)
    return item
