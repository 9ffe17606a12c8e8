# SPDX-License-Identifier: GPL-3.0-or-later
"""Search in the image, by name or by content: finds are listed while they come. GUI thread.

The window beside it stays usable: a find that is activated is shown there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.tool_requests import Search
from vmconsole.images.tool_values import Hit, Page, SearchIn
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import plain_label, time_text
from vmconsole.ui.image_editor.task_run import TaskRun

if TYPE_CHECKING:
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.image_editor.desk import ImageDesk

_PATH = Qt.ItemDataRole.UserRole


class SearchDialog(QDialog):
    """``path_wanted`` when a find is activated."""

    path_wanted = Signal(str)

    def __init__(self, desk: ImageDesk, formats: Formats, folder: str, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Search in the image"))
        self._desk, self._formats = desk, formats
        self._run: TaskRun | None = None
        self.words = self._line(self.tr("What to search for"), self.tr("name, *.conf, or text"))
        self.where = QComboBox(self)
        self.where.setAccessibleName(self.tr("Search in"))
        self.where.addItem(self.tr("Names"), SearchIn.NAMES)
        self.where.addItem(self.tr("Content"), SearchIn.CONTENT)
        self.folder = self._line(self.tr("Folder to search"), "/")
        self._folder = folder
        self.folder.setText(names.shown(folder))
        self.pattern = self._line(self.tr("Only in files named"), self.tr("all files, or *.conf"))
        self.case = QCheckBox(self.tr("Match &case"), self)
        self.go = QPushButton(self.tr("&Search"), self)
        self.go.setAccessibleName(self.tr("Search"))
        self.stop = QPushButton(self.tr("S&top"), self)
        self.stop.setAccessibleName(self.tr("Stop the search"))
        self.found = self._make_list()
        self.status = plain_label(self.tr("Results appear here while they are found."), self, name=self.tr("State"))
        self._lay_out()
        self.go.clicked.connect(self.start)
        self.go.setDefault(True)
        self.stop.clicked.connect(self.stop_search)
        self.stop.setEnabled(False)
        self.where.currentIndexChanged.connect(self._on_where)
        self.found.itemActivated.connect(self._on_activated)
        self._on_where()
        self.resize(760, 460)

    def _line(self, name: str, hint: str) -> QLineEdit:
        line = QLineEdit(self)
        line.setAccessibleName(name)
        line.setPlaceholderText(hint)
        return line

    def _make_list(self) -> QTreeWidget:
        tree = QTreeWidget(self)
        tree.setAccessibleName(self.tr("What was found"))
        tree.setRootIsDecorated(False)
        tree.setUniformRowHeights(True)
        tree.setAlternatingRowColors(True)
        tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        tree.setHeaderLabels([self.tr("Path"), self.tr("Line"), self.tr("Text"), self.tr("Size"), self.tr("Changed")])
        tree.header().setStretchLastSection(False)
        tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        return tree

    def _lay_out(self) -> None:
        first = QHBoxLayout()
        for part in (self.words, self.where, self.go, self.stop):
            first.addWidget(part, 1 if part is self.words else 0)
        second = QHBoxLayout()
        for label, part in ((self.tr("In"), self.folder), (self.tr("Files"), self.pattern)):
            second.addWidget(plain_label(label, self))
            second.addWidget(part, 1)
        second.addWidget(self.case)
        column = QVBoxLayout(self)
        column.addLayout(first)
        column.addLayout(second)
        column.addWidget(self.found, 1)
        column.addWidget(self.status)

    @Slot()
    def _on_where(self) -> None:
        is_content = self.where.currentData() is SearchIn.CONTENT
        self.pattern.setEnabled(is_content)
        for column, width in ((1, 50), (2, 260)):
            self.found.setColumnHidden(column, not is_content)
            self.found.setColumnWidth(column, width)

    # -- searching ---------------------------------------------------------------------------------------------

    @Slot()
    def _wanted_folder(self) -> str:
        text = names.typed(self.folder.text(), self._folder)
        return text if text == self._folder else text.strip() or "/"

    def start(self) -> None:
        """Begin anew."""
        self.stop_search()
        self.found.clear()
        words = self.words.text()
        if not words:
            self.status.setText(self.tr("Type a name, a pattern with * and ?, or a text."))
            self.words.setFocus()
            return
        task = Search(
            self._wanted_folder(),
            words,
            self.where.currentData(),
            is_case_kept=self.case.isChecked(),
            name_pattern=self.pattern.text() if self.pattern.isEnabled() else "",
        )
        run = self._run = TaskRun(self._desk, task, self)
        run.page.connect(self._on_page)
        run.ended.connect(self._on_ended)
        run.failed.connect(self._on_failed)
        self.stop.setEnabled(True)
        self.status.setText(self.tr("Searching…"))
        run.start()

    @Slot()
    def stop_search(self) -> None:
        if self._run is not None:
            self._run.stop()
            self._run.deleteLater()
            self._run = None

    def _on_page(self, page: Page) -> None:
        for hit in page.items:
            if isinstance(hit, Hit):
                self.found.addTopLevelItem(self._row(hit))
        if not page.is_over:
            self.status.setText(
                self.tr("{found} found, {n} names looked at; now in {folder}").format(
                    found=self.found.topLevelItemCount(), n=page.looked_at, folder=names.shown(page.words)
                )
            )

    def _row(self, hit: Hit) -> QTreeWidgetItem:
        entry = hit.entry
        line = str(hit.line_number) if hit.line_number else ""
        text = names.shown(hit.line)
        size = self._formats.size(entry.size_bytes)
        item = QTreeWidgetItem([names.shown(hit.path), line, text, size, time_text(entry.modified_at)])
        item.setTextAlignment(3, Qt.AlignmentFlag.AlignRight)
        item.setData(0, _PATH, hit.path)
        return item

    def _on_ended(self, page: Page | None) -> None:
        self.stop.setEnabled(False)
        count = self.found.topLevelItemCount()
        found = self.tr("Nothing was found.") if not count else self.tr("{n} found.").format(n=count)
        if page is None:
            found = self.tr("Stopped: {found}").format(found=found)
        else:
            left = self.tr("{n} could not be read or were too big.").format(n=page.left_out) if page.left_out else ""
            found = " ".join(part for part in (found, page.words, left) if part)
        self.status.setText(found)

    def _on_failed(self, problem: Explanation) -> None:
        self.stop.setEnabled(False)
        self.status.setText(" ".join(part for part in (problem.what, problem.advice) if part))

    @Slot(QTreeWidgetItem)
    def _on_activated(self, item: QTreeWidgetItem) -> None:
        self.path_wanted.emit(item.data(0, _PATH))

    def done(self, result: int) -> None:
        self.stop_search()
        super().done(result)
