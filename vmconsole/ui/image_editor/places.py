# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the image: the operating system, the disks, and their filesystems. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QMenu,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import bold, plain_label, plain_tip, time_text

if TYPE_CHECKING:
    from vmconsole.images.messages import Device, Filesystem, ImageOverview, ImageSnapshot, Usage
    from vmconsole.ui.image_editor.look import Look

_FILESYSTEM = Qt.ItemDataRole.UserRole
NAME, SHOWN_AT, SIZE, FREE, TYPE = range(5)


class PlacesPanel(QWidget):
    """``folder_wanted`` carries where a filesystem is shown, ``filesystem_wanted`` one to show alone (None: all)."""

    folder_wanted = Signal(str)
    filesystem_wanted = Signal(object)
    unlock_wanted = Signal(object)
    """A locked ``Filesystem`` was chosen."""
    snapshot_wanted = Signal(str)
    """The id of a state kept in the image to look into; empty for the image as it is now."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._shown_state = ""
        self.os_name = bold(plain_label("", self, name=self.tr("Operating system in the image")))
        self.os_name.setWordWrap(True)
        self.about = plain_label("", self, name=self.tr("About the image"))
        self.about.setWordWrap(True)
        self.states = self._make_states()
        self.tree = self._make_tree()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.os_name)
        column.addWidget(self.about)
        column.addWidget(self.states)
        column.addWidget(self.tree, 1)

    def _make_states(self) -> QComboBox:
        states = QComboBox(self)
        states.setAccessibleName(self.tr("State of the image"))
        states.setToolTip(self.tr("Snapshots that are kept inside the image; one that is chosen opens to look only"))
        states.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        states.setMinimumContentsLength(16)
        states.activated.connect(self._on_state_chosen)
        states.hide()
        return states

    def _make_tree(self) -> QTreeWidget:
        tree = QTreeWidget(self)
        tree.setAccessibleName(self.tr("Disks and filesystems"))
        tree.setHeaderLabels([self.tr("Filesystem"), self.tr("At"), self.tr("Size"), self.tr("Free"), self.tr("Type")])
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
        self.about.setText(self._about(overview))
        self._show_states(overview.source.snapshot, overview.snapshots)
        self.tree.clear()
        disks = [self._disk_item(device) for device in overview.devices]
        self.tree.addTopLevelItems(disks)
        for disk in disks:
            disk.setFirstColumnSpanned(True)
        by_name = {device.name: item for device, item in zip(overview.devices, disks, strict=True)}
        for filesystem in overview.filesystems:
            owner = self._owner(filesystem, by_name)
            item = self._filesystem_item(filesystem, has_os_tree=overview.has_os_tree)
            if owner is not None:
                owner.addChild(item)
            else:
                self.tree.addTopLevelItem(item)
        self.tree.expandAll()
        self._fit_columns()

    def show_usage(self, used: tuple[Usage, ...]) -> None:
        """How full the filesystems are; it comes a moment after the overview."""
        by_device = {u.device: u for u in used}
        for item in self._filesystem_items():
            usage = by_device.get(item.data(NAME, _FILESYSTEM).device)
            if usage is not None:
                item.setText(FREE, self._look.formats.size(usage.free_bytes))
                size, free = (self._look.formats.size(n) for n in (usage.size_bytes, usage.free_bytes))
                item.setToolTip(FREE, plain_tip(self.tr("{free} free of {size}").format(free=free, size=size)))
        self._fit_columns()

    def _filesystem_items(self) -> list[QTreeWidgetItem]:
        every = self.tree.findItems("", Qt.MatchFlag.MatchContains | Qt.MatchFlag.MatchRecursive, NAME)
        return [item for item in every if item.data(NAME, _FILESYSTEM) is not None]

    def _fit_columns(self) -> None:
        for column in range(self.tree.columnCount()):  # the last, too, or it keeps Qt's default and needs a scroll bar
            self.tree.resizeColumnToContents(column)

    def _about(self, overview: ImageOverview) -> str:
        size = self._look.formats.size(overview.virtual_size_bytes)
        if len(overview.devices) > 1:
            return self.tr("{n} disks, {size} together").format(n=len(overview.devices), size=size)
        return self.tr("{format} image, {size}").format(format=overview.format, size=size)

    def _show_states(self, shown: str, snapshots: tuple[ImageSnapshot, ...]) -> None:
        self.states.clear()
        self.states.addItem(self.tr("As it is now"), "")
        for snapshot in snapshots:
            name, taken = names.shown(snapshot.name), time_text(snapshot.taken_at)
            self.states.addItem(self.tr("Snapshot “{name}”, {time}").format(name=name, time=taken), snapshot.id)
        self.states.setCurrentIndex(max(0, self.states.findData(shown)))
        self.states.setVisible(bool(snapshots))
        self._shown_state = shown

    @Slot(int)
    def _on_state_chosen(self, row: int) -> None:
        wanted = str(self.states.itemData(row))
        if wanted != self._shown_state:
            # It opens beside this one, which stays what it is.
            self.states.setCurrentIndex(max(0, self.states.findData(self._shown_state)))
            self.snapshot_wanted.emit(wanted)

    def _owner(self, filesystem: Filesystem, by_name: dict[str, QTreeWidgetItem]) -> QTreeWidgetItem | None:
        """What it is shown below: its disk; nothing if it lies on several."""
        if len(filesystem.disks) > 1:
            return None
        device = filesystem.disks[0] if filesystem.disks else filesystem.device.split(":")[-1]
        return next((by_name[d] for d in by_name if device.startswith(d)), None)

    def _disk_item(self, device: Device) -> QTreeWidgetItem:
        size = self._look.formats.size(device.size_bytes)
        words = (device.target or _short(device.name), names.base_of(device.path), size)
        item = QTreeWidgetItem([" – ".join(names.shown(word) for word in words if word)])
        item.setIcon(NAME, self._look.theme.icon("disk"))
        item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
        item.setToolTip(NAME, plain_tip(names.shown(device.path) or device.name))
        return item

    def _filesystem_item(self, filesystem: Filesystem, *, has_os_tree: bool) -> QTreeWidgetItem:
        label = names.shown(filesystem.label)
        device = names.shown(_short(filesystem.device))  # volumes and subvolumes have names of the guest's
        name = f"{device} “{label}”" if label else device
        shown_at = names.shown(filesystem.mounted_at) or (self.tr("locked") if filesystem.is_locked else "–")
        size = self._look.formats.size(filesystem.size_bytes)
        item = QTreeWidgetItem([name, shown_at, size, "", _kind(filesystem.type)])
        for column in (SIZE, FREE):
            item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        item.setData(NAME, _FILESYSTEM, filesystem)
        if filesystem.is_locked:
            item.setIcon(NAME, self._look.theme.icon("key"))
        tip = self._tip(filesystem, has_os_tree=has_os_tree)
        for column in range(self.tree.columnCount()):
            item.setToolTip(column, plain_tip(tip))
            if not (filesystem.mounted_at or filesystem.is_locked):
                item.setForeground(column, self.palette().placeholderText())
        return item

    def _tip(self, filesystem: Filesystem, *, has_os_tree: bool) -> str:
        several = self.tr("It lies on {disks}.").format(disks=", ".join(_short(d) for d in filesystem.disks))
        unlisted = self.tr("The guest's fstab does not mount it. Choose “Show Only This Filesystem” to look into it.")
        parts = [
            filesystem.device,
            self.tr("UUID {uuid}").format(uuid=filesystem.uuid) if filesystem.uuid else "",
            several if len(filesystem.disks) > 1 else "",
            filesystem.problem,
            unlisted if has_os_tree and not filesystem.mounted_at and not filesystem.problem else "",
        ]
        return "\n".join(names.shown(p) for p in parts if p)

    @Slot(QTreeWidgetItem, int)
    def _on_chosen(self, item: QTreeWidgetItem, _column: int = 0) -> None:
        filesystem: Filesystem | None = item.data(NAME, _FILESYSTEM)
        if filesystem is not None and filesystem.is_locked:
            self.unlock_wanted.emit(filesystem)
        elif filesystem is not None and filesystem.mounted_at:
            self.folder_wanted.emit(filesystem.mounted_at)

    @Slot(QPoint)
    def _on_menu(self, point: QPoint) -> None:
        item = self.tree.itemAt(point)
        filesystem: Filesystem | None = item.data(NAME, _FILESYSTEM) if item is not None else None
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if filesystem is not None and filesystem.is_locked:
            unlock = menu.addAction(self.tr("Unlock…"))
            unlock.triggered.connect(lambda: self.unlock_wanted.emit(filesystem))
        elif filesystem is not None:
            device = filesystem.device
            alone = menu.addAction(self.tr("Show Only This Filesystem"))
            alone.triggered.connect(lambda: self.filesystem_wanted.emit(device))
        whole = menu.addAction(self.tr("Show All as the Guest Does"))
        whole.triggered.connect(lambda: self.filesystem_wanted.emit(None))
        menu.popup(self.tree.viewport().mapToGlobal(point))


def _short(device: str) -> str:
    return names.shown(device.replace("/dev/", ""))


_KINDS = {
    "crypto_LUKS": "LUKS", "LVM2_member": "LVM", "linux_raid_member": "RAID", "zfs_member": "ZFS",
    "ldm_member": "Windows LDM", "bsd_disklabel": "BSD label", "apple_map": "Apple map", "unknown": "–",
}  # fmt: skip
"""In the words of people, where blkid(8) has longer ones."""


def _kind(kind: str) -> str:
    return _KINDS.get(kind) or names.shown(kind)
