# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain text editor with line numbers: monospace, no wrapping, undo. Knows nothing of images. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt, Slot
from PySide6.QtGui import QFontDatabase, QPainter, QPaintEvent, QPalette, QResizeEvent, QTextOption
from PySide6.QtWidgets import QPlainTextEdit, QWidget

_PARAGRAPH = "\u2029"


class CodeView(QPlainTextEdit):
    """``line_numbers`` can be turned off for text whose lines have no numbers (a hex dump)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setWordWrapMode(QTextOption.WrapMode.NoWrap)
        self.setTabStopDistance(8 * self.fontMetrics().horizontalAdvance(" "))
        self.setTabChangesFocus(False)
        self._numbers = _LineNumbers(self)
        self.blockCountChanged.connect(self._on_block_count)
        self.updateRequest.connect(self._on_update_request)
        self._on_block_count()

    def exact_text(self) -> str:
        """The text as it was put in: ``toPlainText`` would turn no-break spaces into plain ones."""
        return self.document().toRawText().replace(_PARAGRAPH, "\n")

    def numbers_width(self) -> int:
        digits = max(3, len(str(self.blockCount())))
        return self.fontMetrics().horizontalAdvance("9") * digits + 12

    def paint_numbers(self, painter: QPainter, area: QRect) -> None:
        """Numbers of the lines in ``area`` of the strip on the left."""
        painter.fillRect(area, self.palette().color(QPalette.ColorRole.AlternateBase))
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        block = self.firstVisibleBlock()
        box = self.blockBoundingGeometry(block).translated(self.contentOffset())
        height = self.fontMetrics().height()
        while block.isValid() and box.top() <= area.bottom():
            line = QRect(0, int(box.top()), self._numbers.width() - 6, height)
            painter.drawText(line, Qt.AlignmentFlag.AlignRight, str(block.blockNumber() + 1))
            block = block.next()
            box = self.blockBoundingGeometry(block).translated(self.contentOffset())

    @Slot()
    def _on_block_count(self) -> None:
        self.setViewportMargins(self.numbers_width(), 0, 0, 0)
        self._place_numbers()

    @Slot(QRect, int)
    def _on_update_request(self, area: QRect, scrolled: int) -> None:
        if scrolled:
            self._numbers.scroll(0, scrolled)
        else:
            self._numbers.update(0, area.y(), self._numbers.width(), area.height())

    def _place_numbers(self) -> None:
        inner = self.contentsRect()
        self._numbers.setGeometry(inner.left(), inner.top(), self.numbers_width(), inner.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_numbers()


class _LineNumbers(QWidget):
    def __init__(self, view: CodeView) -> None:
        super().__init__(view)
        self._view = view
        self.setAccessibleName(self.tr("Line numbers"))

    def sizeHint(self) -> QSize:
        return QSize(self._view.numbers_width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(self._view.font())
        self._view.paint_numbers(painter, event.rect())
