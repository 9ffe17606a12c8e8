# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the image: the operating system, the disks, and their filesystems. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import bold, plain_label, plain_tip

if TYPE_CHECKING:
    from vmconsole.images.messages import Device, Filesystem, ImageOverview
    from vmconsole.ui.image_editor.look import Look

_FILESYSTEM = Qt.ItemDataRole.UserRole
NAME, SHOWN_AT, TYPE, SIZE = range(4)


class PlacesPanel(QWidget):
    """``folder_wanted`` carries where a filesystem is shown, ``filesystem_wanted`` one to show alone (None: all)."""

    folder_wanted = Signal(str)
    filesystem_wanted = Signal(object)

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.os_name = bold(plain_label("", self, name=self.tr("Operating system in the image")))
        self.os_name.setWordWrap(True)
        self.about = plain_label("", self, name=self.tr("About the image"))
        self.about.setWordWrap(True)
        self.tree = self._make_tree()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.os_name)
        column.addWidget(self.about)
        column.addWidget(self.tree, 1)

    def _make_tree(self) -> QTreeWidget:
        tree = QTreeWidget(self)
        tree.setAccessibleName(self.tr("Disks and filesystems"))
        tree.setHeaderLabels([self.tr("Filesystem"), self.tr("At"), self.tr("Type"), self.tr("Size")])
        tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        tree.setUniformRowHeights(True)
        tree.setIndentation(14)
        tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        tree.header().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        tree.header().setStretchLastSection(True)
        tree.header().setAccessibleName(self.tr("Columns of the filesystems"))
        tree.itemClicked.connect(self._on_chosen)
        tree.itemActivated.connect(self._on_chosen)
        tree.customContextMenuRequested.connect(self._on_menu)
        return tree

    def show_overview(self, overview: ImageOverview) -> None:
        self.os_name.setText(names.shown(overview.os_name) or self.tr("No operating system found"))
        size = self._look.formats.size(overview.virtual_size_bytes)
        self.about.setText(self.tr("{format} image, {size}").format(format=overview.format, size=size))
        self.tree.clear()
        disks = [self._disk_item(device) for device in overview.devices]
        self.tree.addTopLevelItems(disks)
        by_name = {device.name: item for device, item in zip(overview.devices, disks, strict=True)}
        for filesystem in overview.filesystems:
            item = self._filesystem_item(filesystem)
            owner = next((by_name[d] for d in by_name if filesystem.device.split(":")[-1].startswith(d)), None)
            if owner is not None:
                owner.addChild(item)
            else:
                self.tree.addTopLevelItem(item)
        self.tree.expandAll()
        for column in range(self.tree.columnCount() - 1):
            self.tree.resizeColumnToContents(column)

    def _disk_item(self, device: Device) -> QTreeWidgetItem:
        item = QTreeWidgetItem([_short(device.name), "", self.tr("disk"), self._look.formats.size(device.size_bytes)])
        item.setIcon(NAME, self._look.theme.icon("disk"))
        item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
        return item

    def _filesystem_item(self, filesystem: Filesystem) -> QTreeWidgetItem:
        label = names.shown(filesystem.label)
        name = f"{_short(filesystem.device)} “{label}”" if label else _short(filesystem.device)
        shown_at = names.shown(filesystem.mounted_at) or "–"
        item = QTreeWidgetItem([name, shown_at, filesystem.type, self._look.formats.size(filesystem.size_bytes)])
        item.setData(NAME, _FILESYSTEM, filesystem)
        for column in range(4):
            item.setToolTip(column, self._tip(filesystem))
        if not filesystem.mounted_at:
            for column in range(4):
                item.setForeground(column, self.palette().placeholderText())
        return item

    def _tip(self, filesystem: Filesystem) -> str:
        parts = [
            filesystem.device,
            self.tr("UUID {uuid}").format(uuid=filesystem.uuid) if filesystem.uuid else "",
            filesystem.problem,
        ]
        return plain_tip("\n".join(names.shown(p) for p in parts if p))

    @Slot(QTreeWidgetItem, int)
    def _on_chosen(self, item: QTreeWidgetItem, _column: int = 0) -> None:
        filesystem: Filesystem | None = item.data(NAME, _FILESYSTEM)
        if filesystem is not None and filesystem.mounted_at:
            self.folder_wanted.emit(filesystem.mounted_at)

    @Slot(QPoint)
    def _on_menu(self, point: QPoint) -> None:
        item = self.tree.itemAt(point)
        filesystem: Filesystem | None = item.data(NAME, _FILESYSTEM) if item is not None else None
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if filesystem is not None:
            device = filesystem.device
            alone = menu.addAction(self.tr("Show Only This Filesystem"))
            alone.triggered.connect(lambda: self.filesystem_wanted.emit(device))
        whole = menu.addAction(self.tr("Show All as the Guest Does"))
        whole.triggered.connect(lambda: self.filesystem_wanted.emit(None))
        menu.popup(self.tree.viewport().mapToGlobal(point))


def _short(device: str) -> str:
    return names.shown(device.replace("/dev/", ""))
