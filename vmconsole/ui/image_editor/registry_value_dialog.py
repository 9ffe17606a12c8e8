# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit one value of the registry, in the form of its type. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.registry_values import (
    EDITABLE_TYPES,
    REG_BINARY,
    REG_DWORD,
    REG_MULTI_SZ,
    REG_QWORD,
    BadValue,
    bytes_of,
    data_of,
    is_plain,
    lines_of_hex,
    text_of,
    type_name,
)
from vmconsole.images.tool_values import RegistryValue
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import plain_label
from vmconsole.ui.image_editor.text_file import LINE_MAX, longest_line


class RegistryValueDialog(QDialog):
    """``accepted`` when ``value`` is one. Data that has not the form of its type is edited as bytes."""

    def __init__(self, value: RegistryValue, parent: QWidget, *, is_new: bool) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setWindowTitle(self.tr("New value") if is_new else self.tr("Edit value"))
        self._shown_text = text_of(value) if is_plain(value) else ""
        self._as_bytes = not is_plain(value) or longest_line(self._shown_text) > LINE_MAX
        self.name = QLineEdit(value.name if is_new else names.shown(value.name), self)
        self.name.setAccessibleName(self.tr("Name"))
        self.name.setReadOnly(not is_new)
        self.name.setPlaceholderText(self.tr("(default)"))
        self._name = None if is_new else value.name
        self.kind = QComboBox(self)
        self.kind.setAccessibleName(self.tr("Type"))
        kinds = EDITABLE_TYPES if value.type in EDITABLE_TYPES else (*EDITABLE_TYPES, value.type)
        for kind in kinds:
            self.kind.addItem(type_name(kind), kind)
        self.kind.setCurrentIndex(kinds.index(value.type))
        self.text = QPlainTextEdit(
            lines_of_hex(value.data) if self._as_bytes else names.shown_words(self._shown_text), self
        )
        self.text.setAccessibleName(self.tr("Data"))
        self.text.setTabChangesFocus(True)
        self.hint = plain_label("", self, name=self.tr("How it is written"))
        self.hint.setWordWrap(True)
        self.buttons = QDialogButtonBox(self)
        self.buttons.setStandardButtons(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.addRow(self.tr("&Name:"), self.name)
        form.addRow(self.tr("&Type:"), self.kind)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.text, 1)
        column.addWidget(self.hint)
        column.addWidget(self.buttons)
        self.resize(460, 300)
        self.text.textChanged.connect(self._check)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self._check()
        (self.name if is_new else self.text).setFocus()

    @property
    def value(self) -> RegistryValue:
        kind = int(self.kind.currentData())
        name = self.name.text() if self._name is None else self._name
        text = self.text.toPlainText()
        if self._as_bytes:
            return RegistryValue(name, kind, bytes_of(text))
        return RegistryValue(name, kind, data_of(kind, names.typed(text, self._shown_text, escape=names.shown_words)))

    @Slot()
    def _on_kind(self) -> None:
        self._as_bytes = False
        self._check()

    @Slot()
    def _check(self) -> None:
        try:
            data = self.value.data
        except BadValue as error:
            self.hint.setText(str(error))
            self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(False)
            return
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(True)
        self.hint.setText(self._words(len(data)))

    def _words(self, size: int) -> str:
        kind = int(self.kind.currentData())
        if self._as_bytes or kind == REG_BINARY:
            return self.tr("Bytes in hexadecimal; {n} of them.").format(n=size)
        if kind in {REG_DWORD, REG_QWORD}:
            return self.tr("A number: 42, or 0x2a.")
        words = self.tr("One text a line.") if kind == REG_MULTI_SZ else self.tr("Text.")
        if names.shown_words(self._shown_text) == self._shown_text:
            return words
        return self.tr(
            "{words} Escapes such as \\x0d stand for characters that cannot be seen; they stay as they are."
        ).format(words=words)
