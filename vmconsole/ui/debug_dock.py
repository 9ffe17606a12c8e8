# SPDX-License-Identifier: GPL-3.0-or-later
"""«Inside», under ``--debug``: each host's lanes, calls and sampler, and where the window stood still. GUI thread.

It asks the links once a second while it can be seen, and costs nothing while it cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QAction, QFontDatabase, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDockWidget,
    QHeaderView,
    QPlainTextEdit,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from vmconsole.inventory.ids import GuestId
from vmconsole.ui import stall_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.inventory.ids import HostId
    from vmconsole.links.base import CallDebug, LaneDebug, LinkDebug, SamplerDebug
    from vmconsole.ui.context import Context
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.watchdog import Stall

LOOK_MS = 1000
NAME, WAITING, RUNNING, LEFT_BEHIND, LAST_CALL, TOOK, AGE, SAMPLER = range(8)
COLUMNS = 8
LETTERS = {NAME: 27, WAITING: 10, RUNNING: 13, LEFT_BEHIND: 13, TOOK: 12, AGE: 10}
"""Widths; the last call has what is left, and the sampler what it needs."""
FEW_HOSTS = 4
"""So many are shown with their lanes at once."""
Texts = dict[int, str]
Values = dict[int, float]


class DebugDock(QDockWidget):
    """``stalls`` gives the latest, oldest first."""

    def __init__(
        self, context: Context, formats: Formats, stalls: Callable[[], Sequence[Stall]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._formats = formats
        self._stalls = stalls
        self._hosts: dict[HostId, _Row] = {}
        self.setWindowTitle(self.tr("Inside"))
        self.setObjectName("debug-dock")
        self.setAccessibleName(self.tr("Inside"))
        self.tree = QTreeWidget(self)
        self.stall_text = QPlainTextEdit(self)
        self._set_up_tree()
        self.stall_text.setReadOnly(True)
        self.stall_text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.stall_text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.stall_text.setAccessibleName(self.tr("Stalls of the window"))
        self.stall_text.setPlaceholderText(self.tr("The window has not stood still for longer than 50 ms."))
        parts = QSplitter(Qt.Orientation.Horizontal, self)
        parts.addWidget(self.tree)
        parts.addWidget(self.stall_text)
        parts.setStretchFactor(0, 3)
        parts.setStretchFactor(1, 1)
        self.setWidget(parts)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.refresh)
        self.visibilityChanged.connect(self._on_visible)

    def _set_up_tree(self) -> None:
        tree = self.tree
        tree.setHeaderLabels(
            [self.tr("Host and lane"), self.tr("Waiting"), self.tr("Running for"), self.tr("Left behind"),
             self.tr("Last call"), self.tr("Took"), self.tr("Age"), self.tr("Sampler")]
        )  # fmt: skip
        head = tree.headerItem()
        head.setToolTip(WAITING, self.tr("Jobs that wait for their lane"))
        head.setToolTip(LEFT_BEHIND, self.tr("Threads in calls whose deadline has passed"))
        head.setToolTip(AGE, self.tr("How long ago the last call began"))
        head.setToolTip(SAMPLER, self.tr("Frames, CPU of the host for each, memory there, bytes received"))
        tree.setAccessibleName(self.tr("Lanes, calls and samplers"))
        tree.setUniformRowHeights(True)
        tree.setStyleSheet("QTreeView::item { padding: 0 4px; }")
        tree.setAlternatingRowColors(True)
        tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        header = tree.header()
        header.setStretchLastSection(False)
        for column in (WAITING, RUNNING, LEFT_BEHIND, TOOK, AGE):
            head.setTextAlignment(column, Qt.AlignmentFlag.AlignRight)
        for column, letters in LETTERS.items():
            tree.setColumnWidth(column, letters * self.fontMetrics().averageCharWidth() + 8)
        header.setSectionResizeMode(LAST_CALL, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(SAMPLER, QHeaderView.ResizeMode.ResizeToContents)
        tree.setSortingEnabled(True)
        tree.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)
        self.copy_rows = self._action(self.tr("Copy Rows"), self._on_copy_rows)
        self.copy_rows.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        self.copy_all = self._action(self.tr("Copy All, with Stalls"), self._on_copy_all)
        tree.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def _action(self, text: str, slot: Callable[[], None]) -> QAction:
        action = QAction(text, self.tree)
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        action.triggered.connect(slot)
        self.tree.addAction(action)
        return action

    # -- looking -----------------------------------------------------------------------------------------------

    @Slot(bool)
    def _on_visible(self, visible: bool) -> None:  # noqa: FBT001  Qt's signal
        if visible:
            self.refresh()
            self._timer.start()
        else:
            self._timer.stop()

    @property
    def is_looking(self) -> bool:
        return self._timer.isActive()

    @Slot()
    def refresh(self) -> None:
        """Ask all links again."""
        fleet = self._context.fleet
        links = [link for host in fleet.hosts if (link := fleet.link(host)) is not None]
        for gone in set(self._hosts) - {link.host_id for link in links}:
            self.tree.takeTopLevelItem(self.tree.indexOfTopLevelItem(self._hosts.pop(gone)))
        self.tree.setSortingEnabled(False)  # once for all that changes
        for link in links:
            self._show_link(link.debug())
        self.tree.setSortingEnabled(True)
        self._show_stalls()

    def _show_link(self, link: LinkDebug) -> None:
        row = self._hosts.get(link.host)
        is_new = row is None
        if row is None:
            row = self._hosts[link.host] = _Row(0)
            self.tree.addTopLevelItem(row)
        host, call = self._context.store.hosts.get(link.host), link.last_call
        queued, left = sum(lane.queued for lane in link.lanes), sum(lane.abandoned for lane in link.lanes)
        running_s = link.under_way[0].age_s if link.under_way else None
        texts = {
            NAME: str(link.host) if host is None else host.name,
            WAITING: str(queued),
            RUNNING: self._seconds(running_s),
            LEFT_BEHIND: str(left),
            LAST_CALL: self.tr("none yet") if call is None else call.what,
            TOOK: self._took(call),
            AGE: self._seconds(None if call is None else call.age_s),
            SAMPLER: self._sampler(link.sampler),
        }
        values: Values = {WAITING: queued, RUNNING: running_s or 0.0, LEFT_BEHIND: left}
        values |= {TOOK: (call.took_s or 0.0) if call else 0.0, AGE: call.age_s if call else 0.0}
        values[SAMPLER] = link.sampler.cpu_s if link.sampler else 0.0
        row.show(texts, values)
        row.setToolTip(NAME, str(link.host))
        self._show_parts(row, link)
        if is_new and len(self._hosts) <= FEW_HOSTS:
            row.setExpanded(True)

    def _show_parts(self, row: _Row, link: LinkDebug) -> None:
        """Below the host: its lanes, then the calls that have not returned."""
        wanted = [
            *(self._lane_texts(link.host, lane) for lane in link.lanes),
            *(self._stuck_texts(c) for c in link.under_way),
        ]
        while len(row.parts) > len(wanted):
            row.removeChild(row.parts.pop())
        while len(row.parts) < len(wanted):
            row.parts.append(_Row(len(row.parts)))
            row.addChild(row.parts[-1])
        for part, texts in zip(row.parts, wanted, strict=True):
            part.show(texts, {})

    def _show_stalls(self) -> None:
        text = "\n".join(stall_words.told(stall, self._formats) for stall in reversed(self._stalls()))
        if text != self.stall_text.toPlainText():
            self.stall_text.setPlainText(text)

    # -- copying -----------------------------------------------------------------------------------------------

    def _lines(self, *, chosen_only: bool) -> list[str]:
        """Rows as they stand, columns with tabs between them."""
        found = []
        for host in sorted(self._hosts.values(), key=self.tree.indexOfTopLevelItem):
            for row in (host, *host.parts):
                if row.isSelected() or not chosen_only:
                    texts = [row.text(column) for column in range(COLUMNS)]
                    found.append(("" if row is host else "  ") + "\t".join(texts).rstrip())
        return found

    @Slot()
    def _on_copy_rows(self) -> None:
        QGuiApplication.clipboard().setText("\n".join(self._lines(chosen_only=bool(self.tree.selectedItems()))))

    @Slot()
    def _on_copy_all(self) -> None:
        titles = "\t".join(self.tree.headerItem().text(column) for column in range(COLUMNS))
        text = "\n".join([titles, *self._lines(chosen_only=False), "", self.stall_text.toPlainText()])
        QGuiApplication.clipboard().setText(text)

    # -- words -------------------------------------------------------------------------------------------------

    def _lane_texts(self, host: HostId, lane: LaneDebug) -> Texts:
        known = self._context.store.guest(GuestId(host, lane.guest))
        guest = lane.guest if known is None else known.name
        return {
            NAME: self.tr("agent of {guest}").format(guest=guest) if guest else lane.name,
            WAITING: str(lane.queued),
            RUNNING: self._seconds(lane.busy_s),
            LEFT_BEHIND: str(lane.abandoned),
        }

    def _stuck_texts(self, call: CallDebug) -> Texts:
        return {NAME: self.tr("call"), RUNNING: self._seconds(call.age_s), LAST_CALL: call.what}

    def _took(self, call: CallDebug | None) -> str:
        if call is None:
            return ""
        return self.tr("no answer") if call.took_s is None else self.tr("{n} ms").format(n=f"{call.took_s * 1000:.0f}")

    def _seconds(self, seconds: float | None) -> str:
        return "" if seconds is None else self.tr("{n} s").format(n=f"{seconds:.1f}")

    def _sampler(self, sampler: SamplerDebug | None) -> str:
        if sampler is None:
            return self.tr("none")
        each_ms = 1000 * sampler.cpu_s / sampler.frames if sampler.frames else 0.0
        told = self.tr("{frames} × {ms} ms, {mib} MiB, {kib} KiB").format(
            frames=sampler.frames, ms=f"{each_ms:.1f}", mib=f"{sampler.memory_kib / 1024:.0f}",
            kib=f"{sampler.received_bytes / 1024:.0f}",
        )  # fmt: skip
        return told + (self.tr(", {n} garbled").format(n=sampler.garbled) if sampler.garbled else "")


class _Row(QTreeWidgetItem):
    """A host, sorted by number where the column is one; or a part of a host, which stays in its place."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.parts: list[_Row] = []
        self._place = place
        self._values: Values = {}
        for column in (WAITING, RUNNING, LEFT_BEHIND, TOOK, AGE):
            self.setTextAlignment(column, Qt.AlignmentFlag.AlignRight)

    def show(self, texts: Texts, values: Values) -> None:
        """Only what differs is set: an unchanged row is not painted again."""
        self._values = values
        for column in range(COLUMNS):
            text = texts.get(column, "")
            if self.text(column) != text:
                self.setText(column, text)
                self.setToolTip(column, text)

    def __lt__(self, other: QTreeWidgetItem) -> bool:
        tree = self.treeWidget()
        if not isinstance(other, _Row) or tree is None:
            return False
        column = tree.sortColumn()
        if self.parent() is not None:
            is_ascending = tree.header().sortIndicatorOrder() is Qt.SortOrder.AscendingOrder
            return (self._place < other._place) == is_ascending
        if column in self._values and column in other._values:
            return self._values[column] < other._values[column]
        return self.text(column).casefold() < other.text(column).casefold()
