# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of one folder as a table that owns its order and its filter. GUI thread.

No proxy model: sorting a Python model through one costs a call for each comparison. Here the order is a list, sorted
by a key; text is made once for a row, when it is first painted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QLocale,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from vmconsole.images.messages import Entry, EntryKind
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import plain_tip, time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vmconsole.ui.image_editor.look import Look

AnyIndex = QModelIndex | QPersistentModelIndex
NAME, SIZE, MODIFIED, MODE, OWNER, GROUP = range(6)
_LETTERS = {
    EntryKind.FILE: "-",
    EntryKind.FOLDER: "d",
    EntryKind.LINK: "l",
    EntryKind.BLOCK_DEVICE: "b",
    EntryKind.CHARACTER_DEVICE: "c",
    EntryKind.PIPE: "p",
    EntryKind.SOCKET: "s",
    EntryKind.UNKNOWN: "?",
}

_SHARE = 4
"""What comes waits until it is a fourth of what is there: so many small parts cost no more than few big ones."""
MOST_ROWS = 50_000
"""No more rows are shown: they are sorted in the window's thread, and a guest may make a folder of millions. The filter
looks at all entries, and those that it lets through are shown."""

_PLAIN = (
    Qt.ItemFlag.ItemIsSelectable
    | Qt.ItemFlag.ItemIsEnabled
    | Qt.ItemFlag.ItemNeverHasChildren
    | Qt.ItemFlag.ItemIsDragEnabled
)
_NONE = Qt.ItemFlag.NoItemFlags
_EDITABLE = _PLAIN | Qt.ItemFlag.ItemIsEditable
_ICONS = {EntryKind.FILE: "file", EntryKind.FOLDER: "folder", EntryKind.LINK: "file-link"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it shows and what it is sorted by."""

    title: str
    text: Callable[[Entry], str]
    key: Callable[[Entry], Any]
    right: bool = False


def name_text(entry: Entry) -> str:
    """The name as shown, with where a link points."""
    text = names.shown(entry.name)
    return f"{text} → {names.shown(entry.link_target)}" if entry.kind is EntryKind.LINK else text


def entry_mode_text(entry: Entry) -> str:
    return names.mode_text(entry.mode, _LETTERS[entry.kind])


def _has_size(entry: Entry) -> bool:
    return entry.kind is EntryKind.FILE


class FileModel(QAbstractTableModel):
    """``rename_wanted`` carries the entry and the new name that the user typed into the row."""

    rename_wanted = Signal(object, object)  # Qt's own text would drop bytes that are not UTF-8
    shown_changed = Signal()
    """Rows were added or taken away."""

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._entries: dict[str, Entry] = {}
        self._waiting: dict[str, Entry] = {}
        self._order: list[str] = []
        self._texts: dict[str, tuple[str, ...]] = {}
        self._matches: Callable[[str], bool] = names.matcher("")
        self._sort = (NAME, Qt.SortOrder.AscendingOrder)
        self.may_rename = False
        self.is_cut = False
        """There are more entries than rows."""
        self.columns = (
            Column(self.tr("Name"), name_text, lambda e: e.name.casefold()),
            Column(self.tr("Size"), self._size_text, lambda e: e.size_bytes or 0, right=True),
            Column(self.tr("Modified"), lambda e: time_text(e.modified_at), lambda e: e.modified_at or 0.0),
            Column(self.tr("Mode"), entry_mode_text, lambda e: e.mode or 0),
            Column(self.tr("Owner"), lambda e: names.shown(e.owner), lambda e: e.owner),
            Column(self.tr("Group"), lambda e: names.shown(e.group), lambda e: e.group),
        )

    def _size_text(self, entry: Entry) -> str:
        return self._look.formats.size(entry.size_bytes) if _has_size(entry) else ""

    # -- what is shown -----------------------------------------------------------------------------------------

    @property
    def names(self) -> frozenset[str]:
        """All names of the folder, also those that the filter hides."""
        return frozenset(self._entries) | self._waiting.keys()

    @property
    def total(self) -> int:
        return len(self._entries) + len(self._waiting)

    def entry(self, index: AnyIndex) -> Entry | None:
        row = index.row()
        return self._entries[self._order[row]] if index.isValid() and 0 <= row < len(self._order) else None

    def entries(self) -> list[Entry]:
        """The rows in their order."""
        return [self._entries[name] for name in self._order]

    def entries_of(self, rows: Iterable[int]) -> list[Entry]:
        """What stands in some rows; rows that are not there are left out."""
        count = len(self._order)
        return [self._entries[self._order[row]] for row in rows if row < count]

    def all_entries(self) -> list[Entry]:
        """Also those that the filter hides."""
        return list(self._entries.values())

    def row_of(self, name: str) -> int | None:
        try:
            return self._order.index(name)
        except ValueError:
            return None

    def set_entries(self, entries: Iterable[Entry]) -> None:
        """Another folder, or the same one read again."""
        self.beginResetModel()
        self._entries, self._waiting = {entry.name: entry for entry in entries}, {}
        self._texts.clear()
        self._order = self._wanted_order()
        self.endResetModel()
        self.shown_changed.emit()

    def add_entries(self, entries: Iterable[Entry]) -> None:
        """More of the same folder. Rows are added at the end where the order allows it, which is cheap; what comes in
        small parts to many rows waits for more, and ``set_entries`` or ``flush`` shows the last of it."""
        self._waiting.update((entry.name, entry) for entry in entries if entry.name not in self._entries)
        if len(self._waiting) * _SHARE >= len(self._entries):
            self.flush()

    def flush(self) -> None:
        """Show what waits."""
        more, self._waiting = self._waiting, {}
        self._entries.update(more)
        room = MOST_ROWS - len(self._order)
        is_in_order = self._sort == (NAME, Qt.SortOrder.AscendingOrder)
        if room <= 0 and is_in_order:
            # As it comes in that order, none of it would be shown.
            self.is_cut = self.is_cut or any(self._matches(name) for name in more)
            self.shown_changed.emit()
            return
        wanted = self._ordered(e for e in more.values() if self._matches(e.name))
        self.is_cut = self.is_cut or len(wanted) > room
        wanted = wanted[:room] if is_in_order else wanted
        if self._goes_after(wanted):
            first = len(self._order)
            self.beginInsertRows(QModelIndex(), first, first + len(wanted) - 1)
            self._order += [e.name for e in wanted]
            self.endInsertRows()
        else:
            self.beginResetModel()
            self._order = self._wanted_order()
            self.endResetModel()
        self.shown_changed.emit()

    def _goes_after(self, wanted: list[Entry]) -> bool:
        if not wanted:
            return False
        last = self._entries[self._order[-1]] if self._order else None
        return last is None or self._ordered([last, wanted[0]])[0] is last

    def has_exactly(self, entries: Sequence[Entry]) -> bool:
        """Whether these are the folder's entries as it has them."""
        self.flush()
        return len(entries) == len(self._entries) and all(self._entries.get(e.name) is e for e in entries)

    def set_filter(self, words: str) -> None:
        self.beginResetModel()
        self._entries.update(self._waiting)
        self._waiting = {}
        self._matches = names.matcher(words)
        self._order = self._wanted_order()
        self.endResetModel()
        self.shown_changed.emit()

    def _wanted_order(self) -> list[str]:
        found = self._ordered(e for e in self._entries.values() if self._matches(e.name))
        self.is_cut = len(found) > MOST_ROWS
        return [e.name for e in found[:MOST_ROWS]]

    def _ordered(self, entries: Iterable[Entry]) -> list[Entry]:
        column, direction = self._sort
        key, down = self.columns[column].key, direction == Qt.SortOrder.DescendingOrder
        found = sorted(entries, key=lambda e: e.name.casefold())
        found.sort(key=key, reverse=down)
        found.sort(key=lambda e: e.kind is not EntryKind.FOLDER)
        return found

    def _text(self, entry: Entry, column: int) -> str:
        texts = self._texts.get(entry.name)
        if texts is None:
            texts = self._texts[entry.name] = tuple(c.text(entry) for c in self.columns)
        return texts[column]

    def _tip(self, entry: Entry) -> str:
        lines = [name_text(entry), entry_mode_text(entry)]
        if _has_size(entry) and entry.size_bytes is not None:
            lines.append(self.tr("{count} bytes").format(count=QLocale().toString(entry.size_bytes)))
        if not entry.name.isascii() and any("\udc80" <= c <= "\udcff" for c in entry.name):
            lines.append(self.tr("The name is not UTF-8: bytes of it are shown as \\xNN."))
        return plain_tip("\n".join(line for line in lines if line))

    # -- Qt's own names ----------------------------------------------------------------------------------------

    def rowCount(self, parent: AnyIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's signature; an invalid index is a constant
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: AnyIndex = QModelIndex()) -> int:  # noqa: B008 - as above
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(section)
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        entry = self.entry(index)
        if entry is None:
            return None
        column = index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.AccessibleTextRole:
                return self._text(entry, column)
            case Qt.ItemDataRole.EditRole:
                return names.shown(entry.name)  # Qt would drop the bytes of a name that is not UTF-8
            case Qt.ItemDataRole.DecorationRole if column == NAME:
                return self._look.theme.icon(_ICONS.get(entry.kind, "file-special"))
            case Qt.ItemDataRole.TextAlignmentRole:
                return self._alignment(column)
            case Qt.ItemDataRole.ToolTipRole:
                return self._tip(entry)
        return None

    def setData(self, index: AnyIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        entry = self.entry(index)
        if entry is not None and role == Qt.ItemDataRole.EditRole and value != names.shown(entry.name):
            self.rename_wanted.emit(entry, names.typed(str(value), entry.name))
        return False  # the row changes when the image says so

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        # Asked for every cell that is drawn: nothing is put together here.
        column = index.column()
        if column == NAME:
            return _EDITABLE if self.may_rename else _PLAIN
        return _PLAIN if column > NAME else _NONE

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        if not 0 <= column < len(self.columns):
            return
        self.layoutAboutToBeChanged.emit()
        kept = self.persistentIndexList()
        named = [(self._order[i.row()], i.column()) for i in kept]
        self._sort = (column, order)
        self._order = self._wanted_order()
        row_of = {name: row for row, name in enumerate(self._order)}
        moved = [self.index(row_of[name], col) if name in row_of else QModelIndex() for name, col in named]
        self.changePersistentIndexList(kept, moved)
        self.layoutChanged.emit()

    def _alignment(self, column: int) -> int:
        side = Qt.AlignmentFlag.AlignRight if self.columns[column].right else Qt.AlignmentFlag.AlignLeft
        return int(side | Qt.AlignmentFlag.AlignVCenter)
