# SPDX-License-Identifier: GPL-3.0-or-later
"""The right side when no single host or guest is selected: no host yet, nothing, or several. GUI thread."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QFormLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from vmconsole.inventory.ids import GuestId
from vmconsole.ui import columns, status_summary, words
from vmconsole.ui.columns import COLUMNS, CPU
from vmconsole.ui.scrolling import scroll_inside
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import HostId
    from vmconsole.store.store import Store
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.theme import Theme

translate = QCoreApplication.translate
WIDEST = 560
MOST_NAMED = 30
MOST_PROBLEMS = 12


class EmptyPage(QScrollArea):
    """``add_wanted``: the button «Add Connection…» was pressed; ``limits_wanted``: «Set Limits of All…»."""

    add_wanted = Signal()
    limits_wanted = Signal()

    def __init__(self, store: Store, theme: Theme, formats: Formats, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._theme = theme
        self._formats = formats
        self._title, self._text, self._names = QLabel(self), QLabel(self), QLabel(self)
        big = self._title.font()
        big.setPointSizeF(big.pointSizeF() * 1.5)
        big.setBold(True)
        self._title.setFont(big)
        for label in (self._title, self._text, self._names):
            label.setWordWrap(True)
            label.setMaximumWidth(WIDEST)
        self._names.setTextFormat(Qt.TextFormat.PlainText)
        self._add = QPushButton(theme.icon("add-connection"), self.tr("Add Connection…"), self)
        self._add.clicked.connect(self.add_wanted)
        self._limits = QPushButton(self.tr("Set &Limits of All…"), self)
        self._limits.setToolTip(self.tr("The same limits for all selected guests, on whatever hosts (Ctrl+L)"))
        self._limits.clicked.connect(self.limits_wanted)
        self._sums = QWidget(self)
        self._form = QFormLayout(self._sums)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._values = [QLabel(self._sums) for _ in COLUMNS[CPU:]]
        for column, value in enumerate(self._values, CPU):
            self._form.addRow(columns.title(column), value)
            value.setAccessibleDescription(columns.title(column))
        self._lay_out()
        self.show_nothing()

    def _lay_out(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(24, 20, 24, 20)
        column.setSpacing(12)
        for widget in (self._title, self._text, self._add, self._sums, self._limits, self._names):
            is_button = isinstance(widget, QPushButton)
            column.addWidget(widget, 0, Qt.AlignmentFlag.AlignLeft if is_button else Qt.AlignmentFlag(0))
        column.addStretch(1)
        scroll_inside(self, inside)

    def show_nothing(self) -> None:
        """Nothing is selected: say what to do."""
        has_hosts = bool(self._store.hosts)
        if has_hosts:
            self._title.setText(self.tr("Nothing is selected"))
            self._text.setText(
                self.tr(
                    "Select a guest on the left to see what it uses and to set its limits, or a host to see its state."
                )
            )
        else:
            self._title.setText(self.tr("No host yet"))
            self._text.setText(
                self.tr(
                    "Add the first host by its name, as you would give it to ssh, for example <code>root@kvm1</code>. "
                    "Your own ssh settings, keys and agent are used, and nothing is installed on the host.<br><br>"
                    "To look around without a host, start <code>vmconsole --demo</code>."
                )
            )
        self._add.setVisible(not has_hosts)
        self._sums.hide()
        self._limits.hide()
        told = self._told_problems()
        self._names.setText("\n".join(told))
        self._names.setVisible(bool(told))
        fade(self._names, self._theme, "problem")

    def _told_problems(self) -> Sequence[str]:
        """A line for each host or guest that needs a look."""
        found = status_summary.problems(self._store)[:MOST_PROBLEMS]
        told = ((status_summary.name_of(self._store, row), status_summary.told(self._store, row, self._formats))
                for row in found)  # fmt: skip
        return [words if words.startswith(name) else f"{name}: {words}" for name, words in told]

    def show_many(self, wanted: Sequence[HostId | GuestId]) -> None:
        """Several rows: how many, in which states, and what the guests use together."""
        found = (self._store.guest(one) for one in wanted if isinstance(one, GuestId))
        guests = [guest for guest in found if guest is not None]
        if not guests:
            hosts = len(wanted)
            self._title.setText(self.tr("{n} hosts selected").format(n=hosts))
            self._text.setText(self.tr("Select one to see its state."))
        else:
            self._say_guests(guests)
        self._add.hide()
        self._sums.setVisible(bool(guests))
        self._limits.setVisible(bool(guests))
        self._names.setVisible(bool(guests))

    def _say_guests(self, guests: Sequence[Guest]) -> None:
        hosts = len({guest.id.host for guest in guests})
        selected = words.counted(len(guests), one=self.tr("One guest selected"), many=self.tr("{n} guests selected"))
        on = words.counted(hosts, one=self.tr("on one host"), many=self.tr("on {n} hosts"))
        self._title.setText(f"{selected}, {on}")
        states = Counter(guest.state for guest in guests)
        told = ", ".join(f"{count} {words.guest_state(state)}" for state, count in states.most_common())
        self._text.setText(
            self.tr("{states}. What you do from the toolbar is done to all of them. Together they use:").format(
                states=told
            )
        )
        rows = [self._store.figures(guest.id.host).row(guest.id.uuid) for guest in guests]
        lists = [row.tolist() for row in rows if row is not None]
        for column, label in enumerate(self._values, CPU):
            values = [value for value in (columns.value_of(column, row) for row in lists) if value is not None]
            label.setText(columns.spoken_of(column, sum(values), self._formats) if values else "–")
        names = [guest.name for guest in guests[:MOST_NAMED]]
        more = len(guests) - len(names)
        self._names.setText(", ".join(names) + (f" … (+{more})" if more > 0 else ""))
        fade(self._names, self._theme)
