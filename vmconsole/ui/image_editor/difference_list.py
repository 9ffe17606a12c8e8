# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of differences of two images. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from vmconsole.images.comparing import Difference, Verdict
from vmconsole.images.messages import EntryKind
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.names import mode_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmconsole.images.tool_values import Surveyed
    from vmconsole.ui.formats import Formats

PATH, CHANGE, WHAT, SIZE, MODE, OWNER = range(6)
_DATA = Qt.ItemDataRole.UserRole
_LETTERS = {EntryKind.FOLDER: "d", EntryKind.LINK: "l"}


class DifferenceList(QTreeWidget):
    """One row a difference, in the order they are found."""

    def __init__(self, formats: Formats, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._formats = formats
        self.setAccessibleName(self.tr("Differences"))
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAlternatingRowColors(True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHeaderLabels(
            [self.tr("Path"), self.tr("Change"), self.tr("What"), self.tr("Size"), self.tr("Mode"), self.tr("Owner")]
        )
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(PATH, QHeaderView.ResizeMode.Stretch)
        for column, width in ((CHANGE, 80), (WHAT, 130), (SIZE, 150), (MODE, 150), (OWNER, 100)):
            self.setColumnWidth(column, width)

    def add(self, found: Iterable[Difference]) -> None:
        self.addTopLevelItems([self._row(difference) for difference in found])

    def current(self) -> Difference | None:
        item = self.currentItem()
        found = item.data(PATH, _DATA) if item is not None else None
        return found if isinstance(found, Difference) else None

    def differences(self) -> list[Difference]:
        items = (self.topLevelItem(row) for row in range(self.topLevelItemCount()))
        return [item.data(PATH, _DATA) for item in items if item is not None]

    def _row(self, found: Difference) -> QTreeWidgetItem:
        words = {
            Verdict.ADDED: self.tr("added"),
            Verdict.REMOVED: self.tr("removed"),
            Verdict.CHANGED: self.tr("changed"),
        }
        path = names.shown(found.path) + ("/" if found.is_folder else "")
        item = QTreeWidgetItem(
            [
                path,
                words[found.verdict],
                ", ".join(self._what(word) for word in found.what),
                self._pair(found, self._size),
                self._pair(found, _mode),
                self._pair(found, _owner),
            ]
        )
        item.setData(PATH, _DATA, found)
        item.setToolTip(PATH, "")
        return item

    def _what(self, word: str) -> str:
        return {
            "content": self.tr("content"), "kind": self.tr("kind"), "link": self.tr("link’s target"),
            "mode": self.tr("mode"), "owner": self.tr("owner"), "group": self.tr("group"),
        }[word]  # fmt: skip

    def _size(self, one: Surveyed) -> str:
        return self._formats.size(one.size_bytes) if one.kind is EntryKind.FILE else ""

    def _pair(self, found: Difference, show: object) -> str:
        """«old → new», or one of them where they are the same or only one is there."""
        assert callable(show)
        first, second = (show(one) if one is not None else "" for one in (found.first, found.second))
        return f"{first} → {second}" if first and second and first != second else first or second


def _mode(one: Surveyed) -> str:
    return mode_text(one.mode, _LETTERS.get(one.kind, "-"))


def _owner(one: Surveyed) -> str:
    return f"{one.uid}:{one.gid}"
