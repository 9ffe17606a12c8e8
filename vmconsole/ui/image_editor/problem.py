# SPDX-License-Identifier: GPL-3.0-or-later
"""An ``Explanation`` as a strip in the window, with the rest of it one click away. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QMessageBox, QWidget

from vmconsole.inventory.errors import Explanation
from vmconsole.ui.image_editor.look import Tone
from vmconsole.ui.image_editor.strip import Strip


class ProblemStrip(Strip):
    """Hidden until there is a problem; stays until it is closed or the next one comes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Problem"), tone=Tone.PROBLEM, parent=parent)
        self._problem: Explanation | None = None
        self._details = self.add_button(self.tr("Details…"), self.show_details, tip=self.tr("The whole explanation"))
        self.add_button(self.tr("Close"), self.hide, tip=self.tr("Put this message away"))
        self.hide()

    def show_problem(self, problem: Explanation) -> None:
        self._problem = problem
        self._details.setVisible(bool(problem.said or problem.where or problem.cause))
        self.say(problem.what, " ".join(p for p in (problem.cause, problem.advice) if p))

    @Slot()
    def show_details(self) -> None:
        if self._problem is not None:
            problem_box(self, self._problem).open()


def problem_box(parent: QWidget, problem: Explanation) -> QMessageBox:
    """A box with all of it; text can be selected and copied."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(box.tr("Details"))
    box.setText(problem.what)
    box.setInformativeText("\n".join(p for p in (problem.cause, problem.advice, problem.where) if p))
    box.setDetailedText(problem.said)
    box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return box
