# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of many guests: limits, each with the text that it shall become. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.quotas.bulk import EVERY, Wish, combined
from vmconsole.quotas.rows import Scope
from vmconsole.quotas.table import BY_KEY, TABLE
from vmconsole.quotas.typed import examples

if TYPE_CHECKING:
    from collections.abc import Sequence

_WISH = Qt.ItemDataRole.UserRole


class WishEditor(QWidget):
    """``changed``: the list of wishes is another one."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.limit, self.target, self.text = QComboBox(self), QComboBox(self), QLineEdit(self)
        self.add_button, self.remove_button = QPushButton(self.tr("A&dd"), self), QPushButton(self.tr("&Remove"), self)
        self.list = QTreeWidget(self)
        self._lay_out()
        self._on_limit()

    def _lay_out(self) -> None:
        for row in TABLE:
            self.limit.addItem(f"{row.section}: {row.title}", row.key)
        self.limit.setAccessibleName(self.tr("Limit"))
        self.limit.setMaxVisibleItems(24)
        self.target.setAccessibleName(self.tr("Of which part"))
        self.target.setEditable(True)
        self.text.setAccessibleName(self.tr("New value"))
        self.limit.currentIndexChanged.connect(self._on_limit)
        self.text.returnPressed.connect(self._on_add)
        self.add_button.clicked.connect(self._on_add)
        self.remove_button.clicked.connect(self._on_remove)
        self.list.setHeaderLabels([self.tr("Limit"), self.tr("Of"), self.tr("Becomes")])
        self.list.setAccessibleName(self.tr("What is wanted"))
        self.list.setRootIsDecorated(False)
        self.list.setMaximumHeight(110)
        self.list.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.list.currentItemChanged.connect(lambda item: self.remove_button.setEnabled(item is not None))
        self.remove_button.setEnabled(False)
        line = QHBoxLayout()
        for widget, stretch in ((self.limit, 2), (self.target, 0), (self.text, 2), (self.add_button, 0)):
            line.addWidget(widget, stretch)
        line.addWidget(self.remove_button)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.addLayout(line)
        page.addWidget(self.list)

    def wishes(self) -> tuple[Wish, ...]:
        items = (self.list.topLevelItem(place) for place in range(self.list.topLevelItemCount()))
        return tuple(item.data(0, _WISH) for item in items if item is not None)

    def take(self, wishes: Sequence[Wish]) -> None:
        """More wishes; the last one for a limit counts."""
        found = combined((*self.wishes(), *wishes))
        self.list.clear()
        for wish in found:
            row = BY_KEY[wish.key]
            of = self.tr("all") if wish.target == EVERY else wish.target
            item = QTreeWidgetItem([row.title, of, wish.text])
            item.setData(0, _WISH, wish)
            item.setToolTip(0, row.meaning)
            self.list.addTopLevelItem(item)
        self.changed.emit()

    def _on_limit(self) -> None:
        row = BY_KEY[str(self.limit.currentData())]
        self.target.clear()
        if row.scope is not Scope.GUEST:
            self.target.addItem(self.tr("all"), EVERY)
        self.target.setEnabled(row.scope is not Scope.GUEST)
        self.text.setPlaceholderText(examples(row))
        self.text.setToolTip(row.meaning)

    def _on_add(self) -> None:
        row = BY_KEY[str(self.limit.currentData())]
        typed = self.target.currentText().strip()
        target = "" if row.scope is Scope.GUEST else EVERY if typed in {"", self.tr("all")} else typed
        if self.text.text().strip():
            self.take([Wish(row.key, self.text.text().strip(), target)])
            self.text.clear()

    def _on_remove(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            self.list.takeTopLevelItem(self.list.indexOfTopLevelItem(item))
            self.changed.emit()
