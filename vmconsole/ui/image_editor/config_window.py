# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration file as a tree: change a value in its row, add and delete entries. GUI thread.

Each edit goes into the draft at once; all other bytes of the file stay. What does not fit the file is refused by
Augeas, and said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.lenses import known_lenses, lens_for
from vmconsole.images.tool_values import ConfigEdit, ConfigNode, ConfigTree, ConfigVerb
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.buttons import push_button
from vmconsole.ui.image_editor.config_kinds import kind_of
from vmconsole.ui.image_editor.look import Tone, plain_label
from vmconsole.ui.image_editor.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.image_editor.desk import ImageDesk

LABEL, VALUE, KIND = range(3)
_NODE = Qt.ItemDataRole.UserRole
_SUMMARY_VALUES = 6


class ConfigWindow(QDialog):
    """``changed`` carries the path after an edit went into the draft."""

    changed = Signal(str)

    def __init__(self, desk: ImageDesk, path: str, why_not: str, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._desk, self._path, self._may_edit = desk, path, not why_not
        self._filling = False
        self.setWindowTitle(self.tr("Settings in {file}").format(file=names.shown(path)))
        self.note = Strip(self.tr("Note"), parent=self)
        self.note.hide()
        self.lens = QComboBox(self)
        self.lens.setAccessibleName(self.tr("Kind of file"))
        self.lens.addItems([lens.removesuffix(".lns") for lens in known_lenses()])
        self.lens.setCurrentText(lens_for(path).removesuffix(".lns"))
        self.lens.textActivated.connect(self.load)
        self.filter = QLineEdit(self)
        self.filter.setAccessibleName(self.tr("Show only entries with"))
        self.filter.setPlaceholderText(self.tr("Filter (Ctrl+F)"))
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._on_filter)
        self.tree = self._make_tree()
        self.add_inside = push_button(self.tr("Add &Inside…"), self._on_add_inside, self)
        self.add_after = push_button(self.tr("&Add After…"), self._on_add_after, self)
        self.delete = push_button(self.tr("&Delete"), self._on_delete, self)
        self.status = plain_label("", self, name=self.tr("State"))
        self._lay_out()
        for key, run in (("Ctrl+F", self.filter.setFocus), ("Del", self._on_delete), ("Ins", self._on_add_after)):
            shortcut = QShortcut(QKeySequence(key), self.tree if key != "Ctrl+F" else self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(run)
        if why_not:
            self.note.say(self.tr("Nothing can be changed here."), why_not, tone=Tone.LOOK_ONLY)
        self.resize(700, 520)
        self._update_buttons()

    def _make_tree(self) -> QTreeWidget:
        tree = QTreeWidget(self)
        tree.setAccessibleName(self.tr("Entries of the file"))
        tree.setHeaderLabels([self.tr("Name"), self.tr("Value"), self.tr("Kind")])
        tree.setAlternatingRowColors(True)
        tree.header().setStretchLastSection(False)
        tree.header().setSectionResizeMode(VALUE, QHeaderView.ResizeMode.Stretch)
        tree.setColumnWidth(LABEL, 220)
        tree.setEditTriggers(QTreeWidget.EditTrigger.NoEditTriggers)
        tree.itemChanged.connect(self._on_edited)
        tree.itemActivated.connect(self._on_activated)
        tree.currentItemChanged.connect(self._update_buttons)
        return tree

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(plain_label(self.tr("Kind of file:"), self))
        top.addWidget(self.lens)
        top.addStretch(1)
        top.addWidget(self.filter)
        below = QHBoxLayout()
        for button in (self.add_after, self.add_inside, self.delete):
            below.addWidget(button)
        below.addStretch(1)
        below.addWidget(self.status)
        column = QVBoxLayout(self)
        column.addWidget(self.note)
        column.addLayout(top)
        column.addWidget(self.tree, 1)
        column.addLayout(below)

    # -- reading -----------------------------------------------------------------------------------------------

    @Slot()
    def load(self) -> None:
        """Read the file (again), as the kind that is chosen."""
        self.status.setText(self.tr("Reading…"))
        lens = self.lens.currentText()
        reading = self._desk.session.tools.read_config(self._path, lens=f"{lens}.lns" if lens else "")
        self._desk.ask(reading, self._show, failed=self._on_failed, cancelled=lambda: self.status.clear())

    def _show(self, tree: ConfigTree, *, at: str = "") -> None:
        self._filling = True
        at = at or self._current_path()
        self.tree.clear()
        items: dict[str, QTreeWidgetItem] = {}
        for node in tree.nodes:
            item = self._item(node)
            parent = items.get(node.path.rpartition("/")[0])
            parent.addChild(item) if parent is not None else self.tree.addTopLevelItem(item)
            items[node.path] = item
        for row in range(self.tree.topLevelItemCount()):
            self._summarise(self.tree.topLevelItem(row))
        self.tree.expandAll()
        self._filling = False
        if at in items:
            self.tree.setCurrentItem(items[at])
        if not tree.is_whole:
            words = self.tr("Only the first {n} entries are shown.").format(n=len(tree.nodes))
        elif not tree.nodes:
            words = self.tr("The file has no entries.")
        else:
            words = self.tr("{n} entries").format(n=len(tree.nodes))
        self.status.setText(words)
        self.lens.setCurrentText(tree.lens.removesuffix(".lns"))
        self._on_filter()
        self._update_buttons()

    def _item(self, node: ConfigNode) -> QTreeWidgetItem:
        label = self.tr("comment") if node.is_comment else node.label
        item = QTreeWidgetItem([names.shown(label), names.shown(node.value or ""), kind_of(node)])
        item.setData(LABEL, _NODE, node)
        if self._may_edit and node.value is not None:
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
        if node.is_comment:
            for column in (LABEL, VALUE, KIND):
                item.setForeground(column, self.palette().placeholderText())
        return item

    def _summarise(self, item: QTreeWidgetItem | None) -> None:
        """What an entry without a value of its own holds: «10.0.0.7  web1», so that it can be told when closed."""
        if item is None or not item.childCount() or item.text(VALUE):
            return
        inside = [item.child(row) for row in range(item.childCount())]
        values = [c.text(VALUE) for c in inside if c is not None and c.text(KIND) != "comment" and c.text(VALUE)]
        item.setText(VALUE, "  ".join(values[:_SUMMARY_VALUES]))
        item.setForeground(VALUE, self.palette().placeholderText())

    def _on_failed(self, problem: Explanation) -> None:
        self.status.clear()
        said = names.shown(problem.said.replace("\n", " · "))
        text = " ".join(part for part in (problem.cause, problem.advice, f"({said})" if said else "") if part)
        self.note.say(problem.what, text, tone=Tone.PROBLEM)

    @Slot()
    def _on_filter(self) -> None:
        matches = names.matcher(self.filter.text())
        for row in range(self.tree.topLevelItemCount()):
            self._filter(self.tree.topLevelItem(row), matches)

    def _filter(self, item: QTreeWidgetItem | None, matches: Callable[[str], bool]) -> bool:
        if item is None:
            return False
        inside = [self._filter(item.child(row), matches) for row in range(item.childCount())]
        shown = any(inside) or matches(item.text(LABEL)) or matches(item.text(VALUE))
        item.setHidden(not shown)
        return shown

    # -- editing -----------------------------------------------------------------------------------------------

    def _current(self) -> ConfigNode | None:
        item = self.tree.currentItem()
        node = item.data(LABEL, _NODE) if item is not None else None
        return node if isinstance(node, ConfigNode) else None

    def _current_path(self) -> str:
        node = self._current()
        return node.path if node is not None else ""

    @Slot()
    def _update_buttons(self) -> None:
        node = self._current()
        self.delete.setEnabled(self._may_edit and node is not None)
        self.add_after.setEnabled(self._may_edit and node is not None)
        self.add_inside.setEnabled(self._may_edit)

    @Slot(QTreeWidgetItem, int)
    def _on_activated(self, item: QTreeWidgetItem, _column: int) -> None:
        if item.flags() & Qt.ItemFlag.ItemIsEditable:
            self.tree.editItem(item, VALUE)

    @Slot(QTreeWidgetItem, int)
    def _on_edited(self, item: QTreeWidgetItem, column: int) -> None:
        node = item.data(LABEL, _NODE)
        if self._filling or column != VALUE or not isinstance(node, ConfigNode):
            return
        value = names.typed(item.text(VALUE), node.value or "")
        if value != node.value:
            self._edit(ConfigEdit(ConfigVerb.SET, node.path, value=value))

    def _on_add_after(self) -> None:
        node = self._current()
        if node is not None and self._may_edit:
            self._ask_new(ConfigVerb.ADD_AFTER, node.path, "" if node.label.isdecimal() else node.label)

    def _on_add_inside(self) -> None:
        node = self._current()
        self._ask_new(ConfigVerb.ADD, node.path if node is not None and node.value is None else "", "")

    def _ask_new(self, verb: ConfigVerb, path: str, label: str) -> None:
        dialog = NewEntryDialog(label, self)
        dialog.accepted.connect(
            lambda: self._edit(ConfigEdit(verb, path, dialog.wanted_label, dialog.value.text() or None))
        )
        dialog.open()

    def _on_delete(self) -> None:
        node = self._current()
        if node is not None and self._may_edit:
            self._edit(ConfigEdit(ConfigVerb.DELETE, node.path))

    def _edit(self, edit: ConfigEdit) -> None:
        self.note.hide()
        self.status.setText(self.tr("Changing…"))
        editing = self._desk.session.tools.edit_config(self._path, f"{self.lens.currentText()}.lns", [edit])

        def fail(problem: Explanation) -> None:
            self._on_failed(problem)
            self.load()  # the row shows what is in the file, not what was refused

        self._desk.ask(editing, self._on_changed, failed=fail, cancelled=self.load)

    def _on_changed(self, tree: ConfigTree) -> None:
        self._show(tree)
        self.changed.emit(tree.path)


class NewEntryDialog(QDialog):
    """A name and a value for a new entry."""

    def __init__(self, label: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setWindowTitle(self.tr("New entry"))
        self._suggested = label
        self.label = QLineEdit(names.shown(label), self)
        self.label.setAccessibleName(self.tr("Name"))
        self.label.setPlaceholderText(self.tr("as its neighbours are named; #comment for a comment"))
        self.value = QLineEdit(self)
        self.value.setAccessibleName(self.tr("Value"))
        ok = QPushButton(self.tr("&Add"), self)
        ok.clicked.connect(self.accept)
        ok.setDefault(True)
        cancel = QPushButton(self.tr("Cancel"), self)
        cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(ok)
        column = QVBoxLayout(self)
        for text, line in ((self.tr("Name:"), self.label), (self.tr("Value:"), self.value)):
            column.addWidget(plain_label(text, self))
            column.addWidget(line)
        column.addLayout(buttons)
        self.setMinimumWidth(420)
        self.label.textChanged.connect(lambda text: ok.setEnabled(bool(text.strip())))
        ok.setEnabled(bool(label))

    @property
    def wanted_label(self) -> str:
        label = names.typed(self.label.text(), self._suggested)
        return label if label == self._suggested else label.strip()
