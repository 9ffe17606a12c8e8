# SPDX-License-Identifier: GPL-3.0-or-later
"""The problem on top of the editor's window, which can be put away. GUI thread."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QWidget

from vmconsole.ui.error_view import NOBODY, ErrorView

if TYPE_CHECKING:
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.error_help import ErrorHelp
    from vmconsole.ui.remedies import Subject
    from vmconsole.ui.theme import Theme


class ProblemStrip(QFrame):
    """Hidden until there is a problem; stays until it is closed or the next one comes."""

    def __init__(
        self,
        theme: Theme,
        parent: QWidget | None = None,
        *,
        helped_by: ErrorHelp | None = None,
        subject: Subject = NOBODY,
    ) -> None:
        super().__init__(parent)
        self.subject = subject
        """What the image belongs to, as far as that is known."""
        self.setAccessibleName(self.tr("Problem"))
        self.view = ErrorView(theme, self, helped_by=helped_by)
        self.close_button = QPushButton(self.tr("Close"), self)
        self.close_button.setAccessibleName(self.tr("Put the problem away"))
        self.close_button.setToolTip(self.tr("Put this message away"))
        self.close_button.clicked.connect(self.put_away)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 6, 8, 0)
        row.addWidget(self.view, 1)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    @property
    def explanation(self) -> Explanation | None:
        """What is shown now."""
        return self.view.explanation

    def show_problem(self, problem: Explanation) -> None:
        self.view.show_explanation(problem, replace(self.subject, at=time.time()))
        self.view.show()
        self.show()

    def put_away(self) -> None:
        self.view.show_explanation(None)
        self.hide()
