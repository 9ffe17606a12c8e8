# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPU cap as a form: now and at the next boot, each in cores and raw, and what Apply will do. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from vmconsole.inventory.limits import CpuCap
from vmconsole.inventory.tasks import TaskState
from vmconsole.operations.limits import ChangeLimits
from vmconsole.quotas.cpucap import cap_of_cores, same_limit
from vmconsole.quotas.rules import problems
from vmconsole.ui.charts.cap_subject import CapSubject, cores_of
from vmconsole.ui.charts.cores_box import CoresBox

if TYPE_CHECKING:
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context


class _Side:
    """One of the two definitions: its box, its raw words, and whether the user changed it."""

    def __init__(self, name: str) -> None:
        self.box = CoresBox()
        self.box.setAccessibleName(name)
        self.raw = QLabel()
        self.raw.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.there: CpuCap | None = None
        """As the Store has it."""
        self.is_edited = False

    def cap(self) -> CpuCap | None:
        """What the box says, in the period that is there; None where there is no such definition."""
        if self.there is None:
            return None
        cores = self.box.cores
        return cap_of_cores(None if cores == float("inf") else cores, period_us=self.there.period_us)

    def wanted(self) -> CpuCap | None:
        """What is to be written; None for nothing."""
        cap = self.cap() if self.is_edited else None
        return None if cap is None or self.there is None or same_limit(cap, self.there) else cap

    def show_there(self, cap: CpuCap | None, *, most: float) -> None:
        self.there = cap
        self.box.set_most(most)
        if not self.is_edited:
            self.box.show_cores(cores_of(cap or CpuCap()))
        self.show_raw()

    def show_raw(self) -> None:
        cap = self.cap()
        if cap is None:
            self.raw.setText("–")
        else:
            quota = "-1" if cap.quota_us is None else str(cap.quota_us)
            self.raw.setText(f"quota {quota} / period {cap.period_us} µs")


class CapForm(QWidget):
    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._subject: CapSubject | None = None
        self._task: int | None = None
        self.live = _Side(self.tr("CPU cap now, in cores"))
        self.stored = _Side(self.tr("CPU cap at the next boot, in cores"))
        self.same = QPushButton(self.tr("Next boot as now"))
        self.apply_button = QPushButton(self.tr("Apply"))
        self.revert_button = QPushButton(self.tr("Revert"))
        self.preview = QPlainTextEdit()
        self.words = QLabel()
        self._lay_out()
        self._connect()
        self._show()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        for column, (title, side) in enumerate(
            ((self.tr("Running now"), self.live), (self.tr("Next boot"), self.stored))
        ):
            label = QLabel(title)
            label.setBuddy(side.box)
            grid.addWidget(label, 0, 1 + column)
            grid.addWidget(side.box, 1, 1 + column)
            grid.addWidget(side.raw, 2, 1 + column)
        grid.addWidget(QLabel(self.tr("Cores")), 1, 0)
        grid.addWidget(QLabel(self.tr("As the kernel has it")), 2, 0)
        grid.addWidget(self.same, 1, 3)
        grid.setColumnStretch(4, 1)
        grid.setHorizontalSpacing(18)
        self.preview.setReadOnly(True)
        self.preview.setTabChangesFocus(True)
        self.preview.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.preview.setFixedHeight(3 * self.preview.fontMetrics().lineSpacing() + 8)
        self.preview.setAccessibleName(self.tr("What Apply will do, as virsh commands"))
        self.preview.setPlaceholderText(self.tr("What Apply will do is shown here as virsh commands."))
        self.words.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self.words, 1)
        buttons.addWidget(self.revert_button)
        buttons.addWidget(self.apply_button)
        whole = QVBoxLayout(self)
        whole.addLayout(grid)
        whole.addWidget(self.preview)
        whole.addLayout(buttons)

    def _connect(self) -> None:
        for side in (self.live, self.stored):
            side.box.valueChanged.connect(lambda _, s=side: self._on_edited(s))
        self.same.clicked.connect(self._on_same)
        self.apply_button.clicked.connect(self.apply)
        self.revert_button.clicked.connect(self.revert)
        self._context.bridge.store_changed.connect(self._on_store_changed)

    # -- what is shown -----------------------------------------------------------------------------------------

    def set_subject(self, subject: CapSubject | None) -> None:
        """Facts as they are now; what the user has typed for the same guest stays."""
        if subject is None or self._subject is None or subject.guest != self._subject.guest:
            self._forget_edits()
            self._task = None
            self.words.clear()
        self._subject = subject
        self._show()

    def _forget_edits(self) -> None:
        self.live.is_edited = self.stored.is_edited = False

    def _show(self) -> None:
        subject = self._subject
        most = subject.most if subject is not None else 1.0
        self.live.show_there(subject.live if subject is not None else None, most=most)
        self.stored.show_there(subject.stored if subject is not None else None, most=most)
        can_edit = subject is not None and not subject.blocked
        for side in (self.live, self.stored):
            side.box.setEnabled(can_edit and side.there is not None)
        self.same.setEnabled(can_edit and self.live.there is not None and self.stored.there is not None)
        change = self._change()
        self.preview.setPlainText(change.virsh() if change is not None else "")
        self.apply_button.setEnabled(can_edit and change is not None)
        self.revert_button.setEnabled(self.live.is_edited or self.stored.is_edited)
        self._warn(change)

    def _warn(self, change: ChangeLimits | None) -> None:
        """Say beforehand what the host would refuse."""
        subject = self._subject
        if change is None or subject is None:
            return
        self.words.clear()
        found = [p for place, wanted in change.places() for p in problems(subject.situation, place, wanted)]
        if found:
            self.words.setText(f"{found[0].what} {found[0].advice}")
        self.apply_button.setEnabled(not any(problem.is_fatal for problem in found))

    def _change(self) -> ChangeLimits | None:
        subject, live, stored = self._subject, self.live.wanted(), self.stored.wanted()
        if subject is None or (live is None and stored is None):
            return None
        return subject.changes(live, stored)

    # -- what is done ------------------------------------------------------------------------------------------

    def _on_edited(self, side: _Side) -> None:
        side.is_edited = True
        self._show()

    def _on_same(self) -> None:
        self.stored.is_edited = True
        self.stored.box.show_cores(self.live.box.cores)
        self._show()

    def revert(self) -> None:
        self._forget_edits()
        self.words.clear()
        self._show()

    def apply(self) -> None:
        """Ask the host; what it made of it is shown when it has answered."""
        change = self._change()
        if change is not None:
            self.words.setText(self.tr("Asking the host…"))
            self._task = next(iter(self._context.runner.run([change])), None)

    def _on_store_changed(self, changes: ChangeSet) -> None:
        if self._task is None or self._task not in changes.tasks:
            return
        task = self._context.store.tasks.get(self._task)
        if task is None or not task.state.is_over:
            return
        self._task = None
        if task.state is TaskState.DONE:
            self._forget_edits()
            self._show()
        self.words.setText(task.problem.summary() if task.problem is not None else task.note)
