# SPDX-License-Identifier: GPL-3.0-or-later
"""The main window: lays out the parts and wires them. GUI thread. What the parts do is in their own modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, Qt, QTimer, Slot
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QMainWindow, QMenu, QMessageBox, QSplitter, QWidget

from vmconsole import __version__
from vmconsole.ui.actions import GuestActions
from vmconsole.ui.add_host.dialog import AddHostDialog
from vmconsole.ui.choice import groupings, schemes, use_saved_scheme
from vmconsole.ui.columns_menu import ColumnsMenu
from vmconsole.ui.confirm import ask_all_again
from vmconsole.ui.debug_dock import DebugDock
from vmconsole.ui.diagnostics import Diagnostics
from vmconsole.ui.empty_page import EmptyPage
from vmconsole.ui.ended_tasks import EndedTasks
from vmconsole.ui.events_dock import EventsDock
from vmconsole.ui.fleet_model import FleetModel
from vmconsole.ui.fleet_panel import FleetPanel
from vmconsole.ui.formats import Formats
from vmconsole.ui.group_page import GroupPage
from vmconsole.ui.guest_page import GuestPage
from vmconsole.ui.host_actions import HostActions
from vmconsole.ui.host_page import HostPage
from vmconsole.ui.host_tabs import HostTabs
from vmconsole.ui.layout_memory import LayoutMemory
from vmconsole.ui.limits.actions import LimitActions
from vmconsole.ui.menus import Menus, Orders
from vmconsole.ui.pages import Pages
from vmconsole.ui.status_line import StatusLine
from vmconsole.ui.tasks_dock import TasksDock
from vmconsole.ui.undo_actions import UndoActions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vmconsole.inventory.ids import GuestId
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context
    from vmconsole.ui.watchdog import Stall

SIZE = (1280, 760)
FACTS_MS = 50
"""A burst of facts (five hundred guests being read) is one refresh."""
PAGE_MS = 500
"""Figures are read at most twice a second, however many hosts tick."""


class MainWindow(QMainWindow):
    """Needs a Context and nothing else. Give it ``set_dump_maker`` for Help → Save Diagnostics."""

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        self._theme = context.theme  # first, as Qt tells of the palette while the window is made
        super().__init__(parent)
        self.context = context
        self._formats = Formats()
        use_saved_scheme(context)
        self._make_fleet()
        self._make_pages()
        self._make_docks()
        self._make_menus()
        self._lay_out()
        self._connect()
        self._memory = LayoutMemory(context.profile, self, self.tree, self._split)
        self._memory.restore()
        self.tree.set_grouping(is_grouped=self.grouping.saved != "none")
        self._refresh_all()

    # -- for app -----------------------------------------------------------------------------------------------

    def set_dump_maker(self, make: Callable[[], Mapping[str, object]]) -> None:
        """What Help → Save Diagnostics writes."""
        self.diagnostics.set_maker(make)

    def select(self, guest: GuestId) -> None:
        """Select a guest now, or as soon as it is listed."""
        self.fleet_panel.want(guest)

    def show_guest_named(self, name: str) -> None:
        """Select the first guest of this name, now or when one appears."""
        self.fleet_panel.want(name)

    def show_tab(self, key: str) -> None:
        """``overview``, ``limits`` or ``disks``."""
        self.guest_page.set_tab(key)

    def show_limits(self, guest: GuestId) -> None:
        """Select a guest with its limits in front."""
        self.fleet_panel.show_row(guest)
        self.show_tab("limits")

    def show_inside(self, stalls: Callable[[], Sequence[Stall]]) -> None:
        """Add the dock of ``--debug``, where it was last time."""
        dock = DebugDock(self.context, self._formats, stalls, self)
        if not self.restoreDockWidget(dock):
            self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
            self.tabifyDockWidget(self.events_dock, dock)
            dock.show()
            self.resizeDocks([self.tasks_dock], [self.fontMetrics().height() * 14], Qt.Orientation.Vertical)
        self.tasks_dock.raise_()
        self.menus.add_dock(dock)

    # -- parts -------------------------------------------------------------------------------------------------

    def _make_fleet(self) -> None:
        """The tree, and what can be done with what is selected there."""
        context, theme = self.context, self._theme
        self.model = FleetModel(context.store, theme, self._formats, self)
        self.fleet_panel = FleetPanel(self.model, context.store, theme, self)
        self.tree, self.filter_field = self.fleet_panel.tree, self.fleet_panel.filter_field
        self.status = StatusLine(self.statusBar(), context, self.tree.chosen)
        self.columns_menu = ColumnsMenu(self.tree, self)
        self.host_actions = HostActions(context, self.fleet_panel.chosen_hosts, self, show_limits=self.show_limits)
        self.guest_actions = GuestActions(context, self.tree.chosen_guests, self)
        self.limit_actions = LimitActions(context, self.tree.chosen_guests, self, told=self.status.tell)
        self.guest_actions.more = self.limit_actions.all()

    def _make_pages(self) -> None:
        context, theme, formats, cells = self.context, self._theme, self._formats, self.model.cells
        helped = self.host_actions.helped_by
        self.guest_page = GuestPage(context, formats, self)
        self.host_page = HostPage(context, formats, cells, self, helped_by=helped)
        self.host_tabs = HostTabs(self.host_page, context, formats, self)
        self.group_page = GroupPage(context.store, theme, formats, cells, self)
        self.empty_page = EmptyPage(context.store, theme, formats, self)
        self.pages = Pages(
            self.tree, context.fleet, guest=self.guest_page, host=self.host_tabs, group=self.group_page,
            others=self.empty_page, parent=self,
        )  # fmt: skip

    def _make_docks(self) -> None:
        context, theme, formats = self.context, self._theme, self._formats
        self.tasks_dock = TasksDock(context, formats, self, helped_by=self.host_actions.helped_by)
        self.events_dock = EventsDock(context.store, theme, formats, self)
        self._ended_tasks = EndedTasks(context, self.tasks_dock, self)

    def _make_menus(self) -> None:
        self.undo_actions = UndoActions(self.context, self)
        self.diagnostics = Diagnostics(self.context.bridge, self)
        self.schemes = schemes(self.context.profile, self)
        self.grouping = groupings(self.context.profile, self)
        orders = Orders(
            add_connection=self.add_connection, find=self.fleet_panel.focus_filter, ask_again=self.ask_again,
            save_diagnostics=self.diagnostics.ask, about=self.about,
        )  # fmt: skip
        self.menus = Menus(
            self, self._theme, orders, undo=self.undo_actions, guests=self.guest_actions, hosts=self.host_actions
        )
        self.menus.fill_view(
            (self.tasks_dock, self.events_dock), tree=self.tree, grouping=self.grouping, columns=self.columns_menu,
            schemes=self.schemes,
        )  # fmt: skip

    def _lay_out(self) -> None:
        self.setWindowTitle("vmconsole")
        self.setAccessibleName("vmconsole")
        self.resize(*SIZE)
        self._split = QSplitter(Qt.Orientation.Horizontal, self)
        self._split.setObjectName("split")
        self._split.addWidget(self.fleet_panel)
        self._split.addWidget(self.pages)
        self._split.setStretchFactor(0, 0)
        self._split.setStretchFactor(1, 1)
        self._split.setChildrenCollapsible(False)
        self._split.setSizes([self.tree.comfortable_width(), SIZE[0] - self.tree.comfortable_width()])
        self.setCentralWidget(self._split)
        for dock in (self.tasks_dock, self.events_dock):
            self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        self.tabifyDockWidget(self.tasks_dock, self.events_dock)
        self.tasks_dock.raise_()
        self.resizeDocks([self.tasks_dock], [self.fontMetrics().height() * 8], Qt.Orientation.Vertical)

    def _connect(self) -> None:
        panel = self.fleet_panel
        self.context.bridge.store_changed.connect(self._on_store_changed)
        self.tree.chosen_changed.connect(self._on_chosen)
        self.tree.menu_wanted.connect(self._on_menu)
        self.tree.activated.connect(self._on_activated)
        self.tree.header().customContextMenuRequested.connect(self.columns_menu.on_header_menu)
        self.empty_page.add_wanted.connect(self.add_connection)
        self.empty_page.limits_wanted.connect(self.limit_actions.set_limits)
        self.host_page.check_wanted.connect(self.host_actions.check_action.trigger)
        self.host_page.edit_wanted.connect(self.host_actions.edit_action.trigger)
        self.host_page.log_wanted.connect(self.host_actions.log_action.trigger)
        self.host_tabs.guest_wanted.connect(self.tree.choose)
        self.group_page.shown_wanted.connect(panel.show_row)
        self.events_dock.shown_wanted.connect(panel.show_row)
        self.status.row_wanted.connect(panel.show_row)
        self.diagnostics.told.connect(self.status.tell)
        self._ended_tasks.told.connect(self.status.tell)
        self.grouping.changed.connect(self._on_grouping)
        self._soon = self._once_after(0, self.pages.show_chosen)
        self._facts_soon = self._once_after(FACTS_MS, self._refresh_all)
        self._figures_soon = self._once_after(PAGE_MS, self.pages.refresh_figures)

    def _once_after(self, wait_ms: int, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(wait_ms)
        timer.timeout.connect(slot)
        return timer

    # -- what comes from the Store -----------------------------------------------------------------------------

    @Slot(object)
    def _on_store_changed(self, changes: ChangeSet) -> None:
        self.tree.apply_changes(changes)
        self.tasks_dock.apply_changes(changes)
        self.events_dock.apply_changes(changes)
        if changes.tasks:
            self._ended_tasks.look(changes.tasks)
            self.undo_actions.refresh()
        facts = (changes.hosts_added, changes.hosts_removed, changes.hosts_changed,
                 changes.guests_added, changes.guests_removed, changes.guests_changed)  # fmt: skip
        if any(facts):
            self.fleet_panel.choose_wanted()
            if not self._facts_soon.isActive():
                self._facts_soon.start()
        elif changes.ticked and not self._figures_soon.isActive():
            self._figures_soon.start()

    @Slot()
    def _refresh_all(self) -> None:
        self.undo_actions.refresh()
        self.status.refresh()
        self.menus.demo_action.setVisible(any(host.is_demo for host in self.context.store.hosts.values()))
        self.fleet_panel.refresh()
        self._on_chosen()

    # -- what the user does ------------------------------------------------------------------------------------

    @Slot()
    def _on_chosen(self) -> None:
        self.guest_actions.refresh()
        self.limit_actions.refresh()
        self.host_actions.refresh()
        self._soon.start()

    @Slot(QPoint)
    def _on_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if self.tree.chosen_guests():
            for action in self.guest_actions.menu("", menu).actions():
                menu.addAction(action)
        elif self.fleet_panel.chosen_hosts():
            self.host_actions.add_to(menu)
        else:
            menu.addAction(self.menus.add_connection)
        menu.popup(at)

    @Slot()
    def _on_activated(self) -> None:
        """Double click or Enter: go to the guest's page; a host that is not connected is connected."""
        if self.host_actions.connect_action.isEnabled():
            self.host_actions.connect_action.trigger()
        elif self.tree.chosen_guests():
            self.guest_page.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot(str)
    def _on_grouping(self, name: str) -> None:
        self.tree.set_grouping(is_grouped=name == "group")

    @Slot()
    def add_connection(self) -> None:
        dialog = AddHostDialog(self.context, self, helped_by=self.host_actions.helped_by)
        dialog.added.connect(self.fleet_panel.show_row)
        dialog.show()

    @Slot()
    def ask_again(self) -> None:
        ask_all_again(self.context.profile)
        self.status.tell(self.tr("Every question is asked again."))

    @Slot()
    def about(self) -> None:
        QMessageBox.about(
            self,
            self.tr("About vmconsole"),
            self.tr(
                "<b>vmconsole {version}</b><p>A desktop console for people who run virtual machines on KVM.</p>"
                "<p>Free software under the GNU General Public License, version 3 or later.</p>"
            ).format(version=__version__),
        )

    # -- Qt ----------------------------------------------------------------------------------------------------

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange}:
            self._theme.refresh()

    def closeEvent(self, event: QCloseEvent) -> None:
        self._memory.save()
        super().closeEvent(event)
