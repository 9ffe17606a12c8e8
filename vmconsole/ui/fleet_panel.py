# SPDX-License-Identifier: GPL-3.0-or-later
"""The left side of the window: the filter above the tree, and the ways to get to a row. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from vmconsole.inventory.ids import GuestId
from vmconsole.ui.filter_field import FilterField
from vmconsole.ui.fleet_view import FleetView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.ids import HostId
    from vmconsole.store.store import Store
    from vmconsole.ui.fleet_model import FleetModel
    from vmconsole.ui.theme import Theme


class FleetPanel(QWidget):
    """``tree`` says what is selected; call ``refresh`` when hosts or guests have changed."""

    def __init__(self, model: FleetModel, store: Store, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._store = store
        self._wanted: GuestId | str | None = None
        self.filter_field = FilterField(theme, self)
        self.tree = FleetView(model, store, theme, self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        above = QVBoxLayout()
        above.setContentsMargins(4, 4, 4, 0)
        above.addWidget(self.filter_field)
        column.addLayout(above)
        column.addWidget(self.tree)
        self.filter_field.filter_changed.connect(self._on_filter)
        self.filter_field.down_pressed.connect(self._on_filter_down)

    def chosen_hosts(self) -> Sequence[HostId]:
        return [wanted for wanted in self.tree.chosen() if not isinstance(wanted, GuestId)]

    # -- getting to a row --------------------------------------------------------------------------------------

    def want(self, guest: GuestId | str) -> None:
        """Select a guest, or the first of this name, now or as soon as it is listed."""
        self._wanted = guest
        self.choose_wanted()

    def choose_wanted(self) -> None:
        if self._wanted is None:
            return
        wanted = self._wanted if isinstance(self._wanted, GuestId) else self._named(self._wanted)
        if wanted is not None and self.tree.choose(wanted):
            self._wanted = None

    def _named(self, name: str) -> GuestId | None:
        store = self._store
        return next((g.id for host in store.hosts for g in store.guests_of(host).values() if g.name == name), None)

    @Slot(object)
    def show_row(self, wanted: HostId | GuestId) -> None:
        """Select it, and lift the filter where that hides it."""
        if not self.tree.choose(wanted):
            self.filter_field.clear()
            self.tree.set_filter("")
            self.tree.choose(wanted)

    # -- the filter --------------------------------------------------------------------------------------------

    @Slot()
    def focus_filter(self) -> None:
        self.filter_field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.filter_field.selectAll()

    def refresh(self) -> None:
        """How many the filter finds now."""
        outline = self._model.outline
        found = sum(len(outline.guests_of(host)) for host in outline.hosts)
        known = sum(len(self._store.guests_of(host)) for host in self._store.hosts)
        self.filter_field.show_count(found, known)
        filtered = self.filter_field.text().strip()
        self.tree.set_empty_text(self.tr("No guest matches «{text}».").format(text=filtered) if filtered else "")

    @Slot(str)
    def _on_filter(self, text: str) -> None:
        self.tree.set_filter(text)
        self.refresh()

    @Slot()
    def _on_filter_down(self) -> None:
        self.tree.setFocus(Qt.FocusReason.TabFocusReason)
        if not self.tree.chosen():
            self.tree.choose_first_guest()
