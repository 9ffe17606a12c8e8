# SPDX-License-Identifier: GPL-3.0-or-later
"""Which other image to compare with: a guest's disk on a connected host, a snapshot in it, or a path. GUI thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.messages import ImageSnapshot, ImageSource
from vmconsole.inventory.facts import Disk, Guest
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.compare_sides import Choice
from vmconsole.ui.image_editor.look import Tone, plain_label, plain_tip, time_text
from vmconsole.ui.image_editor.other_images import OtherImages, snapshot_of
from vmconsole.ui.image_editor.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.theme import Theme

_WHAT = Qt.ItemDataRole.UserRole
_CHOICE = Qt.ItemDataRole.UserRole + 1


class OtherImageDialog(QDialog):
    """``chosen`` carries a ``Choice``. Guests' disks, and the snapshots in them, are read when they are opened up."""

    chosen = Signal(object)

    def __init__(self, own: ImageSource, others: OtherImages | None, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setWindowTitle(self.tr("Another Image"))
        self._own, self._others, self._theme = own, others, theme
        self._closed = False
        self.tree = QTreeWidget(self)
        self.tree.setAccessibleName(self.tr("Disks of guests"))
        self.tree.setHeaderLabels([self.tr("Guest, disk, snapshot"), self.tr("Image")])
        self.tree.setUniformRowHeights(True)
        self.problem = Strip(self.tr("Problem"), tone=Tone.PROBLEM, parent=self)
        self.problem.hide()
        where = names.shown(own.where) or self.tr("this computer")
        self.prompt = plain_label(self.tr("Or the &path of an image on {host}:").format(host=where), self)
        self.path = QLineEdit(self)
        self.path.setAccessibleName(self.tr("Path of the image"))
        self.path.setPlaceholderText("/var/lib/libvirt/images/…")
        self.prompt.setBuddy(self.path)
        self.buttons = QDialogButtonBox(self)
        self.buttons.setStandardButtons(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self._on_ok)
        self.buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        for part in (self.tree, self.problem, self.prompt, self.path, self.buttons):
            column.addWidget(part)
        self.resize(self.fontMetrics().averageCharWidth() * 92, self.fontMetrics().height() * 24)
        self._fill()
        self.tree.itemExpanded.connect(self._on_expanded)
        self.tree.itemSelectionChanged.connect(self._update)
        self.tree.itemActivated.connect(self._on_activated)
        self.path.textEdited.connect(self._on_path_edited)
        self.finished.connect(self._on_finished)
        self._update()

    # -- what there is -----------------------------------------------------------------------------------------

    def _fill(self) -> None:
        others = self._others
        hosts = others.hosts() if others is not None else ()
        for host in hosts:
            assert others is not None  # it gave the hosts
            row = self._row(names.shown(host.name), "", "host-connected", None)
            self.tree.addTopLevelItem(row)
            for guest in others.guests(host):
                icon = "state-running" if guest.state.has_process else "state-shut-off"
                row.addChild(self._row(names.shown(guest.name), "", icon, guest, opens=True))
            row.setExpanded(len(hosts) == 1 or host.name == self._own.where)
        self.tree.setVisible(bool(hosts))
        self.tree.setColumnWidth(0, self.fontMetrics().averageCharWidth() * 42)
        if not hosts:
            self.adjustSize()

    def _row(self, text: str, more: str, icon: str, what: object, *, opens: bool = False) -> QTreeWidgetItem:
        row = QTreeWidgetItem([text, more])
        row.setToolTip(1, plain_tip(more))
        row.setIcon(0, self._theme.icon(icon))
        row.setData(0, _WHAT, what)
        if opens:
            row.setChildIndicatorPolicy(QTreeWidgetItem.ChildIndicatorPolicy.ShowIndicator)
        return row

    @Slot(QTreeWidgetItem)
    def _on_expanded(self, row: QTreeWidgetItem) -> None:
        """Read what is in it, once."""
        what, others = row.data(0, _WHAT), self._others
        if others is None or row.childCount():
            return
        if isinstance(what, Guest):
            self._waits(row)
            others.disks(what, self._guarded(partial(self._add_disks, row, what)), partial(self._failed, row))
        elif isinstance(what, tuple):
            guest, disk = what
            self._waits(row)
            others.look(guest, disk, self._guarded(partial(self._add_states, row)), partial(self._failed, row))

    def _waits(self, row: QTreeWidgetItem) -> None:
        self.problem.hide()
        waiting = QTreeWidgetItem([self.tr("Reading…")])
        waiting.setDisabled(True)
        row.addChild(waiting)

    def _guarded(self, add: Callable[..., None]) -> Callable[..., None]:
        """Not after the end of the dialog."""
        return lambda *given: None if self._closed else add(*given)

    def _failed(self, row: QTreeWidgetItem, problem: Explanation) -> None:
        if not self._closed:
            row.takeChildren()
            row.setExpanded(False)
            self.problem.say(problem.what, " ".join(p for p in (problem.cause, problem.advice) if p))

    def _add_disks(self, row: QTreeWidgetItem, guest: Guest, disks: tuple[Disk, ...]) -> None:
        row.takeChildren()
        for disk in disks:
            shown = names.shown(disk.source)
            row.addChild(self._row(names.shown(disk.target), shown, "disk", (guest, disk), opens=True))
        if not disks:
            row.addChild(self._nothing(self.tr("No disk that could be compared")))

    def _add_states(self, row: QTreeWidgetItem, source: ImageSource, snapshots: tuple[ImageSnapshot, ...]) -> None:
        row.takeChildren()
        name = self.tr("{disk} of {guest} on {host}").format(
            disk=names.shown(source.target), guest=names.shown(source.guest_name), host=names.shown(source.where)
        )
        now = self._state(self.tr("As it is now"), "", Choice(name, source))
        row.addChild(now)
        for snapshot in snapshots:
            words = self.tr("Snapshot “{name}”").format(name=names.shown(snapshot.name))
            choice = Choice(f"{name}: {words}", snapshot_of(source, snapshot))
            row.addChild(self._state(words, time_text(snapshot.taken_at), choice))
        if self.tree.currentItem() is row:
            self.tree.setCurrentItem(now)

    def _state(self, text: str, more: str, choice: Choice) -> QTreeWidgetItem:
        row = self._row(text, more, "disk", None)
        row.setData(0, _CHOICE, choice)
        return row

    def _nothing(self, text: str) -> QTreeWidgetItem:
        row = QTreeWidgetItem([text])
        row.setDisabled(True)
        return row

    # -- what is chosen ----------------------------------------------------------------------------------------

    def _choice(self) -> Choice | None:
        path = self.path.text().strip()
        if path:
            own = self._own
            if not path.startswith("/"):
                return None
            other = ImageSource(
                path, "", where=own.where, is_read_only=True, backing_folders=own.backing_folders,
                host_uri=own.host_uri,
            )  # fmt: skip
            return Choice(names.shown(path), other)
        row = self.tree.currentItem()
        found: Choice | None = row.data(0, _CHOICE) if row is not None and row.isSelected() else None
        return found

    @Slot()
    def _update(self) -> None:
        if self.tree.selectedItems() and self.sender() is self.tree:
            self.path.clear()
        ok = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        ok.setEnabled(self._choice() is not None)
        ok.setToolTip("" if ok.isEnabled() else self.tr("Open up a disk, and choose its present state or a snapshot"))

    @Slot()
    def _on_path_edited(self) -> None:
        self.tree.clearSelection()
        self._update()

    @Slot(QTreeWidgetItem)
    def _on_activated(self, row: QTreeWidgetItem) -> None:
        if row.data(0, _CHOICE) is not None:
            self._on_ok()
        else:
            row.setExpanded(True)

    @Slot()
    def _on_ok(self) -> None:
        choice = self._choice()
        if choice is not None:
            self.chosen.emit(choice)
            self.accept()

    @Slot()
    def _on_finished(self) -> None:
        self._closed = True
