# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree «Hosts and guests» as a model over the Store. GUI thread.

It owns its order and its filter through ``store.outline``: no proxy stands between it and the view. A tick changes no
rows; the view says which rows are visible, and only those are announced. A change of rows keeps persistent indexes, so
selection and expansion stay. Texts are made once per change, not per paint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from vmconsole.inventory.facts import HostState
from vmconsole.inventory.ids import GroupId, GuestId, HostId
from vmconsole.store.filter import Filter, parse_filter
from vmconsole.store.outline import Outline, Sorting
from vmconsole.ui import columns, words
from vmconsole.ui.columns import COLUMNS, CPU, NAME, STATE
from vmconsole.ui.fleet_cells import FleetCells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.store.changes import ChangeSet
    from vmconsole.store.outline import Plan
    from vmconsole.store.store import Store
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NO_INDEX = QModelIndex()
Row = HostId | GuestId | GroupId
ID_ROLE = int(Role.UserRole)
"""What stands in the row."""
_TOP = 0
_COLUMNS = len(COLUMNS)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class FleetModel(QAbstractItemModel):
    """Hosts, and the guests of each; with headings of groups above, if wanted.

    The internal id of a row is the number of the host or heading that it stands below, 0 at the top.
    """

    def __init__(self, store: Store, theme: Theme, formats: Formats, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._theme = theme
        self._formats = formats
        self.outline = Outline(store)
        self.cells = FleetCells(store, formats)
        self._numbers: dict[HostId | GroupId, int] = {}
        self._numbered: dict[int, HostId | GroupId] = {}
        self._below: dict[int, list[tuple[int, int]]] = {_TOP: []}
        """Number of a heading (or of the top) → for each row below it, the number that the rows below that one carry,
        and how many those are. A layout of ten thousand rows asks ``index`` for each."""
        self._readers: dict[int, Callable[[QModelIndex], object]] = {
            int(Role.DisplayRole): self._text,
            int(Role.AccessibleTextRole): self._spoken,
            int(Role.AccessibleDescriptionRole): self._described,
            int(Role.DecorationRole): self._icon,
            int(Role.ToolTipRole): self._hint,
            int(Role.TextAlignmentRole): _alignment,
            ID_ROLE: self.id_of,
        }

    # -- ids and rows ------------------------------------------------------------------------------------------

    def id_of(self, index: Index) -> Row | None:
        """What stands in a row; None for an index that is none."""
        if not index.isValid():
            return None
        rows = self.rows_below(self._numbered.get(index.internalId()))
        return rows[index.row()] if index.row() < len(rows) else None

    def rows_below(self, above: Row | None) -> Sequence[Row]:
        """What stands below a row; below None stands the top."""
        if above is None:
            return self.outline.groups or self.outline.hosts
        if isinstance(above, GroupId):
            return self.outline.hosts_in(above)
        return () if isinstance(above, GuestId) else self.outline.guests_of(above)

    def index_of(self, wanted: Row, column: int = NAME) -> QModelIndex:
        """Where it stands; invalid when it is not listed (now)."""
        if isinstance(wanted, GuestId):
            row = self.outline.guest_row(wanted)
            if row is None or self.outline.host_row(wanted.host) is None:
                return QModelIndex()
            return self.createIndex(row, column, self._number(wanted.host))
        if isinstance(wanted, GroupId):
            row = self.outline.group_row(wanted)
            return QModelIndex() if row is None else self.createIndex(row, column, _TOP)
        row, group = self.outline.host_row(wanted), self.outline.group_of(wanted)
        above = _TOP if group is None else self._number(group)
        return QModelIndex() if row is None else self.createIndex(row, column, above)

    def _number(self, wanted: HostId | GroupId) -> int:
        number = self._numbers.get(wanted)
        if number is None:
            number = len(self._numbers) + 1
            self._numbers[wanted] = number
            self._numbered[number] = wanted
        return number

    # -- changes -----------------------------------------------------------------------------------------------

    def apply_changes(self, changes: ChangeSet) -> None:
        """Take in what changed in the Store, except figures: ``announce`` is for those."""
        self.cells.forget(changes)
        self._take(self.outline.plan_changes(changes))
        for host in changes.hosts_changed:
            self.announce_host(host)
        rows: dict[HostId, list[int]] = {}
        for guest in changes.guests_changed:
            row = self.outline.guest_row(guest)
            if row is not None:
                rows.setdefault(guest.host, []).append(row)
        for host, found in rows.items():
            self.announce(host, min(found), max(found))

    def set_filter(self, text: str) -> None:
        wanted = parse_filter(text)
        if wanted != self.outline.filter:
            self._take(self.outline.plan_filter(wanted))

    def set_grouping(self, *, is_grouped: bool) -> None:
        """Whether hosts stand under headings of their groups."""
        self._take(self.outline.plan_grouping(is_grouped=is_grouped))

    @property
    def filter(self) -> Filter:
        return self.outline.filter

    def order_again(self) -> None:
        """Sort by the newest figures, when the order is by figures."""
        self._take(self.outline.plan_order())

    def announce(self, host: HostId, first: int, last: int, *, first_column: int = 0) -> None:
        """Tell the view that guests' rows have something new."""
        number = self._number(host)
        self.dataChanged.emit(
            self.createIndex(first, first_column, number), self.createIndex(last, len(COLUMNS) - 1, number)
        )

    def announce_host(self, host: HostId, *, first_column: int = 0) -> None:
        """Tell the view that a host's row has something new."""
        index = self.index_of(host, first_column)
        if index.isValid():
            self.dataChanged.emit(index, index.siblingAtColumn(len(COLUMNS) - 1))

    def _take(self, plan: Plan) -> None:
        """Adopt new rows, and lead persistent indexes (selection, expansion) to where their rows now stand."""
        if not plan:
            return
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        meant = [(self.id_of(index), index.column()) for index in old]
        self.outline.adopt(plan)
        self._below = self._count_below()
        new = [QModelIndex() if wanted is None else self.index_of(wanted, column) for wanted, column in meant]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    def _count_below(self) -> dict[int, list[tuple[int, int]]]:
        outline = self.outline

        def count(hosts: Sequence[HostId]) -> list[tuple[int, int]]:
            return [(self._number(host), len(outline.guests_of(host))) for host in hosts]

        if not outline.groups:
            return {_TOP: count(outline.hosts)}
        members = {self._number(group): outline.hosts_in(group) for group in outline.groups}
        below = {number: count(hosts) for number, hosts in members.items()}
        below[_TOP] = [(number, len(hosts)) for number, hosts in members.items()]
        return below

    # -- readers by role ---------------------------------------------------------------------------------------

    def _text(self, index: QModelIndex) -> str:
        wanted = self.id_of(index)
        if wanted is None:
            return ""
        return self.cells.of(wanted)[index.column()]

    def _spoken(self, index: QModelIndex) -> str:
        if index.column() == NAME:
            return self._text(index)
        wanted = self.id_of(index)
        return "" if wanted is None else self.cells.spoken(wanted, index.column())

    def _described(self, index: QModelIndex) -> str:
        wanted = self.id_of(index)
        return self.cells.remark(wanted, with_state=True) if wanted is not None and index.column() == NAME else ""

    def _icon(self, index: QModelIndex) -> object:
        if index.column() != NAME:
            return None
        wanted = self.id_of(index)
        if isinstance(wanted, GuestId):
            guest = self._store.guest(wanted)
            return None if guest is None else self._theme.guest_icon(guest.state)
        if isinstance(wanted, GroupId):
            return self._theme.icon("folder")
        host = None if wanted is None else self._store.hosts.get(wanted)
        return None if host is None else self._theme.host_icon(host.state)

    def _hint(self, index: QModelIndex) -> str:
        wanted = self.id_of(index)
        if isinstance(wanted, GuestId):
            guest = self._store.guest(wanted)
            return "" if guest is None else words.guest_hint(guest, self._store.hosts.get(wanted.host))
        if isinstance(wanted, GroupId):
            return self.cells.remark(wanted)
        host = None if wanted is None else self._store.hosts.get(wanted)
        return "" if host is None else words.host_hint(host, self._formats)

    # -- Qt ----------------------------------------------------------------------------------------------------

    def index(self, row: int, column: int, parent: Index = NO_INDEX) -> QModelIndex:
        """Asked for each row of a layout, so it looks twice into a table and calls nothing else."""
        place = parent.row()
        if place < 0:
            number, count = _TOP, len(self._below[_TOP])
        else:
            rows = self._below.get(parent.internalId(), ())
            if place >= len(rows) or parent.column() != NAME:
                return NO_INDEX
            number, count = rows[place]
        if 0 <= row < count and 0 <= column < _COLUMNS:
            return self.createIndex(row, column, number)
        return NO_INDEX

    def _below_row(self, parent: Index) -> tuple[int, int]:
        """The number that the rows below carry, and how many those are."""
        if not parent.isValid():
            return _TOP, len(self._below[_TOP])
        rows = self._below.get(parent.internalId())
        place = parent.row()
        if rows is None or parent.column() != NAME or place >= len(rows):
            return _TOP, 0
        return rows[place]

    def parent(self, index: Index = NO_INDEX) -> Any:  # hides QObject.parent, as in Qt
        number = index.internalId() if index.isValid() else _TOP
        return QModelIndex() if number == _TOP else self.index_of(self._numbered[number])

    def rowCount(self, parent: Index = NO_INDEX) -> int:
        return self._below_row(parent)[1]

    def columnCount(self, parent: Index = NO_INDEX) -> int:
        return len(COLUMNS)

    def data(self, index: Index, role: int = int(Role.DisplayRole)) -> Any:
        reader = self._readers.get(int(role))
        return reader(cast("QModelIndex", index)) if reader is not None and index.isValid() else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if index.internalId() not in self._below:
            return _GUEST_FLAGS
        return _HOST_FLAGS if index.isValid() else Qt.ItemFlag.NoItemFlags

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = int(Role.DisplayRole)
    ) -> str | int | None:
        if orientation is not Qt.Orientation.Horizontal or not 0 <= section < len(COLUMNS):
            return None
        if role == Role.DisplayRole:
            return columns.title(section)
        if role == Role.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter) if section < CPU else _RIGHT
        return columns.hint(section) if role == Role.ToolTipRole else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Guests within their host; hosts always stand by name."""
        figures = COLUMNS[column].figures if 0 <= column < len(COLUMNS) else ()
        wanted = Sorting(figures, by_state=column == STATE, descending=order is Qt.SortOrder.DescendingOrder)
        if wanted != self.outline.sorting:
            self._take(self.outline.plan_sorting(wanted))

    # -- what the view asks ------------------------------------------------------------------------------------

    def is_away(self, wanted: HostId) -> bool:
        """Whether the host is not connected, so that what is shown of it is not of now."""
        host = self._store.hosts.get(wanted)
        return host is None or host.state is not HostState.CONNECTED


_HOST_FLAGS = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
_GUEST_FLAGS = _HOST_FLAGS | Qt.ItemFlag.ItemNeverHasChildren


def _alignment(index: QModelIndex) -> int | None:
    return None if index.column() < CPU else _RIGHT
