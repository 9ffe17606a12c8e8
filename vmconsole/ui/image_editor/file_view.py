# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of files: selection, keys, and drag and drop as signals. It asks for nothing itself. GUI thread.

A QTableView, although it looks like a list: a QTreeView asks the model three questions for each row whenever one comes,
31 ms for 10,000 rows, and this one asks for the rows that are seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QItemSelectionRange,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import (
    QDrag,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLineEdit,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from vmconsole.images.messages import Entry, EntryKind
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.file_model import MODE, NAME, SIZE, FileModel

if TYPE_CHECKING:
    from collections.abc import Callable


_WIDTHS_IN_CHARACTERS = (30, 9, 20, 12, 9, 9)
_NAME_CHARACTERS_MIN = 22
_ROW_SPACE = 4
_RANGES_MAX = 500
"""Of rows that are selected again after a folder was read anew."""


class FileView(QTableView):
    """Shows a ``FileModel``. Drops and drags are told by signals; ``make_drag_data`` gives what a drag carries."""

    files_dropped = Signal(object, object)
    """The ``QMimeData`` dropped from outside, and the name of the folder row they fell on (empty: the shown folder)."""
    moved_inside = Signal(object, object)
    """Entries of this very table that were dropped on a folder row of it."""
    drag_left = Signal()
    """A drag that began here has left the table."""
    drag_ended = Signal(object)
    """The ``Qt.DropAction`` the target chose; IgnoreAction if the drag came to nothing."""
    target_changed = Signal(object)
    """The folder row that a drop would fall on now, ``.`` for the shown folder, empty when nothing is dragged here."""
    single_selected = Signal(object)
    """The one selected entry, or None when none or several are."""

    def __init__(self, model: FileModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._files = model
        self.make_drag_data: Callable[[list[Entry]], QMimeData | None] | None = None
        self.accepts_drops = False
        self._target: str | None = None
        self._is_dragging = False
        self._widths: dict[int, int] = {}
        """Of columns that are hidden for want of room."""
        self.setModel(model)
        # To draw itself, a header asks whether its whole columns are selected, cell by cell: it gets its own selection.
        self._header = self.horizontalHeader()
        self._header.setSelectionModel(QItemSelectionModel(model, self._header))
        self.setItemDelegateForColumn(NAME, _NameDelegate(self))
        self.setItemDelegateForColumn(SIZE, _SizeDelegate(self))
        self._set_up_looks()
        self._set_up_behaviour()

    def _set_up_looks(self) -> None:
        self.setAccessibleName(self.tr("Files"))
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setCornerButtonEnabled(False)
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setMinimumSectionSize(0)
        rows.setDefaultSectionSize(max(self.fontMetrics().height(), self.iconSize().height()) + _ROW_SPACE)
        self.setAlternatingRowColors(True)
        self.setSortingEnabled(True)
        self.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        header = self._header
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setAccessibleName(self.tr("Columns of the files"))
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(False)
        character = self.fontMetrics().averageCharWidth()
        for column, width in enumerate(_WIDTHS_IN_CHARACTERS):
            header.resizeSection(column, width * character + 12)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(5 * character)
        header.resizeSection(MODE, self.fontMetrics().horizontalAdvance("drwxrwxrwx") + 16)

    def _set_up_behaviour(self) -> None:
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.setDefaultDropAction(Qt.DropAction.CopyAction)
        self.setDropIndicatorShown(False)
        self.setAutoScroll(True)
        self.selectionModel().selectionChanged.connect(self._on_selection_changed)

    # -- selection ---------------------------------------------------------------------------------------------

    def selected(self) -> list[Entry]:
        """The selected entries, in the order of the rows."""
        # Whole rows are selected. To ask for them one by one, Qt would ask the model of every cell.
        rows: set[int] = set()
        for found in self.selectionModel().selection().toList():
            rows.update(range(found.top(), found.bottom() + 1))
        return self._files.entries_of(sorted(rows))

    def _range(self, top: int, bottom: int) -> QItemSelectionRange:
        last = self._files.columnCount() - 1
        return QItemSelectionRange(self._files.index(top, NAME), self._files.index(bottom, last))

    def _select_rows(self, top: int, bottom: int, command: QItemSelectionModel.SelectionFlag) -> None:
        selection = QItemSelection()
        selection.append(self._range(top, bottom))
        self.selectionModel().select(selection, command)

    def selectAll(self) -> None:
        """As one range: Qt's own looks at every row."""
        rows = self._files.rowCount()
        if rows and self.state() != QAbstractItemView.State.EditingState:
            self._select_rows(0, rows - 1, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """What a click, Shift with a key, or a rubber band covers; for the same reason."""
        area = rect.normalized()
        first, last = (self.indexAt(QPoint(area.left(), y)) for y in (area.top(), area.bottom()))
        if not first.isValid():
            super().setSelection(rect, command)
            return
        bottom = last.row() if last.isValid() else self._files.rowCount() - 1
        self._select_rows(first.row(), bottom, command)

    def select_names(self, wanted: set[str], *, current: str = "") -> None:
        """Select rows by name; those that are not there are left out."""
        selection = self.selectionModel()
        selection.select(self._rows_of(wanted), selection.SelectionFlag.ClearAndSelect)
        row_of_current = self._files.row_of(current)
        if row_of_current is not None:
            index = self._files.index(row_of_current, NAME)
            selection.setCurrentIndex(index, selection.SelectionFlag.NoUpdate)
            self.scrollTo(index)

    def _rows_of(self, wanted: set[str]) -> QItemSelection:
        """Rows that follow each other are one range: Qt compares each range with each at every change."""
        rows = [row for row, entry in enumerate(self._files.entries()) if entry.name in wanted]
        first = [row for before, row in zip([-2, *rows], rows, strict=False) if row != before + 1]
        last = [row for row, after in zip(rows, [*rows[1:], -2], strict=False) if after != row + 1]
        found = QItemSelection()
        for top, bottom in list(zip(first, last, strict=True))[:_RANGES_MAX]:
            found.append(self._range(top, bottom))
        return found

    def edit_name(self) -> None:
        """Begin to rename the current row."""
        index = self.currentIndex().siblingAtColumn(NAME)
        if index.isValid() and self._files.flags(index) & Qt.ItemFlag.ItemIsEditable:
            self.edit(index)

    @Slot()
    def _on_selection_changed(self) -> None:
        found = self.selectionModel().selection().toList()
        rows = {row for one in found[:2] for row in range(one.top(), min(one.bottom(), one.top() + 1) + 1)}
        is_single = len(rows) == 1 and {one.top() for one in found} == rows
        self.single_selected.emit(self._files.entry(self._files.index(min(rows), NAME)) if is_single else None)

    # -- dragging out ------------------------------------------------------------------------------------------

    def startDrag(self, _supported: Qt.DropAction) -> None:
        entries = [e for e in self.selected() if e.is_addressable]
        data = self.make_drag_data(entries) if self.make_drag_data is not None and entries else None
        if data is None:
            return
        drag = QDrag(self)
        drag.setMimeData(data)
        icon = self._files.index(self._files.row_of(entries[0].name) or 0, NAME).data(Qt.ItemDataRole.DecorationRole)
        drag.setPixmap(icon.pixmap(24))
        self._is_dragging = True
        action = drag.exec(Qt.DropAction.CopyAction)  # never Move: the files stay in the image
        self._is_dragging = False
        self.drag_ended.emit(action)

    # -- dropping in -------------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        self._judge(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        QAbstractItemView.dragMoveEvent(self, event)  # scrolls near the edges; its verdict is replaced by ours
        self._judge(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._show_target(None)
        if self._is_dragging:
            self.drag_left.emit()
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        self.stopAutoScroll()
        folder = self._folder_at(event.position().toPoint())
        if not self._judge(event):
            return
        self._show_target(None)
        if event.source() is self:
            self.moved_inside.emit(self.selected(), folder)
        else:
            self.files_dropped.emit(event.mimeData(), folder)

    def _judge(self, event: QDropEvent) -> bool:
        """Accept what can be taken where the mouse is, and show where it would land."""
        folder = self._folder_at(event.position().toPoint())
        is_own = event.source() is self
        wanted = self.accepts_drops and (is_own or event.mimeData().hasUrls())
        if not wanted or (is_own and (not folder or folder in {e.name for e in self.selected()})):
            self._show_target(None)
            event.ignore()
            return False
        self._show_target(folder)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        return True

    def _folder_at(self, point: QPoint) -> str:
        entry = self._files.entry(self.indexAt(point))
        return entry.name if entry is not None and entry.kind is EntryKind.FOLDER and entry.is_addressable else ""

    def _show_target(self, target: str | None) -> None:
        if target != self._target:
            self._target = target
            self.viewport().update()
            self.target_changed.emit("" if target is None else target or ".")

    def _target_area(self) -> QRect:
        row = self._files.row_of(self._target) if self._target else None
        if row is None:
            return self.viewport().rect().adjusted(1, 1, -2, -2)
        area = self.visualRect(self._files.index(row, NAME))
        return QRect(1, area.top(), self.viewport().width() - 3, area.height() - 1)

    # -- Qt's own names ----------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room_for_names()

    def _make_room_for_names(self) -> None:
        """In a narrow window the last columns go, rather than the names."""
        header = self._header
        room = self.viewport().width() - _NAME_CHARACTERS_MIN * self.fontMetrics().averageCharWidth()
        for column in range(NAME + 1, header.count()):
            room -= header.sectionSize(column) or self._widths.get(column, 0)
            if not header.isSectionHidden(column):
                self._widths[column] = header.sectionSize(column)
            header.setSectionHidden(column, room < 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._target is not None:
            painter = QPainter(self.viewport())
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
            painter.drawRoundedRect(self._target_area(), 3, 3)

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Among rows only, as in a list: Home is the first row, and Left goes nowhere."""
        actions, rows = QAbstractItemView.CursorAction, self._files.rowCount()
        if action in {actions.MoveHome, actions.MoveEnd} and rows:
            return self._files.index(0 if action == actions.MoveHome else rows - 1, NAME)
        if action in {actions.MoveLeft, actions.MoveRight} and self.currentIndex().isValid():
            return self.currentIndex()
        return super().moveCursor(action, modifiers)

    def keyboardSearch(self, search: str) -> None:
        """Typed letters find names, wherever in its row the mouse was."""
        current = self.currentIndex()
        if current.isValid() and current.column() != NAME:
            self.selectionModel().setCurrentIndex(
                current.siblingAtColumn(NAME), QItemSelectionModel.SelectionFlag.NoUpdate
            )
        super().keyboardSearch(search)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        is_enter = event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}
        if is_enter and self.state() != QAbstractItemView.State.EditingState and self.currentIndex().isValid():
            self.activated.emit(self.currentIndex())  # on some styles Enter would only begin to edit
            event.accept()
            return
        super().keyPressEvent(event)


class _NameDelegate(QStyledItemDelegate):
    """Renaming in place: the name without its ending is selected, and a name that cannot be is not taken."""

    def createEditor(
        self, parent: QWidget, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex
    ) -> QWidget:
        line = QLineEdit(parent)
        line.setAccessibleName(self.tr("New name"))
        line.setFrame(True)
        return line

    def setEditorData(self, editor: QWidget, index: QModelIndex | QPersistentModelIndex) -> None:
        assert isinstance(editor, QLineEdit)
        name = index.data(Qt.ItemDataRole.EditRole)
        editor.setText(name)
        editor.setSelection(0, names.stem_length(name))


class _SizeDelegate(QStyledItemDelegate):
    """Numbers end a little before the next column begins."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        if option.text:
            option.text += "\N{EN SPACE}"
