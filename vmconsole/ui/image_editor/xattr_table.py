# SPDX-License-Identifier: GPL-3.0-or-later
"""Extended attributes of a file as rows that can be edited. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.registry_values import BadValue, bytes_of, hex_of
from vmconsole.images.tool_values import Xattr
from vmconsole.ui.image_editor import names

_HEX = "0x"
_RAW = Qt.ItemDataRole.UserRole


class XattrTable(QWidget):
    """Text values are text; others are shown as ``0x 01 ff`` and typed so. ``changed`` after any edit."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before: dict[str, bytes] = {}
        self.table = QTableWidget(0, 2, self)
        self.table.setAccessibleName(self.tr("Extended attributes"))
        self.table.setHorizontalHeaderLabels([self.tr("Name"), self.tr("Value")])
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.verticalHeader().hide()
        self.table.setTabKeyNavigation(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.itemChanged.connect(self.changed)
        self.add = self._button(self.tr("&Add"), self._on_add)
        self.remove = self._button(self.tr("Remo&ve"), self._on_remove)
        buttons = QHBoxLayout()
        buttons.addWidget(self.add)
        buttons.addWidget(self.remove)
        buttons.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.table, 1)
        column.addLayout(buttons)

    def _button(self, text: str, pressed: object) -> QPushButton:
        button = QPushButton(text, self)
        button.setAccessibleName(self.tr("{verb} an attribute").format(verb=text.replace("&", "")))
        button.clicked.connect(pressed)
        button.setAutoDefault(False)
        return button

    def show_xattrs(self, xattrs: tuple[Xattr, ...], *, may_edit: bool) -> None:
        self._before = {x.name: x.value for x in xattrs}
        self.table.blockSignals(True)  # noqa: FBT003 - Qt's own signature
        self.table.setRowCount(0)
        for xattr in xattrs:
            self._add_row(xattr.name, text_of_bytes(xattr.value), may_edit=may_edit)
        self.table.blockSignals(False)  # noqa: FBT003 - Qt's own signature
        self.add.setEnabled(may_edit)
        self.remove.setEnabled(may_edit)

    def _add_row(self, name: str, value: str, *, may_edit: bool) -> None:
        row = self.table.rowCount()
        self.table.insertRow(row)
        for column, text in enumerate((name, value)):
            item = QTableWidgetItem(names.shown(text) if column == 0 else text)
            if column == 0:
                item.setData(_RAW, text.encode("utf-8", "surrogateescape"))  # Qt's own text would drop odd bytes
            if not may_edit:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            self.table.setItem(row, column, item)

    @Slot()
    def _on_add(self) -> None:
        self._add_row("user.", "", may_edit=True)
        self.table.setCurrentCell(self.table.rowCount() - 1, 0)
        self.table.edit(self.table.currentIndex())
        self.changed.emit()

    @Slot()
    def _on_remove(self) -> None:
        if self.table.currentRow() >= 0:
            self.table.removeRow(self.table.currentRow())
            self.changed.emit()

    def wanted(self) -> tuple[list[Xattr], list[str]]:
        """What to set, and what to remove. Raises BadValue for bytes that are none."""
        found: dict[str, bytes] = {}
        for row in range(self.table.rowCount()):
            items = [self.table.item(row, column) for column in (0, 1)]
            name, value = (item.text() if item is not None else "" for item in items)
            if items[0] is not None:
                name = names.typed(name, bytes(items[0].data(_RAW)).decode("utf-8", "surrogateescape"))
            if name in self._before and value == text_of_bytes(self._before[name]):
                found[name] = self._before[name]
            elif name.strip() not in {"", "user."}:
                found[name.strip()] = bytes_of_text(value)
        new = [Xattr(name, value) for name, value in found.items() if self._before.get(name) != value]
        return new, [name for name in self._before if name not in found]


def text_of_bytes(value: bytes) -> str:
    """Text where it is printable, else ``0x`` and bytes; a NUL at the end, as SELinux has it, is not shown."""
    try:
        text = value.removesuffix(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return f"{_HEX} {hex_of(value)}"
    is_plain = (text.isprintable() or not text) and not text.startswith(_HEX) and value.count(b"\0") <= 1
    return text if is_plain else f"{_HEX} {hex_of(value)}"


def bytes_of_text(text: str) -> bytes:
    """The other way. Raises BadValue."""
    if text.startswith(_HEX):
        return bytes_of(text.removeprefix(_HEX))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadValue("This text cannot be written as UTF-8.") from error
