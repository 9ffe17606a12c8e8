# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's limits on one page, those in force and those of the next boot side by side. GUI thread.

The tree has all of them, the panel beside it explains one and sets it, the list below says what Apply will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QSortFilterProxyModel, Qt, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from vmconsole.quotas.rows import Place
from vmconsole.quotas.situation import Situation
from vmconsole.quotas.table import row_of
from vmconsole.ui.charts.limit_subject import subject_of
from vmconsole.ui.formats import Formats
from vmconsole.ui.limits.behind_dialog import BehindDialog
from vmconsole.ui.limits.changes_view import ChangesView
from vmconsole.ui.limits.draft import LimitsDraft
from vmconsole.ui.limits.history_dialog import HistoryDialog
from vmconsole.ui.limits.limits_view import LimitsView
from vmconsole.ui.limits.model import LIMIT, LimitsModel
from vmconsole.ui.limits.panel import LimitPanel
from vmconsole.ui.limits.pin_dialog import PinDialog

if TYPE_CHECKING:
    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import GuestId
    from vmconsole.inventory.limits import LimitRef
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context
    from vmconsole.ui.limits.model import AnyIndex

PANEL_WIDTH, PANEL_HEIGHT = 340, 170
WIDE = 800
"""From so many pixels on there is room for the panel beside the tree."""


