# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what becomes of each guest, before and after it was asked for. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from vmconsole.inventory.tasks import TaskState
from vmconsole.quotas.table import row_of
from vmconsole.quotas.words import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.tasks import Task
    from vmconsole.quotas.bulk import BulkChange, BulkRow
    from vmconsole.ui.theme import Theme

NAME, HOST, BEFORE, AFTER, RESULT = range(5)


class DryRun(QTreeWidget):
    """A guest is one line with its changes below it; one change stands in the guest's own line."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._items: list[QTreeWidgetItem] = []
        titles = [self.tr("Guest"), self.tr("Host"), self.tr("Before"), self.tr("After"), self.tr("Result")]
        self.setHeaderLabels(titles)
        self.setAccessibleName(self.tr("What becomes of each guest"))
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setStyleSheet("QTreeView::item { padding: 2px; }")
        self.header().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for column, width in ((NAME, 210), (HOST, 110), (BEFORE, 110), (AFTER, 110)):
            self.header().resizeSection(column, width)

    def show_rows(self, rows: Sequence[BulkRow]) -> None:
        self.clear()
        self._items = [self._guest(row) for row in rows]
        self.addTopLevelItems(self._items)
        for item, row in zip(self._items, rows, strict=True):
            item.setExpanded(len(row.changes) > 0 and len(rows) <= 3)

    def show_result(self, place: int, task: Task) -> None:
        """What came of the guest in that line."""
        words = task.note if task.problem is None else task.problem.summary()
        self._say(self._items[place], words or task.state.value, is_bad=task.state is not TaskState.DONE)

    def show_waiting(self, place: int) -> None:
        self._items[place].setText(RESULT, self.tr("asked…"))

    def result(self, place: int) -> str:
        return self._items[place].text(RESULT)

    def _guest(self, row: BulkRow) -> QTreeWidgetItem:
        guest, host = row.situation.guest, row.situation.host
        item = QTreeWidgetItem([guest.name, host.name])
        if len(row.changes) == 1:
            change = row.changes[0]
            item.setText(BEFORE, shown(row_of(change.ref), change.before))
            item.setText(AFTER, f"{shown(row_of(change.ref), change.after)} ({change.place.value})")
        elif row.changes:
            item.setText(AFTER, self.tr("{n} changes").format(n=len(row.changes)))
            item.addChildren([_change(change) for change in row.changes])
        fatal = [problem for problem in row.problems if problem.is_fatal]
        if fatal:
            self._say(item, f"{fatal[0].what} {fatal[0].advice}", is_bad=True)
        elif not row.changes:
            item.setText(RESULT, self.tr("nothing to change"))
        elif row.problems:
            item.setText(RESULT, row.problems[0].what)
            item.setForeground(RESULT, self._theme.colour("warning"))
        item.setToolTip(RESULT, "\n".join(f"{p.what} {p.cause} {p.advice}" for p in row.problems))
        return item

    def _say(self, item: QTreeWidgetItem, words: str, *, is_bad: bool) -> None:
        item.setText(RESULT, words)
        item.setToolTip(RESULT, words)
        item.setForeground(RESULT, self._theme.colour("problem" if is_bad else "ok"))


def _change(change: BulkChange) -> QTreeWidgetItem:
    row = row_of(change.ref)
    title = f"{row.title} · {change.ref.target}" if change.ref.target else row.title
    return QTreeWidgetItem([title, change.place.value, shown(row, change.before), shown(row, change.after)])
