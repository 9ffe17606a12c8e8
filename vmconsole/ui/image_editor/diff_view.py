# SPDX-License-Identifier: GPL-3.0-or-later
"""A text difference: lines with - and + before them, in colours that only repeat what the signs say. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QColor, QFontDatabase, QPalette, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.text_diff import DiffLine, LineKind

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIGHT = {LineKind.REMOVED: "#fde0dd", LineKind.ADDED: "#dcf3e0", LineKind.PLACE: "#e8f1fb", LineKind.NOTE: "#fdf3d8"}
_DARK = {LineKind.REMOVED: "#4d2222", LineKind.ADDED: "#1d3f29", LineKind.PLACE: "#1d2b3a", LineKind.NOTE: "#3a3013"}


class DiffView(QPlainTextEdit):
    """Read-only; text can be selected and copied."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setTabStopDistance(8 * self.fontMetrics().horizontalAdvance(" "))

    def show_lines(self, lines: Sequence[DiffLine]) -> None:
        dark = self.palette().color(QPalette.ColorRole.Base).lightness() < 128
        formats = {}
        for kind, colour in (_DARK if dark else _LIGHT).items():
            formats[kind] = QTextCharFormat()
            formats[kind].setBackground(QColor(colour))
        self.clear()
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        for number, line in enumerate(lines):
            if number:
                cursor.insertBlock()
            cursor.insertText(_shown(line), formats.get(line.kind, QTextCharFormat()))
        cursor.endEditBlock()
        self.moveCursor(QTextCursor.MoveOperation.Start)


_LINE_MAX = 4000
"""Qt lays out a line as a whole, which takes it seconds for one of a megabyte."""


def _shown(line: DiffLine) -> str:
    if line.kind in {LineKind.PLACE, LineKind.NOTE}:
        return f"{'@@ ' if line.kind is LineKind.PLACE else ''}{names.shown(line.text)}"
    numbers = f"{line.first or '':>5} {line.second or '':>5}"
    text = "\t".join(map(names.shown, line.text[:_LINE_MAX].split("\t")))
    if len(line.text) > _LINE_MAX:
        text += f" … ({len(line.text) - _LINE_MAX} more characters)"
    return f"{numbers} {line.kind.value} {text}"
