# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of a file of any size: offset, hexadecimal, characters. Only what is in sight is fetched. GUI thread.

The view asks for pages with ``page_wanted`` and is given them with ``put_page``; it keeps the last few. It knows
nothing of images.
"""

from __future__ import annotations

from collections import OrderedDict

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import (
    QFontDatabase,
    QFontMetricsF,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QWidget

PAGE_BYTES = 64 * 1024
_PAGES_KEPT = 64
_WIDE, _NARROW = 16, 8
"""Bytes in a row: as many as fit without scrolling sideways."""
_MARGIN = 6


class HexView(QAbstractScrollArea):
    """The cursor is one byte, or a range after a find. ``cursor_moved`` carries its offset."""

    page_wanted = Signal(int)
    """Number of a page of ``PAGE_BYTES`` that is in sight and not there."""
    cursor_moved = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self._size = 0
        self._pages: OrderedDict[int, bytes] = OrderedDict()
        self._asked: set[int] = set()
        self._cursor = 0
        self._selected = 1
        self._row = _WIDE

    # -- what is shown -----------------------------------------------------------------------------------------

    def show_file(self, size_bytes: int) -> None:
        """Another file of this size; pages come with ``put_page``."""
        self._size = size_bytes
        self._pages.clear()
        self._asked.clear()
        self._cursor, self._selected = 0, 1
        self.verticalScrollBar().setValue(0)
        self._fit()
        self.viewport().update()

    def put_page(self, number: int, data: bytes) -> None:
        self._asked.discard(number)
        self._pages[number] = data
        while len(self._pages) > _PAGES_KEPT:
            self._pages.popitem(last=False)
        self.viewport().update()
        self._describe()

    def page_failed(self, number: int) -> None:
        """It is not asked for again until the view moves."""
        self._asked.add(number)

    @property
    def cursor_offset(self) -> int:
        return self._cursor

    @property
    def size_bytes(self) -> int:
        return self._size

    def go_to(self, offset: int, length: int = 1) -> None:
        """Move the cursor, and show it in the middle if it is out of sight."""
        if not self._size:
            return
        self._cursor = max(0, min(offset, self._size - 1))
        self._selected = max(1, length)
        row, bar = self._cursor // self._row, self.verticalScrollBar()
        if not bar.value() <= row < bar.value() + self._rows_in_sight():
            bar.setValue(max(0, row - self._rows_in_sight() // 2))
        self.viewport().update()
        self._describe()
        self.cursor_moved.emit(self._cursor)

    def row_text(self, row: int) -> str:
        """A row as it is seen; ``··`` for bytes that are not there yet."""
        data = [self._byte(row * self._row + i) for i in range(min(self._row, max(0, self._size - row * self._row)))]
        pairs = ["··" if b is None else f"{b:02x}" for b in data]
        left, right = " ".join(pairs[:_NARROW]), " ".join(pairs[_NARROW:])
        plain = "".join(" " if b is None else chr(b) if 0x20 <= b < 0x7F else "." for b in data)
        offset = f"{row * self._row:0{self._digits()}x}"
        return "  ".join([offset, f"{left:<23}", *([f"{right:<23}"] if self._row > _NARROW else []), plain])

    def _byte(self, offset: int) -> int | None:
        page = self._pages.get(offset // PAGE_BYTES)
        inner = offset % PAGE_BYTES
        return page[inner] if page is not None and inner < len(page) else None

    def _digits(self) -> int:
        return max(8, len(f"{self._size:x}"))

    def _describe(self) -> None:
        """What a screen reader says: the row of the cursor."""
        self.setAccessibleDescription(self.row_text(self._cursor // self._row))

    # -- geometry ----------------------------------------------------------------------------------------------

    def _rows_in_sight(self) -> int:
        return max(1, self.viewport().height() // self.fontMetrics().height())

    @property
    def bytes_in_row(self) -> int:
        return self._row

    def _fit(self) -> None:
        first = self.verticalScrollBar().value() * self._row
        self._row = _WIDE
        if self._width() > self.viewport().width():
            self._row = _NARROW
        rows = -(-self._size // self._row)
        bar = self.verticalScrollBar()
        bar.setPageStep(self._rows_in_sight())
        bar.setRange(0, max(0, min(rows - self._rows_in_sight(), 0x7FFFFFFF)))
        bar.setValue(first // self._row)
        across = self.horizontalScrollBar()
        across.setRange(0, max(0, self._width() - self.viewport().width()))
        across.setPageStep(self.viewport().width())

    def _width(self) -> int:
        return int(self._advance() * (self._plain_column(0) + self._row)) + 2 * _MARGIN

    def _advance(self) -> float:
        """Width of a character; not always a whole number of pixels."""
        return QFontMetricsF(self.font()).horizontalAdvance("0")

    def _column(self, index: int) -> int:
        """Where the pair of a byte begins, in characters."""
        return self._digits() + 2 + index * 3 + (1 if index >= _NARROW else 0)

    def _plain_column(self, index: int) -> int:
        return self._digits() + 2 + (23 + 2) * (self._row // _NARROW) + index

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.setFont(self.font())
        first, height = self.verticalScrollBar().value(), self.fontMetrics().height()
        left = _MARGIN - self.horizontalScrollBar().value()
        last = min(first + self._rows_in_sight() + 1, -(-self._size // self._row))
        self._ask_for(first, last)
        for line, row in enumerate(range(first, last)):
            top = line * height
            self._paint_selection(painter, row, left, top)
            painter.setPen(self.palette().color(QPalette.ColorRole.Text))
            painter.drawText(left, top + self.fontMetrics().ascent(), self.row_text(row))

    def _ask_for(self, first: int, last: int) -> None:
        for number in range(first * self._row // PAGE_BYTES, max(0, last * self._row - 1) // PAGE_BYTES + 1):
            if number not in self._pages and number not in self._asked and number * PAGE_BYTES < self._size:
                self._asked.add(number)
                self.page_wanted.emit(number)

    def _paint_selection(self, painter: QPainter, row: int, left: int, top: int) -> None:
        begin, end = self._cursor, min(self._cursor + self._selected, self._size)
        colour = self.palette().color(QPalette.ColorRole.Highlight)
        colour.setAlpha(110)
        advance, height = self._advance(), self.fontMetrics().height()
        for index in range(self._row):
            if begin <= row * self._row + index < end:
                painter.fillRect(QRectF(left + self._column(index) * advance, top, 2 * advance, height), colour)
                painter.fillRect(QRectF(left + self._plain_column(index) * advance, top, advance, height), colour)

    # -- keys and mouse ----------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self._copy()
            return
        page = self._rows_in_sight() * self._row
        is_far = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        begin = 0 if is_far else self._cursor // self._row * self._row
        end = self._size - 1 if is_far else begin + self._row - 1
        keys = Qt.Key
        moves = {
            keys.Key_Left: self._cursor - 1, keys.Key_Right: self._cursor + 1, keys.Key_Up: self._cursor - self._row,
            keys.Key_Down: self._cursor + self._row, keys.Key_PageUp: self._cursor - page,
            keys.Key_PageDown: self._cursor + page, keys.Key_Home: begin, keys.Key_End: end,
        }  # fmt: skip
        to = moves.get(Qt.Key(event.key()))
        if to is None:
            super().keyPressEvent(event)
        elif 0 <= to < self._size or abs(to - self._cursor) != self._row:
            self.go_to(to)

    def _copy(self) -> None:
        data = [self._byte(offset) for offset in range(self._cursor, min(self._cursor + self._selected, self._size))]
        if all(b is not None for b in data):
            QApplication.clipboard().setText(" ".join(f"{b:02x}" for b in data))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        point = event.position().toPoint()
        row = self.verticalScrollBar().value() + point.y() // self.fontMetrics().height()
        column = int((point.x() - _MARGIN + self.horizontalScrollBar().value()) / self._advance())
        plain = column - self._plain_column(0)
        index = (
            plain if plain >= 0 else next((i for i in range(self._row) if column < self._column(i) + 3), self._row - 1)
        )
        self.go_to(row * self._row + max(0, min(index, self._row - 1)))
