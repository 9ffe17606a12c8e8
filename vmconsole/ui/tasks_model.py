# SPDX-License-Identifier: GPL-3.0-or-later
"""The Store's tasks as rows, newest first. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from vmconsole.inventory.tasks import Task, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmconsole.store.store import Store
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NO_INDEX = QModelIndex()
TITLE, WHERE, STATE, TIME, NOTE = range(5)
ICONS = {
    TaskState.QUEUED: "task-queued",
    TaskState.RUNNING: "task-running",
    TaskState.DONE: "task-done",
    TaskState.FAILED: "task-failed",
    TaskState.CANCELLED: "task-cancelled",
    TaskState.UNKNOWN: "task-unknown",
}


class TasksModel(QAbstractTableModel):
    """Rows are task ids in descending order: a new task has the highest number."""

    def __init__(self, store: Store, theme: Theme, formats: Formats, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._theme = theme
        self._formats = formats
        self._rows: list[int] = []
        self.apply_changes(store.tasks)

    def apply_changes(self, tasks: Iterable[int]) -> None:
        """Rows for new tasks, news for known ones, and nothing kept that the Store has dropped."""
        known = set(self._rows)
        for number in sorted(set(tasks) - known):
            if number in self._store.tasks:
                self._insert(number)
        if len(self._rows) > len(self._store.tasks):
            self._drop_lost()
        for number in known.intersection(tasks):
            row = self.row_of(number)
            if row is not None:
                self.dataChanged.emit(self.index(row, 0), self.index(row, NOTE))

    def _insert(self, number: int) -> None:
        row = next((place for place, other in enumerate(self._rows) if other < number), len(self._rows))
        self.beginInsertRows(QModelIndex(), row, row)
        self._rows.insert(row, number)
        self.endInsertRows()

    def _drop_lost(self) -> None:
        for row in reversed(range(len(self._rows))):
            if self._rows[row] not in self._store.tasks:
                self.beginRemoveRows(QModelIndex(), row, row)
                del self._rows[row]
                self.endRemoveRows()

    def row_of(self, number: int) -> int | None:
        return self._rows.index(number) if number in self._rows else None

    def task_at(self, index: Index) -> Task | None:
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        return self._store.tasks.get(self._rows[index.row()])

    def state_text(self, task: Task) -> str:
        """The state as a word, with the progress where that is known."""
        match task.state:
            case TaskState.QUEUED:
                return self.tr("waiting")
            case TaskState.RUNNING if task.progress is not None:
                return self.tr("{share} %").format(share=int(task.progress * 100))
            case TaskState.RUNNING:
                return self.tr("running")
            case TaskState.DONE:
                return self.tr("done")
            case TaskState.FAILED:
                return self.tr("failed")
            case TaskState.CANCELLED:
                return self.tr("cancelled")
            case TaskState.UNKNOWN:
                return self.tr("outcome unknown")

    def _note(self, task: Task) -> str:
        return task.problem.summary() if task.problem is not None else task.note

    def _text(self, task: Task, column: int) -> str:
        match column:
            case 0:
                return task.title
            case 1:
                return task.where
            case 2:
                return self.state_text(task)
            case 3:
                return self._formats.clock_s(task.began_at)
            case _:
                return self._note(task)

    # -- Qt ----------------------------------------------------------------------------------------------------

    def rowCount(self, parent: Index = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = NO_INDEX) -> int:
        return 0 if parent.isValid() else NOTE + 1

    def data(self, index: Index, role: int = int(Role.DisplayRole)) -> Any:
        task = self.task_at(index)
        if task is None:
            return None
        if role == Role.DisplayRole:
            return self._text(task, index.column())
        if role == Role.DecorationRole and index.column() == TITLE:
            return self._theme.icon(ICONS[task.state])
        if role == Role.ToolTipRole:
            return task.problem.text() if task.problem is not None else self._text(task, index.column())
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = int(Role.DisplayRole)) -> str | None:
        if orientation is not Qt.Orientation.Horizontal or role != Role.DisplayRole or not 0 <= section <= NOTE:
            return None
        return (self.tr("Task"), self.tr("Where"), self.tr("State"), self.tr("Began"), self.tr("Result"))[section]
