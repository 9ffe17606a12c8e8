# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs on files of a running guest: the editor's own, in words for where nothing can be undone. GUI thread."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QInputDialog, QMenu, QMessageBox, QWidget

from vmconsole.inventory.errors import Explanation
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.file_actions import FileActions
from vmconsole.ui.image_editor.look import plain_tip
from vmconsole.ui.image_editor.questions import Question, listed

if TYPE_CHECKING:
    from vmconsole.images.live_session import LiveSession
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
        tip = self.tr("Change who may read, write and run the selected file, in the running guest, at once")
        self.mode = self._make(self.tr("Change &Mode…"), self.ask_mode, tip)
        self._writing = (*self._writing, self.mode)
        self._on_selection = (*self._on_selection, self.mode)
        self.set_why_not(self.tr("The agent inside the guest has not answered yet."))

    def _reason(self, action: QAction, selected: int) -> str:
        if action.text() == self.tr("Change &Mode…") and selected > 1:
            return self.tr("Select one only.")
        return super()._reason(action, selected)

    def _add_tools_to(self, menu: QMenu) -> None:
        menu.addAction(self.mode)

    @Slot()
    def ask_mode(self) -> None:
        """Ask for the permission bits of the selected row as chmod takes them."""
        (entry,) = (e for e in self._browser.view.selected() if e.is_addressable)
        dialog = QInputDialog(self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(self.tr("Change the mode"))
        name = names.shown(entry.name)
        dialog.setLabelText(plain_tip(self.tr("Mode of “{name}”, in octal as for chmod:").format(name=name)))
        dialog.setTextValue(f"{entry.mode or 0:04o}")
        path = self._browser.path_of(entry)
        dialog.textValueSelected.connect(lambda text: self.set_mode(path, text))
        dialog.open()

    def set_mode(self, path: str, text: str) -> None:
        """Set the mode that was typed, if it is one."""
        if re.fullmatch(r"[0-7]{3,4}", text.strip()) is None:
            what = self.tr("“{text}” is no mode.").format(text=names.shown(text))
            self.problem.emit(Explanation(what=what, advice=self.tr("Type three or four digits from 0 to 7: 0644.")))
            return
        session = cast("LiveSession", self._desk.session)
        self._desk.ask(session.set_mode(path, int(text, 8)), lambda _none: self._browser.reload())

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
