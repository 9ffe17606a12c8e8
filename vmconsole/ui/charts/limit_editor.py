# SPDX-License-Identifier: GPL-3.0-or-later
"""What is being done to one limit: proposed, asked for, read back. The line, the box and the tab all show this.

GUI thread. Nothing reaches the host before ``apply``; what is shown afterwards is what the host answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from vmconsole.inventory.tasks import TaskState
from vmconsole.ui.charts.limit_scale import same

if TYPE_CHECKING:
    from vmconsole.inventory.tasks import Task
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.charts.limit_subject import LimitSubject
    from vmconsole.ui.context import Context


class LimitEditor(QObject):
    """``changed``: look again. ``ended`` carries the Task whose end means that a change was applied, or was not."""

    changed = Signal()
    ended = Signal(object)

    def __init__(self, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._task: int | None = None
        self._asked: float | None = None
        self._also_stored = False
        self.subject: LimitSubject | None = None
        self.proposed: float | None = None
        """A limit on the chart's axis that is not applied yet; None when there is none."""
        self.why = ""
        """What a rule says of what was proposed last; may be empty."""
        self.is_held = False
        """Whether that rule keeps it from going further."""
        context.bridge.store_changed.connect(self._on_store_changed)

    @property
    def number(self) -> float | None:
        """What to show: proposed, else asked for, else in force. None when there is no guest."""
        if self.subject is None:
            return None
        return next(c for c in (self.proposed, self._asked, self.subject.number) if c is not None)

    @property
    def is_waiting(self) -> bool:
        """Whether the host has yet to answer."""
        return self._task is not None

    @property
    def also_stored(self) -> bool:
        """«Also for the next boot»."""
        return self._also_stored

    @also_stored.setter
    def also_stored(self, value: bool) -> None:
        if value != self._also_stored:
            self._also_stored = value
            self.changed.emit()

    @property
    def can_edit(self) -> bool:
        return self.subject is not None and not self.subject.blocked

    def set_subject(self, subject: LimitSubject | None) -> None:
        """Facts as they are now. Another guest or limit drops what was proposed; the same one keeps it."""
        if subject == self.subject:
            return
        old = self.subject
        is_other = subject is None or old is None or (subject.guest, subject.ref) != (old.guest, old.ref)
        self.subject = subject
        if is_other:
            self._task, self._asked = None, None
        if is_other or not self.can_edit:
            self._forget()
        self.changed.emit()

    def propose(self, number: float, *, step: float | None = None) -> None:
        """Show a limit without setting it: there, or as near as the rules allow."""
        if self.subject is None or not self.can_edit:
            return
        fit = self.subject.fitted(number, step=step or self.subject.scale.key_step(number, is_big=False))
        news = (fit.number, fit.why, fit.is_held)
        if news != (self.proposed, self.why, self.is_held):
            self.proposed, self.why, self.is_held = news
            self.changed.emit()

    def revert(self) -> None:
        """Back to what is in force."""
        if self.proposed is not None:
            self._forget()
            self.changed.emit()

    def _forget(self) -> None:
        self.proposed, self.why, self.is_held = None, "", False

    def would_change(self) -> bool:
        """Whether ``apply`` has anything to do."""
        subject = self.subject
        if subject is None or self.proposed is None or not self.can_edit:
            return False
        value = subject.value(self.proposed)
        stored_differs = self._also_stored and subject.has_stored and not same(value, subject.stored)
        return self.is_waiting or stored_differs or not same(value, subject.current)

    def preview(self) -> str:
        """What ``apply`` would do, as virsh command lines; empty when nothing is proposed."""
        if self.subject is None or self.proposed is None:
            return ""
        return self.subject.change(self.proposed, also_stored=self._also_stored).virsh()

    def apply(self) -> None:
        """Ask the host for what is proposed."""
        if self.subject is not None and self.proposed is not None and self.would_change():
            operation = self.subject.change(self.proposed, also_stored=self._also_stored)
            self._asked = self.proposed
            self._task = next(iter(self._context.runner.run([operation])), None)
        self._forget()
        self.changed.emit()

    def store_too(self) -> None:
        """Give the next boot the limit that is in force now."""
        if self.subject is not None and self.can_edit:
            self.proposed = self.subject.number
            self._also_stored, before = True, self._also_stored
            self.apply()
            self._also_stored = before

    def _on_store_changed(self, changes: ChangeSet) -> None:
        if self._task is None or self._task not in changes.tasks:
            return
        task: Task | None = self._context.store.tasks.get(self._task)
        if task is None or task.state in {TaskState.QUEUED, TaskState.RUNNING}:
            return
        self._task, self._asked = None, None
        self.ended.emit(task)
        self.changed.emit()
