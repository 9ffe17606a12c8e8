# SPDX-License-Identifier: GPL-3.0-or-later
"""The text editor with what belongs to it: colours, find and replace, and a line on encoding and place. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from vmconsole.ui.image_editor.code_view import CodeView
from vmconsole.ui.image_editor.colouring import Colouring
from vmconsole.ui.image_editor.colours import language_of
from vmconsole.ui.image_editor.find_bar import FindBar
from vmconsole.ui.image_editor.look import plain_label

if TYPE_CHECKING:
    from vmconsole.ui.image_editor.desk import ImageDesk
    from vmconsole.ui.image_editor.text_file import TextFile

_LINE_ENDS = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}
_ENCODINGS = {"latin-1": "ISO 8859-1", "cp1252": "Windows-1252"}


class TextPane(QWidget):
    """``view`` is the editor itself."""

    def __init__(self, desk: ImageDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = CodeView(self)
        self.view.setAccessibleName(self.tr("Content of the file"))
        self.colouring = Colouring(self.view, desk)
        self.find_bar = FindBar(self.view, self)
        self.status = plain_label("", self, name=self.tr("Encoding, line ends and place"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.view, 1)
        column.addWidget(self.find_bar)
        column.addWidget(self.status)
        self._form = ""
        self.view.cursorPositionChanged.connect(self._say_place)
        self.setFocusProxy(self.view)

    def show_text(self, file: TextFile | None, text: str, file_name: str) -> None:
        """Another text; ``file`` says its form."""
        self.colouring.set_name(file_name)
        self.view.setPlainText(text)
        self.view.document().setModified(False)
        self._form = self._form_words(file, language_of(file_name, text[:200]) if text else "")
        self._say_place()

    def _form_words(self, file: TextFile | None, language: str) -> str:
        if file is None:
            return ""
        ends = " + ".join(sorted({_LINE_ENDS[end] for end in file.line_ends})) or "LF"
        encoding = _ENCODINGS.get(file.encoding, file.encoding.upper()) + (" + BOM" if file.bom else "")
        return " · ".join(part for part in (encoding, ends, language) if part)

    @Slot()
    def _say_place(self) -> None:
        cursor = self.view.textCursor()
        place = self.tr("line {line}, column {column}").format(
            line=cursor.blockNumber() + 1, column=cursor.positionInBlock() + 1
        )
        self.status.setText(" · ".join(part for part in (self._form, place) if part))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "colouring"):
            self.colouring.refresh_palette()
