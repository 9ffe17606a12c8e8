# SPDX-License-Identifier: GPL-3.0-or-later
"""«Inside», under ``--debug``: each host's lanes, calls and sampler, and where the window stood still. GUI thread.

It asks the links once a second while it can be seen, and costs nothing while it cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QDockWidget, QHeaderView, QPlainTextEdit, QSplitter, QTreeWidget, QTreeWidgetItem, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.inventory.ids import HostId
    from vmconsole.links.base import CallDebug, LaneDebug, LinkDebug, SamplerDebug
    from vmconsole.ui.context import Context
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.watchdog import Stall

LOOK_MS = 1000
NAME, WAITING, RUNNING, LEFT_BEHIND, LAST_CALL, AGE, SAMPLER = range(7)
WIDTHS = (24, 9, 12, 12, 30, 10)
"""In letters; the last column has the rest."""
STALL_LINES = 12


class DebugDock(QDockWidget):
    """``stalls`` gives the latest, oldest first."""

    def __init__(
        self, context: Context, formats: Formats, stalls: Callable[[], Sequence[Stall]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._formats = formats
        self._stalls = stalls
        self._hosts: dict[HostId, QTreeWidgetItem] = {}
        self.setWindowTitle(self.tr("Inside"))
        self.setObjectName("debug-dock")
        self.setAccessibleName(self.tr("Inside"))
        self.tree = QTreeWidget(self)
        self.stall_text = QPlainTextEdit(self)
        self._set_up_tree()
        self.stall_text.setReadOnly(True)
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
             self.tr("Last call"), self.tr("Age"), self.tr("Sampler")]
        )  # fmt: skip
        tree.headerItem().setToolTip(LEFT_BEHIND, self.tr("Threads in calls whose deadline has passed"))
        tree.setAccessibleName(self.tr("Lanes, calls and samplers"))
        tree.setUniformRowHeights(True)
        tree.setAlternatingRowColors(True)
        header = tree.header()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        for column, letters in enumerate(WIDTHS):
            tree.setColumnWidth(column, letters * self.fontMetrics().averageCharWidth() + 16)

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
        for link in links:
            self._show_link(link.debug())
        self._show_stalls()

    def _show_link(self, link: LinkDebug) -> None:
        row = self._hosts.get(link.host)
        if row is None:
            row = self._hosts[link.host] = QTreeWidgetItem(self.tree)
        host = self._context.store.hosts.get(link.host)
        _set(row, NAME, str(link.host) if host is None else host.name)
        row.setToolTip(NAME, str(link.host))
        _set(row, WAITING, str(sum(lane.queued for lane in link.lanes)))
        _set(row, RUNNING, self._under_way(link.under_way))
        _set(row, LEFT_BEHIND, str(sum(lane.abandoned for lane in link.lanes)))
        _set(row, LAST_CALL, self._call(link.last_call))
        _set(row, AGE, "" if link.last_call is None else self._seconds(link.last_call.age_s))
        _set(row, SAMPLER, self._sampler(link.sampler))
        self._show_parts(row, link)

    def _show_parts(self, row: QTreeWidgetItem, link: LinkDebug) -> None:
        """Below the host: its lanes, then the calls that have not returned."""
        wanted = [*(self._lane_texts(lane) for lane in link.lanes), *(self._stuck_texts(c) for c in link.under_way)]
        while row.childCount() > len(wanted):
            row.takeChild(row.childCount() - 1)
        while row.childCount() < len(wanted):
            row.addChild(QTreeWidgetItem())
        for place, texts in enumerate(wanted):
            part = row.child(place)
            assert part is not None, "as many as are wanted were just made"
            for column in range(SAMPLER + 1):
                _set(part, column, texts.get(column, ""))

    def _show_stalls(self) -> None:
        parts = []
        for stall in reversed(self._stalls()):
            lines = stall.stack.rstrip().splitlines()[-STALL_LINES:]
            parts.append("\n".join([f"{self._formats.clock_s(stall.at)}  {stall.seconds * 1000:.0f} ms", *lines]))
        text = "\n\n".join(parts)
        if text != self.stall_text.toPlainText():
            self.stall_text.setPlainText(text)

    # -- words -------------------------------------------------------------------------------------------------

    def _lane_texts(self, lane: LaneDebug) -> dict[int, str]:
        return {
            NAME: lane.name,
            WAITING: str(lane.queued),
            RUNNING: "" if lane.busy_s is None else self._seconds(lane.busy_s),
            LEFT_BEHIND: str(lane.abandoned),
        }

    def _stuck_texts(self, call: CallDebug) -> dict[int, str]:
        return {NAME: self.tr("call"), RUNNING: self._seconds(call.age_s), LAST_CALL: call.what}

    def _under_way(self, calls: Sequence[CallDebug]) -> str:
        return self._seconds(calls[0].age_s) if calls else ""

    def _call(self, call: CallDebug | None) -> str:
        if call is None:
            return self.tr("none yet")
        if call.took_s is None:
            return self.tr("{what}: no answer yet").format(what=call.what)
        return self.tr("{what}: {ms} ms").format(what=call.what, ms=f"{call.took_s * 1000:.0f}")

    def _seconds(self, seconds: float) -> str:
        return self.tr("{n} s").format(n=f"{seconds:.1f}")

    def _sampler(self, sampler: SamplerDebug | None) -> str:
        if sampler is None:
            return self.tr("none")
        each_ms = 1000 * sampler.cpu_s / sampler.frames if sampler.frames else 0.0
        return self.tr("{frames} frames, {garbled} garbled, {ms} ms CPU a frame, {mib} MiB, {kib} KiB received").format(
            frames=sampler.frames, garbled=sampler.garbled, ms=f"{each_ms:.1f}",
            mib=f"{sampler.memory_kib / 1024:.0f}", kib=f"{sampler.received_bytes / 1024:.0f}",
        )  # fmt: skip


def _set(row: QTreeWidgetItem, column: int, text: str) -> None:
    """Only what differs: an unchanged row is not painted again."""
    if row.text(column) != text:
        row.setText(column, text)
        row.setToolTip(column, text)
