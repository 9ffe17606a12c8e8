# SPDX-License-Identifier: GPL-3.0-or-later
"""Syntax colours on a text document. GUI thread; what is coloured is found out beside it (``colours``).

While somebody types, lines keep their colours; a moment after the last key the text is looked through again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Slot
from PySide6.QtGui import QColor, QFont, QPalette, QSyntaxHighlighter, QTextCharFormat
from PySide6.QtWidgets import QWidget

from vmconsole.ui.image_editor.colours import COLOURED_CHARACTERS_MAX, Kind, Span, spans_of

if TYPE_CHECKING:
    from vmconsole.ui.image_editor.code_view import CodeView
    from vmconsole.ui.image_editor.desk import ImageDesk

_SETTLE_MS = 200
_SLICE = 400
"""Lines that get their colours before the window has its turn again."""
_LIGHT = {
    Kind.COMMENT: "#5b6067", Kind.STRING: "#17752f", Kind.NUMBER: "#955600", Kind.KEYWORD: "#7b3fb3",
    Kind.NAME: "#1f62c6", Kind.HEADING: "#0b7268",
}  # fmt: skip
_DARK = {
    Kind.COMMENT: "#a9afb6", Kind.STRING: "#6bd08a", Kind.NUMBER: "#f0b35a", Kind.KEYWORD: "#d0a8f7",
    Kind.NAME: "#80b4ff", Kind.HEADING: "#52d1c3",
}  # fmt: skip
"""As in ``theme``: at least 4.5 to 1 against the background of their theme."""


class Colouring(QSyntaxHighlighter):
    """Colours of one view's document; ``set_name`` says what kind of file it is."""

    def __init__(self, view: CodeView, desk: ImageDesk) -> None:
        super().__init__(view.document())
        self._view: QWidget = view
        self._desk = desk
        self._name = ""
        self._asked = 0
        self._lines: list[str] = []
        self._spans: list[list[Span]] = []
        self._next = 0
        self._formats: dict[Kind, QTextCharFormat] = {}
        self.refresh_palette()
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._look_through)
        self._slice = QTimer(self)
        self._slice.timeout.connect(self._colour_some)
        view.document().contentsChange.connect(self._on_change)

    @property
    def has_colours(self) -> bool:
        return any(self._spans)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is looked through or coloured any more."""
        return not self._settle.isActive() and not self._slice.isActive()

    def set_name(self, file_name: str) -> None:
        """Another file is shown; empty for what has no colours. Call it before the text is put in."""
        self._name = file_name
        self._asked += 1
        self._settle.stop()
        self._slice.stop()
        self._lines, self._spans = [], []

    def refresh_palette(self) -> None:
        """The desktop changed between light and dark."""
        dark = self._view.palette().color(QPalette.ColorRole.Base).lightness() < 128
        for kind, colour in (_DARK if dark else _LIGHT).items():
            form = QTextCharFormat()
            form.setForeground(QColor(colour))
            form.setFontItalic(kind is Kind.COMMENT)
            if kind in {Kind.KEYWORD, Kind.HEADING}:
                form.setFontWeight(QFont.Weight.Bold)
            self._formats[kind] = form
        self._begin_slices()

    @Slot(int, int, int)
    def _on_change(self, _at: int, _removed: int, _added: int) -> None:
        if self._name:
            self._settle.start()

    @Slot()
    def _look_through(self) -> None:
        if not self._name or self.document().characterCount() > COLOURED_CHARACTERS_MAX:
            return
        text = self.document().toRawText().replace("\u2029", "\n")
        lines = text.split("\n")
        if lines == self._lines:
            return  # colours count as a change, too
        self._asked += 1
        number, name = self._asked, self._name

        def show(spans: list[list[Span]]) -> None:
            if number == self._asked:
                self._lines, self._spans = lines, spans
                self._begin_slices()

        self._desk.aside(lambda: spans_of(text, name), show)

    def _begin_slices(self) -> None:
        if self._spans:
            self._next = 0
            self._slice.start(0)

    @Slot()
    def _colour_some(self) -> None:
        block = self.document().findBlockByNumber(self._next)
        for _ in range(_SLICE):
            if not block.isValid():
                self._slice.stop()
                return
            self.rehighlightBlock(block)
            block = block.next()
        self._next += _SLICE

    def highlightBlock(self, text: str) -> None:
        number = self.currentBlock().blockNumber()
        if number >= len(self._spans) or self._lines[number] != text:
            return  # it was edited since; its turn comes
        for start, length, kind in self._spans[number]:
            self.setFormat(start, length, self._formats[kind])
