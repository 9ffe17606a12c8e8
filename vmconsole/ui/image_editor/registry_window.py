# SPDX-License-Identifier: GPL-3.0-or-later
"""A hive of the Windows registry: keys on the left, values on the right. GUI thread.

Keys are read when they are opened. Each edit goes into the draft at once.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from PySide6.QtCore import QLocale, Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.registry_values import REG_SZ, text_of, type_name
from vmconsole.images.tool_values import RegistryEdit, RegistryKey, RegistryValue, RegistryVerb
from vmconsole.ui.image_editor import names, questions
from vmconsole.ui.image_editor.buttons import push_button
from vmconsole.ui.image_editor.look import Tone, plain_label, plain_tip, time_text
from vmconsole.ui.image_editor.registry_value_dialog import RegistryValueDialog
from vmconsole.ui.image_editor.strip import Strip

if TYPE_CHECKING:
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.image_editor.desk import ImageDesk

_DATA = Qt.ItemDataRole.UserRole
_SHOWN_BYTES = 400
EDITED_BYTES_MAX = 32 * 1024
"""Longer data are looked at only: the dialog lays them out at once."""


class RegistryWindow(QDialog):
    """``changed`` carries the hive's path after an edit went into the draft."""

    changed = Signal(str)

    def __init__(self, desk: ImageDesk, hive: str, why_not: str, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._desk, self._hive, self._why_not = desk, hive, why_not
        self._key: RegistryKey | None = None
        self.setWindowTitle(self.tr("Registry hive {file}").format(file=names.shown(hive)))
        self.note = Strip(self.tr("Note"), parent=self)
        self.note.hide()
        self.keys = self._tree(self.tr("Keys"), [self.tr("Key")])
        self.values = self._tree(self.tr("Values of the key"), [self.tr("Name"), self.tr("Type"), self.tr("Data")])
        self.values.setRootIsDecorated(False)
        self.values.header().setStretchLastSection(True)
        self.values.setColumnWidth(0, 180)
        self.values.setColumnWidth(1, 110)
        self.keys.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.add_key = push_button(self.tr("New &Key…"), self._on_add_key, self)
        self.delete_key = push_button(self.tr("&Delete Key…"), self._on_delete_key, self)
        self.add_value = push_button(self.tr("New &Value…"), self._on_add_value, self)
        self.edit_value = push_button(self.tr("&Edit Value…"), self._on_edit_value, self)
        self.status = plain_label("", self, name=self.tr("State"))
        self._lay_out()
        self.keys.itemExpanded.connect(self._on_expanded)
        self.keys.currentItemChanged.connect(self._on_key)
        self.values.itemActivated.connect(self._on_edit_value)
        self.values.currentItemChanged.connect(self._update_buttons)
        delete = QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), self.keys)
        delete.setContext(Qt.ShortcutContext.WidgetShortcut)
        delete.activated.connect(self._on_delete_key)
        self.resize(880, 540)
        self._update_buttons()

    def _tree(self, name: str, headers: list[str]) -> QTreeWidget:
        tree = QTreeWidget(self)
        tree.setAccessibleName(name)
        tree.setHeaderLabels(headers)
        tree.setUniformRowHeights(True)
        return tree

    def _lay_out(self) -> None:
        across = QSplitter(Qt.Orientation.Horizontal, self)
        across.addWidget(self.keys)
        across.addWidget(self.values)
        across.setSizes([300, 560])
        below = QHBoxLayout()
        for button in (self.add_key, self.delete_key, self.add_value, self.edit_value):
            below.addWidget(button)
        below.addStretch(1)
        below.addWidget(self.status)
        column = QVBoxLayout(self)
        column.addWidget(self.note)
        column.addWidget(across, 1)
        column.addLayout(below)

    # -- reading -----------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Read the root key."""
        root = QTreeWidgetItem([names.shown(names.base_of(self._hive))])
        root.setData(0, _DATA, ())
        self.keys.clear()
        self.keys.addTopLevelItem(root)
        self.keys.setCurrentItem(root)

    def _key_of(self, item: QTreeWidgetItem | None) -> tuple[str, ...] | None:
        return item.data(0, _DATA) if item is not None else None

    @Slot()
    def _on_key(self) -> None:
        self._read(self.keys.currentItem())

    @Slot(QTreeWidgetItem)
    def _on_expanded(self, item: QTreeWidgetItem) -> None:
        if item.childCount() == 1 and self._key_of(item.child(0)) is None:
            self._read(item)

    def _read(self, item: QTreeWidgetItem | None) -> None:
        key = self._key_of(item)
        if key is None:
            return
        self.status.setText(self.tr("Reading…"))
        self._desk.ask(
            self._desk.session.tools.read_key(self._hive, key),
            self._show,
            failed=self._on_failed,
            cancelled=self.status.clear,
        )

    def _show(self, key: RegistryKey) -> None:
        item = self._item_of(key.path)
        if item is None:
            return  # it was deleted meanwhile
        self._fill(item, key)
        if not key.path and self._key is None:
            item.setExpanded(True)  # the root alone is nothing to look at
        if self._key_of(self.keys.currentItem()) == key.path:
            self._key = key
            self._show_values(key)
        if key.is_dirty and not self._why_not:
            self._why_not = self.tr("Windows was not shut down cleanly: its last changes are still in the hive's log.")
        if self._why_not:
            self.note.say(self.tr("Nothing can be changed here."), self._why_not, tone=Tone.LOOK_ONLY)
        self._update_buttons()

    def _fill(self, item: QTreeWidgetItem, key: RegistryKey) -> None:
        """The subkeys below an item; those that are there keep what they show."""
        there = {self._key_of(item.child(row)): item.child(row) for row in range(item.childCount())}
        wanted = {(*key.path, name) for name in key.subkeys}
        for path, child in there.items():
            if path not in wanted and child is not None:
                item.removeChild(child)
        for name in sorted(key.subkeys, key=str.casefold):
            if (*key.path, name) not in there:
                child = QTreeWidgetItem([names.shown(name)])
                child.setData(0, _DATA, (*key.path, name))
                child.addChild(QTreeWidgetItem([self.tr("reading…")]))
                item.addChild(child)

    def _item_of(self, path: tuple[str, ...]) -> QTreeWidgetItem | None:
        item = self.keys.topLevelItem(0)
        for length in range(1, len(path) + 1):
            if item is None:
                return None
            children = [item.child(row) for row in range(item.childCount())]
            item = next((c for c in children if self._key_of(c) == path[:length]), None)
        return item

    def _show_values(self, key: RegistryKey) -> None:
        self.values.clear()
        for value in sorted(key.values, key=lambda v: v.name.casefold()):
            name = names.shown(value.name) or self.tr("(default)")
            item = QTreeWidgetItem([name, type_name(value.type), self._beginning(value)])
            item.setData(0, _DATA, value)
            self.values.addTopLevelItem(item)
        words = self.tr("{keys} keys, {values} values; changed {time}").format(
            keys=len(key.subkeys), values=len(key.values), time=time_text(key.modified_at) or "–"
        )
        if not key.is_whole:
            words = self.tr("{words}; only the first ones are listed").format(words=words)
        self.status.setText(words)

    def _beginning(self, value: RegistryValue) -> str:
        """As much of the data as a row can show."""
        if value.left_out_bytes:
            return self.tr("({n} bytes, too long to be shown)").format(n=QLocale().toString(value.left_out_bytes))
        data = value.data
        if len(data) > _SHOWN_BYTES:  # a value may have a megabyte, and a key thousands of them
            part = dataclasses.replace(value, data=data[:_SHOWN_BYTES])
            return names.shown(text_of(part).replace("\n", " · ")) + "…"
        return names.shown(text_of(value).replace("\n", " · "))

    def _on_failed(self, problem: Explanation) -> None:
        self.status.clear()
        text = " ".join(part for part in (problem.cause, problem.advice) if part)
        self.note.say(problem.what, text, tone=Tone.PROBLEM)

    # -- editing -----------------------------------------------------------------------------------------------

    @Slot()
    def _update_buttons(self) -> None:
        may = not self._why_not and self._key is not None
        is_root = self._key is None or not self._key.path
        for button, is_possible in (
            (self.add_key, True),
            (self.delete_key, not is_root),
            (self.add_value, True),
            (self.edit_value, self._value() is not None and not self._too_long()),
        ):
            button.setEnabled(may and is_possible)
            too_long = self._too_long() if button is self.edit_value else ""
            button.setToolTip(plain_tip(self._why_not or too_long))

    def _value(self) -> RegistryValue | None:
        item = self.values.currentItem()
        found = item.data(0, _DATA) if item is not None else None
        return found if isinstance(found, RegistryValue) else None

    def _too_long(self) -> str:
        """Why the value's data cannot be edited; empty if they can."""
        value = self._value()
        if value is None or not (value.left_out_bytes or len(value.data) > EDITED_BYTES_MAX):
            return ""
        words = self.tr("Values of more than {n} KiB can be looked at only; copy the hive out to change them.")
        return words.format(n=EDITED_BYTES_MAX // 1024)

    def _on_add_key(self) -> None:
        key = self._key
        if key is None:
            return
        title = self.tr("New key in {key}").format(key=names.shown("\\".join(key.path) or "\\"))
        dialog = questions.NameDialog(self, title, self.tr("New Key"), key.subkeys)
        dialog.accepted.connect(
            lambda: self._edit(RegistryEdit(RegistryVerb.ADD_KEY, (*key.path, dialog.name)), key.path)
        )
        dialog.open()

    def _on_delete_key(self) -> None:
        key = self._key
        if key is not None and key.path and not self._why_not:
            edit = RegistryEdit(RegistryVerb.DELETE_KEY, key.path)
            questions.ask_delete(self, ["\\".join(key.path)], lambda: self._edit(edit, key.path[:-1]))

    def _on_add_value(self) -> None:
        key = self._key
        if key is not None:
            self._ask_value(key, RegistryValue("", REG_SZ, b"\0\0"), is_new=True)

    @Slot()
    def _on_edit_value(self) -> None:
        value = self._value()
        if value is not None and self._key is not None and not self._why_not and not self._too_long():
            self._ask_value(self._key, value, is_new=False)

    def _ask_value(self, key: RegistryKey, value: RegistryValue, *, is_new: bool) -> None:
        dialog = RegistryValueDialog(value, self, is_new=is_new)
        dialog.accepted.connect(
            lambda: self._edit(RegistryEdit(RegistryVerb.SET_VALUE, key.path, dialog.value), key.path)
        )
        dialog.open()

    def _edit(self, edit: RegistryEdit, show: tuple[str, ...]) -> None:
        self.note.hide()
        self.status.setText(self.tr("Changing…"))

        def done(_none: object) -> None:
            self.changed.emit(self._hive)
            item = self._item_of(show)
            if item is self.keys.currentItem():
                self._read(item)
            elif item is not None:
                self.keys.setCurrentItem(item)

        editing = self._desk.session.tools.edit_hive(self._hive, [edit])
        self._desk.ask(editing, done, failed=self._on_failed, cancelled=self.status.clear)
