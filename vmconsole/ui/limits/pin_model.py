# SPDX-License-Identifier: GPL-3.0-or-later
"""vCPUs, emulator and I/O threads of a guest against the host's CPUs: one cell each. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QCoreApplication, QModelIndex, QObject, QPersistentModelIndex, Qt

from vmconsole.quotas.pins import allowed, crowd, pin_rows, pinned_elsewhere, toggled
from vmconsole.quotas.rows import Place, Scope
from vmconsole.quotas.table import row_of

if TYPE_CHECKING:
    from collections import Counter

    from vmconsole.inventory.limits import LimitRef
    from vmconsole.inventory.topology import HostCpu
    from vmconsole.quotas.pins import Pinned
    from vmconsole.ui.context import Context
    from vmconsole.ui.limits.draft import LimitsDraft

AnyIndex = QModelIndex | QPersistentModelIndex
translate = QCoreApplication.translate
ROOT = QModelIndex()
ALLOWED_ROLE = Qt.ItemDataRole.UserRole
"""True: may run there; None: nothing is set, so everywhere; False: may not."""
NODE_ROLE = Qt.ItemDataRole.UserRole + 1
CROWD_ROLE = Qt.ItemDataRole.UserRole + 2


class PinModel(QAbstractTableModel):
    """Columns are the host's CPUs, core by core, so that siblings are neighbours; the last row: other guests."""

    def __init__(self, draft: LimitsDraft, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._context = context
        self.place = Place.LIVE
        self.refs: tuple[LimitRef, ...] = ()
        self.cpus: tuple[HostCpu, ...] = ()
        self._others: tuple[Pinned, ...] = ()
        self._crowd: Counter[int] = crowd(())
        draft.changed.connect(self.refresh)
        self.refresh()

    def set_place(self, place: Place) -> None:
        self.place = place
        self.refresh()

    def refresh(self) -> None:
        situation = self._draft.situation
        refs = pin_rows(situation) if situation is not None else ()
        cpus = situation.resources.cpus if situation is not None else ()
        ordered = tuple(sorted(cpus, key=lambda cpu: (cpu.node, cpu.socket, cpu.core, cpu.number)))
        is_new = refs != self.refs or ordered != self.cpus
        if is_new:
            self.beginResetModel()
        self.refs, self.cpus = refs, ordered
        if situation is not None:
            guests = self._context.store.guests_of(situation.host.id).values()
            self._others = pinned_elsewhere(guests, besides=situation.guest)
            self._crowd = crowd(self._others)
        if is_new:
            self.endResetModel()
        elif self.cpus:
            self.dataChanged.emit(self.index(0, 0), self.index(self.rowCount() - 1, self.columnCount() - 1))

    def set_allowed(self, cells: set[tuple[int, int]], *, on: bool) -> None:
        """Cells by (row, column), as many as the mouse went over."""
        numbers = [cpu.number for cpu in self.cpus]
        for row in sorted({row for row, _ in cells}):
            if row < len(self.refs) and not self._draft.why_not(self.place, self.refs[row]):
                ref = self.refs[row]
                chosen = [numbers[column] for at, column in cells if at == row]
                self._draft.edit(self.place, ref, toggled(self._draft.value(self.place, ref), chosen, numbers, on=on))

    # -- Qt's side -------------------------------------------------------------------------------------------------

    def rowCount(self, parent: AnyIndex = ROOT) -> int:
        return len(self.refs) + 1 if self.refs and not parent.isValid() else 0

    def columnCount(self, parent: AnyIndex = ROOT) -> int:
        return 0 if parent.isValid() else len(self.cpus)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation is Qt.Orientation.Vertical:
            return self._row_title(section) if role == Qt.ItemDataRole.DisplayRole else None
        cpu = self.cpus[section] if section < len(self.cpus) else None
        if cpu is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return str(cpu.number)
        if role == NODE_ROLE:
            return cpu.node
        if role == Qt.ItemDataRole.ToolTipRole:
            text = translate("Pinning", "CPU {cpu}: node {node}, socket {socket}, core {core}; same core: {siblings}")
            siblings = ", ".join(str(n) for n in cpu.siblings if n != cpu.number) or "–"
            return text.format(cpu=cpu.number, node=cpu.node, socket=cpu.socket, core=cpu.core, siblings=siblings)
        return None

    def _row_title(self, row: int) -> str:
        if row >= len(self.refs):
            return translate("Pinning", "Other guests")
        ref = self.refs[row]
        scope = row_of(ref).scope
        if scope is Scope.GUEST:
            return translate("Pinning", "Emulator")
        return f"{'vCPU' if scope is Scope.VCPU else translate('Pinning', 'I/O thread')} {ref.target}"

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        cpu = self.cpus[index.column()]
        if role == NODE_ROLE:
            return cpu.node
        if role == CROWD_ROLE:
            return self._crowd[cpu.number]
        if index.row() >= len(self.refs):
            return self._others_at(cpu.number, role)
        value = self._draft.value(self.place, self.refs[index.row()])
        may = cpu.number in allowed(value, [cpu.number])
        if role == ALLOWED_ROLE:
            return None if value is None else may
        if role in {Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole}:
            why = self._draft.why_not(self.place, self.refs[index.row()])
            form = translate("Pinning", "{part} may run on CPU {cpu}") if may else translate(
                "Pinning", "{part} may not run on CPU {cpu}")  # fmt: skip
            return why or form.format(part=self._row_title(index.row()), cpu=cpu.number)
        return None

    def _others_at(self, cpu: int, role: int) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return str(self._crowd[cpu]) if self._crowd[cpu] else ""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignCenter)
        if role in {Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole}:
            names = sorted(guest.name for guest in self._others if cpu in guest.cpus)
            return translate("Pinning", "Pinned here: {names}").format(names=", ".join(names) or "–")
        return None
