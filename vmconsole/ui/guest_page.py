# SPDX-License-Identifier: GPL-3.0-or-later
"""The right side for a selected guest: what it is, and tabs. GUI thread.

A tab's module is imported when the tab is first shown: charts and editors bring large libraries that the first window
can do without. Only the tab in front follows the selection; the others catch up when they come to the front.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from PySide6.QtCore import QCoreApplication, Qt, QTimer, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QTabWidget, QVBoxLayout, QWidget

from vmconsole.inventory.errors import Explanation
from vmconsole.ui import words
from vmconsole.ui.error_view import ErrorView
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import GuestId
    from vmconsole.ui.context import Context
    from vmconsole.ui.formats import Formats

translate = QCoreApplication.translate
log = logging.getLogger(__name__)
ICON = 24


class GuestTab(Protocol):
    """What a tab's widget offers."""

    def show_guest(self, guest: GuestId | None) -> None: ...


@dataclass(frozen=True, slots=True)
class TabPlan:
    """A tab, and where its widget's class is found. The class takes the Context."""

    key: str
    title: str
    module: str
    name: str

    def make(self, context: Context) -> QWidget:
        widget = getattr(importlib.import_module(self.module), self.name)(context)
        return cast("QWidget", widget)


def usual_tabs() -> tuple[TabPlan, ...]:
    return (
        TabPlan("overview", translate("GuestPage", "Overview"), "vmconsole.ui.overview", "OverviewTab"),
        TabPlan("limits", translate("GuestPage", "Limits"), "vmconsole.ui.limits_tab", "LimitsTab"),
        TabPlan("disks", translate("GuestPage", "Disks"), "vmconsole.ui.disks_tab", "DisksTab"),
    )


class GuestPage(QWidget):
    """``show_guest`` with None lets go of the guest, so that nothing is drawn for it."""

    def __init__(
        self, context: Context, formats: Formats, parent: QWidget | None = None, *,
        tabs: Sequence[TabPlan] = (),
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._context = context
        self._theme = context.theme
        self._formats = formats
        self._plans = tuple(tabs) or usual_tabs()
        self._widgets: dict[int, QWidget] = {}
        self._holders: list[QVBoxLayout] = []
        self._guest: GuestId | None = None
        self._icon, self._name, self._about = QLabel(self), QLabel(self), QLabel(self)
        self._tabs = QTabWidget(self)
        self.setAccessibleName(self.tr("Guest"))
        self._lay_out()
        self._make_tabs()

    def _lay_out(self) -> None:
        big = self._name.font()
        big.setPointSizeF(big.pointSizeF() * 1.3)
        big.setBold(True)
        self._name.setFont(big)
        for label in (self._name, self._about):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._name.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        head = QHBoxLayout()
        head.setContentsMargins(10, 6, 10, 0)
        head.setSpacing(8)
        head.addWidget(self._icon)
        head.addWidget(self._name)
        head.addWidget(self._about, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(head)
        column.addWidget(self._tabs, 1)

    def _make_tabs(self) -> None:
        self._tabs.setDocumentMode(True)
        self._tabs.setAccessibleName(self.tr("Guest"))
        for plan in self._plans:
            holder = QWidget(self._tabs)
            holder.setObjectName(f"tab-{plan.key}")
            holder.setAccessibleName(plan.title)
            inside = QVBoxLayout(holder)
            inside.setContentsMargins(0, 0, 0, 0)
            self._holders.append(inside)
            self._tabs.addTab(holder, plan.title)
        self._tabs.currentChanged.connect(self._on_tab)

    # -- what it shows -----------------------------------------------------------------------------------------

    @property
    def guest(self) -> GuestId | None:
        return self._guest

    @property
    def tab(self) -> str:
        """Key of the tab in front."""
        return self._plans[self._tabs.currentIndex()].key

    def set_tab(self, key: str) -> None:
        for place, plan in enumerate(self._plans):
            if plan.key == key:
                self._tabs.setCurrentIndex(place)

    def show_guest(self, guest: GuestId | None) -> None:
        self._guest = guest
        if guest is None:
            for widget in self._widgets.values():
                _tell(widget, None)
            return
        self.refresh()
        QTimer.singleShot(0, self, self._fill_tab)  # the row is painted as selected before a tab takes its time

    def refresh(self) -> None:
        """The head line, after a change of the guest's facts."""
        guest = None if self._guest is None else self._context.store.guest(self._guest)
        if guest is None:
            return
        self._icon.setPixmap(self._theme.guest_icon(guest.state).pixmap(ICON, ICON))
        self._name.setText(guest.name)
        self._about.setText(self._about_text(guest))
        fade(self._about, self._theme)

    def _about_text(self, guest: Guest) -> str:
        host = self._context.store.hosts.get(guest.id.host)
        parts = [words.guest_state(guest.state)]
        if host is not None:
            parts.append(translate("GuestPage", "on {host}").format(host=host.name))
        if guest.vcpus is not None:
            parts.append(
                words.counted(
                    guest.vcpus, one=translate("GuestPage", "1 vCPU"), many=translate("GuestPage", "{n} vCPUs")
                )
            )
        if guest.memory_max_kib is not None:
            parts.append(self._formats.size(guest.memory_max_kib * 1024))
        if not guest.persistent:
            parts.append(translate("GuestPage", "transient: gone when it stops"))
        return " · ".join(parts)

    @Slot()
    def _fill_tab(self) -> None:
        """Make the tab in front if it is new, and tell it the guest."""
        if self._guest is None:
            return
        place = self._tabs.currentIndex()
        if place not in self._widgets:
            self._widgets[place] = self._make(place)
        _tell(self._widgets[place], self._guest)

    def _make(self, place: int) -> QWidget:
        plan = self._plans[place]
        holder = self._tabs.widget(place)
        try:
            widget = plan.make(self._context)
        except ImportError as error:  # a library that a tab needs is not installed: the others work on
            log.exception("the tab %s cannot be made", plan.key)
            broken = ErrorView(self._theme, holder)
            broken.show_explanation(_missing(plan, error))
            widget = broken
        self._holders[place].addWidget(widget)
        return widget

    @Slot(int)
    def _on_tab(self, _place: int) -> None:
        self._fill_tab()


def _tell(widget: QWidget, guest: GuestId | None) -> None:
    if not isinstance(widget, ErrorView):
        cast("GuestTab", widget).show_guest(guest)


def _missing(plan: TabPlan, error: ImportError) -> Explanation:
    return Explanation(
        what=translate("GuestPage", "«{title}» cannot be shown.").format(title=plan.title),
        cause=translate("GuestPage", "A library that it needs is missing or cannot be loaded."),
        advice=translate("GuestPage", "Run `vmconsole --self-test` to see which."),
        said=str(error),
    )
