# SPDX-License-Identifier: GPL-3.0-or-later
"""The main window: lays out the parts and wires them. GUI thread. What the parts do is in their own modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, Qt, QTimer, Slot
from PySide6.QtGui import QAction, QCloseEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QMessageBox,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from vmconsole import __version__
from vmconsole.inventory.ids import GuestId
from vmconsole.inventory.tasks import TaskState
from vmconsole.ui import status_summary
from vmconsole.ui.actions import GuestActions
from vmconsole.ui.add_host.dialog import AddHostDialog
from vmconsole.ui.columns_menu import ColumnsMenu
from vmconsole.ui.confirm import ask_all_again
from vmconsole.ui.debug_dock import DebugDock
from vmconsole.ui.diagnostics import Diagnostics
from vmconsole.ui.empty_page import EmptyPage
from vmconsole.ui.events_dock import EventsDock
from vmconsole.ui.filter_field import FilterField
from vmconsole.ui.fleet_model import FleetModel
from vmconsole.ui.fleet_view import FleetView
from vmconsole.ui.formats import Formats
from vmconsole.ui.group_page import GroupPage
from vmconsole.ui.guest_page import GuestPage
from vmconsole.ui.host_actions import HostActions
from vmconsole.ui.host_page import HostPage
from vmconsole.ui.host_tabs import HostTabs
from vmconsole.ui.layout_memory import GROUPING, LayoutMemory
from vmconsole.ui.limits.actions import LimitActions
from vmconsole.ui.menus import Menus
from vmconsole.ui.tasks_dock import TasksDock
from vmconsole.ui.theme import Theme, set_scheme
from vmconsole.ui.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vmconsole.inventory.ids import HostId
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context
    from vmconsole.ui.watchdog import Stall

SCHEME = "colours"
"""Setting: light, dark, or as the desktop."""
SIZE = (1280, 760)
TOLD_MS = 8000
FACTS_MS = 50
"""A burst of facts (five hundred guests being read) is one refresh."""
PAGE_MS = 500


class MainWindow(QMainWindow):
    """Needs a Context and nothing else. Give it ``set_dump_maker`` for Help → Save Diagnostics."""

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.context = context
        set_scheme(str(context.profile.get(SCHEME, "desktop")))
        self._theme = Theme(self)
        self._formats = Formats()
        self._wanted: GuestId | str | None = None
        self._told_tasks: set[int] = set()
        self._watching = Watching(context.fleet)
        self.diagnostics = Diagnostics(context.bridge, self)
        self.diagnostics.told.connect(self._on_told)
        self._make_parts()
        self._lay_out()
        self._connect()
        self._memory = LayoutMemory(context.profile, self, self.tree, self._split)
        self._memory.restore()
        self._choose_settings()
        self._refresh_all()

    # -- for app -----------------------------------------------------------------------------------------------

    def set_dump_maker(self, make: Callable[[], Mapping[str, object]]) -> None:
        """What Help → Save Diagnostics writes."""
        self.diagnostics.set_maker(make)

    def select(self, guest: GuestId) -> None:
        """Select a guest now, or as soon as it is listed."""
        self._wanted = guest
        self._choose_wanted()

    def show_guest_named(self, name: str) -> None:
        """Select the first guest of this name, now or when one appears."""
        self._wanted = name
        self._choose_wanted()

    def show_tab(self, key: str) -> None:
        """``overview``, ``limits`` or ``disks``."""
        self.guest_page.set_tab(key)

    def show_limits(self, guest: GuestId) -> None:
        """Select a guest with its limits in front."""
        self._show(guest)
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

    def _make_parts(self) -> None:
        context, theme, formats = self.context, self._theme, self._formats
        self.model = FleetModel(context.store, theme, formats, self)
        self.filter_field = FilterField(theme, self)
        self.tree = FleetView(self.model, context.store, theme, self)
        self.guest_page = GuestPage(context, theme, formats, self)
        self.host_actions = HostActions(context, theme, self._chosen_hosts, self, show_limits=self.show_limits)
        helped = self.host_actions.helped_by
        self.host_page = HostPage(context, theme, formats, self.model.cells, self, helped_by=helped)
        self.host_tabs = HostTabs(self.host_page, context, theme, formats, self)
        self.group_page = GroupPage(context.store, theme, formats, self.model.cells, self)
        self.empty_page = EmptyPage(context.store, theme, formats, self)
        self.tasks_dock = TasksDock(context, theme, formats, self, helped_by=helped)
        self.events_dock = EventsDock(context.store, theme, formats, self)
        self.guest_actions = GuestActions(context, theme, self.tree.chosen_guests, self)
        self.columns_menu = ColumnsMenu(self.tree, self)
        self.limit_actions = LimitActions(context, theme, self.tree.chosen_guests, self, told=self._on_told)
        self.guest_actions.more = self.limit_actions.all()
        self.menus = Menus(self, theme, self.guest_actions, self.host_actions)
        self._summary = QLabel(self)
        self._problems = QPushButton(self)

    def _lay_out(self) -> None:
        self.setWindowTitle("vmconsole")
        self.setAccessibleName("vmconsole")
        self.setWindowIcon(self._theme.icon("vmconsole"))
        self.resize(*SIZE)
        left = QWidget(self)
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        row = QHBoxLayout()
        row.setContentsMargins(4, 4, 4, 0)
        row.addWidget(self.filter_field)
        column.addLayout(row)
        column.addWidget(self.tree)
        self._pages = QStackedWidget(self)
        for page in (self.empty_page, self.host_tabs, self.group_page, self.guest_page):
            self._pages.addWidget(page)
        self._split = QSplitter(Qt.Orientation.Horizontal, self)
        self._split.setObjectName("split")
        self._split.addWidget(left)
        self._split.addWidget(self._pages)
        self._split.setStretchFactor(0, 0)
        self._split.setStretchFactor(1, 1)
        self._split.setChildrenCollapsible(False)
        self._split.setSizes([self.tree.comfortable_width(), SIZE[0] - self.tree.comfortable_width()])
        self.setCentralWidget(self._split)
        self._lay_out_docks()
        self._lay_out_status()

    def _lay_out_docks(self) -> None:
        for dock in (self.tasks_dock, self.events_dock):
            self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        self.tabifyDockWidget(self.tasks_dock, self.events_dock)
        self.tasks_dock.raise_()
        self.resizeDocks([self.tasks_dock], [self.fontMetrics().height() * 8], Qt.Orientation.Vertical)
        self.menus.fill_view((self.tasks_dock, self.events_dock))

    def _lay_out_status(self) -> None:
        self._summary.setAccessibleDescription(self.tr("Summary"))
        self._problems.setFlat(True)
        self._problems.setToolTip(self.tr("Go to the next one"))
        self._problems.clicked.connect(self._on_problems)
        self.statusBar().addPermanentWidget(self._summary)
        self.statusBar().addPermanentWidget(self._problems)

    def _connect(self) -> None:
        self.context.bridge.store_changed.connect(self._on_store_changed)
        self.filter_field.filter_changed.connect(self._on_filter)
        self.filter_field.down_pressed.connect(self._on_filter_down)
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
        self.group_page.shown_wanted.connect(self._on_shown_wanted)
        self.events_dock.shown_wanted.connect(self._on_shown_wanted)
        self._soon = self._once_after(0, self._show_chosen)
        self._facts_soon = self._once_after(FACTS_MS, self._refresh_all)
        self._page_soon = self._once_after(PAGE_MS, self._refresh_page)

    def _once_after(self, wait_ms: int, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(wait_ms)
        timer.timeout.connect(slot)
        return timer

    def _choose_settings(self) -> None:
        """Tick what the profile says in the menus, and do it."""
        profile, menus = self.context.profile, self.menus
        scheme = str(profile.get(SCHEME, "desktop"))
        menus.scheme_actions.get(scheme, menus.scheme_actions["desktop"]).setChecked(True)
        grouping = str(profile.get(GROUPING, "group"))
        menus.grouping_actions.get(grouping, menus.grouping_actions["group"]).setChecked(True)
        self.tree.set_grouping(is_grouped=menus.grouping_actions["group"].isChecked())

    # -- what comes from the Store -----------------------------------------------------------------------------

    @Slot(object)
    def _on_store_changed(self, changes: ChangeSet) -> None:
        self.tree.apply_changes(changes)
        self.tasks_dock.apply_changes(changes)
        self.events_dock.apply_changes(changes)
        if changes.tasks:
            self._tell_tasks(changes.tasks)
            self._refresh_undo()
        facts = (changes.hosts_added, changes.hosts_removed, changes.hosts_changed,
                 changes.guests_added, changes.guests_removed, changes.guests_changed)  # fmt: skip
        if any(facts):
            self._choose_wanted()
            if not self._facts_soon.isActive():
                self._facts_soon.start()
        elif changes.ticked and not self._page_soon.isActive():
            self._page_soon.start()

    @Slot()
    def _refresh_all(self) -> None:
        store = self.context.store
        self.guest_actions.refresh()
        self.limit_actions.refresh()
        self.host_actions.refresh()
        self._refresh_undo()
        self._summary.setText(status_summary.summary(store))
        count = len(status_summary.problems(store))
        self._problems.setText(status_summary.problem_text(count))
        self._problems.setIcon(self._theme.icon("problem" if count else "task-done"))
        self._problems.setEnabled(bool(count))
        self._problems.setVisible(bool(store.hosts))
        self.menus.demo_action.setVisible(any(host.is_demo for host in store.hosts.values()))
        self._count_found()
        self._soon.start()

    @Slot()
    def _refresh_page(self) -> None:
        """The figures of the page in front, at most twice a second however many hosts tick."""
        page = self._pages.currentWidget()
        if page is self.host_tabs:
            self.host_tabs.refresh()
        elif page is self.group_page:
            self.group_page.refresh()
        elif page is self.empty_page and self.tree.chosen_guests():
            self.empty_page.show_many(self.tree.chosen())

    def _refresh_undo(self) -> None:
        runner = self.context.runner
        for action, able, text, plain in (
            (self.menus.undo, runner.can_undo, runner.undo_text, self.tr("&Undo")),
            (self.menus.redo, runner.can_redo, runner.redo_text, self.tr("&Redo")),
        ):
            action.setEnabled(able)
            action.setText(f"{plain}: {text.replace('&', '&&')}" if text else plain)
            nothing = self.tr("Nothing to take back") if action is self.menus.undo else self.tr("Nothing to do again")
            action.setToolTip(f"{plain.replace('&', '')}: {text}" if text else nothing)

    def _tell_tasks(self, numbers: set[int]) -> None:
        """One line for what ended; a failure brings the task list to the front and opens nothing over the work."""
        for number in sorted(numbers - self._told_tasks):
            task = self.context.store.tasks.get(number)
            if task is None or not task.state.is_over:
                continue
            self._told_tasks.add(number)
            if task.state in {TaskState.FAILED, TaskState.UNKNOWN}:
                self.tasks_dock.choose(number)
            line = f"{task.title}: {task.note or self.tasks_dock.model.state_text(task)}"
            if task.state is TaskState.DONE and self.context.runner.can_undo:
                line += self.tr("  ·  Ctrl+Z takes it back")
            self._on_told(task.problem.summary() if task.problem is not None else line)

    # -- what is chosen ----------------------------------------------------------------------------------------

    def _chosen_hosts(self) -> Sequence[HostId]:
        return [wanted for wanted in self.tree.chosen() if not isinstance(wanted, GuestId)]

    @Slot()
    def _on_chosen(self) -> None:
        self.guest_actions.refresh()
        self.limit_actions.refresh()
        self.host_actions.refresh()
        self._soon.start()

    @Slot()
    def _show_chosen(self) -> None:
        """The page for what is selected now; only the page in front has something to show."""
        chosen = self.tree.chosen()
        heading = self.tree.chosen_heading()
        one = chosen[0] if len(chosen) == 1 and heading is None else None
        guest = one if isinstance(one, GuestId) else None
        host = one if one is not None and not isinstance(one, GuestId) else None
        self._watching.look_at([guest] if guest is not None else [])
        page: QWidget = (
            self.guest_page if guest is not None else self.host_tabs if host is not None else self.empty_page
        )
        if guest is None or guest != self.guest_page.guest:
            self.guest_page.show_guest(guest)
        else:
            self.guest_page.refresh()
        self.host_tabs.show_host(host)
        self.group_page.show_group(heading)
        if heading is not None:
            page = self.group_page
        if page is self.empty_page:
            if chosen:
                self.empty_page.show_many(chosen)
            else:
                self.empty_page.show_nothing()
        self._pages.setCurrentWidget(page)

    def _choose_wanted(self) -> None:
        if self._wanted is None:
            return
        wanted = self._wanted if isinstance(self._wanted, GuestId) else self._named(self._wanted)
        if wanted is not None and self.tree.choose(wanted):
            self._wanted = None

    def _named(self, name: str) -> GuestId | None:
        store = self.context.store
        return next((g.id for host in store.hosts for g in store.guests_of(host).values() if g.name == name), None)

    # -- what the user does ------------------------------------------------------------------------------------

    @Slot()
    def add_connection(self) -> None:
        dialog = AddHostDialog(self.context, self._theme, self, helped_by=self.host_actions.helped_by)
        dialog.added.connect(self._on_added)
        dialog.show()

    @Slot()
    def undo(self) -> None:
        self.context.runner.undo()
        self._refresh_undo()

    @Slot()
    def redo(self) -> None:
        self.context.runner.redo()
        self._refresh_undo()

    @Slot()
    def focus_filter(self) -> None:
        self.filter_field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.filter_field.selectAll()

    @Slot()
    def ask_again(self) -> None:
        ask_all_again(self.context.profile)
        self._on_told(self.tr("Every question is asked again."))

    @Slot()
    def open_all_hosts(self) -> None:
        self.tree.expandAll()

    @Slot()
    def close_all_hosts(self) -> None:
        self.tree.collapseAll()

    @Slot()
    def on_scheme_chosen(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.context.profile.put(SCHEME, str(action.data()))
            set_scheme(str(action.data()))

    @Slot()
    def on_grouping_chosen(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.context.profile.put(GROUPING, str(action.data()))
            self.tree.set_grouping(is_grouped=action.data() == "group")

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

    @Slot(str)
    def _on_filter(self, text: str) -> None:
        self.tree.set_filter(text)
        self._count_found()

    def _count_found(self) -> None:
        outline = self.model.outline
        found = sum(len(outline.guests_of(host)) for host in outline.hosts)
        known = sum(len(self.context.store.guests_of(host)) for host in self.context.store.hosts)
        self.filter_field.show_count(found, known)
        filtered = self.filter_field.text().strip()
        self.tree.set_empty_text(self.tr("No guest matches «{text}».").format(text=filtered) if filtered else "")

    @Slot()
    def _on_filter_down(self) -> None:
        self.tree.setFocus(Qt.FocusReason.TabFocusReason)
        if not self.tree.chosen():
            self.tree.choose_first_guest()

    @Slot(QPoint)
    def _on_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if self.tree.chosen_guests():
            for action in self.guest_actions.menu("", menu).actions():
                menu.addAction(action)
        elif self._chosen_hosts():
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

    @Slot()
    def _on_problems(self) -> None:
        """Go to the problem after the one that is selected."""
        found = status_summary.problems(self.context.store)
        if found:
            chosen = self.tree.chosen()
            place = found.index(chosen[0]) + 1 if len(chosen) == 1 and chosen[0] in found else 0
            self._show(found[place % len(found)])

    @Slot(object)
    def _on_shown_wanted(self, wanted: HostId | GuestId) -> None:
        self._show(wanted)

    @Slot(object)
    def _on_added(self, host: HostId) -> None:
        self._show(host)

    def _show(self, wanted: HostId | GuestId) -> None:
        """Select it, and lift the filter where that hides it."""
        if not self.tree.choose(wanted):
            self.filter_field.clear()
            self.tree.set_filter("")
            self.tree.choose(wanted)

    @Slot(str)
    def _on_told(self, line: str) -> None:
        self.statusBar().showMessage(line, TOLD_MS)

    # -- Qt ----------------------------------------------------------------------------------------------------

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange} and hasattr(
            self, "_theme"
        ):
            self._theme.refresh()

    def closeEvent(self, event: QCloseEvent) -> None:
        self._memory.save()
        super().closeEvent(event)
