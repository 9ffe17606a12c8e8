# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo and redo of what was changed on hosts: two actions that say what they would take back. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction, QKeySequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.ui.context import Context


class UndoActions(QObject):
    """Call ``refresh`` when tasks have changed."""

    def __init__(self, context: Context, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self.undo = self._action(self.tr("Undo the last change"), QKeySequence.StandardKey.Undo, self._on_undo)
        self.redo = self._action(self.tr("Do it again"), "Ctrl+Shift+Z", self._on_redo)
        context.theme.changed.connect(self._on_theme)
        self._on_theme()
        self.refresh()

    def _action(self, short: str, shortcut: str | QKeySequence.StandardKey, slot: Callable[[], None]) -> QAction:
        action = QAction(self)
        action.setIconText(short)
        action.setShortcut(QKeySequence(shortcut))
        action.triggered.connect(slot)
        return action

    @Slot()
    def refresh(self) -> None:
        runner = self._context.runner
        self._show(self.undo, self.tr("&Undo"), runner.undo_text, self.tr("Nothing to take back"), can=runner.can_undo)
        self._show(self.redo, self.tr("&Redo"), runner.redo_text, self.tr("Nothing to do again"), can=runner.can_redo)

    @staticmethod
    def _show(action: QAction, name: str, text: str, nothing: str, *, can: bool) -> None:
        action.setEnabled(can)
        action.setText(f"{name}: {text.replace('&', '&&')}" if text else name)
        action.setToolTip(f"{name.replace('&', '')}: {text}" if text else nothing)

    @Slot()
    def _on_undo(self) -> None:
        self._context.runner.undo()
        self.refresh()

    @Slot()
    def _on_redo(self) -> None:
        self._context.runner.redo()
        self.refresh()

    @Slot()
    def _on_theme(self) -> None:
        self.undo.setIcon(self._context.theme.icon("undo"))
        self.redo.setIcon(self._context.theme.icon("redo"))
