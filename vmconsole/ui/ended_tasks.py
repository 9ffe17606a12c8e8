# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said when a task ends: one line, once; a failure comes to the front of the task list and opens nothing over
the work. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from vmconsole.inventory.tasks import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmconsole.inventory.tasks import Task
    from vmconsole.ui.context import Context
    from vmconsole.ui.tasks_dock import TasksDock


class EndedTasks(QObject):
    """``look`` at tasks that have changed; ``told`` says the line."""

    told = Signal(str)

    def __init__(self, context: Context, dock: TasksDock, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self._dock = dock
        self._told: set[int] = set()

    def look(self, numbers: Iterable[int]) -> None:
        for number in sorted(set(numbers) - self._told):
            task = self._context.store.tasks.get(number)
            if task is None or not task.state.is_over:
                continue
            self._told.add(number)
            if task.state in {TaskState.FAILED, TaskState.UNKNOWN}:
                self._dock.choose(number)
            self.told.emit(task.problem.summary() if task.problem is not None else self._line(task))

    def _line(self, task: Task) -> str:
        line = f"{task.title}: {task.note or self._dock.model.state_text(task)}"
        can_undo = task.state is TaskState.DONE and self._context.runner.can_undo
        return line + self.tr("  ·  Ctrl+Z takes it back") if can_undo else line
