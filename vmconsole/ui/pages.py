# SPDX-License-Identifier: GPL-3.0-or-later
"""The right side of the window: the page of what is selected in the tree. Only the one in front shows anything.
GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from vmconsole.inventory.ids import GuestId
from vmconsole.ui.watching import Watching

if TYPE_CHECKING:
    from vmconsole.links.fleet import Fleet
    from vmconsole.ui.empty_page import EmptyPage
    from vmconsole.ui.fleet_view import FleetView
    from vmconsole.ui.group_page import GroupPage
    from vmconsole.ui.guest_page import GuestPage
    from vmconsole.ui.host_tabs import HostTabs


class Pages(QStackedWidget):
    """One guest, one host, one group, or anything else: none or several."""

    def __init__(
        self, tree: FleetView, fleet: Fleet, *, guest: GuestPage, host: HostTabs, group: GroupPage, others: EmptyPage,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._tree = tree
        self._watching = Watching(fleet)
        self._guest, self._host, self._group, self._others = guest, host, group, others
        for page in (others, host, group, guest):
            self.addWidget(page)

    @Slot()
    def show_chosen(self) -> None:
        """The page for what is selected now, with what it shows read afresh."""
        chosen, heading = self._tree.chosen(), self._tree.chosen_heading()
        one = chosen[0] if len(chosen) == 1 and heading is None else None
        guest = one if isinstance(one, GuestId) else None
        host = one if one is not None and not isinstance(one, GuestId) else None
        self._watching.look_at([guest] if guest is not None else [])
        self._host.show_host(host)
        self._group.show_group(heading)
        if guest is None or guest != self._guest.guest:
            self._guest.show_guest(guest)
        else:
            self._guest.refresh()
        if guest is None and host is None and heading is None:
            if chosen:
                self._others.show_many(chosen)
            else:
                self._others.show_nothing()
        self.setCurrentWidget(
            self._guest if guest is not None else
            self._host if host is not None else
            self._group if heading is not None else
            self._others
        )  # fmt: skip

    @Slot()
    def refresh_figures(self) -> None:
        """The figures of the page in front. A guest's page follows its charts by itself."""
        page = self.currentWidget()
        if page is self._host:
            self._host.refresh()
        elif page is self._group:
            self._group.refresh()
        elif page is self._others and self._tree.chosen_guests():
            self._others.show_many(self._tree.chosen())
