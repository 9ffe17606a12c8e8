# SPDX-License-Identifier: GPL-3.0-or-later
"""The field for an address: what will be made of it, what its transport means, and at once what is wrong. GUI thread.

While one types, an address that cannot be right is told of after a pause, in one line; it is refused in full when it
is to be used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from vmconsole.inventory.errors import BadAddress
from vmconsole.links.address import full_address, try_parse
from vmconsole.links.uri import parse_uri
from vmconsole.ui.add_host.transport_words import NOTHING, words_for
from vmconsole.ui.error_view import ErrorView
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from vmconsole.inventory.errors import Explanation
    from vmconsole.links.uri import ConnectionUri
    from vmconsole.ui.error_help import ErrorHelp
    from vmconsole.ui.theme import Theme

PAUSE_MS = 600
ICON = 16


class AddressField(QWidget):
    """``typed``: a person has changed the text. ``fitted``: it needs another height."""

    typed = Signal(str)
    fitted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None, *, helped_by: ErrorHelp | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.line = QLineEdit(self)
        self.line.setAccessibleName(self.tr("Host"))
        self.line.setPlaceholderText("root@kvm1")
        self.line.textChanged.connect(self._on_text)
        self._meaning = QLabel(self)
        self._meaning.setTextFormat(Qt.TextFormat.PlainText)
        self._meaning.setAccessibleName(self.tr("Address that will be used"))
        fade(self._meaning, theme)
        self._icon, self.note = QLabel(self), QLabel(self)
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setWordWrap(True)
        self.note.setAccessibleDescription(self.tr("What this address means"))
        self.error = ErrorView(theme, self, helped_by=helped_by)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self._on_pause)
        self.line.editingFinished.connect(self._on_pause)
        self._lay_out()
        self._say("", "")

    def _lay_out(self) -> None:
        title = QLabel(self.tr("&Host, or libvirt URI"), self)
        title.setBuddy(self.line)
        said = QHBoxLayout()
        said.setSpacing(6)
        said.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        said.addWidget(self.note, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for widget in (title, self.line, self._meaning):
            column.addWidget(widget)
        column.addLayout(said)
        column.addWidget(self.error)

    @property
    def text(self) -> str:
        return self.line.text().strip()

    @property
    def address(self) -> str:
        """The URI that is meant; it may be wrong."""
        return full_address(self.text)

    def show_text(self, text: str) -> None:
        """Put an address there that no person has typed into this field; nothing is told back."""
        with QSignalBlocker(self.line):
            self.line.setText(text)
        self._judge()

    def uri(self) -> ConnectionUri | None:
        """The address, to be used; None when it cannot be right, which is then shown in full."""
        try:
            return parse_uri(self.address)
        except BadAddress as error:
            self.refuse(error.explanation)
            return None

    def refuse(self, explanation: Explanation) -> None:
        """Show why this address cannot be used."""
        self._say("", "")
        self.error.show_explanation(explanation)
        self.line.selectAll()
        self.line.setFocus()
        self.fitted.emit()

    # -- as one types --------------------------------------------------------------------------------------------------

    @Slot(str)
    def _on_text(self, _text: str) -> None:
        self._judge()
        self.typed.emit(self.text)

    def _judge(self) -> None:
        """What is right is said now; what is wrong may only not be finished."""
        self.error.show_explanation(None)
        address = self.address
        self._meaning.setText(f"→ {address}" if address and address != self.text else " ")
        uri = try_parse(address)
        words = NOTHING if uri is None else words_for(uri)
        self._say(words.text, "warning" if words.is_warning else "info")
        if self.text and uri is None:
            self._pause.start()
        else:
            self._pause.stop()
        self.fitted.emit()

    @Slot()
    def _on_pause(self) -> None:
        self._pause.stop()
        if not self.text or self.error.explanation is not None:
            return
        try:
            parse_uri(self.address)
        except BadAddress as error:
            self._say(error.explanation.summary(), "problem")
            self.fitted.emit()

    def _say(self, text: str, kind: str) -> None:
        self.note.setText(text)
        self.note.setVisible(bool(text))
        has_icon = bool(text) and kind in {"warning", "problem"}
        self._icon.setVisible(has_icon)
        if has_icon:
            self._icon.setPixmap(self._theme.icon(kind).pixmap(ICON, ICON))
        self.note.setPalette(QPalette())
        if kind == "info":
            fade(self.note, self._theme)
        elif kind == "problem":
            fade(self.note, self._theme, "problem")
