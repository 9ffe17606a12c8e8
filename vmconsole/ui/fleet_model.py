# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree «Hosts and guests» as a model over the Store. GUI thread.

It owns its order and its filter through ``store.outline``: no proxy stands between it and the view. A tick changes no
rows; the view says which rows are visible, and only those are announced. A change of rows keeps persistent indexes, so
selection and expansion stay. Texts are made once per change, not per paint.

The skeleton is Qt's own QStandardItemModel: an empty item for each host and heading, and for guests nothing but a
count. A tree view lays out all its rows whenever one comes or goes and asks several questions for each: four thousand
rows took Python 60 ms, and take Qt's own model 2 ms. An item is never deleted, as the view may still point to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import shiboken6
from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QSignalBlocker, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel

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
    from vmconsole.store.outline import Plan, Sections
    from vmconsole.store.store import Store
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
Row = HostId | GuestId | GroupId
ID_ROLE = int(Role.UserRole)
"""What stands in the row."""
_PLACE_ROLE = ID_ROLE + 1
"""Where an item belongs among those beside it; only Qt's sorting reads it."""
_COLUMNS = len(COLUMNS)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class FleetModel(QStandardItemModel):
    """Hosts, and the guests of each; with headings of groups above, if wanted.

    The internal id of a row is the address of the item that it stands below, as in any QStandardItemModel.
    """

    def __init__(self, store: Store, theme: Theme, formats: Formats, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._theme = theme
        self._formats = formats
        self.outline = Outline(store)
        self.cells = FleetCells(store, formats)
        self._items: dict[HostId | GroupId, QStandardItem] = {}
        """Of all that was ever listed."""
        self._at: dict[int, HostId | GroupId] = {}
        self.setColumnCount(_COLUMNS)
        self.setSortRole(_PLACE_ROLE)
        self._top = _address(self.invisibleRootItem())
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
        rows = self.rows_below(self._at.get(index.internalId()))
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
            return self.createIndex(row, column, _address(self._item(wanted.host)))
        if isinstance(wanted, GroupId):
            row = self.outline.group_row(wanted)
            return QModelIndex() if row is None else self.createIndex(row, column, self._top)
        row, group = self.outline.host_row(wanted), self.outline.group_of(wanted)
        above = self._top if group is None else _address(self._item(group))
        return QModelIndex() if row is None else self.createIndex(row, column, above)

    def _item(self, wanted: HostId | GroupId) -> QStandardItem:
        item = self._items.get(wanted)
        if item is None:
            item = self._items[wanted] = QStandardItem(0, _COLUMNS)
            self._at[_address(item)] = wanted
        return item

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
        above = _address(self._item(host))
        self.dataChanged.emit(self.createIndex(first, first_column, above), self.createIndex(last, _COLUMNS - 1, above))

    def announce_host(self, host: HostId, *, first_column: int = 0) -> None:
        """Tell the view that a host's row has something new."""
        index = self.index_of(host, first_column)
        if index.isValid():
            self.dataChanged.emit(index, index.siblingAtColumn(_COLUMNS - 1))

    def _take(self, plan: Plan) -> None:
        """Adopt new rows, and lead persistent indexes (selection, expansion) to where their rows now stand."""
        if not plan:
            return
        self.layoutAboutToBeChanged.emit()
        old = [index for index in self.persistentIndexList() if self._at.get(index.internalId()) in plan.guests]
        meant = [(self.id_of(index), index.column()) for index in old]
        self.outline.adopt(plan)
        blocker = QSignalBlocker(self)  # the view hears of all at once
        if plan.sections is not None:
            self._stand(plan.sections)
        rows = {host: len(self.outline.guests_of(host)) for host in plan.guests}
        for host, count in rows.items():
            self._item(host).setRowCount(max(count, self._item(host).rowCount()))
        new = [QModelIndex() if wanted is None else self.index_of(wanted, column) for wanted, column in meant]
        self.changePersistentIndexList(old, new)
        for host, count in rows.items():  # not before: an index into a row that goes is lost
            self._item(host).setRowCount(count)
        blocker.unblock()
        self.layoutChanged.emit()

    def _stand(self, sections: Sections) -> None:
        """Put the items of hosts and headings where they belong. Qt keeps the indexes of those that stay below the same
        heading."""
        root = self.invisibleRootItem()
        groups = [group for group, _ in sections if group is not None]
        wanted: dict[HostId | GroupId | None, Sequence[HostId | GroupId]] = {None: groups, **dict(sections)}
        for above in [root, *(item for row, item in self._items.items() if isinstance(row, GroupId))]:
            self._take_away(above, set(wanted.get(self._at.get(_address(above)), ())))
        for heading, rows in wanted.items():
            above = root if heading is None else self._item(heading)
            for place, row in enumerate(rows):
                item = self._item(row)
                item.setData(place, _PLACE_ROLE)
                if item.model() is None:
                    above.appendRow(item)
            above.sortChildren(NAME)

    def _take_away(self, above: QStandardItem, wanted: set[HostId | GroupId]) -> None:
        """Items that shall not stand below another one any longer stand nowhere."""
        for row in reversed(range(above.rowCount())):
            if self._at[_address(above.child(row))] not in wanted:
                above.takeRow(row)

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

    def data(self, index: Index, role: int = int(Role.DisplayRole)) -> Any:
        reader = self._readers.get(int(role))
        return reader(cast("QModelIndex", index)) if reader is not None and index.isValid() else None

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


def _address(item: QStandardItem) -> int:
    return int(shiboken6.getCppPointer(item)[0])


def _alignment(index: QModelIndex) -> int | None:
    return None if index.column() < CPU else _RIGHT
