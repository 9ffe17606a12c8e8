# SPDX-License-Identifier: GPL-3.0-or-later
"""The draft: what was changed, in words, and what to do with it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, SignalInstance, Slot
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from vmconsole.images.messages import Change, ChangeVerb
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import bold, in_order, plain_label, plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.ui.formats import Formats

ROWS_MIN, ROWS_MAX = 6, 7
"""The list grows with the draft, from room for its buttons up to here."""
_PATH = Qt.ItemDataRole.UserRole
_PATHS = Qt.ItemDataRole.UserRole + 1
"""What differs by a change; nothing by one that was undone."""


class DraftPanel(QWidget):
    """``path_wanted`` when a change is double-clicked: show where it was made."""

    apply_wanted = Signal()
    discard_wanted = Signal()
    undo_wanted = Signal()
    redo_wanted = Signal()
    take_back_wanted = Signal()
    path_wanted = Signal(str)
    difference_wanted = Signal(tuple)
    """The paths of a change, whose difference from the disk is to be shown."""

    def __init__(self, formats: Formats, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._formats = formats
        self.title = bold(plain_label("", self, name=self.tr("The draft in short")))
        self.list = QListWidget(self)
        self.list.setAccessibleName(self.tr("Changes of the draft"))
        self.list.setUniformItemSizes(True)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.itemActivated.connect(self._on_activated)
        self.list.currentItemChanged.connect(self._update_difference)
        self.difference = self._button(
            self.tr("Show Di&fference"), self._on_difference, self.tr("What the selected change did: before and after")
        )
        self.apply = self._button(
            self.tr("&Apply…"), self.apply_wanted, self.tr("Write the draft to the disk (Ctrl+Return)")
        )
        self.discard = self._button(
            self.tr("&Discard…"), self.discard_wanted, self.tr("Forget all changes; the disk stays as it is")
        )
        self.undo = self._button(self.tr("&Undo"), self.undo_wanted, self.tr("Take back the last change (Ctrl+Z)"))
        self.redo = self._button(
            self.tr("&Redo"), self.redo_wanted, self.tr("Bring back what was undone (Ctrl+Shift+Z)")
        )
        self.take_back = self._button(
            self.tr("&Take Back the Last Apply…"), self.take_back_wanted, self.tr("Write back what it replaced")
        )
        self._way_back = ""
        steps = QHBoxLayout()
        steps.addWidget(self.undo)
        steps.addWidget(self.redo)
        buttons = QVBoxLayout()
        buttons.addWidget(self.take_back)
        buttons.addWidget(self.difference)
        buttons.addLayout(steps)
        buttons.addWidget(self.apply)
        buttons.addWidget(self.discard)
        buttons.addStretch(1)
        column = QVBoxLayout()
        column.addWidget(self.title)
        column.addWidget(self.list, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addLayout(column, 1)
        row.addLayout(buttons)
        in_order(self.list, self.take_back, self.difference, self.undo, self.redo, self.apply, self.discard)
        self.show_changes(())

    def _button(self, text: str, signal: SignalInstance | Callable[[], None], tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setAccessibleName(text.replace("&", "").rstrip("…"))
        button.setToolTip(plain_tip(tip))
        button.clicked.connect(signal)
        return button

    def show_changes(self, changes: Sequence[Change], undone: Sequence[Change] = ()) -> None:
        """The newest is at the bottom and in sight; below it, greyed, what could be redone."""
        self.list.clear()
        for change in changes:
            self._add(change)
        last = self.list.item(self.list.count() - 1)
        for change in undone:
            self._add(change, words=self.tr("(undone)"))
        if last is not None:
            self.list.scrollToItem(last)
        self.title.setText(self._title(changes))
        shown = len(changes) + len(undone)
        self.list.setVisible(bool(shown))
        rows = max(ROWS_MIN, min(shown, ROWS_MAX))
        self.list.setFixedHeight(rows * self.fontMetrics().height() + 10)
        self.difference.setVisible(bool(shown))
        self._update_difference()
        for button, is_possible in (
            (self.undo, bool(changes)),
            (self.redo, bool(undone)),
            (self.apply, bool(changes)),
            (self.discard, bool(shown)),
        ):
            button.setVisible(bool(shown))
            button.setEnabled(is_possible)

        self.take_back.setVisible(bool(self._way_back) and not shown)

    def set_way_back(self, words: str) -> None:
        """On the last Apply, that can be taken back while the draft is empty; empty words if there is none."""
        self._way_back = words
        self.take_back.setToolTip(plain_tip(words))
        self.take_back.setVisible(bool(words) and not self.list.count())

    def _add(self, change: Change, *, words: str = "") -> None:
        item = QListWidgetItem(" ".join(part for part in (self._words(change), words) if part))
        item.setData(_PATH, change.path)
        item.setData(_PATHS, paths_of(change) if not words else ())
        if words:
            item.setForeground(self.palette().placeholderText())
        self.list.addItem(item)

    def _title(self, changes: Sequence[Change]) -> str:
        if not changes:
            return self.tr("The draft is empty: edit, drop or paste files, and the changes are listed here.")
        count = self.tr("1 change") if len(changes) == 1 else self.tr("{n} changes").format(n=len(changes))
        size = sum(c.size_bytes for c in changes)
        carried = self._formats.size(size)
        if not size:
            return self.tr("Draft: {changes}, not on the disk yet").format(changes=count)
        return self.tr("Draft: {changes}, {size}, not on the disk yet").format(changes=count, size=carried)

    def _words(self, change: Change) -> str:
        path, detail = names.shown(change.path), names.shown(change.detail)
        match change.verb:
            case ChangeVerb.WRITTEN:
                text = self.tr("{path} changed")
            case ChangeVerb.ADDED:
                text = self.tr("{path} added")
            case ChangeVerb.MADE:
                text = self.tr("{path} made (folder)")
            case ChangeVerb.RENAMED:
                text = self.tr("{path} renamed")
            case ChangeVerb.DELETED:
                text = self.tr("{path} deleted")
            case ChangeVerb.ATTRIBUTES:
                text = self.tr("{path}: attributes changed")
        words = " ".join(p for p in (text.format(path=path), detail) if p)
        if change.size_bytes:
            words += f" · {self._formats.size(change.size_bytes)}"
        return f"{self._formats.clock(change.at)}  {words}" if change.at else words

    @Slot(QListWidgetItem)
    def _on_activated(self, item: QListWidgetItem) -> None:
        self.path_wanted.emit(item.data(_PATH))

    @Slot()
    def _on_difference(self) -> None:
        self.difference_wanted.emit(self._chosen_paths())

    def _chosen_paths(self) -> tuple[str, ...]:
        item = self.list.currentItem()
        return tuple(item.data(_PATHS) or ()) if item is not None else ()

    @Slot()
    def _update_difference(self) -> None:
        found = self._chosen_paths()
        self.difference.setEnabled(bool(found))
        tip = self.tr("What the selected change did: before and after (the disk as it is must be opened for it)")
        self.difference.setToolTip(plain_tip(tip if found else self.tr("Select a change first.")))


def paths_of(change: Change) -> tuple[str, ...]:
    """The old and the new path of what was renamed, else the one path."""
    if change.verb is ChangeVerb.RENAMED and change.detail.startswith("to /"):
        return change.path, change.detail.removeprefix("to ")
    return (change.path,)
