# SPDX-License-Identifier: GPL-3.0-or-later
"""«Add Connection»: one field, a host as one gives it to ssh or any libvirt URI. GUI thread.

The address is checked for sense at once, before anything is started; whether the host answers shows in the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from vmconsole.inventory.errors import BadAddress, Explanation
from vmconsole.links.uri import parse_uri
from vmconsole.ui.error_view import ErrorView
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from vmconsole.ui.context import Context
    from vmconsole.ui.theme import Theme

WIDTH = 520
CONNECTIONS = "connections"
"""Setting: the URIs of the user's hosts."""


def full_address(text: str) -> str:
    """``root@kvm1`` or ``kvm1:2222`` as the libvirt URI that is meant; anything with a scheme as it is."""
    text = text.strip()
    if not text or "://" in text:
        return text
    return f"qemu+ssh://{text.rstrip('/')}" + ("" if "/" in text.rstrip("/") else "/system")


class ConnectDialog(QDialog):
    """``added`` carries the HostId of the new (or already known) connection."""

    added = Signal(object)

    def __init__(self, context: Context, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.setWindowTitle(self.tr("Add Connection"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(WIDTH)
        self._field = QLineEdit(self)
        self._field.setAccessibleName(self.tr("Host"))
        self._field.setPlaceholderText("root@kvm1")
        self._field.textChanged.connect(self._on_text)
        self._meaning = QLabel(self)
        self._meaning.setTextFormat(Qt.TextFormat.PlainText)
        self._meaning.setAccessibleDescription(self.tr("Address that will be used"))
        fade(self._meaning, theme)
        self._error = ErrorView(theme, self)
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self
        )
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setText(self.tr("Connect"))
        for button in self._buttons.buttons():
            button.setIcon(QIcon())
        self._buttons.accepted.connect(self._on_accepted)
        self._buttons.rejected.connect(self.reject)
        self._lay_out(theme)
        self._on_text("")

    def _lay_out(self, theme: Theme) -> None:
        title = QLabel(self.tr("&Host, or libvirt URI"), self)
        title.setBuddy(self._field)
        help_text = QLabel(
            self.tr(
                "A host as you give it to ssh: your ssh config, keys, agent and jump hosts are used. "
                "Or any libvirt URI, such as qemu:///system for this computer."
            ),
            self,
        )
        help_text.setWordWrap(True)
        fade(help_text, theme)
        column = QVBoxLayout(self)
        column.setSpacing(8)
        for widget in (title, self._field, self._meaning, help_text, self._error):
            column.addWidget(widget)
        column.addStretch(1)
        column.addWidget(self._buttons)

    @Slot(str)
    def _on_text(self, text: str) -> None:
        address = full_address(text)
        if self._error.explanation is not None:
            self._error.show_explanation(None)
            self._fit()
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(bool(address))
        self._meaning.setText(f"→ {address}" if address and address != text.strip() else " ")

    @Slot()
    def _on_accepted(self) -> None:
        address = full_address(self._field.text())
        try:
            parse_uri(address)
            host = self._context.fleet.add(address)
        except BadAddress as error:
            self._show_error(error.explanation)
            return
        known = self._context.profile.texts(CONNECTIONS)
        if address not in known:
            self._context.profile.put(CONNECTIONS, [*known, address])
        self.added.emit(host)
        self.accept()

    def _show_error(self, explanation: Explanation) -> None:
        self._error.show_explanation(explanation)
        self._field.selectAll()
        self._field.setFocus()
        self._fit()

    def _fit(self) -> None:
        """As high as the wrapped texts need at this width."""
        layout = self.layout()
        if layout is not None:
            self.resize(self.width(), layout.totalHeightForWidth(self.width()))
