# SPDX-License-Identifier: GPL-3.0-or-later
"""The right side for a selected host: its state in front, its capacity behind. GUI thread.

The capacity page is made when it is first looked at: it brings numpy, which the first window can do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from vmconsole.inventory.ids import HostId
    from vmconsole.ui.capacity.page import CapacityPage
    from vmconsole.ui.context import Context
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.host_page import HostPage

CAPACITY = 1


class HostTabs(QTabWidget):
    """``guest_wanted`` carries a GuestId that was activated on the capacity page."""

    guest_wanted = Signal(object)

    def __init__(self, overview: HostPage, context: Context, formats: Formats, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._overview = overview
        self._context = context
        self._formats = formats
        self._host: HostId | None = None
        self._capacity: CapacityPage | None = None
        self._holder = QWidget(self)
        QVBoxLayout(self._holder).setContentsMargins(0, 0, 0, 0)
        self.setDocumentMode(True)
        self.setAccessibleName(self.tr("Host"))
        self.addTab(overview, self.tr("Host"))
        self.addTab(self._holder, self.tr("Capacity"))
        self.currentChanged.connect(self._on_tab)

    def show_host(self, host: HostId | None) -> None:
        self._host = host
        self._overview.show_host(host)
        if self._capacity is not None:
            self._capacity.show_host(host)

    def refresh(self) -> None:
        self._overview.refresh()

    @Slot(int)
    def _on_tab(self, tab: int) -> None:
        if tab != CAPACITY:
            return
        if self._capacity is None:
            from vmconsole.ui.capacity.page import CapacityPage  # late: see above

            self._capacity = CapacityPage(self._context, self._formats, self._holder)
            self._capacity.guest_wanted.connect(self.guest_wanted)
            holder = self._holder.layout()
            if holder is not None:
                holder.addWidget(self._capacity)
        self._capacity.show_host(self._host)
