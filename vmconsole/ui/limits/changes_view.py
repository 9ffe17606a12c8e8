# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of changes before they are applied, each with what the rules say of it, and Apply. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase, QKeySequence
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.inventory.tasks import TaskState
from vmconsole.quotas.rows import Place
from vmconsole.quotas.table import row_of
from vmconsole.quotas.words import shown

if TYPE_CHECKING:
    from vmconsole.inventory.tasks import Task
    from vmconsole.ui.limits.draft import LimitsDraft, PlannedChange
    from vmconsole.ui.theme import Theme

MOST_LINES = 6
_CHANGE = Qt.ItemDataRole.UserRole


class ChangesView(QWidget):
    """Hidden while there is nothing to say."""

    def __init__(self, draft: LimitsDraft, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._theme = theme
        self._said = ""
        self._was_planned = False
        self.list = QTreeWidget(self)
        self.words = QLabel(self)
        self.virsh = QPlainTextEdit(self)
        self.show_virsh = QPushButton(self.tr("Show as &virsh"), self)
        self.revert_button = QPushButton(self.tr("&Revert"), self)
        self.apply_button = QPushButton(self.tr("&Apply"), self)
        self._lay_out()
        draft.changed.connect(self.refresh)
        draft.ended.connect(self._on_ended)
        self.refresh()

    def _lay_out(self) -> None:
        changes = self.list
        changes.setHeaderLabels(
            [self.tr("Change"), self.tr("When"), self.tr("Before"), self.tr("After"), self.tr("Check")]
        )
        changes.setAccessibleName(self.tr("Changes before they are applied"))
        changes.setRootIsDecorated(False)
        changes.setAllColumnsShowFocus(True)
        changes.setUniformRowHeights(True)
        changes.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        changes.header().setStretchLastSection(True)
        self.virsh.setReadOnly(True)
        self.virsh.setAccessibleName(self.tr("The same as virsh commands"))
        self.virsh.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.virsh.setMaximumHeight(90)
        self.virsh.hide()
        self.words.setWordWrap(True)
        self.show_virsh.setCheckable(True)
        self.show_virsh.toggled.connect(self._on_virsh)
        self.apply_button.setShortcut(QKeySequence("Ctrl+Return"))
        self.apply_button.setToolTip(self.tr("Ask the host for these changes (Ctrl+Return)"))
        self.apply_button.clicked.connect(self._on_apply)
        self.revert_button.clicked.connect(self._draft.revert)
        buttons = QHBoxLayout()
        buttons.addWidget(self.show_virsh)
        buttons.addWidget(self.words, 1)
        buttons.addWidget(self.revert_button)
        buttons.addWidget(self.apply_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.addWidget(self.list)
        column.addWidget(self.virsh)
        column.addLayout(buttons)

    def refresh(self) -> None:
        planned = self._draft.planned()
        if planned and not self._was_planned:
            self._said = ""  # what was said of the change before
        self._was_planned = bool(planned)
        self.setVisible(bool(planned or self._said or self._draft.is_waiting))
        self.list.clear()
        self.list.addTopLevelItems([self._item(change) for change in planned])
        rows = min(len(planned), MOST_LINES)
        self.list.setFixedHeight(self.list.header().sizeHint().height() + rows * self._row_height() + 6)
        self.list.setVisible(bool(planned))
        self.show_virsh.setVisible(bool(planned))
        self.virsh.setVisible(bool(planned) and self.show_virsh.isChecked())
        if self.virsh.isVisibleTo(self):
            self.virsh.setPlainText(self._draft.preview())
        can_apply = self._draft.operation() is not None and not self._draft.is_waiting
        self.apply_button.setEnabled(can_apply)
        self.apply_button.setVisible(bool(planned))
        self.revert_button.setVisible(bool(planned))
        self.words.setText(self._words(planned))

    def _row_height(self) -> int:
        return max(self.list.sizeHintForRow(0), self.fontMetrics().height() + 4)

    def _words(self, planned: tuple[PlannedChange, ...]) -> str:
        if self._draft.is_waiting:
            return self.tr("Asking the host…")
        fatal = [problem for change in planned for problem in change.problems if problem.is_fatal]
        if fatal:
            return self.tr("Nothing is applied: {advice}").format(advice=fatal[0].advice or fatal[0].what)
        return self._said

    def _item(self, change: PlannedChange) -> QTreeWidgetItem:
        row = row_of(change.ref)
        title = f"{row.title} · {change.ref.target}" if change.ref.target else row.title
        when = self.tr("now") if change.place is Place.LIVE else self.tr("next boot")
        told = " ".join(f"{problem.what} {problem.advice}".strip() for problem in change.problems)
        item = QTreeWidgetItem(
            [title, when, shown(row, change.before), shown(row, change.after), told or self.tr("fine")]
        )
        item.setToolTip(4, "\n".join(f"{p.what}\n{p.cause}\n{p.advice}" for p in change.problems))
        if change.problems:
            is_fatal = any(problem.is_fatal for problem in change.problems)
            item.setForeground(4, self._theme.colour("problem" if is_fatal else "warning"))
            item.setIcon(4, self._theme.icon("problem" if is_fatal else "warning"))
        return item

    def _on_virsh(self) -> None:
        self.refresh()

    def _on_apply(self) -> None:
        self._said = ""
        self._draft.apply()

    def _on_ended(self, task: Task) -> None:
        done = task.state is TaskState.DONE
        self._said = task.note if done else (task.problem.summary() if task.problem is not None else task.note)
        if not done:
            self.words.setText(self._said)

    def forget_words(self) -> None:
        """Another guest is shown."""
        self._said = ""
        self.refresh()
