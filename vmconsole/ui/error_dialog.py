# SPDX-License-Identifier: GPL-3.0-or-later
"""A failure in a window of its own, where no page has a place for it. GUI thread; it is not modal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from vmconsole.ui.error_view import NOBODY, ErrorView

if TYPE_CHECKING:
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.error_help import ErrorHelp
    from vmconsole.ui.remedies import Subject
    from vmconsole.ui.theme import Theme

WIDTH = 560


class ErrorDialog(QDialog):
    """Shows itself, and deletes itself when it is closed."""

    def __init__(
        self,
        explanation: Explanation,
        theme: Theme,
        parent: QWidget | None = None,
        *,
        subject: Subject = NOBODY,
        helped_by: ErrorHelp | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("problem")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Problem"))
        self.setMinimumWidth(WIDTH)
        self.view = ErrorView(theme, self, helped_by=helped_by)
        self.view.show_explanation(explanation, subject)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        for button in buttons.buttons():
            button.setIcon(QIcon())
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.view, 1)
        column.addWidget(buttons)
        self.show()
