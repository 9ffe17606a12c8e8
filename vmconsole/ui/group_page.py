# SPDX-License-Identifier: GPL-3.0-or-later
"""The right side for a group's heading: which of its hosts are there, what their guests use, what is wrong. GUI thread.

The sums are of the hosts that are connected, as the last values of others are not of now; that some are left out is
said.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QGroupBox, QLabel, QScrollArea, QVBoxLayout, QWidget

from vmconsole.inventory.facts import GuestState, HostState
from vmconsole.ui import status_summary, words
from vmconsole.ui.columns import COLUMNS, CPU
from vmconsole.ui.formats import UNKNOWN
from vmconsole.ui.page_parts import ICON, box_of_values, fill, head
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.facts import Host
    from vmconsole.inventory.ids import GroupId, GuestId, HostId
    from vmconsole.store.store import Store
    from vmconsole.ui.fleet_cells import FleetCells
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.theme import Theme

translate = QCoreApplication.translate
MOST_PROBLEMS = 12


class GroupPage(QScrollArea):
    """``show_group`` once per selection, ``refresh`` when something of its hosts changed. ``shown_wanted`` carries the
    host or guest whose problem was activated."""

    shown_wanted = Signal(object)

    def __init__(
        self, store: Store, theme: Theme, formats: Formats, cells: FleetCells, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._store = store
        self._theme = theme
        self._formats = formats
        self._cells = cells
        self._group: GroupId | None = None
        self._listed: Sequence[HostId | GuestId] = ()
        self._fields: dict[str, QLabel] = {}
        self.setAccessibleName(self.tr("Group"))
        self._icon, self._name, self._state = QLabel(self), QLabel(self), QLabel(self)
        self._state.setTextFormat(Qt.TextFormat.PlainText)
        self._problems = QLabel(self)
        self._problems.setTextFormat(Qt.TextFormat.RichText)
        self._problems.setWordWrap(True)
        self._problems.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self._problems.linkActivated.connect(self._on_link)
        self._problem_box = QGroupBox(self.tr("Needs a look"), self)
        QVBoxLayout(self._problem_box).addWidget(self._problems)
        self._note = QLabel(self)
        self._note.setWordWrap(True)
        theme.changed.connect(self.refresh)
        self._lay_out()

    # -- parts -------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        hosts = (
            ("connected", self.tr("Connected")),
            ("away", self.tr("Not answering")),
            ("cpus", self.tr("CPUs")),
            ("total", self.tr("Memory")),
        )
        guests = (
            ("running", self.tr("Running")),
            ("cpu", self.tr("CPU cores in use")),
            ("memory", self.tr("Memory in use")),
            ("disk", self.tr("Disk, read and written")),
            ("network", self.tr("Network, in and out")),
        )
        column = QVBoxLayout()
        column.addLayout(head(self._icon, self._name, self._state))
        column.addWidget(self._problem_box)
        for title, rows in ((self.tr("Guests"), guests), (self.tr("Hosts"), hosts)):
            box, values = box_of_values(title, rows, self)
            self._fields |= values
            column.addWidget(box)
        column.addWidget(self._note)
        column.addStretch(1)
        fill(self, column)

    # -- what it shows -----------------------------------------------------------------------------------------

    def show_group(self, group: GroupId | None) -> None:
        self._group = group
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        if self._group is None:
            return
        hosts = [host for host in self._store.hosts.values() if host.look.group == self._group.name]
        there = [host for host in hosts if host.state is HostState.CONNECTED]
        self._icon.setPixmap(self._theme.icon("folder").pixmap(ICON, ICON))
        for quiet in (self._state, self._note):
            fade(quiet, self._theme)
        self._name.setText(words.group_name(self._group))
        self._state.setText(words.counted(len(hosts), one=self.tr("One host"), many=self.tr("{n} hosts")))
        self._say_problems({host.id for host in hosts})
        for key, text in (self._of_hosts(hosts, there) | self._of_guests(there)).items():
            if self._fields[key].text() != text:
                self._fields[key].setText(text)
        self._note.setText(self._left_out(len(hosts), len(hosts) - len(there)))
        self._note.setVisible(bool(self._note.text()))

    def _of_hosts(self, hosts: Sequence[Host], there: Sequence[Host]) -> dict[str, str]:
        away = [host.name for host in hosts if host.state in status_summary.BAD_HOST]
        sizes = [host.memory_bytes for host in there if host.memory_bytes is not None]
        cpus = [host.cpus for host in there if host.cpus is not None]
        told = translate("GroupPage", "{n} of {all}").format(n=len(there), all=len(hosts))
        return {
            "connected": told,
            "away": ", ".join(away[:MOST_PROBLEMS]) + ("…" if len(away) > MOST_PROBLEMS else "") or UNKNOWN,
            "cpus": str(sum(cpus)) if cpus else UNKNOWN,
            "total": self._formats.size(sum(sizes)) if sizes else UNKNOWN,
        }

    def _of_guests(self, there: Sequence[Host]) -> dict[str, str]:
        guests = [guest for host in there for guest in self._store.guests_of(host.id).values()]
        running = sum(guest.state is GuestState.RUNNING for guest in guests)
        texts = self._cells.together(there)
        told = translate("GroupPage", "{n} of {all}").format(n=running, all=len(guests))
        return {
            "running": told if there else UNKNOWN,
            **{column.key: texts[place] for place, column in enumerate(COLUMNS[CPU:])},
        }

    def _left_out(self, hosts: int, away: int) -> str:
        if not away:
            return ""
        if away == hosts:
            return self.tr("None of its hosts is connected, so nothing is known of what its guests use now.")
        return words.counted(
            away,
            one=self.tr("One host is not connected; the sums are without it."),
            many=self.tr("{n} hosts are not connected; the sums are without them."),
        )

    def _say_problems(self, hosts: set[HostId]) -> None:
        found = status_summary.problems(self._store)
        of_group = [row for row in found if status_summary.host_of(row) in hosts]
        self._listed = of_group[:MOST_PROBLEMS]
        more = len(of_group) - len(self._listed)
        ink = self.palette().color(QPalette.ColorRole.WindowText).name()  # a link's own is unreadable on a dark ground
        lines = [
            f'<a href="{place}" style="color: {ink}">{html.escape(status_summary.name_of(self._store, row))}</a>: '
            + html.escape(status_summary.told(self._store, row, self._formats))
            for place, row in enumerate(self._listed)
        ]
        lines += [html.escape(self.tr("… and {n} more").format(n=more))] if more else []
        text = "<br>".join(lines)
        if text != self._problems.text():
            self._problems.setText(text)
        self._problem_box.setVisible(bool(lines))

    @Slot(str)
    def _on_link(self, place: str) -> None:
        self.shown_wanted.emit(self._listed[int(place)])
