# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu bar and the toolbar, in virt-manager's words and order. GUI thread; it wires, and decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QLabel, QMenu, QSizePolicy, QToolBar, QToolButton, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from PySide6.QtWidgets import QDockWidget

    from vmconsole.ui.actions import GuestActions
    from vmconsole.ui.host_actions import HostActions
    from vmconsole.ui.main_window import MainWindow
    from vmconsole.ui.theme import Theme

GROUPINGS = ("group", "none")
SCHEMES = ("desktop", "light", "dark")


class Menus:
    """Builds both, and keeps the actions that the window changes."""

    def __init__(
        self, window: MainWindow, theme: Theme, guest_actions: GuestActions, host_actions: HostActions
    ) -> None:
        self._window = window
        self._theme = theme
        self._icons: list[tuple[QAction, str]] = []
        self.add_connection = self._action(
            window.tr("&Add Connection…"), window.add_connection, "Ctrl+Shift+N", "add-connection"
        )
        self.undo = self._action(window.tr("&Undo"), window.undo, QKeySequence.StandardKey.Undo, "undo")
        self.redo = self._action(window.tr("&Redo"), window.redo, "Ctrl+Shift+Z", "redo")
        self.undo.setIconText(window.tr("Undo the last change"))
        self.redo.setIconText(window.tr("Do it again"))
        self.add_connection.setToolTip(window.tr("Add a host to the list"))
        self.scheme_actions: dict[str, QAction] = {}
        self.grouping_actions: dict[str, QAction] = {}
        """Name → action, of which one is ticked."""
        self._file(host_actions)
        self._edit()
        self._view_menu = window.menuBar().addMenu(window.tr("&View"))
        window.menuBar().addMenu(guest_actions.menu(window.tr("&Guest"), window))
        self._help()
        self.toolbar = self._make_toolbar(guest_actions)
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

    def _edit(self) -> None:
        window = self._window
        menu = window.menuBar().addMenu(window.tr("&Edit"))
        menu.addAction(self.undo)
        menu.addAction(self.redo)
        menu.addSeparator()
        menu.addAction(self._action(window.tr("&Filter"), window.focus_filter, QKeySequence.StandardKey.Find, "filter"))
        menu.addSeparator()
        menu.addAction(self._action(window.tr("&Ask All Questions Again"), window.ask_again))

    def fill_view(self, docks: tuple[QDockWidget, ...]) -> None:
        """Once the docks are there."""
        window = self._window
        for dock, key in zip(docks, ("Ctrl+Shift+T", "Ctrl+Shift+E"), strict=True):
            dock.toggleViewAction().setShortcut(QKeySequence(key))
            self._view_menu.addAction(dock.toggleViewAction())
        self._view_menu.addAction(self.toolbar.toggleViewAction())
        self._view_menu.addSeparator()
        self._view_menu.addAction(self._action(window.tr("&Open All Hosts"), window.open_all_hosts, "Ctrl++"))
        self._view_menu.addAction(self._action(window.tr("&Close All Hosts"), window.close_all_hosts, "Ctrl+-"))
        self._grouping(self._view_menu.addMenu(window.tr("&Group Hosts By")))
        self._view_menu.addMenu(window.columns_menu)
        self._view_menu.addSeparator()
        self._schemes(self._view_menu.addMenu(window.tr("C&olours")))

    def add_dock(self, dock: QDockWidget) -> None:
        """One more that can be shown and hidden."""
        self._view_menu.insertAction(self.toolbar.toggleViewAction(), dock.toggleViewAction())

    def _schemes(self, menu: QMenu) -> None:
        window = self._window
        texts = (window.tr("As the &Desktop"), window.tr("&Light"), window.tr("&Dark"))
        self.scheme_actions = self._choices(menu, zip(SCHEMES, texts, strict=True), window.on_scheme_chosen)

    def _grouping(self, menu: QMenu) -> None:
        window = self._window
        texts = (window.tr("Their &Group"), window.tr("&Nothing"))
        self.grouping_actions = self._choices(menu, zip(GROUPINGS, texts, strict=True), window.on_grouping_chosen)

    def _choices(
        self, menu: QMenu, choices: Iterable[tuple[str, str]], slot: Callable[..., object]
    ) -> dict[str, QAction]:
        """One of several; the action's data is its name."""
        group = QActionGroup(self._window)
        made = {}
        for name, text in choices:
            action = made[name] = self._action(text, slot)
            action.setCheckable(True)
            action.setData(name)
            group.addAction(action)
            menu.addAction(action)
        return made

    def _help(self) -> None:
        window = self._window
        menu = window.menuBar().addMenu(window.tr("&Help"))
        menu.addAction(self._action(window.tr("Save &Diagnostics…"), window.diagnostics.ask))
        menu.addSeparator()
        about = self._action(window.tr("&About vmconsole"), window.about)
        about.setMenuRole(QAction.MenuRole.AboutRole)
        menu.addAction(about)

    # -- toolbar -----------------------------------------------------------------------------------------------

    def _make_toolbar(self, guest_actions: GuestActions) -> QToolBar:
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
            bar.addAction(guest_actions[key])
        bar.addWidget(_split_button(guest_actions, window))
        bar.addSeparator()
        bar.addAction(self.undo)
        bar.addAction(self.redo)
        space = QWidget(bar)
        space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addWidget(space)
        self.demo_label = QLabel(window.tr("Demo data"), bar)
        self.demo_label.setObjectName("demo")
        self.demo_label.setAccessibleName(window.tr("Demo data"))
        self.demo_label.setToolTip(window.tr("These hosts and guests are made up: nothing here is real."))
        self.demo_action = bar.addWidget(self.demo_label)
        for action in (self.add_connection, self.undo, self.redo):
            button = bar.widgetForAction(action)
            if isinstance(button, QToolButton) and action is not self.add_connection:
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
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
