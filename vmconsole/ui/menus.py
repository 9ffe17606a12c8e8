# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu bar and the toolbar, in virt-manager's words and order. GUI thread; it wires, and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QLabel, QMenu, QSizePolicy, QToolBar, QToolButton, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from PySide6.QtWidgets import QDockWidget, QMainWindow, QTreeView

    from vmconsole.ui.actions import GuestActions
    from vmconsole.ui.choice import Choice
    from vmconsole.ui.host_actions import HostActions
    from vmconsole.ui.theme import Theme
    from vmconsole.ui.undo_actions import UndoActions


@dataclass(frozen=True, slots=True)
class Orders:
    """What the menus have done by others, where no action stands for it yet."""

    add_connection: Callable[[], object]
    find: Callable[[], object]
    ask_again: Callable[[], object]
    save_diagnostics: Callable[[], object]
    about: Callable[[], object]


class Menus:
    """Builds both, and keeps the actions that the window changes."""

    def __init__(
        self, window: QMainWindow, theme: Theme, orders: Orders, *, undo: UndoActions, guests: GuestActions,
        hosts: HostActions,
    ) -> None:  # fmt: skip
        self._window = window
        self._theme = theme
        self._orders = orders
        self._icons: list[tuple[QAction, str]] = []
        self.add_connection = self._action(
            window.tr("&Add Connection…"), orders.add_connection, "Ctrl+Shift+N", "add-connection"
        )
        self.add_connection.setToolTip(window.tr("Add a host to the list"))
        self._file(hosts)
        self._edit(undo)
        self._view_menu = window.menuBar().addMenu(window.tr("&View"))
        window.menuBar().addMenu(guests.menu(window.tr("&Guest"), window))
        self._help()
        self.toolbar = self._make_toolbar(guests, undo)
        theme.changed.connect(self._on_theme)

    # -- menus -------------------------------------------------------------------------------------------------

    def _action(
        self, text: str, slot: Callable[..., object],
        shortcut: str | QKeySequence.StandardKey | None = None, icon: str = "",
    ) -> QAction:  # fmt: skip
        action = QAction(text, self._window)
        if icon:
            action.setIcon(self._theme.icon(icon))
            self._icons.append((action, icon))
        if shortcut is not None:
            action.setShortcut(QKeySequence(shortcut))
        action.triggered.connect(slot)
        return action

    def _file(self, host_actions: HostActions) -> None:
        window = self._window
        menu = window.menuBar().addMenu(window.tr("&File"))
        menu.setToolTipsVisible(True)
        menu.addAction(self.add_connection)
        menu.addSeparator()
        host_actions.add_to(menu)
        menu.addSeparator()
        leave = self._action(window.tr("&Quit"), window.close, "Ctrl+Q")
        leave.setMenuRole(QAction.MenuRole.QuitRole)
        menu.addAction(leave)

    def _edit(self, undo: UndoActions) -> None:
        window, orders = self._window, self._orders
        menu = window.menuBar().addMenu(window.tr("&Edit"))
        menu.addAction(undo.undo)
        menu.addAction(undo.redo)
        menu.addSeparator()
        menu.addAction(self._action(window.tr("&Filter"), orders.find, QKeySequence.StandardKey.Find, "filter"))
        menu.addSeparator()
        menu.addAction(self._action(window.tr("&Ask All Questions Again"), orders.ask_again))

    def fill_view(
        self, docks: Iterable[QDockWidget], *, tree: QTreeView, grouping: Choice, columns: QMenu, schemes: Choice
    ) -> None:
        """Once the docks are there."""
        window, menu = self._window, self._view_menu
        for dock, key in zip(docks, ("Ctrl+Shift+T", "Ctrl+Shift+E"), strict=True):
            dock.toggleViewAction().setShortcut(QKeySequence(key))
            menu.addAction(dock.toggleViewAction())
        menu.addAction(self.toolbar.toggleViewAction())
        menu.addSeparator()
        menu.addAction(self._action(window.tr("&Open All Hosts"), tree.expandAll, "Ctrl++"))
        menu.addAction(self._action(window.tr("&Close All Hosts"), tree.collapseAll, "Ctrl+-"))
        menu.addMenu(window.tr("&Group Hosts By")).addActions(list(grouping.actions.values()))
        menu.addMenu(columns)
        menu.addSeparator()
        menu.addMenu(window.tr("C&olours")).addActions(list(schemes.actions.values()))

    def add_dock(self, dock: QDockWidget) -> None:
        """One more that can be shown and hidden."""
        self._view_menu.insertAction(self.toolbar.toggleViewAction(), dock.toggleViewAction())

    def _help(self) -> None:
        window = self._window
        menu = window.menuBar().addMenu(window.tr("&Help"))
        menu.addAction(self._action(window.tr("Save &Diagnostics…"), self._orders.save_diagnostics))
        menu.addSeparator()
        about = self._action(window.tr("&About vmconsole"), self._orders.about)
        about.setMenuRole(QAction.MenuRole.AboutRole)
        menu.addAction(about)

    # -- toolbar -----------------------------------------------------------------------------------------------

    def _make_toolbar(self, guests: GuestActions, undo: UndoActions) -> QToolBar:
        window = self._window
        bar = QToolBar(window.tr("Toolbar"), window)
        bar.setObjectName("toolbar")
        bar.setAccessibleName(window.tr("Toolbar"))
        bar.setMovable(False)
        bar.setIconSize(QSize(20, 20))
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        bar.addAction(self.add_connection)
        bar.addSeparator()
        for key in ("run", "pause", "resume"):
            bar.addAction(guests[key])
        bar.addWidget(_split_button(guests, window))
        bar.addSeparator()
        for action in (undo.undo, undo.redo):
            bar.addAction(action)
            button = bar.widgetForAction(action)
            if isinstance(button, QToolButton):
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        space = QWidget(bar)
        space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addWidget(space)
        self.demo_label = QLabel(window.tr("Demo data"), bar)
        self.demo_label.setObjectName("demo")
        self.demo_label.setAccessibleName(window.tr("Demo data"))
        self.demo_label.setToolTip(window.tr("These hosts and guests are made up: nothing here is real."))
        self.demo_action = bar.addWidget(self.demo_label)
        window.addToolBar(bar)
        self._style_demo()
        return bar

    def _style_demo(self) -> None:
        colours = self._theme.colours
        self.demo_label.setStyleSheet(
            f"background: {colours.demo}; color: {colours.on_demo}; border-radius: 9px; padding: 2px 12px;"
            " font-weight: bold; margin-right: 6px;"
        )

    def _on_theme(self) -> None:
        for action, icon in self._icons:
            action.setIcon(self._theme.icon(icon))
        self._style_demo()


def _split_button(guest_actions: GuestActions, parent: QWidget) -> QToolButton:
    """«Shut Down ▾»: a press shuts down, the arrow has the harder ways."""
    button = QToolButton(parent)
    button.setDefaultAction(guest_actions["shut-down"])
    button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    menu = QMenu(button)
    menu.setToolTipsVisible(True)
    menu.addAction(guest_actions["reboot"])
    menu.addAction(guest_actions["shut-down"])
    menu.addSeparator()
    menu.addAction(guest_actions["force-off"])
    button.setMenu(menu)
    return button
