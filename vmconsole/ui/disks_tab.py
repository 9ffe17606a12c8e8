# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's disks, and the way into them: «Open Image…». GUI thread; what the host knows is asked through its link."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.messages import ImageSource
from vmconsole.images.on_host import located
from vmconsole.inventory.deltas import GuestSeen
from vmconsole.inventory.errors import ConsoleError
from vmconsole.inventory.facts import Disk, Guest, Host, HostState, Volume
from vmconsole.links.drivers import IMAGES
from vmconsole.ui.error_help import ErrorHelp
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.editors import ImageEditors
from vmconsole.ui.image_editor.live_folders import LiveButton
from vmconsole.ui.image_editor.look import Look, plain_label, plain_tip
from vmconsole.ui.image_editor.problem import ProblemStrip
from vmconsole.ui.image_editor.volume_dialog import VolumeDialog
from vmconsole.ui.remedies import Subject

if TYPE_CHECKING:
    from concurrent.futures import Future

    from vmconsole.inventory.ids import GuestId, HostId
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context

DESCRIBE_DEADLINE_S = 20.0
_DISK = Qt.ItemDataRole.UserRole
_EDITABLE_DEVICES = {"disk", "lun"}


class DisksTab(QWidget):
    """``show_guest`` says whose disks. ``editors`` owns the windows that were opened from here."""

    def __init__(self, context: Context, parent: QWidget | None = None, *, editors: ImageEditors | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._look = Look.make(context.theme)
        self._guest: GuestId | None = None
        self._asked: GuestId | None = None
        self.editors = editors if editors is not None else ImageEditors(context, self)
        self.message = plain_label("", self, name=self.tr("About the disks"))
        self.message.setWordWrap(True)
        self.problem = ProblemStrip(self._look.theme, self, helped_by=ErrorHelp(context))
        self.tree = self._make_tree()
        self.open_button = QPushButton(self.tr("&Open Image…"), self)
        self.open_button.setAccessibleName(self.tr("Open Image"))
        self.open_button.clicked.connect(self.open_current)
        self.open_all_button = QPushButton(self.tr("Open &All Together…"), self)
        self.open_all_button.setAccessibleName(self.tr("Open All Together"))
        self.open_all_button.clicked.connect(self.open_all)
        self.other_button = QPushButton(self.tr("Open Another &Image…"), self)
        self.other_button.setAccessibleName(self.tr("Open Another Image"))
        self.other_button.setToolTip(self.tr("Open a volume of the host's storage pools, or any image file there"))
        self.other_button.clicked.connect(self.choose_other)
        self.live_button = LiveButton(context, self)
        buttons = QHBoxLayout()
        buttons.addWidget(self.message, 1)
        buttons.addWidget(self.live_button)
        buttons.addWidget(self.other_button)
        buttons.addWidget(self.open_all_button)
        buttons.addWidget(self.open_button)
        column = QVBoxLayout(self)
        column.addWidget(self.problem)
        column.addWidget(self.tree, 1)
        column.addLayout(buttons)
        context.bridge.store_changed.connect(self._on_store_changed)
        self._refresh()

    def _make_tree(self) -> QTreeWidget:
        tree = _DiskTree(self)
        tree.setAccessibleName(self.tr("Disks"))
        tree.setHeaderLabels(
            [self.tr("Disk"), self.tr("Image"), self.tr("Format"), self.tr("Bus"), self.tr("Kind"), self.tr("Access")]
        )
        tree.setRootIsDecorated(False)
        tree.setUniformRowHeights(True)
        tree.setAllColumnsShowFocus(True)
        tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        tree.header().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        tree.header().setAccessibleName(self.tr("Columns of the disks"))
        tree.itemActivated.connect(self._on_activated)
        tree.currentItemChanged.connect(self._on_current_changed)
        return tree

    # -- what is shown -----------------------------------------------------------------------------------------

    def show_guest(self, guest_id: GuestId | None) -> None:
        """Show this guest's disks; None shows that none is selected."""
        if guest_id != self._guest:
            self._guest = guest_id
            self._asked = None
            self.problem.put_away()
            self.problem.subject = Subject(None if guest_id is None else guest_id.host, guest_id)
        self._refresh()

    @Slot(object)
    def _on_store_changed(self, changes: ChangeSet) -> None:
        guest = self._guest
        if guest is None:
            return
        if guest in changes.guests_changed | changes.guests_added | changes.guests_removed or (
            guest.host in changes.hosts_changed | changes.hosts_removed
        ):
            self._refresh()

    def _refresh(self) -> None:
        guest = self._context.store.guest(self._guest) if self._guest is not None else None
        if guest is not None and not guest.described:
            self._describe(guest)
        current = self.tree.currentItem()
        kept = current.text(0) if current is not None else ""
        self.tree.clear()
        disks = guest.disks if guest is not None else ()
        self.tree.addTopLevelItems([self._item(disk) for disk in disks])
        for column in range(self.tree.columnCount()):
            self.tree.resizeColumnToContents(column)
        wanted = next((i for i, disk in enumerate(disks) if names.shown(disk.target) == kept), 0)
        if (row := self.tree.topLevelItem(wanted)) is not None:
            self.tree.setCurrentItem(row)
        self._update_button()
        self.live_button.show_guest(guest)

    def _item(self, disk: Disk) -> QTreeWidgetItem:
        access = self.tr("read-only") if disk.read_only else self.tr("read and write")
        source = names.shown(disk.source) or self.tr("(empty)")
        item = QTreeWidgetItem([names.shown(disk.target), source, disk.format, disk.bus, disk.device, access])
        item.setIcon(0, self._look.theme.icon("disk"))
        item.setData(0, _DISK, disk)
        item.setToolTip(1, plain_tip(source))
        return item

    def _describe(self, guest: Guest) -> None:
        """A guest whose XML was not read yet has no disks to show: ask for it, once."""
        link = self._context.fleet.link(guest.id.host)
        if link is None or self._asked == guest.id:
            return
        self._asked = guest.id
        uuid = guest.id.uuid
        asking = link.submit(lambda verbs: verbs.describe_guest(uuid), deadline_s=DESCRIBE_DEADLINE_S)
        self._context.bridge.when_done(asking, self._on_described)

    def _on_described(self, asking: Future[Guest]) -> None:
        try:
            self._context.bridge.post(GuestSeen(asking.result()))
        except ConsoleError as error:
            self.problem.show_problem(error.explanation)

    # -- opening -----------------------------------------------------------------------------------------------

    def reason_against(self, disk: Disk | None) -> str:
        """Why this disk cannot be opened now, in a sentence; empty if it can."""
        guest = self._context.store.guest(self._guest) if self._guest is not None else None
        host = self._context.store.hosts.get(self._guest.host) if self._guest is not None else None
        if guest is None or host is None:
            return self.tr("No guest is selected.")
        if disk is None:
            return self.tr("Reading the guest's disks…") if not guest.described else self.tr("No disk is selected.")
        return self._reason_of_host(host) or self._reason_of_disk(disk)

    def _reason_of_host(self, host: Host) -> str:
        if host.is_demo:
            return self.tr("This is a demo host: its disks do not exist.")
        if host.state is not HostState.CONNECTED:
            return self.tr("{host} is not connected.").format(host=host.name)
        if IMAGES in host.lacks:
            return host.lacks[IMAGES]
        link = self._context.fleet.link(host.id)
        if link is None or link.shell() is None:
            return self.tr("{host} cannot be reached by SSH, and an image is opened through SSH.").format(
                host=host.name
            )
        return ""

    def _reason_of_disk(self, disk: Disk) -> str:
        if not disk.source:
            return self.tr("The drive is empty.")
        if disk.kind == "network":
            return self.tr("The disk is on network storage, which cannot be opened here.")
        return ""

    def _update_button(self) -> None:
        reason = self.reason_against(self._current_disk())
        self.open_button.setEnabled(not reason)
        if not reason and self.isVisible() and self._context.spare is not None:
            self._context.spare.prepare()
        self.open_button.setToolTip(reason or self.tr("Look at the files on this disk, and change them (Enter)"))
        its_host = self._context.store.hosts.get(self._guest.host) if self._guest is not None else None
        self.other_button.setEnabled(its_host is not None and not self._reason_of_host(its_host))
        together = self._together()
        self.open_all_button.setVisible(len(together) > 1)
        self.open_all_button.setToolTip(
            self.tr("Look at {disks} as the guest mounts them, in one window").format(
                disks=", ".join(names.shown(disk.target) for disk in together)
            )
        )
        guest = self._context.store.guest(self._guest) if self._guest is not None else None
        running = self.tr("The guest is running: its disks open to look only.")
        host = None if guest is None else self._context.store.hosts.get(guest.id.host)
        lack = "" if host is None else host.lacks.get(IMAGES, "")
        no_disks = lack or self.tr("This guest has no disks.")
        if guest is not None and guest.described and not guest.disks:
            self.message.setText(no_disks)
        elif reason or guest is None or not guest.state.has_process:
            self.message.setText(reason)
        else:
            self.message.setText(running)

    def _current_disk(self) -> Disk | None:
        item = self.tree.currentItem()
        found: Disk | None = item.data(0, _DISK) if item is not None else None
        return found

    @Slot(QTreeWidgetItem, QTreeWidgetItem)
    def _on_current_changed(self, _current: object, _previous: object) -> None:
        self._update_button()

    @Slot(QTreeWidgetItem, int)
    def _on_activated(self, _item: object, _column: int) -> None:
        self.open_current()

    def _together(self) -> tuple[Disk, ...]:
        """The disks that one session can show as the guest does: no CDs, and none that cannot be opened now."""
        guest = self._context.store.guest(self._guest) if self._guest is not None else None
        disks = guest.disks if guest is not None else ()
        return tuple(d for d in disks if d.device in _EDITABLE_DEVICES and not self.reason_against(d))

    @Slot()
    def open_current(self) -> None:
        """Open the selected disk's image in a window of its own; one that is open already comes to the front."""
        disk = self._current_disk()
        if disk is None or self.reason_against(disk):
            self._update_button()
        else:
            self._open((disk,))

    @Slot()
    def open_all(self) -> None:
        """Open the guest's disks together in one window."""
        disks = self._together()
        if disks:
            self._open(disks)

    @Slot()
    def choose_other(self) -> None:
        """Ask which volume or file of the guest's host to open."""
        host = self._context.store.hosts.get(self._guest.host) if self._guest is not None else None
        link = self._context.fleet.link(host.id) if host is not None else None
        if host is None or link is None:
            return
        host_id, dialog = host.id, VolumeDialog(host.name, self._look, self)
        dialog.chosen.connect(lambda source: self._locate(host_id, source))
        closed: list[int] = []
        dialog.finished.connect(closed.append)
        dialog.open()

        def show(done: Future[tuple[Volume, ...]]) -> None:
            if closed:
                return
            try:
                dialog.show_volumes(done.result())
            except ConsoleError as error:
                dialog.show_problem(error.explanation)

        asking = link.submit(lambda verbs: verbs.pool_volumes(), deadline_s=DESCRIBE_DEADLINE_S)
        self._context.bridge.when_done(asking, show)

    def _open(self, disks: tuple[Disk, ...]) -> None:
        guest = self._context.store.guest(self._guest) if self._guest is not None else None
        if guest is not None:
            first, *more = (self._source(guest, disk) for disk in disks)
            self._locate(guest.id.host, dataclasses.replace(first, more=tuple(more)))

    def _locate(self, host: HostId, source: ImageSource) -> None:
        """Where its volumes lie, and where backing files may be, is for the host to say; then it opens."""
        link = self._context.fleet.link(host)
        if link is not None:
            asking = link.submit(lambda verbs: located(verbs, source), deadline_s=DESCRIBE_DEADLINE_S)
            self._context.bridge.when_done(asking, lambda done: self._on_located(host, done))

    def _source(self, guest: Guest, disk: Disk) -> ImageSource:
        return ImageSource(
            disk.source,
            disk.format,
            where=self._context.store.hosts[guest.id.host].name,
            guest_name=guest.name,
            guest_is_running=guest.state.has_process,
            is_read_only=disk.read_only or disk.device not in _EDITABLE_DEVICES,
            target=disk.target,
        )

    def _on_located(self, host: HostId, done: Future[ImageSource]) -> None:
        try:
            self.editors.open_on_host(host, done.result())
        except ConsoleError as error:
            self.problem.show_problem(error.explanation)


class _DiskTree(QTreeWidget):
    def keyPressEvent(self, event: QKeyEvent) -> None:
        item = self.currentItem()
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and item is not None:
            self.itemActivated.emit(item, 0)  # not every style activates by Enter
            return
        super().keyPressEvent(event)
