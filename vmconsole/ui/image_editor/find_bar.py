# SPDX-License-Identifier: GPL-3.0-or-later
"""Find, replace and «go to line» below a text. GUI thread."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QColor, QIntValidator, QKeySequence, QPalette, QShortcut, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QCheckBox, QFrame, QGridLayout, QHBoxLayout, QPushButton, QTextEdit, QWidget

from vmconsole.ui.image_editor.escape_line import EscapeLine
from vmconsole.ui.image_editor.look import plain_label, plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.ui.image_editor.code_view import CodeView

MARKED_MAX = 1000
"""So many finds are marked in the text; all are counted."""


class FindBar(QFrame):
    """Hidden until Ctrl+F, Ctrl+H or Ctrl+G in the text; Escape puts it away. ``closed`` then."""

    closed = Signal()

    def __init__(self, view: CodeView, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Find and replace"))
        self._view = view
        self._finds: list[tuple[int, int]] = []
        self.wanted = self._line(self.tr("Find in the text"), self.tr("Find"))
        self.replace = self._line(self.tr("Replace with"), self.tr("Replace with"))
        self.go_to = self._line(self.tr("Go to line"), self.tr("Line"))
        self.go_to.setValidator(QIntValidator(1, 1 << 30, self))
        self.count = plain_label("", self, name=self.tr("How many finds"))
        self.case = QCheckBox(self.tr("&Case"), self)
        self.case.setAccessibleName(self.tr("Match upper and lower case"))
        self.case.setToolTip(self.tr("Match upper and lower case"))
        self.next = self._button(self.tr("&Next"), self.find_next, self.tr("Next find (F3)"))
        self.previous = self._button(self.tr("&Previous"), self.find_previous, self.tr("Previous find (Shift+F3)"))
        self.replace_one = self._button(self.tr("&Replace"), self._on_replace, self.tr("Replace this find"))
        self.replace_all = self._button(self.tr("Replace &All"), self._on_replace_all, self.tr("Replace every find"))
        self._lay_out()
        self._wire(parent)
        self.hide()

    def _line(self, name: str, hint: str) -> EscapeLine:
        line = EscapeLine(self)
        line.setAccessibleName(name)
        line.setPlaceholderText(hint)
        line.given_up.connect(self.put_away)
        return line

    def _button(self, text: str, pressed: Callable[[], object], tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setAccessibleName(text.replace("&", ""))
        button.setToolTip(plain_tip(tip))
        button.clicked.connect(lambda _checked=False: pressed())
        return button

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 2, 0, 2)
        grid.addWidget(self.wanted, 0, 0)
        finds = QHBoxLayout()
        for part in (self.previous, self.next, self.case, self.count):
            finds.addWidget(part)
        finds.addStretch(1)
        grid.addLayout(finds, 0, 1)
        grid.addWidget(self.replace, 1, 0)
        replaces = QHBoxLayout()
        for button in (self.replace_one, self.replace_all):
            replaces.addWidget(button)
        replaces.addStretch(1)
        grid.addLayout(replaces, 1, 1)
        grid.addWidget(self.go_to, 2, 0)
        grid.setColumnStretch(0, 1)

    def _wire(self, parent: QWidget) -> None:
        self.wanted.textChanged.connect(self._on_wanted)
        self.wanted.returnPressed.connect(self.find_next)
        self.replace.returnPressed.connect(self._on_replace)
        self.go_to.returnPressed.connect(self._on_go)
        self.case.toggled.connect(self._on_wanted)
        self._view.textChanged.connect(self._on_text)
        keys = QKeySequence.StandardKey
        for key, run in (
            (QKeySequence(keys.Find), self.show_find),
            (QKeySequence("Ctrl+H"), self.show_replace),
            (QKeySequence("Ctrl+G"), self.show_go_to),
            (QKeySequence("F3"), self.find_next),
            (QKeySequence("Shift+F3"), self.find_previous),
        ):
            shortcut = QShortcut(key, parent)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(run)

    # -- which part is shown -----------------------------------------------------------------------------------

    @Slot()
    def show_find(self) -> None:
        self._show(self.wanted)

    @Slot()
    def show_replace(self) -> None:
        self._show(self.wanted if self._view.isReadOnly() else self.replace)
        self.wanted.setFocus()

    @Slot()
    def show_go_to(self) -> None:
        self._show(self.go_to)
        self.go_to.setText(str(self._view.textCursor().blockNumber() + 1))
        self.go_to.selectAll()

    def _show(self, what: EscapeLine) -> None:
        is_going = what is self.go_to
        finds: tuple[QWidget, ...] = (self.wanted, self.previous, self.next, self.case, self.count)
        for part in finds:
            part.setVisible(not is_going)
        replaces: tuple[QWidget, ...] = (self.replace, self.replace_one, self.replace_all)
        for part in replaces:
            part.setVisible(what is self.replace)
        self.go_to.setVisible(is_going)
        selected = self._view.textCursor().selectedText()
        if not is_going and selected and "\u2029" not in selected:
            self.wanted.setText(selected)
        self.show()
        what.setFocus()
        what.selectAll()
        self._on_text()

    @Slot()
    def put_away(self) -> None:
        self.hide()
        self._view.setExtraSelections([])
        self._view.setFocus()
        self.closed.emit()

    # -- finding -----------------------------------------------------------------------------------------------

    def _pattern(self) -> re.Pattern[str]:
        return re.compile(re.escape(self.wanted.text()), 0 if self.case.isChecked() else re.IGNORECASE)

    @Slot()
    def _on_wanted(self) -> None:
        self._on_text()
        if self._finds:
            self._select(self._first_at(self._view.textCursor().selectionStart()))

    @Slot()
    def _on_text(self) -> None:
        """The text or what is looked for changed: find all, count them, mark the first thousand."""
        if self.isHidden() or not self.wanted.text():
            self._finds = []
        else:
            text = self._view.exact_text()
            self._finds = [found.span() for found in self._pattern().finditer(text)]
            if not text.isascii():
                self._finds = _in_units(text, self._finds)
        self._mark()

    def _mark(self) -> None:
        form = QTextCharFormat()
        dark = self._view.palette().color(QPalette.ColorRole.Base).lightness() < 128
        form.setBackground(QColor("#6b5200" if dark else "#ffe08a"))
        marks = []
        for start, end in self._finds[:MARKED_MAX]:
            mark = QTextEdit.ExtraSelection()
            mark.cursor = self._cursor(start, end)
            mark.format = form
            marks.append(mark)
        self._view.setExtraSelections(marks)
        self._say_count()

    def _say_count(self) -> None:
        at = self._index()
        if not self.wanted.text():
            self.count.clear()
        elif not self._finds:
            self.count.setText(self.tr("not found"))
        elif at is None:
            self.count.setText(self.tr("{n} found").format(n=len(self._finds)))
        else:
            self.count.setText(self.tr("{n} of {all}").format(n=at + 1, all=len(self._finds)))
        for button in (self.next, self.previous, self.replace_one, self.replace_all):
            button.setEnabled(bool(self._finds))

    def _index(self) -> int | None:
        cursor = self._view.textCursor()
        here = (cursor.selectionStart(), cursor.selectionEnd())
        return self._finds.index(here) if here in self._finds else None

    def _first_at(self, position: int) -> int:
        return next((i for i, (start, _) in enumerate(self._finds) if start >= position), 0)

    @Slot()
    def find_next(self) -> None:
        if self.isHidden():
            self.show_find()
        if self._finds:
            self._select(self._first_at(self._view.textCursor().selectionEnd()))

    @Slot()
    def find_previous(self) -> None:
        if self._finds:
            start = self._view.textCursor().selectionStart()
            before = [i for i, (_, end) in enumerate(self._finds) if end <= start]
            self._select(before[-1] if before else len(self._finds) - 1)

    def _select(self, number: int) -> None:
        self._view.setTextCursor(self._cursor(*self._finds[number]))
        self._view.centerCursor()
        self._say_count()

    def _cursor(self, start: int, end: int) -> QTextCursor:
        cursor = QTextCursor(self._view.document())
        cursor.setPosition(start)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        return cursor

    # -- replacing ---------------------------------------------------------------------------------------------

    def _on_replace(self) -> None:
        if self._view.isReadOnly() or not self._finds:
            return
        if self._index() is None:
            self.find_next()
            return
        self._view.textCursor().insertText(self.replace.text())
        self.find_next()

    def _on_replace_all(self) -> None:
        """All of them in one step of undo."""
        if self._view.isReadOnly() or not self._finds:
            return
        count, by = len(self._finds), self.replace.text()
        text = self._pattern().sub(lambda _found: by, self._view.exact_text())
        cursor = QTextCursor(self._view.document())
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        self.count.setText(self.tr("{n} replaced").format(n=count))

    @Slot()
    def _on_go(self) -> None:
        number = int(self.go_to.text() or 1)
        block = self._view.document().findBlockByNumber(min(number, self._view.blockCount()) - 1)
        self._view.setTextCursor(QTextCursor(block))
        self._view.centerCursor()
        self.put_away()


def _in_units(text: str, finds: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Positions in characters as positions in UTF-16 units, which is how Qt counts."""
    wide = [i for i, c in enumerate(text) if ord(c) > 0xFFFF]
    if not wide:
        return finds
    moved, passed = [], 0
    for start, end in finds:
        while passed < len(wide) and wide[passed] < start:
            passed += 1
        inside = sum(1 for i in wide[passed : passed + end - start] if i < end)
        moved.append((start + passed, end + passed + inside))
    return moved
