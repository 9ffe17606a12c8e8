# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's capacity against what its guests were promised, and who takes what now and over time. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSplitter,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from vmconsole.inventory.ids import GuestId
from vmconsole.metrics.figures import Figure
from vmconsole.quotas.capacity import Capacity, capacity_of, over_commits
from vmconsole.ui.capacity.stack_data import stack_of
from vmconsole.ui.capacity.stack_view import StackView
from vmconsole.ui.capacity.table import GUEST, SORT_ROLE, UUID_ROLE, PromisesModel
from vmconsole.ui.describer import Describer
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.facts import Host
    from vmconsole.inventory.ids import HostId
    from vmconsole.ui.context import Context
    from vmconsole.ui.formats import Formats

EVERY_MS = 2000
SPANS_S = (600, 3600)


class CapacityPage(QWidget):
    """``show_host`` says whose; ``guest_wanted`` carries the GuestId of one that was activated."""

    guest_wanted = Signal(object)

    def __init__(self, context: Context, formats: Formats, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._theme = context.theme
        self._formats = formats
        self._host: HostId | None = None
        self._describer = Describer(context, self)
        self.summary, self.warning, self.reading = QLabel(self), QLabel(self), QLabel(self)
        self.model = PromisesModel(formats, context.theme, self)
        self._sorted = QSortFilterProxyModel(self)
        self.table = QTreeView(self)
        self.what, self.span = QComboBox(self), QComboBox(self)
        self.stack = StackView(formats, self)
        self._clock = QTimer(self, interval=EVERY_MS)
        self._lay_out()
        self._clock.timeout.connect(self.refresh)
        self._describer.progressed.connect(self.refresh)
        self.table.activated.connect(self._on_activated)
        self.stack.chosen.connect(self._on_layer)

    def _lay_out(self) -> None:
        for label in (self.summary, self.warning, self.reading):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._sorted.setSourceModel(self.model)
        self._sorted.setSortRole(SORT_ROLE)
        table = self.table
        table.setModel(self._sorted)
        table.setRootIsDecorated(False)
        table.setUniformRowHeights(True)
        table.setSortingEnabled(True)
        table.sortByColumn(GUEST, Qt.SortOrder.AscendingOrder)
        table.setAllColumnsShowFocus(True)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setAccessibleName(self.tr("Promises to the guests"))
        table.setStyleSheet("QTreeView::item { padding: 2px; }")
        table.header().setStretchLastSection(False)
        table.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for number, (figure, title) in enumerate(
            ((Figure.CPU_CORES, self.tr("CPU")), (Figure.MEMORY_BYTES, self.tr("Memory")))
        ):
            self.what.insertItem(number, title, figure)
        for span_s in SPANS_S:
            self.span.addItem(self.tr("{n} min").format(n=span_s // 60), span_s)
        self.what.setAccessibleName(self.tr("What is shown"))
        self.span.setAccessibleName(self.tr("How far back"))
        for box in (self.what, self.span):
            box.currentIndexChanged.connect(self.refresh)
        bar = QHBoxLayout()
        bar.addWidget(QLabel(self.tr("Who takes what"), self))
        bar.addWidget(self.what)
        bar.addWidget(self.span)
        bar.addStretch(1)
        bar.addWidget(self.reading)
        lower = QWidget(self)
        below = QVBoxLayout(lower)
        below.setContentsMargins(0, 0, 0, 0)
        below.addLayout(bar)
        below.addWidget(self.stack, 1)
        middle = QSplitter(Qt.Orientation.Vertical, self)
        middle.addWidget(table)
        middle.addWidget(lower)
        middle.setChildrenCollapsible(False)
        page = QVBoxLayout(self)
        page.addWidget(self.summary)
        page.addWidget(self.warning)
        page.addWidget(middle, 1)

    def show_host(self, host: HostId | None) -> None:
        if host != self._host:
            self._describer.stop()
            self._host = host
        if host is not None and self.isVisible():
            self._describer.want(host)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        host = self._context.store.hosts.get(self._host) if self._host is not None else None
        if host is None or not self.isVisible():
            return
        guests = self._context.store.guests_of(host.id)
        capacity = capacity_of(host, guests.values())
        self.model.show_capacity(capacity)
        self.summary.setText(self._sums(capacity))
        told = over_commits(capacity)
        self.warning.setText("\n".join(told))
        self.warning.setVisible(bool(told))
        fade(self.warning, self._theme, "warning")
        missing = self._describer.missing
        self.reading.setText(self.tr("Reading {n} guests…").format(n=missing) if missing else "")
        self._show_stack(host, {uuid: guest.name for uuid, guest in guests.items()})

    def _show_stack(self, host: Host, names: dict[str, str]) -> None:
        figure = self.what.currentData()
        is_cpu = figure is Figure.CPU_CORES
        stack = stack_of(
            self._context.store.figures(host.id), names, figure, span_s=float(self.span.currentData()),
            others=self.tr("others"),
        )  # fmt: skip
        words: Callable[[float], str] = self._formats.cores if is_cpu else self._formats.size
        whole = host.cpus if is_cpu else host.memory_bytes
        self.stack.show_stack(stack, words=words, whole=None if whole is None else float(whole))

    def _sums(self, capacity: Capacity) -> str:
        """«18 vCPUs may use 14.0 of 32 cores · …»"""
        size, cores = self._formats.size, self._formats.cores
        cpu = self.tr("{vcpus} vCPUs may use {most} of {cpus} cores").format(
            vcpus=capacity.vcpus, most=cores(capacity.most_cores), cpus=capacity.cpus or "–"
        )
        memory = self.tr("memory promised {max}, balloons {balloon}, of {all}").format(
            max=size(capacity.memory_max_kib * 1024), balloon=size(capacity.balloon_kib * 1024),
            all=size(None if capacity.memory_kib is None else capacity.memory_kib * 1024),
        )  # fmt: skip
        hard = capacity.hard_kib
        bound = (
            self.tr("not every guest has a hard limit")
            if hard is None
            else self.tr("hard limits {size}").format(size=size(hard * 1024))
        )
        return f"{cpu} · {memory} · {bound}"

    @Slot(QModelIndex)
    def _on_activated(self, index: QModelIndex) -> None:
        self._on_layer(str(index.data(UUID_ROLE)))

    @Slot(str)
    def _on_layer(self, uuid: str) -> None:
        if self._host is not None:
            self.guest_wanted.emit(GuestId(self._host, uuid))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._clock.start()
        self.show_host(self._host)

    def hideEvent(self, event: QHideEvent) -> None:
        self._clock.stop()
        super().hideEvent(event)
