# SPDX-License-Identifier: GPL-3.0-or-later
"""The promises to a host's guests as a table that can be sorted. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QCoreApplication, QModelIndex, QObject, QPersistentModelIndex, Qt

from vmconsole.quotas.capacity import Capacity

if TYPE_CHECKING:
    from vmconsole.quotas.capacity import Promise
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.theme import Theme

AnyIndex = QModelIndex | QPersistentModelIndex
translate = QCoreApplication.translate
ROOT = QModelIndex()
SORT_ROLE = Qt.ItemDataRole.UserRole
UUID_ROLE = Qt.ItemDataRole.UserRole + 1
GUEST, VCPUS, CAP, WEIGHT, SHARE, MEMORY, BALLOON, HARD = range(8)


class PromisesModel(QAbstractTableModel):
    """One row for each guest."""

    def __init__(self, formats: Formats, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._formats = formats
        self._theme = theme
        self._capacity = Capacity(None, None, ())

    def show_capacity(self, capacity: Capacity) -> None:
        same = [p.uuid for p in capacity.promises] == [p.uuid for p in self._capacity.promises]
        if same:
            self._capacity = capacity
            if capacity.promises:
                self.dataChanged.emit(self.index(0, 0), self.index(len(capacity.promises) - 1, HARD))
            return
        self.beginResetModel()
        self._capacity = capacity
        self.endResetModel()

    def rowCount(self, parent: AnyIndex = ROOT) -> int:
        return 0 if parent.isValid() else len(self._capacity.promises)

    def columnCount(self, parent: AnyIndex = ROOT) -> int:
        return 0 if parent.isValid() else HARD + 1

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        titles = {
            GUEST: translate("Capacity", "Guest"), VCPUS: translate("Capacity", "vCPUs"),
            CAP: translate("Capacity", "Cap"), WEIGHT: translate("Capacity", "Weight"),
            SHARE: translate("Capacity", "Under full load"), MEMORY: translate("Capacity", "Memory"),
            BALLOON: translate("Capacity", "Balloon"), HARD: translate("Capacity", "Hard limit"),
        }  # fmt: skip
        tips = {
            CAP: translate("Capacity", "The cap that the guest meets first, in cores"),
            SHARE: translate("Capacity", "Cores that it would get if all running guests wanted everything"),
            BALLOON: translate("Capacity", "What the guest is asked to keep now"),
        }
        if role == Qt.ItemDataRole.DisplayRole:
            return titles[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _align(section)
        return tips.get(section) if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        promise = self._capacity.promises[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(promise, index.column())
        if role == SORT_ROLE:
            return _sort_key(promise, index.column())
        if role == UUID_ROLE:
            return promise.uuid
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _align(index.column())
        if role == Qt.ItemDataRole.ForegroundRole and not promise.is_running:
            return self._theme.colour("quiet")
        return None

    def _text(self, promise: Promise, column: int) -> str:
        size = self._formats.size
        match column:
            case 0:
                return promise.name
            case 1:
                return str(promise.vcpus)
            case 2:
                return "–" if promise.cap_cores is None else self._formats.cores(promise.cap_cores)
            case 3:
                return str(promise.weight)
            case 4:
                return "–" if promise.share_cores is None else self._formats.cores(promise.share_cores)
        kib = {MEMORY: promise.memory_max_kib, BALLOON: promise.balloon_kib, HARD: promise.hard_kib}[column]
        return "–" if kib is None else size(kib * 1024)


def _align(column: int) -> int:
    side = Qt.AlignmentFlag.AlignLeft if column == GUEST else Qt.AlignmentFlag.AlignRight
    return int(side | Qt.AlignmentFlag.AlignVCenter)


def _sort_key(promise: Promise, column: int) -> str | float:
    values: dict[int, str | float | None] = {
        GUEST: promise.name, VCPUS: promise.vcpus, CAP: promise.cap_cores, WEIGHT: promise.weight,
        SHARE: promise.share_cores, MEMORY: promise.memory_max_kib, BALLOON: promise.balloon_kib,
        HARD: promise.hard_kib,
    }  # fmt: skip
    found = values[column]
    return -1.0 if found is None else found
