# SPDX-License-Identifier: GPL-3.0-or-later
"""All limits of a guest as a tree: section, part of the guest, limit. The draft fills the cells. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractItemModel, QCoreApplication, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QFont

from vmconsole.inventory.limits import LimitRef, is_none
from vmconsole.quotas.rows import LimitRow, Place, Scope
from vmconsole.quotas.table import row_of
from vmconsole.quotas.typed import examples
from vmconsole.quotas.words import raw, shown

if TYPE_CHECKING:
    from vmconsole.quotas.situation import Situation
    from vmconsole.ui.limits.draft import LimitsDraft
    from vmconsole.ui.theme import Theme

AnyIndex = QModelIndex | QPersistentModelIndex
translate = QCoreApplication.translate
LIMIT, LIVE, MARK, STORED = range(4)
PLACES = {LIVE: Place.LIVE, STORED: Place.STORED}
ROOT = QModelIndex()
DIFFERS = "≠"


@dataclass(eq=False)
class Node:
    """A section, a part of the guest, or a limit (then ``ref`` is given)."""

    title: str
    parent: Node | None = None
    ref: LimitRef | None = None
    children: list[Node] = field(default_factory=list)
    place: int = 0

    def add(self, node: Node) -> Node:
        node.parent, node.place = self, len(self.children)
        self.children.append(node)
        return node


class LimitsModel(QAbstractItemModel):
    """``rebuilt`` by Qt's modelReset when the guest has other parts; else only the cells change."""

    def __init__(self, draft: LimitsDraft, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._theme = theme
        self._root = Node("")
        self._refs: list[LimitRef] = []
        self._bold = QFont()
        self._bold.setBold(True)
        draft.changed.connect(self.refresh)
        theme.changed.connect(self._repaint)
        self.refresh()

    def refresh(self) -> None:
        situation = self._draft.situation
        refs = [] if situation is None else [ref for _, ref in situation.refs()]
        if refs == self._refs:
            self._repaint()
            return
        self.beginResetModel()
        self._refs = refs
        self._root = _tree_of(situation) if situation is not None else Node("")
        self.endResetModel()

    def _repaint(self) -> None:
        for section in self._root.children:
            self._repaint_below(section)

    def _repaint_below(self, node: Node) -> None:
        if node.children:
            parent = self.createIndex(node.place, 0, node)
            self.dataChanged.emit(self.index(0, 0, parent), self.index(len(node.children) - 1, STORED, parent))
        for child in node.children:
            self._repaint_below(child)

    def ref_at(self, index: AnyIndex) -> LimitRef | None:
        return self._node(index).ref

    def index_of(self, ref: LimitRef) -> QModelIndex:
        """The limit's first cell; an invalid index where the guest has no such limit."""
        found = next((node for node in _all(self._root) if node.ref == ref), None)
        return QModelIndex() if found is None else self.createIndex(found.place, 0, found)

    def is_set(self, index: AnyIndex) -> bool:
        """Whether a limit, or any below a heading, is set, edited, or different in the two places."""
        return any(
            not is_none(self._draft.value(place, node.ref)) or self._draft.is_edited(place, node.ref)
            for node in _all(self._node(index)) if node.ref is not None for place in Place
        )  # fmt: skip

    # -- Qt's side -------------------------------------------------------------------------------------------------

    def _node(self, index: AnyIndex) -> Node:
        found = index.internalPointer() if index.isValid() else None
        return found if isinstance(found, Node) else self._root

    def index(self, row: int, column: int, parent: AnyIndex = ROOT) -> QModelIndex:
        node = self._node(parent)
        if not 0 <= row < len(node.children) or not 0 <= column <= STORED:
            return QModelIndex()
        return self.createIndex(row, column, node.children[row])

    def parent(self, index: AnyIndex = ROOT) -> QModelIndex:  # type: ignore[override]  # QObject.parent() as well
        above = self._node(index).parent
        return QModelIndex() if above is None or above is self._root else self.createIndex(above.place, 0, above)

    def rowCount(self, parent: AnyIndex = ROOT) -> int:
        return len(self._node(parent).children) if parent.column() <= 0 else 0

    def columnCount(self, parent: AnyIndex = ROOT) -> int:
        return STORED + 1

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation is not Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        titles = ("Limit", "Now", "", "Next boot")
        return translate("Limits", titles[section]) if titles[section] else ""

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        ref, place = self.ref_at(index), PLACES.get(index.column())
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if ref is not None and place is not None and not self._draft.why_not(place, ref):
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        node = self._node(index)
        if node.ref is None:
            return self._heading(node, index.column(), role)
        if index.column() == LIMIT:
            return self._name(row_of(node.ref), role)
        if index.column() == MARK:
            return self._mark(node.ref, role)
        return self._cell(node.ref, PLACES[index.column()], role)

    def setData(self, index: AnyIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        ref, place = self.ref_at(index), PLACES.get(index.column())
        if ref is None or place is None or role != Qt.ItemDataRole.EditRole:
            return False
        return self._draft.type_text(place, ref, str(value))

    # -- cells -----------------------------------------------------------------------------------------------------

    def _heading(self, node: Node, column: int, role: int) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and column == LIMIT:
            return node.title
        if role == Qt.ItemDataRole.FontRole and node.parent is self._root:
            return self._bold
        return None

    def _name(self, row: LimitRow, role: int) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return row.title
        return row.meaning if role == Qt.ItemDataRole.ToolTipRole else None

    def _mark(self, ref: LimitRef, role: int) -> Any:
        if not self._draft.differs(ref):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return DIFFERS
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignCenter)
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._theme.colour("warning")
        if role in {Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole}:
            return translate("Limits", "The next boot has another value than the running guest.")
        return None

    def _cell(self, ref: LimitRef, place: Place, role: int) -> Any:
        row, value = row_of(ref), self._draft.value(place, ref)
        why = self._draft.why_not(place, ref)
        is_missing = self._draft.there(place) is None or (why and is_none(value))
        if role == Qt.ItemDataRole.DisplayRole:
            return "–" if is_missing else shown(row, value)
        if role == Qt.ItemDataRole.EditRole:
            return shown(row, value)
        if role == Qt.ItemDataRole.FontRole and self._draft.is_edited(place, ref):
            return self._bold
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._foreground(ref, place, is_quiet=bool(why) or is_none(value))
        if role == Qt.ItemDataRole.ToolTipRole:
            return why or self._draft.wrong(place, ref) or "\n".join(filter(None, (raw(row, value), examples(row))))
        return None

    def _foreground(self, ref: LimitRef, place: Place, *, is_quiet: bool) -> Any:
        if self._draft.wrong(place, ref):
            return self._theme.colour("problem")
        if self._draft.is_edited(place, ref):
            return self._theme.colour("cpu")
        return self._theme.colour("quiet") if is_quiet else None


def _tree_of(situation: Situation) -> Node:
    root = Node("")
    sections: dict[str, Node] = {}
    parts: dict[tuple[str, str], Node] = {}
    for row, ref in situation.refs():
        section = sections.get(row.section) or sections.setdefault(row.section, root.add(Node(row.section)))
        above = section
        if ref.target:
            key = (row.section, ref.target)
            above = parts.get(key) or parts.setdefault(key, section.add(Node(part_title(row, ref, situation))))
        above.add(Node(row.title, ref=ref))
    return root


def part_title(row: LimitRow, ref: LimitRef, situation: Situation) -> str:
    """«vda · /images/web.qcow2», «vCPU 3», «52:54:00:… · br0»."""
    if row.scope is Scope.DISK:
        disk = next((disk for disk in situation.guest.disks if disk.target == ref.target), None)
        return f"{ref.target} · {disk.source}" if disk is not None else ref.target
    if row.scope is Scope.NIC:
        nic = next((nic for nic in situation.guest.interfaces if nic.mac == ref.target), None)
        return f"{ref.target} · {nic.source or nic.kind}" if nic is not None else ref.target
    if row.scope is Scope.HOST_DEVICE:
        return ref.target
    return f"{row.scope.value[:1].upper()}{row.scope.value[1:]} {ref.target}" if row.scope is not Scope.VCPU else (
        f"vCPU {ref.target}")  # fmt: skip


def _all(node: Node) -> list[Node]:
    return [node, *(found for child in node.children for found in _all(child))]
