# SPDX-License-Identifier: GPL-3.0-or-later
"""A failure on the screen: what, cause, advice, what the console can do, and the other side's own words one click away.

GUI thread.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from vmconsole.inventory.report import Names
from vmconsole.ui.error_help import plain_report
from vmconsole.ui.image_editor.names import shown_words
from vmconsole.ui.remedies import Subject

if TYPE_CHECKING:
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.error_help import ErrorHelp
    from vmconsole.ui.remedies import Remedy
    from vmconsole.ui.theme import Theme

_COMMAND = re.compile(r"`([^`]+)`")
SAID_LINES = 6
NOBODY = Subject()


def with_commands(text: str) -> str:
    """Plain text as HTML, with what stands in backquotes as a command to type. Names in it may come from a guest: what
    cannot be seen or turns the writing is shown as an escape."""
    return _COMMAND.sub(r"<code>\1</code>", html.escape(shown_words(text), quote=False))


class ErrorView(QFrame):
    """Empty and hidden until ``show_explanation`` gives it one. Without ``helped_by`` it has no button that acts."""

    def __init__(
        self,
        theme: Theme,
        parent: QWidget | None = None,
        *,
        icon: str = "problem",
        helped_by: ErrorHelp | None = None,
        beside: frozenset[str] = frozenset(),
    ) -> None:
        """``beside``: actions that have a button beside this view already."""
        super().__init__(parent)
        self._theme = theme
        self._icon_name = icon
        self._help = helped_by
        self._beside = beside
        self._explanation: Explanation | None = None
        self._subject = NOBODY
        self._remedy: Remedy | None = None
        self.setObjectName("error")
        self.setAccessibleName(self.tr("Problem"))
        self._icon = QLabel(self)
        self._what = self._label("what")
        font = self._what.font()
        font.setBold(True)
        self._what.setFont(font)
        self._cause, self._advice, self._where = self._label("cause"), self._label("advice"), self._label("where")
        self._details = self._details_button()
        self._copy = self._copy_button()
        self._masks = QCheckBox(self.tr("Hide names"), self)
        self._masks.setToolTip(
            self.tr("In the copied report, put «host-1» and «guest-1» for names of hosts and guests")
        )
        self._do = QPushButton(self)
        self._do.setObjectName("remedy")
        self._do.clicked.connect(self._on_do)
        self._said = QPlainTextEdit(self)
        self._said.setReadOnly(True)
        self._said.setAccessibleName(self.tr("The original words"))
        self._said.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._said.setMaximumHeight(self._said.fontMetrics().lineSpacing() * SAID_LINES + 12)
        self._lay_out()
        theme.changed.connect(self._on_theme)
        self._on_theme()
        self.hide()

    @property
    def explanation(self) -> Explanation | None:
        return self._explanation

    def show_explanation(self, explanation: Explanation | None, subject: Subject = NOBODY) -> None:
        """Show it, or nothing for None. The same one again changes nothing, so that opened details stay open."""
        self._subject = subject
        self._offer(explanation)
        if explanation == self._explanation:
            return
        self._explanation = explanation
        self.setVisible(explanation is not None)
        if explanation is None:
            return
        self._what.setText(with_commands(explanation.what))
        for label, text in ((self._cause, explanation.cause), (self._advice, explanation.advice)):
            label.setText(with_commands(text))
            label.setVisible(bool(text))
        self._where.setText(self.tr("At: {where}").format(where=html.escape(shown_words(explanation.where))))
        self._where.setVisible(bool(explanation.where))
        self._said.setPlainText(shown_words(explanation.said))
        self._details.setVisible(bool(explanation.said))
        self._details.setChecked(False)
        self.setAccessibleDescription(shown_words(explanation.text()))

    def _offer(self, explanation: Explanation | None) -> None:
        """The button for what the console can do now, which may change while the same failure is shown."""
        self._remedy = None
        if self._help is not None and explanation is not None and explanation.action not in self._beside:
            self._remedy = self._help.offer(explanation, self._subject)
        self._do.setVisible(self._remedy is not None)
        if self._remedy is not None and self._do.text() != self._remedy.text:
            self._do.setText(self._remedy.text)

    # -- parts -------------------------------------------------------------------------------------------------

    def _label(self, name: str) -> QLabel:
        label = QLabel(self)
        label.setObjectName(name)
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.RichText)
        label.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        return label

    def _details_button(self) -> QToolButton:
        button = QToolButton(self)
        button.setText(self.tr("Details"))
        button.setToolTip(self.tr("What the other side said, word for word"))
        button.setCheckable(True)
        button.setAutoRaise(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setArrowType(Qt.ArrowType.RightArrow)
        button.toggled.connect(self._on_details)
        return button

    def _copy_button(self) -> QToolButton:
        button = QToolButton(self)
        button.setText(self.tr("Copy Report"))
        button.setToolTip(
            self.tr("Copy all of this with the original words, versions, call and time; never a password")
        )
        button.setAutoRaise(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.clicked.connect(self._on_copy)
        return button

    def _lay_out(self) -> None:
        text = QVBoxLayout()
        text.setSpacing(4)
        for label in (self._what, self._cause, self._advice, self._where):
            text.addWidget(label)
        buttons = QHBoxLayout()
        buttons.addWidget(self._details)
        buttons.addWidget(self._copy)
        buttons.addWidget(self._masks)
        buttons.addStretch(1)
        buttons.addWidget(self._do)
        text.addLayout(buttons)
        text.addWidget(self._said)
        self._said.hide()
        rows = QHBoxLayout(self)
        rows.setContentsMargins(10, 8, 10, 8)
        rows.setSpacing(10)
        rows.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        rows.addLayout(text, 1)

    @Slot(bool)
    def _on_details(self, is_open: bool) -> None:  # noqa: FBT001  # a slot: Qt calls it with the button's state
        self._said.setVisible(is_open)
        self._details.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)

    @Slot()
    def _on_copy(self) -> None:
        if self._explanation is None:
            return
        if self._help is None:
            report, names = plain_report(self._explanation, self._subject), Names()
        else:
            report = self._help.report(self._explanation, self._subject)
            names = self._help.names(self._subject)
        QGuiApplication.clipboard().setText(report.text(masked=names if self._masks.isChecked() else None))

    @Slot()
    def _on_do(self) -> None:
        if self._remedy is not None:
            self._remedy.do()

    @Slot()
    def _on_theme(self) -> None:
        self._icon.setPixmap(self._theme.icon(self._icon_name).pixmap(20, 20))
        self._copy.setIcon(self._theme.icon("copy"))
        edge = self._theme.colours.problem if self._icon_name == "problem" else self._theme.colours.warning
        self.setStyleSheet(f"QFrame#error {{ border: 1px solid {edge}; border-radius: 4px; }}")
