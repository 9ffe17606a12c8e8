# SPDX-License-Identifier: GPL-3.0-or-later
"""«Found on this computer»: hosts that ssh, virt-manager or libvirt know, each with a box to tick. GUI thread.

Looking happens on threads of ``links.discovery``; nothing is connected to by being listed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QHeaderView, QLabel, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from vmconsole.inventory.ids import HostId
from vmconsole.links.discovery import Discovery, Found, Places, Source
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from vmconsole.ui.context import Context

translate = QCoreApplication.translate
LINES = 6


def source_words(source: Source) -> str:
    return {
        Source.THIS_COMPUTER: translate("Found", "This computer"),
        Source.SSH: translate("Found", "ssh configuration"),
        Source.VIRT_MANAGER: translate("Found", "virt-manager"),
        Source.ALIAS: translate("Found", "libvirt alias"),
    }[source]


class FoundView(QWidget):
    """``chosen_changed`` when a box was ticked. ``look`` once; ``stop`` before it goes."""

    chosen_changed = Signal()

    def __init__(self, context: Context, parent: QWidget | None = None, *, places: Places | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._places = places or Places()
        self._found: dict[str, Found] = {}
        self._known: set[str] = set()
        self._discovery: Discovery | None = None
        self.list = QTreeWidget(self)
        self.list.setAccessibleName(self.tr("Found on this computer"))
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setHeaderLabels([self.tr("Name"), self.tr("Known from"), self.tr("Reached as")])
        self.list.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.list.setMinimumHeight(self.fontMetrics().height() * LINES)
        self.list.itemChanged.connect(self._on_item)
        self._theme = context.theme
        context.theme.changed.connect(self._on_theme)
        self._on_theme()
        self._note = QLabel(self)
        self._note.setWordWrap(True)
        fade(self._note, context.theme)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.list, 1)
        column.addWidget(self._note)

    @property
    def chosen(self) -> tuple[Found, ...]:
        """The ticked ones, in the order of the list."""
        items = (self.list.topLevelItem(row) for row in range(self.list.topLevelItemCount()))
        return tuple(
            self._found[str(item.data(0, Qt.ItemDataRole.UserRole))]
            for item in items
            if item is not None and item.checkState(0) is Qt.CheckState.Checked
        )

    def look(self) -> None:
        """Begin to look. What is in the console already is only counted."""
        bridge = self._context.bridge
        self._discovery = discovery = Discovery(
            self._places,
            found=lambda found: bridge.call(lambda: self._on_found(discovery, found)),
            ended=lambda late: bridge.call(lambda: self._on_ended(discovery, late)),
        )
        self._note.setText(self.tr("Looking…"))
        discovery.start()

    def stop(self) -> None:
        discovery, self._discovery = self._discovery, None
        if discovery is not None:
            discovery.close()

    def _on_found(self, discovery: Discovery, found: Found) -> None:
        if discovery is not self._discovery or found.uri in self._found:
            return
        if self._context.fleet.link(HostId(found.uri)) is not None:
            self._known.add(found.uri)
            return
        self._found[found.uri] = found
        item = QTreeWidgetItem([found.name, source_words(found.source), found.detail or found.uri])
        item.setData(0, Qt.ItemDataRole.UserRole, found.uri)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(0, Qt.CheckState.Unchecked)
        item.setToolTip(0, found.uri)
        self.list.addTopLevelItem(item)

    def _on_ended(self, discovery: Discovery, late: tuple[Source, ...]) -> None:
        if discovery is not self._discovery:
            return
        texts = []
        if not self._found and not self._known:
            texts.append(self.tr("Nothing was found."))
        if self._known:
            texts.append(self.tr("{n} more are in the console already.").format(n=len(self._known)))
        if late:
            names = ", ".join(source_words(source) for source in late)
            texts.append(self.tr("Gave up waiting for: {names}.").format(names=names))
        self._note.setText(" ".join(texts))
        self._note.setVisible(bool(texts))

    @Slot()
    def _on_theme(self) -> None:
        """The style draws a box's edge darker than the window, which is not seen on a dark list."""
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Window, self._theme.colour("quiet"))
        self.list.setPalette(palette)

    @Slot()
    def _on_item(self) -> None:
        self.chosen_changed.emit()
