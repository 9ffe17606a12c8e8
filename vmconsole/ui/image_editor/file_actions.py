# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs on files as actions with keys: New Folder, Rename, Delete, Move, and the transfers. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Qt, Signal, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from vmconsole.inventory.errors import Explanation
from vmconsole.ui.image_editor import names, questions
from vmconsole.ui.image_editor.look import plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.messages import Entry
    from vmconsole.ui.image_editor.browser import Browser
    from vmconsole.ui.image_editor.desk import ImageDesk
    from vmconsole.ui.image_editor.tool_actions import ToolActions
    from vmconsole.ui.image_editor.transfers import Transfers
    from vmconsole.ui.theme import Theme


class FileActions(QObject):
    """Makes the actions, enables what is possible, and says in the tooltip why the rest is not."""

    problem = Signal(object)

    def __init__(self, desk: ImageDesk, browser: Browser, transfers: Transfers, theme: Theme, window: QWidget) -> None:
        super().__init__(window)
        self._theme = theme
        self._desk = desk
        self._browser = browser
        self._window = window
        self._bringing = transfers.bringing
        self._tools: ToolActions | None = None
        self._why_not = self.tr("The image is not open.")
        self._tips: dict[QAction, str] = {}
        keys = QKeySequence.StandardKey
        self.open = self._make(self.tr("&Open"), self._on_open, self.tr("Open the folder, or show the file"))
        self.new_folder = self._make(
            self.tr("&New Folder…"), self.ask_new_folder, self.tr("Make a folder here"), "Ctrl+Shift+N", "new-folder"
        )
        tip = self.tr("Bring files of this machine into this folder")
        self.import_files = self._make(self.tr("&Import…"), transfers.choose_import, tip, "Ctrl+I", "import")
        tip = self.tr("Bring a folder of this machine into this folder")
        self.import_folder = self._make(self.tr("Import &Folder…"), transfers.choose_import_folder, tip)
        tip = self.tr("Copy the selection to a folder of this machine")
        self.copy_to = self._make(self.tr("Copy &to…"), transfers.choose_export, tip, "Ctrl+E", "export")
        tip = self.tr("Copy the selection, to paste it elsewhere")
        self.copy = self._make(self.tr("&Copy"), transfers.copy, tip, keys.Copy, "copy")
        tip = self.tr("Copy the selection, to move it to another folder of this image")
        self.cut = self._make(self.tr("C&ut"), transfers.cut, tip, keys.Cut)
        self.paste = self._make(
            self.tr("&Paste"), transfers.paste, self.tr("Put the copied files into this folder"), keys.Paste
        )
        self.rename = self._make(self.tr("&Rename"), browser.view.edit_name, self.tr("Give another name"), "F2")
        tip = self.tr("Delete the selection from the draft")
        self.delete = self._make(self.tr("&Delete…"), self.ask_delete, tip, keys.Delete, "remove")
        self._writing: tuple[QAction, ...] = (
            self.new_folder,
            self.import_files,
            self.import_folder,
            self.paste,
            self.cut,
            self.rename,
            self.delete,
        )
        self._on_selection: tuple[QAction, ...] = (
            self.open,
            self.cut,
            self.copy,
            self.copy_to,
            self.rename,
            self.delete,
        )
        browser.model.rename_wanted.connect(self._on_rename)
        browser.view.moved_inside.connect(self._on_moved)
        browser.view.customContextMenuRequested.connect(self._on_menu)
        browser.view.selectionModel().selectionChanged.connect(self.update_enabled)
        browser.folder_shown.connect(self.update_enabled)
        self.update_enabled()

    def _make(
        self,
        text: str,
        run: Callable[[], object],
        tip: str,
        keys: str | QKeySequence.StandardKey | None = None,
        icon: str = "",
    ) -> QAction:
        action = QAction(text, self)
        if keys is not None:
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            tip = f"{tip} ({action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)})"
        if icon:
            action.setProperty("icon-name", icon)
            action.setIcon(self._theme.icon(icon))
        action.triggered.connect(lambda _checked=False: run())
        self._tips[action] = tip
        self._browser.view.addAction(action)
        return action

    def add_tools(self, tools: ToolActions) -> None:
        """The editing tools are offered in the same menu."""
        self._tools = tools

    # -- what is possible --------------------------------------------------------------------------------------

    def set_why_not(self, reason: str) -> None:
        """Why nothing can be changed, in a sentence; empty when it can."""
        self._why_not = reason
        self._browser.model.may_rename = not reason
        self.update_enabled()

    @Slot()
    def update_enabled(self) -> None:
        count = len([e for e in self._browser.view.selected() if e.is_addressable])
        for action, tip in self._tips.items():
            reason = self._reason(action, count)
            action.setEnabled(not reason)
            action.setToolTip(plain_tip(f"{tip}\n{reason}" if reason else tip))

    def _reason(self, action: QAction, selected: int) -> str:
        if self._why_not and action in self._writing:
            return self._why_not
        if action in self._on_selection and not selected:
            return self.tr("Nothing is selected.")
        if action in {self.rename, self.open} and selected > 1:
            return self.tr("Select one only.")
        return ""

    @Slot(QPoint)
    def _on_menu(self, point: QPoint) -> None:
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setToolTipsVisible(True)
        groups = (
            (self.open,),
            (self.cut, self.copy, self.paste, self.copy_to),
            (self.new_folder, self.import_files, self.import_folder),
            (self.rename, self.delete),
        )
        for group in groups:
            menu.addActions(group)
            menu.addSeparator()
        self._add_tools_to(menu)
        menu.popup(self._browser.view.viewport().mapToGlobal(point))

    def _add_tools_to(self, menu: QMenu) -> None:
        tools = self._tools
        if tools is None:
            return
        menu.addActions([tools.new_file, tools.link])
        menu.addSeparator()
        menu.addActions([action for action in (tools.settings, tools.registry) if tools.fits(action)])
        menu.addActions([tools.search, tools.compare, tools.properties])

    # -- the verbs ---------------------------------------------------------------------------------------------

    def _on_open(self) -> None:
        self._browser.view.activated.emit(self._browser.view.currentIndex())

    @Slot()
    def ask_new_folder(self) -> None:
        folder = self._browser.folder
        title = self.tr("New folder in {folder}").format(folder=names.shown(folder))
        dialog = questions.NameDialog(self._window, title, self.tr("New Folder"), self._browser.model.names)
        dialog.accepted.connect(lambda: self._make_folder(folder, dialog.name))
        dialog.open()

    def _make_folder(self, folder: str, name: str) -> None:
        making = self._desk.session.make_folder(names.join(folder, name))
        self._desk.ask(making, lambda _none: self._browser.reload(select=frozenset({name})))

    @Slot(object, object)
    def _on_rename(self, entry: Entry, name: str) -> None:
        words = questions.name_problem_words(self._window, name, self._browser.model.names)
        if words:
            old, new = names.shown(entry.name), names.shown(name)
            what = self.tr("“{old}” was not renamed to “{new}”.").format(old=old, new=new)
            self.problem.emit(Explanation(what=what, cause=words))
            return
        path = self._browser.path_of(entry)
        renaming = self._desk.session.rename(path, names.join(self._browser.folder, name))
        self._desk.ask(renaming, lambda _none: self._browser.reload(select=frozenset({name})))

    @Slot(object, object)
    def _on_moved(self, entries: list[Entry], folder_name: str) -> None:
        """Rows dropped on a folder row of the same table."""
        folder = names.join(self._browser.folder, folder_name)
        waiting = tuple(e for e in entries if e.is_addressable and e.name != folder_name)
        if waiting:
            self._bringing.move([self._browser.path_of(entry) for entry in waiting], waiting, folder)

    @Slot()
    def ask_delete(self) -> None:
        entries = [e for e in self._browser.view.selected() if e.is_addressable]
        paths = [self._browser.path_of(e) for e in entries]
        if paths:
            questions.ask_delete(self._window, [e.name for e in entries], lambda: self._delete(paths))

    def _delete(self, paths: list[str]) -> None:
        self._desk.ask(self._desk.session.delete(paths), lambda _none: self._browser.reload())
