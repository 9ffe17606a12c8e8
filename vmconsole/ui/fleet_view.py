# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree «Hosts and guests» on the screen. GUI thread.

On a tick it announces the visible rows of the hosts that ticked, and nothing else. It remembers, by id, what the user
chose and opened, so that a filter that hides rows takes neither away. A group's heading stands for all its hosts.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    Qt,
    QTimer,
    Signal,
    Slot,
)
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeView, QWidget

from vmconsole.inventory.facts import HostState
from vmconsole.inventory.ids import GroupId, GuestId
from vmconsole.ui.columns import COLUMNS, CPU, MEMORY, NAME, STATE
from vmconsole.ui.fleet_delegate import PAD, FigureCell, NameCell, WordCell, number_width
from vmconsole.ui.fleet_model import FleetModel
from vmconsole.ui.sparkline import Sparklines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from PySide6.QtGui import QPaintEvent, QResizeEvent

    from vmconsole.inventory.ids import HostId
    from vmconsole.store.changes import ChangeSet
    from vmconsole.store.store import Store
    from vmconsole.ui.fleet_model import Row
    from vmconsole.ui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
ORDER_AGAIN_MS = 5000
"""Sorted by a figure, rows move this often, and not while the mouse is over them: nobody can click a moving row."""
AGES_MS = 1000
NAME_LETTERS = 34
CURVE = 44
"""Width of a curve and the space around it, in pixels."""


