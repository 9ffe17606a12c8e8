# SPDX-License-Identifier: GPL-3.0-or-later
"""«Events» at the bottom: what happened on the hosts, newest first. GUI thread."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal, Slot
from PySide6.QtWidgets import QDockWidget, QWidget

from vmconsole.store.store import KEPT_EVENTS
from vmconsole.ui.list_view import ListView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.deltas import EventSeen
    from vmconsole.store.changes import ChangeSet
    from vmconsole.store.store import Store
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NO_INDEX = QModelIndex()
TIME, WHERE, TEXT = range(3)


class EventsModel(QAbstractTableModel):
    """A copy of the Store's list, as its rows move while it is read."""

    def __init__(self, store: Store, theme: Theme, formats: Formats, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._theme = theme
        self._formats = formats
        self._rows: deque[EventSeen] = deque(reversed(store.events))

    def add(self, events: Sequence[EventSeen]) -> None:
        """Oldest first, as a ChangeSet has them."""
        if not events:
            return
        self.beginInsertRows(QModelIndex(), 0, len(events) - 1)
        self._rows.extendleft(events)
        self.endInsertRows()
        over = len(self._rows) - KEPT_EVENTS
        if over > 0:
            self.beginRemoveRows(QModelIndex(), KEPT_EVENTS, len(self._rows) - 1)
            for _ in range(over):
                self._rows.pop()
            self.endRemoveRows()

    def event_at(self, index: Index) -> EventSeen | None:
        return self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None

    def _text(self, event: EventSeen, column: int) -> str:
        if column == TIME:
            return self._formats.clock_s(event.at)
        if column == TEXT:
            return event.text
        host = self._store.hosts.get(event.host)
        name = str(event.host) if host is None else host.name
        guest = None if event.guest is None else self._store.guest(event.guest)
        return name if guest is None else f"{name} · {guest.name}"

    def rowCount(self, parent: Index = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = NO_INDEX) -> int:
        return 0 if parent.isValid() else TEXT + 1

    def data(self, index: Index, role: int = int(Role.DisplayRole)) -> Any:
        event = self.event_at(index)
        if event is None:
            return None
        if role in {Role.DisplayRole, Role.ToolTipRole}:
            return self._text(event, index.column())
        if role == Role.DecorationRole and index.column() == TEXT and event.is_problem:
            return self._theme.icon("problem")
        if role == Role.AccessibleDescriptionRole and event.is_problem:
            return self.tr("problem")
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = int(Role.DisplayRole)) -> str | None:
        if orientation is not Qt.Orientation.Horizontal or role != Role.DisplayRole or not 0 <= section <= TEXT:
            return None
        return (self.tr("Time"), self.tr("Where"), self.tr("What happened"))[section]


class EventsDock(QDockWidget):
    """``shown_wanted`` carries the GuestId or HostId of a line that was double-clicked."""

    shown_wanted = Signal(object)

    def __init__(self, store: Store, theme: Theme, formats: Formats, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Events"))
        self.setObjectName("events-dock")
        self.setAccessibleName(self.tr("Events"))
        self._model = EventsModel(store, theme, formats, self)
        view = ListView(
            self._model, {TIME: 12, WHERE: 26}, name=self.tr("Events"), parent=self,
            empty_text=self.tr("Nothing has happened yet. Starts, stops and lost connections are listed here."),
        )  # fmt: skip
        view.setObjectName("events")
        view.activated.connect(self._on_activated)
        self.setWidget(view)

    @property
    def model(self) -> EventsModel:
        return self._model

    def apply_changes(self, changes: ChangeSet) -> None:
        self._model.add(changes.events)

    @Slot(QModelIndex)
    def _on_activated(self, index: QModelIndex) -> None:
        event = self._model.event_at(index)
        if event is not None:
            self.shown_wanted.emit(event.guest if event.guest is not None else event.host)
