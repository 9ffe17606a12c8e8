# SPDX-License-Identifier: GPL-3.0-or-later
"""Which other image of a host to open: a volume of its pools, or any path there. GUI thread; nothing waits in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.messages import ImageSource
from vmconsole.ui.error_view import ErrorView
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import plain_label, plain_tip

if TYPE_CHECKING:
    from vmconsole.inventory.errors import Explanation
    from vmconsole.inventory.facts import Volume
    from vmconsole.ui.image_editor.look import Look

_VOLUME = Qt.ItemDataRole.UserRole
NAME, POOL, FORMAT, SIZE = range(4)


class VolumeDialog(QDialog):
    """``chosen`` carries an ``ImageSource``. The volumes come later: ``show_volumes`` or ``show_problem``."""

    chosen = Signal(object)

    def __init__(self, host_name: str, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._host_name = host_name
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setWindowTitle(self.tr("Open an Image on {host}").format(host=names.shown(host_name)))
        self.tree = self._make_tree()
        self.state = plain_label(self.tr("Reading the storage pools…"), self, name=self.tr("About the volumes"))
        self.problem = ErrorView(look.theme, self)
        self.problem.hide()
        self.prompt = plain_label(self.tr("&Path on the host, of an image, a device or a backup's folder:"), self)
        self.path = QLineEdit(self)
        self.path.setAccessibleName(self.tr("Path on the host"))
        self.path.setPlaceholderText("/var/lib/libvirt/images/…")
        self.prompt.setBuddy(self.path)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.open_button: QPushButton = self.buttons.addButton(self.tr("&Open"), QDialogButtonBox.ButtonRole.AcceptRole)
        column = QVBoxLayout(self)
        for widget in (self.tree, self.state, self.problem, self.prompt, self.path, self.buttons):
            column.addWidget(widget)
        self.resize(self.fontMetrics().averageCharWidth() * 96, self.fontMetrics().height() * 24)
        self.tree.itemSelectionChanged.connect(self._on_selected)
        self.tree.itemActivated.connect(self._on_open)
        self.path.textChanged.connect(self._on_path)
        self.buttons.accepted.connect(self._on_open)
        self.buttons.rejected.connect(self.reject)
        self._on_path()

    def _make_tree(self) -> QTreeWidget:
        tree = QTreeWidget(self)
        tree.setAccessibleName(self.tr("Volumes"))
        tree.setHeaderLabels([self.tr("Volume"), self.tr("Pool"), self.tr("Format"), self.tr("Size")])
        tree.setRootIsDecorated(False)
        tree.setUniformRowHeights(True)
        tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        return tree

    def show_volumes(self, volumes: tuple[Volume, ...]) -> None:
        """What the host's pools hold; volumes that are no files or devices are left out."""
        usable = sorted((v for v in volumes if v.path), key=lambda v: (v.pool, v.name))
        for volume in usable:
            size = self._look.formats.size(volume.size_bytes)
            item = QTreeWidgetItem([names.shown(volume.name), names.shown(volume.pool), volume.format, size])
            item.setTextAlignment(SIZE, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setIcon(NAME, self._look.theme.icon("disk"))
            item.setData(NAME, _VOLUME, volume)
            item.setToolTip(NAME, plain_tip(names.shown(volume.path)))
            self.tree.addTopLevelItem(item)
        for column in range(self.tree.columnCount()):
            self.tree.resizeColumnToContents(column)
        self.state.setText("" if usable else self.tr("The host's active storage pools have no volumes."))
        self.state.setVisible(not usable)

    def show_problem(self, problem: Explanation) -> None:
        """The pools could not be read; a path can still be given."""
        self.state.hide()
        self.problem.show_explanation(problem)
        self.problem.show()

    @Slot()
    def _on_selected(self) -> None:
        found = self.tree.selectedItems()
        if found:
            self.path.setText(found[0].data(NAME, _VOLUME).path)

    @Slot()
    def _on_path(self) -> None:
        self.open_button.setEnabled(self.path.text().startswith("/"))

    @Slot()
    def _on_open(self) -> None:
        path = self.path.text()
        if not path.startswith("/"):
            return
        items = [self.tree.topLevelItem(row) for row in range(self.tree.topLevelItemCount())]
        volumes = [item.data(NAME, _VOLUME) for item in items if item is not None]
        image_format = next((v.format for v in volumes if v.path == path), "")
        is_disk = image_format != "iso"
        self.chosen.emit(
            ImageSource(path, image_format if is_disk else "raw", where=self._host_name, is_read_only=not is_disk)
        )
        self.accept()
