# SPDX-License-Identifier: GPL-3.0-or-later
"""A file as bytes, with «go to» and find. Fetches the pages that its view wants. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from vmconsole.images.registry_values import BadValue, bytes_of
from vmconsole.images.tool_requests import FindBytes
from vmconsole.images.tool_values import FoundAt, Window
from vmconsole.ui.image_editor.escape_line import EscapeLine
from vmconsole.ui.image_editor.hex_view import PAGE_BYTES, HexView
from vmconsole.ui.image_editor.look import plain_label
from vmconsole.ui.image_editor.task_run import TaskRun

if TYPE_CHECKING:
    from vmconsole.images.tool_values import Page
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.image_editor.desk import ImageDesk


class HexPane(QWidget):
    """Looks only: to change bytes in place is not offered."""

    def __init__(self, desk: ImageDesk, formats: Formats, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._formats = formats
        self._path = ""
        self._run: TaskRun | None = None
        self.view = HexView(self)
        self.view.setAccessibleName(self.tr("Bytes of the file"))
        self.offset = self._line(self.tr("Go to offset"), self.tr("Offset, e.g. 0x200"))
        self.offset.setMaximumWidth(self.fontMetrics().averageCharWidth() * 20)
        self.wanted = self._line(self.tr("Find text or bytes"), self.tr("Find text, or bytes as 0x de ad"))
        self.next = QPushButton(self.tr("Find &Next"), self)
        self.next.setAccessibleName(self.tr("Find next"))
        self.next.setToolTip(self.tr("Find from the cursor on (F3)"))
        self.stop = QPushButton(self.tr("Stop"), self)
        self.stop.setAccessibleName(self.tr("Stop looking"))
        self.status = plain_label("", self, name=self.tr("Place in the file"))
        self._lay_out()
        self.view.page_wanted.connect(self._on_page_wanted)
        self.view.cursor_moved.connect(self._say_place)
        self.offset.returnPressed.connect(self._on_go)
        self.wanted.returnPressed.connect(self.find_next)
        self.next.clicked.connect(self.find_next)
        self.stop.clicked.connect(self.stop_looking)
        self.stop.hide()
        for key, run in (("Ctrl+F", self.wanted.setFocus), ("Ctrl+G", self.offset.setFocus), ("F3", self.find_next)):
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(run)

    def _line(self, name: str, hint: str) -> EscapeLine:
        line = EscapeLine(self)
        line.setAccessibleName(name)
        line.setPlaceholderText(hint)
        line.given_up.connect(self.view.setFocus)
        return line

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        for part in (self.offset, self.wanted, self.next, self.stop):
            row.addWidget(part, 1 if part is self.wanted else 0)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.view, 1)
        column.addLayout(row)
        column.addWidget(self.status)
        self.setFocusProxy(self.view)

    def show_file(self, path: str, size_bytes: int) -> None:
        self.stop_looking()
        self._path = path
        self.view.show_file(size_bytes)
        self._say_place()

    # -- pages -------------------------------------------------------------------------------------------------

    @Slot(int)
    def _on_page_wanted(self, number: int) -> None:
        path = self._path

        def put(window: Window) -> None:
            if path == self._path:
                self.view.put_page(number, window.data)

        def fail(problem: Explanation) -> None:
            if path == self._path:
                self.view.page_failed(number)
                self.status.setText(problem.what)

        reading = self._desk.session.tools.read_window(path, number * PAGE_BYTES, PAGE_BYTES)
        self._desk.ask(reading, put, failed=fail)

    @Slot()
    def _say_place(self) -> None:
        offset, size = self.view.cursor_offset, self.view.size_bytes
        self.status.setText(
            self.tr("byte {offset} (0x{hex}) of {size}").format(
                offset=offset, hex=f"{offset:x}", size=self._formats.size(size)
            )
        )

    @Slot()
    def _on_go(self) -> None:
        try:
            offset = int(self.offset.text().strip() or "0", 0)
        except ValueError:
            self.status.setText(self.tr("Type a number: 512, or 0x200."))
            return
        self.view.go_to(offset)
        self.view.setFocus()

    # -- finding -----------------------------------------------------------------------------------------------

    @Slot()
    def find_next(self) -> None:
        """Look for the next place from behind the cursor."""
        wanted = self._wanted_bytes()
        if not wanted or not self._path:
            self.wanted.setFocus()
            return
        self.stop_looking()
        start = self.view.cursor_offset + (1 if self.view.cursor_offset else 0)
        self._run = TaskRun(self._desk, FindBytes(self._path, wanted, start), self)
        self._run.page.connect(self._on_page)
        self._run.ended.connect(lambda page: self._on_end(page, len(wanted)))
        self._run.failed.connect(self._on_failed)
        self.stop.show()
        self.status.setText(self.tr("Looking…"))
        self._found: int | None = None
        self._run.start()

    def _wanted_bytes(self) -> bytes:
        text = self.wanted.text()
        if text.lower().startswith("0x"):
            try:
                return bytes_of(text[2:])
            except BadValue as error:
                self.status.setText(str(error))
                return b""
        return text.encode("utf-8", "surrogateescape")

    def _on_page(self, page: Page) -> None:
        found = next((item for item in page.items if isinstance(item, FoundAt)), None)
        if found is not None:
            self._found = found.offset
        else:
            self.status.setText(self.tr("Looking: {size} so far").format(size=self._formats.size(page.looked_at)))

    def _on_end(self, page: Page | None, length: int) -> None:
        self.stop.hide()
        if self._found is not None:
            self.view.go_to(self._found, length)
        elif page is None:
            self.status.setText(self.tr("Stopped."))
        else:
            self.status.setText(self.tr("Not found from here to the end."))

    def _on_failed(self, problem: Explanation) -> None:
        self.stop.hide()
        self.status.setText(problem.what)

    @Slot()
    def stop_looking(self) -> None:
        if self._run is not None:
            self._run.stop()
            self._run.deleteLater()
            self._run = None
