# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions of ssh on the screen, one after the other. ``ask`` and ``withdraw`` from any thread; all else GUI thread.

Several hosts often wait for the passphrase of one key: it is asked once, and answers all that wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from vmconsole.links.prompts import PromptKind
from vmconsole.ui.login_dialog import LoginDialog
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from vmconsole.links.prompts import Answer, Question
    from vmconsole.ui.bridge import Bridge


class LoginQueue(QObject):
    """``links.prompts.Prompter`` with a window. Questions wait until ``set_window`` was called."""

    def __init__(self, bridge: Bridge, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._window: QWidget | None = None
        self._theme = theme
        self._waiting: list[Question] = []
        self._dialog: LoginDialog | None = None
        self._asked: Question | None = None

    def set_window(self, window: QWidget) -> None:
        """Over which window to ask."""
        self._window = window
        self._show_next()

    @property
    def dialog(self) -> LoginDialog | None:
        """The one that is open."""
        return self._dialog

    def ask(self, question: Question) -> None:
        self._bridge.call(lambda: self._add(question))

    def withdraw(self, question: Question) -> None:
        self._bridge.call(lambda: self._remove(question))

    def close(self) -> None:
        """Ask no more: what waits is given up."""
        self._window = None
        waiting, self._waiting = self._waiting, []
        for question in waiting:
            question.cancel()
        if self._dialog is not None:
            self._dialog.reject()

    # -- GUI thread --------------------------------------------------------------------------------------------

    def _add(self, question: Question) -> None:
        self._waiting.append(question)
        self._show_next()

    def _remove(self, question: Question) -> None:
        self._waiting = [one for one in self._waiting if one is not question]
        if self._dialog is not None and self._asked is question:
            self._dialog.reject()  # the cancel that follows comes too late to count
        self._count()

    def _show_next(self) -> None:
        if self._window is None or self._dialog is not None or not self._waiting:
            self._count()
            return
        self._theme.refresh()
        self._asked = self._waiting.pop(0)
        self._dialog = LoginDialog(self._asked.prompt, self._theme, self._window)
        self._dialog.answered.connect(self._on_answered)
        self._dialog.rejected.connect(self._on_rejected)
        self._dialog.finished.connect(self._on_finished)
        self._count()
        self._dialog.show()
        self._dialog.activateWindow()

    def _count(self) -> None:
        if self._dialog is not None:
            self._dialog.show_waiting(len(self._waiting))

    @Slot(object)
    def _on_answered(self, answer: Answer) -> None:
        if self._asked is None:
            return
        asked = self._asked.prompt
        self._asked.answer(answer)
        if asked.kind is PromptKind.PASSPHRASE:
            same = [one for one in self._waiting if one.prompt.secret_name == asked.secret_name]
            self._waiting = [one for one in self._waiting if one not in same]
            for one in same:
                one.answer(answer)

    @Slot()
    def _on_rejected(self) -> None:
        if self._asked is not None:
            self._asked.cancel()

    @Slot()
    def _on_finished(self) -> None:
        self._dialog, self._asked = None, None
        self._show_next()
