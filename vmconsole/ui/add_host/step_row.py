# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a check on the screen: its state as an icon, what was found, and what to type where. GUI thread."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from vmconsole.links.check_steps import HERE, Step, StepState
from vmconsole.ui.error_view import with_commands
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.errors import Explanation
    from vmconsole.links.check_steps import Cure
    from vmconsole.ui.remedies import Remedy
    from vmconsole.ui.theme import Theme

translate = QCoreApplication.translate
ICON = 16
TITLE_LETTERS = 19
ICONS = {
    StepState.WAITING: "task-queued",
    StepState.RUNNING: "task-running",
    StepState.PASSED: "task-done",
    StepState.WARNING: "warning",
    StepState.FAILED: "task-failed",
    StepState.SKIPPED: "task-cancelled",
}
LOUD = {StepState.WARNING, StepState.FAILED}


def state_words(state: StepState) -> str:
    return {
        StepState.WAITING: translate("Check", "waiting"),
        StepState.RUNNING: translate("Check", "being checked"),
        StepState.PASSED: translate("Check", "passed"),
        StepState.WARNING: translate("Check", "warning"),
        StepState.FAILED: translate("Check", "failed"),
        StepState.SKIPPED: translate("Check", "skipped"),
    }[state]


class StepRow(QWidget):
    """``show_step`` as often as something is known."""

    def __init__(
        self,
        step: Step,
        theme: Theme,
        parent: QWidget | None = None,
        *,
        offer: Callable[[Explanation], Remedy | None] = lambda _: None,
    ) -> None:
        """``offer``: what the console can do about a problem now."""
        super().__init__(parent)
        self._theme = theme
        self._offer = offer
        self.step = step
        self._icon, self._title, self._finding, self._time = (QLabel(self) for _ in range(4))
        self._title.setMinimumWidth(self.fontMetrics().averageCharWidth() * TITLE_LETTERS)
        self._finding.setWordWrap(True)
        self._finding.setTextFormat(Qt.TextFormat.RichText)
        self._finding.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._said = QLabel(self)
        self._said.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._said.setTextFormat(Qt.TextFormat.PlainText)
        self._said.setWordWrap(True)
        self._said.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._cures = QVBoxLayout()
        self._cures.setSpacing(2)
        self._lay_out()
        self.show_step(step)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 3, 4, 3)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(2, 1)
        top = Qt.AlignmentFlag.AlignTop
        grid.addWidget(self._icon, 0, 0, top)
        grid.addWidget(self._title, 0, 1, top)
        grid.addWidget(self._finding, 0, 2, top)
        grid.addWidget(self._time, 0, 3, top | Qt.AlignmentFlag.AlignRight)
        grid.addLayout(self._cures, 1, 2, 1, 2)
        grid.addWidget(self._said, 2, 2, 1, 2)
        fade(self._time, self._theme)
        fade(self._said, self._theme)

    def show_step(self, step: Step) -> None:
        self.step = step
        self._icon.setPixmap(self._theme.icon(ICONS[step.state]).pixmap(ICON, ICON))
        self._icon.setToolTip(state_words(step.state))
        self._title.setText(translate("Check", step.title))
        font = self._title.font()
        font.setBold(step.state in LOUD)
        self._title.setFont(font)
        self._finding.setText(with_commands(step.finding))
        self._colour(self._finding, "" if step.state in LOUD else "quiet")
        self._colour(self._title, "quiet" if step.state in {StepState.WAITING, StepState.SKIPPED} else "")
        slow = step.took_s is not None and step.took_s >= 0.05
        self._time.setText(f"{step.took_s:.1f} s" if slow else "")
        self._said.setText(step.said)
        self._said.setVisible(bool(step.said))
        self._show_cures(step)
        self.setAccessibleName(f"{step.title}: {state_words(step.state)}")
        self.setAccessibleDescription(step.text())

    def _colour(self, label: QLabel, colour: str) -> None:
        """One of the theme's, or the palette's own."""
        label.setPalette(QPalette())
        if colour:
            fade(label, self._theme, colour)

    def _show_cures(self, step: Step) -> None:
        while (item := self._cures.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        for cure in step.cures:
            self._cures.addWidget(self._cure(cure))
        remedy = None if step.problem is None else self._offer(step.problem)
        if remedy is not None:
            act = QPushButton(remedy.text, self)
            act.setObjectName("remedy")
            act.clicked.connect(remedy.do)
            self._cures.addWidget(act, 0, Qt.AlignmentFlag.AlignLeft)

    def _cure(self, cure: Cure) -> QWidget:
        line = QWidget(self)
        where = translate("Check", "this computer") if cure.machine == HERE else cure.machine
        text = QLabel(
            translate("Check", "On {machine}: {command}").format(
                machine=f"<b>{html.escape(where)}</b>", command=f"<code>{html.escape(cure.command)}</code>"
            ),
            line,
        )
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        copy = QToolButton(line)
        copy.setAutoRaise(True)
        copy.setIcon(self._theme.icon("copy"))
        copy.setAccessibleName(translate("Check", "Copy command"))
        copy.setToolTip(translate("Check", "Copy the command"))
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(cure.command))
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(text, 1)
        row.addWidget(copy, 0, Qt.AlignmentFlag.AlignTop)
        return line
