# SPDX-License-Identifier: GPL-3.0-or-later
"""«Tasks» at the bottom: what was asked for, how far it is, cancel, the result or the problem, and the same as virsh.

GUI thread. No progress window ever stands in the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Slot
from PySide6.QtGui import QFontDatabase, QGuiApplication, QPainter
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionProgressBar,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.inventory.tasks import TaskState
from vmconsole.ui.error_view import ErrorView
from vmconsole.ui.list_view import ListView
from vmconsole.ui.remedies import Subject
from vmconsole.ui.tasks_model import STATE, TIME, TITLE, WHERE, TasksModel

if TYPE_CHECKING:
    from vmconsole.inventory.tasks import Task
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context
    from vmconsole.ui.error_help import ErrorHelp
    from vmconsole.ui.formats import Formats

VIRSH_LINES = 3


class ProgressCell(QStyledItemDelegate):
    """A bar where the progress is known, else the state's word."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        model = index.model()
        task = model.task_at(index) if isinstance(model, TasksModel) else None
        if task is None or task.progress is None or task.state is not TaskState.RUNNING:
            super().paint(painter, option, index)
            return
        bar = QStyleOptionProgressBar()
        bar.rect = option.rect.adjusted(4, 3, -4, -3)
        bar.minimum, bar.maximum, bar.progress = 0, 1000, int(task.progress * 1000)
        bar.text, bar.textVisible = str(index.data()), True
        bar.state = option.state | QStyle.StateFlag.State_Horizontal
        bar.palette = option.palette
        QApplication.style().drawControl(QStyle.ControlElement.CE_ProgressBar, bar, painter)


class TaskDetails(QWidget):
    """One task's problem, its virsh lines, and Cancel."""

    def __init__(self, context: Context, parent: QWidget | None = None, *, helped_by: ErrorHelp | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._task: Task | None = None
        self._title = QLabel(self)
        self._title.setWordWrap(True)
        self._error = ErrorView(context.theme, self, helped_by=helped_by)
        self._virsh_title = QLabel(self.tr("Show as virsh"), self)
        self._virsh = QPlainTextEdit(self)
        self._virsh.setReadOnly(True)
        self._virsh.setObjectName("virsh")
        self._virsh.setAccessibleName(self.tr("Show as virsh"))
        self._virsh.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._virsh.setMaximumHeight(self._virsh.fontMetrics().lineSpacing() * VIRSH_LINES + 14)
        self._virsh_title.setBuddy(self._virsh)
        self._copy = QPushButton(context.theme.icon("copy"), self.tr("Copy"), self)
        self._copy.setAccessibleName(self.tr("Copy the virsh command"))
        self._copy.clicked.connect(self._on_copy)
        self._cancel = QPushButton(context.theme.icon("cancel"), self.tr("Cancel Task"), self)
        self._cancel.clicked.connect(self._on_cancel)
        self._lay_out()

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.addWidget(self._virsh_title)
        line.addStretch(1)
        line.addWidget(self._copy)
        top = QHBoxLayout()
        top.addWidget(self._title, 1)
        top.addWidget(self._cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 4, 8, 4)
        column.addLayout(top)
        column.addWidget(self._error)
        column.addLayout(line)
        column.addWidget(self._virsh)
        column.addStretch(1)

    def show_task(self, task: Task | None) -> None:
        self._task = task
        self.setVisible(task is not None)
        if task is None:
            return
        self._title.setText(f"{task.title} – {task.note}" if task.note else task.title)
        about = Subject(task.host, task.guest, call=task.virsh, at=task.ended_at)
        self._error.show_explanation(task.problem, about)
        for part in (self._virsh, self._virsh_title, self._copy):
            part.setVisible(bool(task.virsh))
        if self._virsh.toPlainText() != task.virsh:
            self._virsh.setPlainText(task.virsh)
        self._cancel.setVisible(not task.state.is_over)

    @Slot()
    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText(self._virsh.toPlainText())

    @Slot()
    def _on_cancel(self) -> None:
        if self._task is not None:
            self._context.runner.cancel(self._task.id)


class TasksDock(QDockWidget):
    """A task that fails brings itself to the front of the list, not in front of the user's work."""

    def __init__(
        self,
        context: Context,
        formats: Formats,
        parent: QWidget | None = None,
        *,
        helped_by: ErrorHelp | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Tasks"))
        self.setObjectName("tasks-dock")
        self.setAccessibleName(self.tr("Tasks"))
        self._model = TasksModel(context.store, context.theme, formats, self)
        self._list = self._make_list()
        self._details = TaskDetails(context, self, helped_by=helped_by)
        self._details.show_task(None)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self._list)
        split.addWidget(self._details)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setChildrenCollapsible(False)
        self.setWidget(split)

    @property
    def model(self) -> TasksModel:
        return self._model

    def apply_changes(self, changes: ChangeSet) -> None:
        if changes.tasks:
            self._model.apply_changes(changes.tasks)
            self._details.show_task(self._model.task_at(self._list.currentIndex()))

    def choose(self, number: int) -> None:
        """Select a task and bring the list to the front."""
        row = self._model.row_of(number)
        if row is not None:
            self._list.setCurrentIndex(self._model.index(row, TITLE))
            self.show()
            self.raise_()

    def _make_list(self) -> ListView:
        view = ListView(
            self._model, {TITLE: 30, WHERE: 16, STATE: 16, TIME: 12}, name=self.tr("Tasks"), parent=self,
            empty_text=self.tr("Nothing was asked for yet. What you do to guests is listed here, with its result."),
        )  # fmt: skip
        view.setObjectName("tasks")
        view.setItemDelegateForColumn(STATE, ProgressCell(view))
        view.selectionModel().currentChanged.connect(self._on_current)
        return view

    @Slot(QModelIndex, QModelIndex)
    def _on_current(self, now: QModelIndex, _before: QModelIndex) -> None:
        self._details.show_task(self._model.task_at(now))