class LimitsFilter(QSortFilterProxyModel):
    """Limits whose name or meaning has all typed words; if wished, those only that are set."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.words: tuple[str, ...] = ()
        self.only_set = False
        self.setRecursiveFilteringEnabled(True)

    def look_for(self, text: str, *, only_set: bool) -> None:
        self.beginFilterChange()
        self.words = tuple(text.casefold().split())
        self.only_set = only_set
        self.endFilterChange()

    def filterAcceptsRow(self, row: int, parent: AnyIndex) -> bool:
        model = self.sourceModel()
        if not isinstance(model, LimitsModel):
            return False
        index = model.index(row, LIMIT, parent)
        ref = model.ref_at(index)
        if ref is None:
            return False
        about = row_of(ref)
        text = f"{about.title} {about.section} {ref.target} {about.meaning} {about.parameter}".casefold()
        return all(word in text for word in self.words) and (not self.only_set or model.is_set(index))


class LimitsTab(QWidget):
    """``show_guest`` says whose limits; the Store gives the rest."""

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._theme = context.theme
        self._guest: GuestId | None = None
        self._chosen: LimitRef | None = None
        self._is_wide: bool | None = None
        self.draft = LimitsDraft(context, self)
        self.model = LimitsModel(self.draft, self._theme, self)
        self.filter = LimitsFilter(self)
        self.filter.setSourceModel(self.model)
        self.search, self.only_set = QLineEdit(self), QCheckBox(self.tr("Only what is &set"), self)
        self.behind_button = QPushButton(self.tr("&Behind libvirt…"), self)
        self.pin_button = QPushButton(self.tr("&Pin CPUs…"), self)
        self.level_button = QPushButton(self.tr("Next boot as &now"), self)
        self.history_button = QPushButton(self.tr("&History…"), self)
        self.tree = LimitsView(self)
        self.tree.setModel(self.filter)
        self.tree.set_up_columns()
        self.panel = LimitPanel(self.draft, self._theme, self)
        self.changes = ChangesView(self.draft, self._theme, self)
        self._reason = QLabel(self)
        self._middle = QSplitter(Qt.Orientation.Horizontal, self)
        self._lay_out()
        self._connect()
        self._show()

    def _lay_out(self) -> None:
        self.search.setPlaceholderText(self.tr("Find a limit: cpu, memory, vda, burst…"))
        self.search.setAccessibleName(self.tr("Find a limit"))
        self.search.setClearButtonEnabled(True)
        self._reason.setWordWrap(True)
        top = QHBoxLayout()
        for widget, stretch in (
            (self.search, 1),
            (self.only_set, 0),
            (self.level_button, 0),
            (self.behind_button, 0),
            (self.pin_button, 0),
            (self.history_button, 0),
        ):
            top.addWidget(widget, stretch)
        scroll = QScrollArea(self)
        scroll.setWidget(self.panel)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        middle = self._middle
        middle.addWidget(self.tree)
        middle.addWidget(scroll)
        middle.setStretchFactor(0, 1)
        middle.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.addWidget(self._reason)
        column.addLayout(top)
        column.addWidget(middle, 1)
        column.addWidget(self.changes)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The panel stands beside the tree where there is room, else below it."""
        super().resizeEvent(event)
        is_wide = self.width() >= WIDE
        if is_wide != self._is_wide:
            self._is_wide = is_wide
            self._middle.setOrientation(Qt.Orientation.Horizontal if is_wide else Qt.Orientation.Vertical)
            self._middle.setSizes([self.width() - PANEL_WIDTH, PANEL_WIDTH] if is_wide else [600, PANEL_HEIGHT])
            self.panel.set_wide(not is_wide)

    def _connect(self) -> None:
        self.search.textChanged.connect(self._on_filter)
        self.only_set.toggled.connect(self._on_filter)
        self.level_button.setToolTip(self.tr("Give the next boot every value that the running guest has"))
        self.level_button.clicked.connect(lambda: self.draft.level_all(Place.STORED))
        self.history_button.clicked.connect(self.show_history)
        self.pin_button.clicked.connect(self.show_pinning)
        self.behind_button.setToolTip(self.tr("What QEMU can change now although libvirt refuses; never stored"))
        self.behind_button.clicked.connect(self.show_behind)
        self.model.modelReset.connect(self._on_reset)
        self.tree.selectionModel().currentChanged.connect(self._on_current)
        self.draft.changed.connect(self._on_draft)
        self._context.bridge.store_changed.connect(self._on_store_changed)

    # -- whose limits ----------------------------------------------------------------------------------------------

    def show_guest(self, guest: GuestId | None) -> None:
        if guest != self._guest:
            self._guest = guest
            self._show()
            self.changes.forget_words()

    def show_limit(self, ref: LimitRef) -> None:
        """Bring one limit to the front, with its explanation."""
        self.search.clear()
        self.only_set.setChecked(False)
        index = self.filter.mapFromSource(self.model.index_of(ref))
        if index.isValid():
            self.tree.scrollTo(index)
            self.tree.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def show_pinning(self) -> None:
        if self.draft.situation is not None:
            PinDialog(self.draft, self._context, self).show()

    def show_behind(self) -> None:
        if self.draft.situation is not None:
            BehindDialog(self.draft.situation.guest, self._context, self).show()

    def _may_go_behind(self, guest: Guest) -> bool:
        """Only where the user wished it for this connection, and while there is a QEMU to ask."""
        saved = self._context.profile.connections.find(guest.id.host)
        return saved is not None and saved.allows_behind and guest.live is not None

    def show_history(self) -> None:
        history = self._context.limit_history
        if self._guest is not None and history is not None:
            HistoryDialog(history.of(self._guest), self.draft, Formats(), self).open()

    def _on_store_changed(self, changes: ChangeSet) -> None:
        guest = self._guest
        if guest is None:
            return
        of_guest = (changes.guests_changed, changes.guests_added, changes.guests_removed)
        if any(guest in ids for ids in of_guest) or guest.host in changes.hosts_changed:
            self._show()

    def _show(self) -> None:
        store, guest_id = self._context.store, self._guest
        guest = store.guest(guest_id) if guest_id is not None else None
        host = store.hosts.get(guest_id.host) if guest_id is not None else None
        if guest is None or host is None or guest_id is None:
            self.draft.set_situation(None)
            self._reason.hide()
            return
        self.draft.set_situation(Situation(host, guest))
        self.behind_button.setVisible(self._may_go_behind(guest))
        subject = subject_of(store, guest_id)
        text = "" if subject is None else subject.blocked
        if not text and guest.taints:
            text = self.tr("libvirt says of this guest: {words}").format(words="; ".join(guest.taints))
        self._reason.setText(text)
        self._reason.setVisible(bool(text))

    # -- what is shown ---------------------------------------------------------------------------------------------

    @Slot()
    def _on_draft(self) -> None:
        situation = self.draft.situation
        differs = situation is not None and any(self.draft.differs(ref) for _, ref in situation.refs())
        self.level_button.setEnabled(differs)

    @Slot()
    def _on_filter(self) -> None:
        self.filter.look_for(self.search.text(), only_set=self.only_set.isChecked())
        if self.search.text() or self.only_set.isChecked():
            self.tree.expandAll()
        else:
            self._on_reset()

    @Slot()
    def _on_reset(self) -> None:
        """Open what is of the whole guest, and what is set; the many fields of disks and interfaces stay folded."""
        for row in range(self.filter.rowCount()):
            section = self.filter.index(row, 0)
            first = self.filter.mapToSource(self.filter.index(0, 0, section))
            self.tree.expand(section)
            if self.model.ref_at(first) is not None:
                continue
            for part in range(self.filter.rowCount(section)):
                index = self.filter.index(part, 0, section)
                self.tree.setExpanded(index, self.model.is_set(self.filter.mapToSource(index)))
        self._choose_again()

    def _choose_again(self) -> None:
        """The same limit as before of another guest, else the first: the panel shows what can be done."""
        index = QModelIndex() if self._chosen is None else self.filter.mapFromSource(self.model.index_of(self._chosen))
        if not index.isValid():
            index = self.filter.index(0, LIMIT, self.filter.index(0, LIMIT))
        flag = QItemSelectionModel.SelectionFlag.ClearAndSelect
        self.tree.selectionModel().setCurrentIndex(index, flag)

    @Slot(QModelIndex, QModelIndex)
    def _on_current(self, current: QModelIndex, _before: QModelIndex) -> None:
        ref = self.model.ref_at(self.filter.mapToSource(current))
        self._chosen = ref or self._chosen
        self.panel.show_limit(ref)