class FleetView(QTreeView):
    """``chosen_changed``: the selection, as ids, is another one. ``menu_wanted``: a context menu at a global point."""

    chosen_changed = Signal()
    menu_wanted = Signal(QPoint)

    def __init__(self, model: FleetModel, store: Store, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fleet = model
        self._store = store
        self._sparklines = Sparklines(store)
        self._visible: dict[HostId, list[GuestId]] | None = None
        self._closed: set[HostId | GroupId] = set()
        self._wanted: list[Row] = []
        self._chosen: Sequence[HostId | GuestId] | None = None
        self._anchor: tuple[Row, int] | None = None
        self._current: Row | None = None
        self._is_restoring = False
        self._empty_text = ""
        self._figure_cell = FigureCell(model, theme, self, sparklines=self._sparklines, visible=self.visible_guests)
        self._name_cell = NameCell(model, theme, self)
        self._state_cell = WordCell(model, theme, self)
        self._set_up()
        self.setModel(model)
        self._set_up_header()
        self._connect(theme)

    def _set_up(self) -> None:
        self.setObjectName("fleet")
        self.setAccessibleName(self.tr("Hosts and guests"))
        self.setAccessibleDescription(self.tr("All connected hosts with their guests, and what each uses now"))
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setAllColumnsShowFocus(True)
        self.setIndentation(16)
        self.setMouseTracking(True)
        self.setItemDelegate(self._figure_cell)
        self.setItemDelegateForColumn(NAME, self._name_cell)
        self.setItemDelegateForColumn(STATE, self._state_cell)

    def _set_up_header(self) -> None:
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(48)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        for column in range(CPU, len(COLUMNS)):
            self.setColumnWidth(column, number_width(self.fontMetrics(), column) + CURVE)
        of_host = self.fontMetrics().horizontalAdvance("88.8 / 88.8 GiB") + 2 * PAD
        self.setColumnWidth(MEMORY, max(of_host, self.columnWidth(MEMORY)))
        self.setColumnWidth(STATE, self.fontMetrics().horizontalAdvance("shutting down") + 2 * PAD)
        self.hideColumn(STATE)  # the icon says it; a screen reader reads the column all the same
        self.setSortingEnabled(True)
        self.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)

    def _connect(self, theme: Theme) -> None:
        self.customContextMenuRequested.connect(self._on_context_menu)
        self.selectionModel().selectionChanged.connect(self._on_selection)
        self.expanded.connect(self._on_expanded)
        self.collapsed.connect(self._on_collapsed)
        self._fleet.layoutAboutToBeChanged.connect(self._on_rows_will_change)
        self._fleet.layoutChanged.connect(self._on_rows_changed)
        self.verticalScrollBar().valueChanged.connect(self._forget_visible)
        theme.changed.connect(self._forget_looks)
        self._ordering = QTimer(self)
        self._ordering.setInterval(ORDER_AGAIN_MS)
        self._ordering.timeout.connect(self._on_order_again)
        self._ordering.start()
        self._ages = QTimer(self)
        self._ages.setInterval(AGES_MS)
        self._ages.timeout.connect(self._on_ages)
        self._ages.start()

    # -- what is chosen ----------------------------------------------------------------------------------------

    def chosen(self) -> Sequence[HostId | GuestId]:
        """What is selected from top to bottom, without what the filter hides; for a heading, the hosts below it."""
        if self._chosen is None:
            meant: dict[HostId | GuestId, None] = {}
            for row in self._selected_rows():
                meant |= dict.fromkeys(self._fleet.outline.hosts_in(row) if isinstance(row, GroupId) else (row,))
            self._chosen = sorted(meant, key=self._place)
        return self._chosen

    def chosen_heading(self) -> GroupId | None:
        """The group whose heading is selected, and nothing else."""
        rows = list(islice(self._selected_rows(), 2))
        return rows[0] if len(rows) == 1 and isinstance(rows[0], GroupId) else None

    def _selected_rows(self) -> Iterator[Row]:
        """From the selection's ranges: Qt's own list of rows takes a second for ten thousand."""
        for part in self.selectionModel().selection().toList():
            if part.left() <= NAME:
                yield from self._fleet.rows_below(self._fleet.id_of(part.parent()))[part.top() : part.bottom() + 1]

    def _place(self, wanted: HostId | GuestId) -> tuple[int, int]:
        outline = self._fleet.outline
        if isinstance(wanted, GuestId):
            return outline.host_place(wanted.host) or 0, outline.guest_row(wanted) or 0
        return outline.host_place(wanted) or 0, -1

    def chosen_guests(self) -> Sequence[GuestId]:
        return [wanted for wanted in self.chosen() if isinstance(wanted, GuestId)]

    def choose(self, wanted: HostId | GuestId) -> bool:
        """Select one row and bring it into sight; False when it is not listed."""
        index = self._fleet.index_of(wanted)
        if not index.isValid():
            return False
        above = index.parent()
        while above.isValid():
            self.expand(above)
            above = above.parent()
        self.setCurrentIndex(index)
        self.scrollTo(index)
        return True

    def choose_first_guest(self) -> None:
        outline = self._fleet.outline
        first = next((guests[0] for guests in map(outline.guests_of, outline.hosts) if guests), None)
        if first is not None:
            self.choose(first)

    def comfortable_width(self) -> int:
        """Enough for all columns and a name of usual length."""
        figures = sum(self.columnWidth(column) for column in range(CPU, len(COLUMNS)))
        around = self.verticalScrollBar().sizeHint().width() + 2 * self.frameWidth()
        return figures + around + self.fontMetrics().averageCharWidth() * NAME_LETTERS

    @property
    def closed_hosts(self) -> Sequence[HostId]:
        """Hosts that the user closed: others open by themselves when they appear."""
        return sorted(row for row in self._closed if not isinstance(row, GroupId))

    @property
    def closed_groups(self) -> Sequence[str]:
        """Headings that the user closed."""
        return sorted(row.name for row in self._closed if isinstance(row, GroupId))

    def set_closed(self, hosts: Iterable[HostId], groups: Iterable[str] = ()) -> None:
        """What shall stay closed when it appears."""
        self._closed = {*hosts, *(GroupId(name) for name in groups)}

    # -- changes -----------------------------------------------------------------------------------------------

    def apply_changes(self, changes: ChangeSet) -> None:
        """Take in a ChangeSet: rows first, then the visible figures."""
        self._sparklines.forget(changes.ticked | changes.hosts_removed)
        self._fleet.apply_changes(changes)
        self._span(changes.hosts_changed)
        if changes.ticked and self.isVisible():
            self._announce(changes.ticked)

    def set_filter(self, text: str) -> None:
        self._fleet.set_filter(text)

    def set_grouping(self, *, is_grouped: bool) -> None:
        self._fleet.set_grouping(is_grouped=is_grouped)

    def _announce(self, hosts: Iterable[HostId], *, first_column: int = CPU) -> None:
        visible = self._visible_rows()
        for host in hosts:
            guests = visible.get(host)
            if guests is None:
                continue
            rows = [row for row in map(self._fleet.outline.guest_row, guests) if row is not None]
            if rows:
                self._fleet.announce(host, min(rows), max(rows), first_column=first_column)
            self._fleet.announce_host(host, first_column=first_column)

    # -- what is visible ---------------------------------------------------------------------------------------

    def visible_guests(self, host: HostId) -> Sequence[GuestId]:
        return self._visible_rows().get(host, ())

    def _visible_rows(self) -> dict[HostId, list[GuestId]]:
        """Hosts with a row on the screen (their own, or a guest's) and their visible guests; kept until it moves."""
        if self._visible is None:
            found: dict[HostId, list[GuestId]] = {}
            for index in self._indexes_on_screen():
                wanted = self._fleet.id_of(index)
                if isinstance(wanted, GuestId):
                    found.setdefault(wanted.host, []).append(wanted)
                elif wanted is not None and not isinstance(wanted, GroupId):
                    found.setdefault(wanted, [])
            self._visible = found
        return self._visible

    def _indexes_on_screen(self) -> Iterator[QModelIndex]:
        index = self.indexAt(QPoint(0, 0))
        bottom = self.viewport().height()
        while index.isValid() and self.visualRect(index).top() < bottom:
            yield index
            index = self.indexBelow(index)

    @Slot()
    def _forget_visible(self) -> None:
        self._visible = None

    # -- rows come and go --------------------------------------------------------------------------------------

    @Slot()
    def _on_rows_will_change(self) -> None:
        top = self.indexAt(QPoint(0, 0))
        wanted = self._fleet.id_of(top)
        self._anchor = None if wanted is None else (wanted, self.visualRect(top).top())
        self._current = self._fleet.id_of(self.currentIndex()) or self._current
        self._is_restoring = True

    @Slot()
    def _on_rows_changed(self) -> None:
        self._forget_visible()
        self._chosen = None
        self._open_rows()
        self._span((*self._fleet.outline.groups, *self._fleet.outline.hosts))
        self._choose_again()
        self._is_restoring = False
        self._keep_place()
        self.chosen_changed.emit()

    def _open_rows(self) -> None:
        """While a filter is set every host that has hits is open; otherwise as the user left it."""
        filtered = bool(self._fleet.filter)
        rows: list[HostId | GroupId] = [*self._fleet.outline.groups, *self._fleet.outline.hosts]
        for row in rows:
            index, is_open = self._fleet.index_of(row), filtered or row not in self._closed
            if self.isExpanded(index) is not is_open:
                self.setExpanded(index, is_open)

    def _span(self, rows: Iterable[HostId | GroupId]) -> None:
        """A heading has no figures. A host that is away says why: that matters more than sums of old values."""
        for wanted in rows:
            index = self._fleet.index_of(wanted)
            is_wide = isinstance(wanted, GroupId) or self._fleet.is_away(wanted)
            place = (index.row(), index.parent())
            if index.isValid() and is_wide != self.isFirstColumnSpanned(*place):  # setting it lays all rows out anew
                self.setFirstColumnSpanned(*place, is_wide)

    def _choose_again(self) -> None:
        """Rows that the filter took away have lost their selection, and the keys their row: they get them back."""
        selection = QItemSelection()
        for wanted in self._wanted:
            index = self._fleet.index_of(wanted)
            if index.isValid() and not self.selectionModel().isSelected(index):
                selection.select(index, index)
        if not selection.isEmpty():
            flags = QItemSelectionModel.SelectionFlag
            self.selectionModel().select(selection, flags.Select | flags.Rows)
        current = QModelIndex() if self._current is None else self._fleet.index_of(self._current)
        if current.isValid() and not self.currentIndex().isValid():
            self.setAutoScroll(False)  # the place on the screen is kept as well
            self.selectionModel().setCurrentIndex(current, QItemSelectionModel.SelectionFlag.NoUpdate)
            self.setAutoScroll(True)

    def _keep_place(self) -> None:
        """The row that was at the top stays there, though others came or went above it."""
        if self._anchor is None or self.verticalScrollBar().value() == 0:
            return
        index = self._fleet.index_of(self._anchor[0])
        if index.isValid():
            self.executeDelayedItemsLayout()
            moved = self.visualRect(index).top() - self._anchor[1]
            self.verticalScrollBar().setValue(self.verticalScrollBar().value() + moved)

    @Slot(QItemSelection, QItemSelection)
    def _on_selection(self, _now: QItemSelection, _before: QItemSelection) -> None:
        self._chosen = None
        if not self._is_restoring:
            self._wanted = list(self._selected_rows())
            self.chosen_changed.emit()

    @Slot(QModelIndex)
    def _on_expanded(self, index: QModelIndex) -> None:
        self._remember(index, is_open=True)

    @Slot(QModelIndex)
    def _on_collapsed(self, index: QModelIndex) -> None:
        self._remember(index, is_open=False)

    def _remember(self, index: QModelIndex, *, is_open: bool) -> None:
        self._forget_visible()
        row = self._fleet.id_of(index)
        if self._is_restoring or self._fleet.filter or row is None or isinstance(row, GuestId):
            return
        if is_open:
            self._closed.discard(row)
        else:
            self._closed.add(row)

    # -- by the clock ------------------------------------------------------------------------------------------

    @Slot()
    def _on_order_again(self) -> None:
        if self.isVisible() and not self.viewport().underMouse():
            self._fleet.order_again()

    @Slot()
    def _on_ages(self) -> None:
        """«trying again in 8 s» counts down, and the age of last values goes up."""
        if not self.isVisible():
            return
        away = [host.id for host in self._store.hosts.values() if host.state is not HostState.CONNECTED]
        self._announce(away, first_column=NAME)

    @Slot(QPoint)
    def _on_context_menu(self, at: QPoint) -> None:
        self.menu_wanted.emit(self.viewport().mapToGlobal(at))

    def set_empty_text(self, text: str) -> None:
        """What stands in the middle while there is no row."""
        self._empty_text = text
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._empty_text and not self._fleet.rowCount():
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            box = self.viewport().rect().adjusted(16, 16, -16, -16)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap, self._empty_text)

    def dataChanged(self, first: Index, last: Index, roles: Sequence[int] = ()) -> None:
        """Repaint what changed. Qt's own repaints the whole tree whenever it is more than one cell."""
        if first.column() == NAME:
            super().dataChanged(first, last, roles)
            return
        area = self.visualRect(first).united(self.visualRect(last))
        self.viewport().update(area)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.FontChange, QEvent.Type.StyleChange}:
            self._forget_looks()

    @Slot()
    def _forget_looks(self) -> None:
        self._figure_cell.forget_looks()
        self._name_cell.forget_looks()
        self._state_cell.forget_looks()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._forget_visible()
        super().resizeEvent(event)
