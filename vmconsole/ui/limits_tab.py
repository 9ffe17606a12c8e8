# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's limits, those in force and those of the next boot side by side. GUI thread.

The CPU cap can be changed here; the other limits of the one table are shown with their meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QGroupBox,
    QHeaderView,
    QLabel,
    QScrollArea,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.inventory.limits import LimitRef, Limits
from vmconsole.quotas.rows import LimitRow, Scope
from vmconsole.quotas.table import TABLE
from vmconsole.quotas.words import raw, shown
from vmconsole.ui.charts.cap_form import CapForm
from vmconsole.ui.charts.cap_subject import subject_of

if TYPE_CHECKING:
    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import GuestId
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context

UNSET = "–"
ROWS = tuple(row for row in TABLE if row.scope is Scope.GUEST)


class LimitsTab(QWidget):
    """``show_guest`` says whose limits; the Store gives the rest."""

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._guest: GuestId | None = None
        self.form = CapForm(context)
        self.table = QTableWidget(len(ROWS), 3)
        self._reason = QLabel()
        self._lay_out()
        self._set_up_table()
        context.bridge.store_changed.connect(self._on_store_changed)
        self._show()

    def _lay_out(self) -> None:
        cap = QGroupBox(self.tr("CPU cap of the whole guest"))
        QVBoxLayout(cap).addWidget(self.form)
        everything = QGroupBox(self.tr("All limits"))
        QVBoxLayout(everything).addWidget(self.table)
        self._reason.setWordWrap(True)
        page = QWidget()
        column = QVBoxLayout(page)
        column.addWidget(self._reason)
        column.addWidget(cap)
        column.addWidget(everything, 1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(page)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)

    def _set_up_table(self) -> None:
        table = self.table
        table.setHorizontalHeaderLabels([self.tr("Limit"), self.tr("Running now"), self.tr("Next boot")])
        table.setAccessibleName(self.tr("All limits of the guest"))
        table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        table.setAlternatingRowColors(True)
        table.setWordWrap(True)
        table.setShowGrid(False)
        table.setStyleSheet("QTableView::item { padding: 4px; }")
        table.verticalHeader().hide()
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        table.setMinimumHeight(200)

    # -- whose limits ------------------------------------------------------------------------------------------

    def show_guest(self, guest: GuestId | None) -> None:
        if guest != self._guest:
            self._guest = guest
            self._show()

    def _on_store_changed(self, changes: ChangeSet) -> None:
        guest = self._guest
        if guest is None:
            return
        of_guest = (changes.guests_changed, changes.guests_added, changes.guests_removed)
        if any(guest in ids for ids in of_guest) or guest.host in changes.hosts_changed:
            self._show()

    def _show(self) -> None:
        subject = subject_of(self._context.store, self._guest) if self._guest is not None else None
        guest = self._context.store.guest(self._guest) if self._guest is not None else None
        self.form.set_subject(subject)
        text = "" if subject is None else subject.blocked or subject.notice
        self._reason.setText(text)
        self._reason.setVisible(bool(text))
        layout = subject.situation.layout if subject is not None else ""
        for row, limit in enumerate(ROWS):
            self._show_row(row, limit, guest, layout)

    def _show_row(self, row: int, limit: LimitRow, guest: Guest | None, layout: str) -> None:
        live, stored = (guest.live, guest.stored) if guest is not None else (None, None)
        found = limit.range_on(layout)
        span = f"{found.low} – {found.high} {limit.unit}" if found is not None else limit.unit
        how = f"{limit.call.value}: {limit.parameter}\n{span}"
        proof = f"{limit.proof_on(layout)}\n{limit.source}"
        cells = (
            (f"{limit.title}\n{limit.meaning}", f"{how}\n{proof}"),
            _cell(limit, live),
            _cell(limit, stored),
        )
        for column, (text, tip) in enumerate(cells):
            item = QTableWidgetItem(text)
            item.setToolTip(tip)
            self.table.setItem(row, column, item)


def _cell(limit: LimitRow, limits: Limits | None) -> tuple[str, str]:
    if limits is None:
        return (UNSET, "")
    value = limits[LimitRef(limit.key)]
    return (shown(limit, value), raw(limit, value))
