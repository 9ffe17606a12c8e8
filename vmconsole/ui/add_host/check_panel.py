# SPDX-License-Identifier: GPL-3.0-or-later
"""A check on the screen: its steps appear as they pass; it can be stopped, and its report copied. GUI thread.

The check runs on a thread of its own; what it posts comes through the bridge. Steps of a check that was left are
dropped.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from vmconsole.inventory.errors import Explanation
from vmconsole.inventory.report import Names
from vmconsole.links.check_steps import HERE, Step, StepState
from vmconsole.ui.add_host.step_row import StepRow
from vmconsole.ui.error_help import name_in, plain_report
from vmconsole.ui.remedies import Subject
from vmconsole.ui.scrolling import scroll_inside
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from vmconsole.links.base import Shell
    from vmconsole.links.diagnosis import Diagnosis
    from vmconsole.links.uri import ConnectionUri
    from vmconsole.ui.context import Context
    from vmconsole.ui.error_help import ErrorHelp
    from vmconsole.ui.remedies import Remedy

translate = QCoreApplication.translate


class CheckPanel(QWidget):
    """``check`` starts one; ``running_changed`` tells when it begins and when it is over. ``stop`` before it goes."""

    running_changed = Signal()

    def __init__(
        self,
        context: Context,
        parent: QWidget | None = None,
        *,
        helped_by: ErrorHelp | None = None,
    ) -> None:
        super().__init__(parent)
        self._help = helped_by
        self._context = context
        self._theme = context.theme
        self._number = 0
        self._subject = Subject()
        self._address = ""
        self._diagnosis: Diagnosis | None = None
        self._rows: dict[str, StepRow] = {}
        self._summary = QLabel(self)
        self._summary.setWordWrap(True)
        self._summary.setAccessibleName(self.tr("Result of the check"))
        self._copy = QPushButton(context.theme.icon("copy"), self.tr("Copy Report"), self)
        self._copy.setToolTip(self.tr("Copy what the check has found, with versions and time; never a password"))
        self._copy.clicked.connect(self._on_copy)
        self._masks = QCheckBox(self.tr("Hide names"), self)
        self._masks.setToolTip(self.tr("In the copied report, put «host-1» for names of hosts"))
        self._inside = QWidget()
        self._column = QVBoxLayout(self._inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addStretch(1)
        context.theme.changed.connect(self._on_theme)
        self.area = QScrollArea(self)
        self.area.setAccessibleName(self.tr("Steps of the check"))
        scroll_inside(self.area, self._inside)
        head = QHBoxLayout()
        head.addWidget(self._summary, 1)
        head.addWidget(self._masks)
        head.addWidget(self._copy)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(head)
        column.addWidget(self.area, 1)

    @property
    def is_running(self) -> bool:
        return self._diagnosis is not None

    @property
    def steps(self) -> tuple[Step, ...]:
        """As far as they are known, in order."""
        return tuple(row.step for row in self._rows.values())

    def check(self, uri: ConnectionUri, shell: Shell | None) -> None:
        """Begin anew. ``shell``: of a link that is connected, if any."""
        self.stop()
        self._number += 1
        self._subject = Subject(uri.host_id, at=time.time())
        self._address = uri.text
        number, bridge = self._number, self._context.bridge
        for row in self._rows.values():
            self._column.removeWidget(row)
            row.deleteLater()
        self._rows = {}
        self._diagnosis = self._context.diagnose(
            uri,
            post=lambda step: bridge.call(lambda: self._on_step(number, step)),
            ended=lambda: bridge.call(lambda: self._on_ended(number)),
            shell=shell,
        )
        self._diagnosis.start()
        self._tell()
        self.running_changed.emit()

    def stop(self) -> None:
        """Leave the check that runs, if one does. What was found stays on the screen."""
        diagnosis, self._diagnosis = self._diagnosis, None
        if diagnosis is not None:
            self._number += 1
            diagnosis.close()
            self._tell()
            self.running_changed.emit()

    def _on_step(self, number: int, step: Step) -> None:
        if number != self._number:
            return
        row = self._rows.get(step.key)
        if row is None:
            row = self._rows[step.key] = StepRow(step, self._theme, self._inside, offer=self._offer)
            self._column.insertWidget(len(self._rows) - 1, row)
        else:
            row.show_step(step)
        if step.state is not StepState.WAITING:
            self.area.ensureWidgetVisible(row)
        self._tell()

    def _offer(self, problem: Explanation) -> Remedy | None:
        return None if self._help is None else self._help.offer(problem, self._subject)

    def _on_ended(self, number: int) -> None:
        if number == self._number:
            self._diagnosis = None
            self._tell()
            self._show_worst()
            self.running_changed.emit()

    def _show_worst(self) -> None:
        """The first that failed, else the first that is not as it should be, else the beginning."""
        for state in (StepState.FAILED, StepState.WARNING):
            row = next((row for row in self._rows.values() if row.step.state is state), None)
            if row is not None:
                self.area.ensureWidgetVisible(row)
                return
        self.area.verticalScrollBar().setValue(0)

    def _tell(self) -> None:
        text, colour = self._words()
        self._summary.setText(text)
        fade(self._summary, self._theme, colour)
        self._copy.setEnabled(bool(self._rows))
        self._masks.setVisible(bool(self._rows))

    def _words(self) -> tuple[str, str]:
        states = [step.state for step in self.steps]
        running = next((step.title for step in self.steps if step.state is StepState.RUNNING), "")
        if self.is_running:
            return translate("Check", "Checking: {step}…").format(step=running) if running else "", "quiet"
        if any(not state.is_over for state in states):
            return translate("Check", "The check was stopped."), "quiet"
        failed, warned = states.count(StepState.FAILED), states.count(StepState.WARNING)
        if failed:
            return translate("Check", "This connection does not work yet: see what failed below."), "problem"
        if warned:
            return translate("Check", "The connection works; not everything else does."), "warning"
        return (translate("Check", "Everything works."), "ok") if states else ("", "quiet")

    @Slot()
    def _on_theme(self) -> None:
        self._copy.setIcon(self._theme.icon("copy"))
        for row in self._rows.values():
            row.show_step(row.step)
        self._tell()

    @Slot()
    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText(self._report())

    def _report(self) -> str:
        problem = Explanation(self._summary.text(), said="\n".join(step.text() for step in self.steps))
        if self._help is None:
            report, known = plain_report(problem, self._subject), Names()
        else:
            report, known = self._help.report(problem, self._subject), self._help.names(self._subject)
        machines = {cure.machine for step in self.steps for cure in step.cures} - {HERE}
        hosts = tuple(dict.fromkeys((name_in(self._address), *sorted(machines), *known.hosts)))
        return report.text(masked=Names(hosts, known.guests) if self._masks.isChecked() else None)
