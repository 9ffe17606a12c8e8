# SPDX-License-Identifier: GPL-3.0-or-later
"""The right side for a selected host: its state with the reason in words, versions, and its guests' sum. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from vmconsole.inventory.facts import GuestState, HostState
from vmconsole.ui import columns, words
from vmconsole.ui.charts.elided import ElidedLabel
from vmconsole.ui.columns import CPU, DISK, MEMORY, NETWORK
from vmconsole.ui.error_view import ErrorView
from vmconsole.ui.formats import UNKNOWN
from vmconsole.ui.page_parts import ICON, box_of_values, fill, head
from vmconsole.ui.remedies import Subject
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.facts import Host
    from vmconsole.inventory.ids import HostId
    from vmconsole.ui.context import Context
    from vmconsole.ui.error_help import ErrorHelp
    from vmconsole.ui.fleet_cells import FleetCells
    from vmconsole.ui.formats import Formats

translate = QCoreApplication.translate
SHOWN_VERSIONS = ("libvirt", "qemu", "kernel", "python")
BESIDE = frozenset({"reconnect"})


class HostPage(QScrollArea):
    """``show_host`` once per selection, ``refresh`` when something of it changed. What is wanted: of this host."""

    check_wanted = Signal()
    edit_wanted = Signal()
    log_wanted = Signal()

    def __init__(
        self,
        context: Context,
        formats: Formats,
        cells: FleetCells,
        parent: QWidget | None = None,
        *,
        helped_by: ErrorHelp | None = None,
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._theme = context.theme
        self._formats = formats
        self._cells = cells
        self._host: HostId | None = None
        self._fields: dict[str, QLabel] = {}
        self.setAccessibleName(self.tr("Host"))
        self._icon, self._name, self._state = QLabel(self), QLabel(self), QLabel(self)
        self._connect = self._button(self.tr("Connect"), self._on_connect)
        self._try = self._button(self.tr("Try Now"), self._on_connect)
        self._disconnect = self._button(self.tr("Disconnect"), self._on_disconnect)
        self._check = self._button(self.tr("Check…"), self.check_wanted)
        self._check.setToolTip(self.tr("Try the connection and what the console needs on the host, step by step"))
        self._edit = self._button(self.tr("Edit…"), self.edit_wanted)
        self._edit.setToolTip(self.tr("Name, colour, group and address of this connection (F2)"))
        self._log = self._button(self.tr("Show libvirtd's Log"), self.log_wanted)
        self._reason = ErrorView(context.theme, self, helped_by=helped_by, beside=BESIDE)
        self._caution = ErrorView(context.theme, self, icon="warning")
        self._figures_reason = ErrorView(
            context.theme, self, icon="host-not-answering", helped_by=helped_by, beside=BESIDE
        )
        self._lay_out()
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self.refresh)

    # -- parts -------------------------------------------------------------------------------------------------

    def _button(self, text: str, slot: object) -> QPushButton:
        button = QPushButton(text, self)
        button.clicked.connect(slot)
        return button

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self._connect, self._try, self._disconnect, self._edit, self._check, self._log):
            buttons.addWidget(button)
        buttons.addStretch(1)
        column = QVBoxLayout()
        column.addLayout(head(self._icon, self._name, self._state))
        column.addLayout(buttons)
        column.addWidget(self._reason)
        column.addWidget(self._caution)
        column.addWidget(self._figures_reason)
        special: dict[str, QLabel] = {"address": ElidedLabel()}
        for title, rows in ((self.tr("Guests"), self._sums()), (self.tr("Host"), self._facts())):
            box, values = box_of_values(title, rows, self, special=special)
            self._fields |= values
            column.addWidget(box)
        column.addStretch(1)
        fill(self, column)

    def _sums(self) -> Sequence[tuple[str, str]]:
        return (
            ("guests", self.tr("Running")),
            ("cpu", self.tr("CPU cores in use")),
            ("memory", self.tr("Memory in use")),
            ("disk", self.tr("Disk, read and written")),
            ("network", self.tr("Network, in and out")),
        )

    def _facts(self) -> Sequence[tuple[str, str]]:
        return (
            ("address", self.tr("Address")),
            ("libvirt", self.tr("libvirt")),
            ("qemu", self.tr("Hypervisor")),
            ("kernel", self.tr("Kernel")),
            ("python", self.tr("Python")),
            ("cpus", self.tr("CPUs")),
            ("total", self.tr("Memory")),
            ("cgroups", self.tr("Control groups")),
        )

    # -- what it shows -----------------------------------------------------------------------------------------

    def show_host(self, host: HostId | None) -> None:
        self._host = host
        if host is None:
            self._clock.stop()
        else:
            self._clock.start()
            self.refresh()

    @Slot()
    def refresh(self) -> None:
        host = None if self._host is None else self._context.store.hosts.get(self._host)
        if host is None:
            return
        self._icon.setPixmap(self._theme.host_icon(host.state).pixmap(ICON, ICON))
        self._name.setText(host.name)
        self._state.setText(words.host_state(host, self._formats))
        colour = {HostState.FAILED: "problem", HostState.NOT_ANSWERING: "warning", HostState.CONNECTED: "ok"}
        fade(self._state, self._theme, colour.get(host.state, "quiet"))
        about = Subject(host.id, at=host.since)
        self._reason.show_explanation(host.reason, about)
        self._caution.show_explanation(host.caution if host.state is HostState.CONNECTED else None)
        self._figures_reason.show_explanation(host.figures_reason, about)
        is_away = host.state in {HostState.NOT_ANSWERING, HostState.FAILED}
        self._try.setVisible(is_away)
        self._log.setVisible(is_away and host.has_shell)
        self._connect.setVisible(host.state is HostState.DISCONNECTED)
        self._disconnect.setVisible(host.state is not HostState.DISCONNECTED)
        self._check.setVisible(not host.is_demo)
        self._edit.setVisible(not host.is_demo)
        self._fill(host)

    def _fill(self, host: Host) -> None:
        texts = self._cells.of(host.id)
        guests = self._context.store.guests_of(host.id).values()
        running = sum(guest.state is GuestState.RUNNING for guest in guests)
        age = words.figures_age_s(host, self._context.store.figures(host.id).last_at, self._formats)
        old = "" if age is None else translate("HostPage", "  ({age} ago)").format(age=self._formats.age(age))
        values = {
            "guests": translate("HostPage", "{running} of {known}").format(running=running, known=len(guests)),
            **{columns.COLUMNS[column].key: texts[column] + old for column in (CPU, MEMORY, DISK, NETWORK)},
            "address": str(host.id),
            "cpus": UNKNOWN if host.cpus is None else str(host.cpus),
            "total": self._formats.size(host.memory_bytes),
            "cgroups": host.cgroup_layout or UNKNOWN,
            **{key: host.versions.get(key, UNKNOWN) for key in SHOWN_VERSIONS},
        }
        for key, text in values.items():
            if self._fields[key].text() != text:
                self._fields[key].setText(text)
                self._fields[key].setToolTip(text if key == "address" else "")

    @Slot()
    def _on_connect(self) -> None:
        link = None if self._host is None else self._context.fleet.link(self._host)
        if link is not None:
            link.connect()

    @Slot()
    def _on_disconnect(self) -> None:
        link = None if self._host is None else self._context.fleet.link(self._host)
        if link is not None:
            link.disconnect()
