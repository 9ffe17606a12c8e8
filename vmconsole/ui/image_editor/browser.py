# SPDX-License-Identifier: GPL-3.0-or-later
"""The middle of the editor: one folder's files, the way there, and the filter. GUI thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from vmconsole.images.messages import Entry, EntryKind, Folder
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.escape_line import EscapeLine
from vmconsole.ui.image_editor.file_model import FileModel
from vmconsole.ui.image_editor.file_view import FileView
from vmconsole.ui.image_editor.history import FolderHistory
from vmconsole.ui.image_editor.look import in_order, plain_label, plain_tip
from vmconsole.ui.image_editor.path_bar import PathBar

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.image_editor.desk import ImageDesk
    from vmconsole.ui.image_editor.look import Look


ADD_EVERY_S = 0.3


class Browser(QWidget):
    """``folder_shown`` after a folder's files are there; ``entry_selected`` with the path and entry, or with None."""

    folder_shown = Signal(object)
    entry_selected = Signal(object, object)
    file_activated = Signal(object, object)

    def __init__(self, desk: ImageDesk, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._history = FolderHistory()
        self._folder = "/"
        self._asked = 0
        self._is_partial = False
        self._waiting: list[Entry] = []
        self._added_at = 0.0
        self._theme = look.theme
        self.model = FileModel(look, self)
        self.view = FileView(self.model, self)
        self.view.activated.connect(self._on_activated)
        self.view.single_selected.connect(self._on_selected)
        self.view.target_changed.connect(self._on_target)
        self.path_bar = PathBar(self)
        self.path_bar.folder_wanted.connect(self.open_folder)
        self.filter = self._make_filter()
        self.status = plain_label("", self, name=self.tr("About the folder"))
        self.empty = plain_label("", self.view.viewport(), name=self.tr("Why the list is empty"))
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.empty.setEnabled(False)
        self.empty.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        QVBoxLayout(self.view.viewport()).addWidget(self.empty)
        self.model.shown_changed.connect(self._on_shown_changed)
        self._make_actions()
        self._lay_out()

    def _make_filter(self) -> EscapeLine:
        line = EscapeLine(self)
        line.setAccessibleName(self.tr("Filter the names"))
        line.setPlaceholderText(self.tr("Filter (Ctrl+F)"))
        line.setToolTip(self.tr("A part of the name, or a pattern with * and ?"))
        line.setClearButtonEnabled(True)
        line.setMaximumWidth(self.fontMetrics().averageCharWidth() * 26)
        line.textChanged.connect(self.model.set_filter)
        line.given_up.connect(self._on_leave_filter)
        return line

    def _make_actions(self) -> None:
        key = QKeySequence
        self.back_action = self._action(self.tr("Back"), [key("Alt+Left")], self.go_back, "go-back")
        self.forward_action = self._action(self.tr("Forward"), [key("Alt+Right")], self.go_forward, "go-forward")
        self.up_action = self._action(self.tr("Up"), [key("Alt+Up"), key(Qt.Key.Key_Backspace)], self.go_up, "go-up")
        self.reload_action = self._action(self.tr("Reload"), [key(Qt.Key.Key_F5), key("Ctrl+R")], self.reload, "reload")
        self._action(self.tr("Type a path"), [QKeySequence("Ctrl+L")], self.path_bar.begin_typing)
        self._action(self.tr("Filter"), [QKeySequence(QKeySequence.StandardKey.Find)], self._on_find)

    def _action(self, text: str, keys: list[QKeySequence], run: Callable[[], object], icon: str = "") -> QAction:
        action = QAction(text, self)
        action.setShortcuts(keys)
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.setToolTip(plain_tip(f"{text} ({keys[0].toString(QKeySequence.SequenceFormat.NativeText)})"))
        if icon:
            action.setProperty("icon-name", icon)
            action.setIcon(self._theme.icon(icon))
        action.triggered.connect(lambda _checked=False: run())
        self.addAction(action)
        return action

    def _lay_out(self) -> None:
        self._buttons: list[QToolButton] = []
        top = QHBoxLayout()
        top.setSpacing(2)
        for action in (self.back_action, self.forward_action, self.up_action, self.reload_action):
            button = QToolButton(self)
            button.setDefaultAction(action)
            button.setAutoRaise(True)
            button.setAccessibleName(action.text())
            top.addWidget(button)
            self._buttons.append(button)
        top.addWidget(self.path_bar, 1)
        top.addWidget(self.filter)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.view, 1)
        in_order(*self._buttons, self.filter, self.view)
        self.path_bar.crumbs.before = self._buttons[-1]
        self.below = QHBoxLayout()
        self.below.addWidget(self.status, 1)
        column.addLayout(self.below)
        self._update_actions()

    # -- where we are ------------------------------------------------------------------------------------------

    @property
    def folder(self) -> str:
        return self._folder

    def path_of(self, entry: Entry) -> str:
        return names.join(self._folder, entry.name)

    def selected_paths(self) -> list[str]:
        """Guest paths of the selected rows that can be addressed."""
        return [self.path_of(e) for e in self.view.selected() if e.is_addressable]

    @Slot(object)
    def open_folder(self, path: str, *, select: frozenset[str] = frozenset(), otherwise: str = "") -> None:
        """Go to a folder; the rows stay as they are until its files are known. ``otherwise`` if it is not there."""
        self._ask(path, select, visit=True, otherwise=otherwise)

    @Slot()
    def reload(self, *, select: frozenset[str] | None = None) -> None:
        """Read the shown folder again; the selection stays where the names are still there."""
        kept = select or frozenset(e.name for e in self.view.selected())
        self._ask(self._folder, kept, visit=False)

    def reveal(self, path: str) -> None:
        """Show the folder that a path lies in, with its row selected."""
        parent, name = names.parent_of(path), names.base_of(path)
        if parent == self._folder and self.model.row_of(name) is not None:
            self.view.select_names({name}, current=name)
        else:
            self.open_folder(parent, select=frozenset({name}))

    @Slot()
    def go_back(self) -> None:
        folder = self._history.back()
        if folder is not None:
            self._ask(folder, frozenset({names.base_of(self._folder)}), visit=False)

    @Slot()
    def go_forward(self) -> None:
        folder = self._history.forward()
        if folder is not None:
            self._ask(folder, frozenset(), visit=False)

    @Slot()
    def go_up(self) -> None:
        if self._folder != "/":
            self.open_folder(names.parent_of(self._folder), select=frozenset({names.base_of(self._folder)}))

    def _ask(self, path: str, select: frozenset[str], *, visit: bool, otherwise: str = "") -> None:
        self._asked += 1
        number = self._asked

        def show(folder: Folder) -> None:
            if number == self._asked:
                self._show(folder, select, visit=visit)

        def instead(_problem: Explanation) -> None:
            self._ask(otherwise, frozenset(), visit=visit)

        use_other = bool(otherwise) and otherwise != path

        def take(part: Folder) -> None:
            self._show_part(part, number)

        on_part = self._desk.in_window(take) if visit else None
        listing = self._desk.session.list_folder(path, on_part=on_part)
        self._desk.ask(listing, show, failed=instead if use_other else None)

    def _show_part(self, part: Folder, number: int) -> None:
        """The first rows of another folder, while the rest is on its way."""
        if number != self._asked:
            return
        if part.path == self._folder and self._is_partial:
            self._waiting += part.entries
            # Each addition is told to all who count rows: few of them.
            if time.monotonic() > self._added_at + ADD_EVERY_S:
                self._add_waiting()
            return
        self._is_partial, self._waiting, self._added_at = True, [], time.monotonic()
        self._enter(part, visit=True)
        self._select_after(frozenset(), scrolled=None, current=None)

    def _add_waiting(self) -> None:
        self.model.add_entries(self._waiting)
        self._waiting, self._added_at = [], time.monotonic()

    def _show(self, folder: Folder, select: frozenset[str], *, visit: bool) -> None:
        is_new = folder.path != self._folder
        if self._is_partial and not is_new:
            self._add_waiting()
        if self._is_partial and not is_new and self.model.has_exactly(folder.entries):
            self._is_partial = False
            self._show_rest(folder, select)
            return
        self._is_partial = False
        scrolled = self.view.verticalScrollBar().value()
        current = self.model.entry(self.view.currentIndex())
        self._enter(folder, visit=visit)
        self._select_after(select, scrolled=None if is_new else scrolled, current=None if is_new else current)
        self._update_actions()
        self.folder_shown.emit(folder.path)

    def _enter(self, folder: Folder, *, visit: bool) -> None:
        is_new = folder.path != self._folder
        self._folder = folder.path
        if visit:
            self._history.visit(folder.path)
        if is_new and self.filter.text():
            self.filter.clear()
        self.model.set_entries(folder.entries)
        self.path_bar.set_path(folder.path)
        self._update_actions()

    def _show_rest(self, folder: Folder, select: frozenset[str]) -> None:
        """All rows came in parts already: only what depends on the whole folder is left."""
        if select:
            self._select_after(select, scrolled=None, current=None)
        self.folder_shown.emit(folder.path)

    def _select_after(self, select: frozenset[str], *, scrolled: int | None, current: Entry | None) -> None:
        there = sorted(select & self.model.names)
        focus = current.name if current is not None and current.name in select else (there[0] if there else "")
        if scrolled is not None:
            self.view.verticalScrollBar().setValue(scrolled)
        if focus:
            self.view.select_names(set(there), current=focus)
        elif self.model.rowCount():
            first = self.model.index(0, 0)
            self.view.selectionModel().setCurrentIndex(first, self.view.selectionModel().SelectionFlag.NoUpdate)
            self.entry_selected.emit("", None)
        else:
            self.entry_selected.emit("", None)

    # -- what happens ------------------------------------------------------------------------------------------

    @Slot(QModelIndex)
    def _on_activated(self, index: QModelIndex) -> None:
        entry = self.model.entry(index)
        if entry is None or not entry.is_addressable:
            return
        if entry.kind is EntryKind.FOLDER:
            self.open_folder(self.path_of(entry))
        elif entry.kind is EntryKind.LINK:
            self._open_link(entry)
        else:
            self.file_activated.emit(self.path_of(entry), entry)

    def _open_link(self, entry: Entry) -> None:
        """A link to a folder opens like a folder; any other is a file. Only the image can tell which it is."""
        path = self.path_of(entry)
        self._asked += 1
        number = self._asked

        def show(folder: Folder) -> None:
            if number == self._asked:
                self._show(folder, frozenset(), visit=True)

        self._desk.ask(
            self._desk.session.list_folder(path), show, failed=lambda _problem: self.file_activated.emit(path, entry)
        )

    @Slot(object)
    def _on_selected(self, entry: Entry | None) -> None:
        self.entry_selected.emit(self.path_of(entry) if entry is not None else "", entry)

    @Slot(object)
    def _on_target(self, name: str) -> None:
        """Something is dragged over the table: say where it would land."""
        if not name:
            self._on_shown_changed()
        else:
            folder = self._folder if name == "." else names.join(self._folder, name)
            self.status.setText(self.tr("Drop into {folder}").format(folder=names.shown(folder)))

    @Slot()
    def _on_find(self) -> None:
        self.filter.setFocus()
        self.filter.selectAll()

    @Slot()
    def _on_leave_filter(self) -> None:
        self.filter.clear()
        self.view.setFocus()

    @Slot()
    def _on_shown_changed(self) -> None:
        shown, total = self.model.rowCount(), self.model.total
        if total == 0:
            hint = self.tr("Drop files from the desktop here, or paste them.") if self.view.accepts_drops else ""
            self.empty.setText("\n".join([self.tr("This folder is empty."), hint]))
        elif shown == 0:
            self.empty.setText(self.tr("No name matches the filter."))
        self.empty.setVisible(shown == 0)
        count = self.tr("1 entry") if total == 1 else self.tr("{n} entries").format(n=total)
        if shown == total:
            self.status.setText(count)
        else:
            words = self.tr("{shown} of {entries}").format(shown=shown, entries=count)
            more = self.tr("{words}: the filter finds the others") if self.model.is_cut else "{words}"
            self.status.setText(more.format(words=words))

    def _update_actions(self) -> None:
        self.back_action.setEnabled(self._history.can_go_back)
        self.forward_action.setEnabled(self._history.can_go_forward)
        self.up_action.setEnabled(self._folder != "/")
