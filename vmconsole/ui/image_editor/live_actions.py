# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs on files of a running guest: the editor's own, in words for where nothing can be undone. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QMessageBox, QWidget

from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.file_actions import FileActions
from vmconsole.ui.image_editor.questions import Question, listed

if TYPE_CHECKING:
    from vmconsole.ui.image_editor.browser import Browser
    from vmconsole.ui.image_editor.desk import ImageDesk
    from vmconsole.ui.image_editor.transfers import Transfers
    from vmconsole.ui.theme import Theme


class LiveActions(FileActions):
    """As ``FileActions``; what deletes asks first, and says that it cannot be undone."""

    def __init__(self, desk: ImageDesk, browser: Browser, transfers: Transfers, theme: Theme, window: QWidget) -> None:
        super().__init__(desk, browser, transfers, theme, window)
        self._tips[self.delete] = self.tr("Delete the selection in the running guest, at once (Del)")
        self._tips[self.cut] = self.tr("Copy the selection, to move it to another folder of this guest (Ctrl+X)")
        self.set_why_not(self.tr("The agent inside the guest has not answered yet."))

    @Slot()
    def ask_delete(self) -> None:
        entries = [e for e in self._browser.view.selected() if e.is_addressable]
        paths = [self._browser.path_of(e) for e in entries]
        if not paths:
            return
        if len(entries) == 1:
            text = self.tr("Delete “{name}” in the running guest?").format(name=names.shown(entries[0].name))
        else:
            text = self.tr("Delete {n} things in the running guest?").format(n=len(entries))
        more = self.tr(
            "It is gone at once and for good: there is no draft here and no undo. Folders go with all that is in them."
        )
        parts = [listed([e.name for e in entries], self.tr("and {n} more")), more]
        box = Question(self._window, self.tr("Delete in the running guest"), text, "\n\n".join(parts))
        box.setIcon(QMessageBox.Icon.Warning)
        box.answer(self.tr("&Delete at Once"), QMessageBox.ButtonRole.DestructiveRole, lambda: self._delete(paths))
        box.answer(self.tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.open()
