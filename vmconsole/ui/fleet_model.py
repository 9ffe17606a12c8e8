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
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.store.filter import Filter, parse_filter
from vmconsole.store.outline import Outline, Sorting
from vmconsole.ui import columns, words
from vmconsole.ui.columns import COLUMNS, CPU, NAME, STATE
from vmconsole.ui.fleet_cells import FleetCells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vmconsole.store.changes import ChangeSet
    from vmconsole.store.outline import Plan
    from vmconsole.store.store import Store
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NO_INDEX = QModelIndex()
ID_ROLE = int(Role.UserRole)
"""The row's ``HostId`` or ``GuestId``."""
_HOST = 0
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class FleetModel(QAbstractItemModel):
    """Two levels: hosts, and the guests of each. Internal id 0 is a host's row; a guest's is its host's own number."""

    def __init__(self, store: Store, theme: Theme, formats: Formats, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._theme = theme
        self._formats = formats
        self.outline = Outline(store)
        self.cells = FleetCells(store, formats)
        self._numbers: dict[HostId, int] = {}
        self._numbered: dict[int, HostId] = {}
        self._below: list[tuple[int, int]] = []
        """Per host's row: the number that its guests' rows carry, and how many those are. A layout of ten thousand rows
        asks ``index`` for each."""
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

    def id_of(self, index: Index) -> HostId | GuestId | None:
        """What stands in a row; None for an index that is none."""
        if not index.isValid():
            return None
        host = self._host_of(index)
        if host is None or index.internalId() == _HOST:
            return host
        guests = self.outline.guests_of(host)
        return guests[index.row()] if index.row() < len(guests) else None

    def index_of(self, wanted: HostId | GuestId, column: int = NAME) -> QModelIndex:
        """Where a host or guest stands; invalid when it is not listed (now)."""
        if isinstance(wanted, GuestId):
            row = self.outline.guest_row(wanted)
            if row is None or self.outline.host_row(wanted.host) is None:
                return QModelIndex()
            return self.createIndex(row, column, self._number(wanted.host))
        row = self.outline.host_row(wanted)
        return QModelIndex() if row is None else self.createIndex(row, column, _HOST)

    def _number(self, host: HostId) -> int:
        number = self._numbers.get(host)
        if number is None:
            number = len(self._numbers) + 1
            self._numbers[host] = number
            self._numbered[number] = host
        return number

    def _host_of(self, index: Index) -> HostId | None:
        """The host of a guest's row, or of the host's own row."""
        number = index.internalId()
        if number != _HOST:
            return self._numbered.get(number)
        hosts = self.outline.hosts
        return hosts[index.row()] if index.row() < len(hosts) else None

    # -- changes -----------------------------------------------------------------------------------------------

    def apply_changes(self, changes: ChangeSet) -> None:
        """Take in what changed in the Store, except figures: ``announce`` is for those."""
        self.cells.forget(changes)
        self._take(self.outline.plan_changes(changes))
        for host in changes.hosts_changed:
            self._announce_host(host)
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

    def _announce_host(self, host: HostId, *, first_column: int = 0) -> None:
        row = self.outline.host_row(host)
        if row is not None:
            self.announce_hosts(row, row, first_column=first_column)

    def announce_hosts(self, first: int, last: int, *, first_column: int = 0) -> None:
        self.dataChanged.emit(
            self.createIndex(first, first_column, _HOST), self.createIndex(last, len(COLUMNS) - 1, _HOST)
        )

    def _take(self, plan: Plan) -> None:
        """Adopt new rows, and lead persistent indexes (selection, expansion) to where their rows now stand."""
        if not plan:
            return
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        meant = [(self.id_of(index), index.column()) for index in old]
        self.outline.adopt(plan)
        self._below = [(self._number(host), len(self.outline.guests_of(host))) for host in self.outline.hosts]
        new = [QModelIndex() if wanted is None else self.index_of(wanted, column) for wanted, column in meant]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

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
        host = None if wanted is None else self._store.hosts.get(wanted)
        return None if host is None else self._theme.host_icon(host.state)

    def _hint(self, index: QModelIndex) -> str:
        wanted = self.id_of(index)
        if isinstance(wanted, GuestId):
            guest = self._store.guest(wanted)
            return "" if guest is None else words.guest_hint(guest, self._store.hosts.get(wanted.host))
        host = None if wanted is None else self._store.hosts.get(wanted)
        return "" if host is None else words.host_hint(host, self._formats)

    # -- Qt ----------------------------------------------------------------------------------------------------

    def index(self, row: int, column: int, parent: Index = NO_INDEX) -> QModelIndex:
        if not 0 <= column < len(COLUMNS):
            return QModelIndex()
        if not parent.isValid():
            return self.createIndex(row, column, _HOST) if 0 <= row < len(self._below) else QModelIndex()
        place = parent.row()
        if parent.internalId() != _HOST or parent.column() != NAME or place >= len(self._below):
            return QModelIndex()
        number, count = self._below[place]
        return self.createIndex(row, column, number) if 0 <= row < count else QModelIndex()

    def parent(self, index: Index = NO_INDEX) -> Any:  # hides QObject.parent, as in Qt
        number = index.internalId() if index.isValid() else _HOST
        if number == _HOST:
            return QModelIndex()
        row = self.outline.host_row(self._numbered[number])
        return QModelIndex() if row is None else self.createIndex(row, NAME, _HOST)

    def rowCount(self, parent: Index = NO_INDEX) -> int:
        if not parent.isValid():
            return len(self._below)
        if parent.internalId() != _HOST or parent.column() != NAME or parent.row() >= len(self._below):
            return 0
        return self._below[parent.row()][1]

    def columnCount(self, parent: Index = NO_INDEX) -> int:
        return len(COLUMNS)

    def data(self, index: Index, role: int = int(Role.DisplayRole)) -> Any:
        reader = self._readers.get(int(role))
        return reader(cast("QModelIndex", index)) if reader is not None and index.isValid() else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if index.internalId() != _HOST:
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

    def listed_guests(self, ids: Iterable[GuestId]) -> Sequence[GuestId]:
        return [guest for guest in ids if self.outline.guest_row(guest) is not None]

    def is_away(self, wanted: HostId) -> bool:
        """Whether the host is not connected, so that what is shown of it is not of now."""
        host = self._store.hosts.get(wanted)
        return host is None or host.state is not HostState.CONNECTED


_HOST_FLAGS = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
_GUEST_FLAGS = _HOST_FLAGS | Qt.ItemFlag.ItemNeverHasChildren


def _alignment(index: QModelIndex) -> int | None:
    return None if index.column() < CPU else _RIGHT
