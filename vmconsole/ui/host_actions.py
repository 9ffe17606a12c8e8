# SPDX-License-Identifier: GPL-3.0-or-later
"""Connect, Disconnect, Try Now, Check, the daemon's log and restart, Forget Login, Remove: for the selected hosts.

GUI thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Slot
from PySide6.QtGui import QAction, QGuiApplication

from vmconsole.inventory.deltas import EventSeen
from vmconsole.inventory.facts import HostState
from vmconsole.links.address import try_parse
from vmconsole.operations.base import Confirmation
from vmconsole.ui.add_host.check_dialog import CheckDialog
from vmconsole.ui.confirm import confirm
from vmconsole.ui.daemon_actions import DaemonActions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from PySide6.QtWidgets import QMenu, QWidget

    from vmconsole.inventory.facts import Host
    from vmconsole.inventory.ids import HostId
    from vmconsole.ui.context import Context
    from vmconsole.ui.theme import Theme

translate = QCoreApplication.translate
WAITING = frozenset({HostState.NOT_ANSWERING, HostState.FAILED})


class HostActions(QObject):
    """``chosen`` says which hosts are selected."""

    def __init__(self, context: Context, theme: Theme, chosen: Callable[[], Sequence[HostId]], parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self._chosen = chosen
        self._window = parent
        self.connect_action = QAction(theme.icon("connect"), self.tr("&Connect"), self)
        self.try_action = QAction(theme.icon("reboot"), self.tr("&Try Now"), self)
        self.disconnect_action = QAction(theme.icon("disconnect"), self.tr("&Disconnect"), self)
        self.check_action = QAction(theme.icon("check"), self.tr("Chec&k Connection…"), self)
        self.daemon = DaemonActions(context, theme, parent)
        self.log_action = QAction(theme.icon("terminal"), self.tr("Show libvirtd's &Log"), self)
        self.restart_action = QAction(theme.icon("reload"), self.tr("Restart &libvirtd…"), self)
        self.forget_action = QAction(theme.icon("key"), self.tr("Forget Login"), self)
        self.remove_action = QAction(theme.icon("remove"), self.tr("Remove Connection…"), self)
        self.copy_action = QAction(theme.icon("copy"), self.tr("Copy Address"), self)
        self.connect_action.triggered.connect(self._on_connect)
        self.try_action.triggered.connect(self._on_connect)
        self.disconnect_action.triggered.connect(self._on_disconnect)
        self.check_action.triggered.connect(self._on_check)
        self.log_action.triggered.connect(self._on_log)
        self.restart_action.triggered.connect(self._on_restart)
        self.forget_action.triggered.connect(self._on_forget)
        self.remove_action.triggered.connect(self._on_remove)
        self.copy_action.triggered.connect(self._on_copy)
        self._names = (
            (self.connect_action, "connect"),
            (self.try_action, "reboot"),
            (self.disconnect_action, "disconnect"),
            (self.check_action, "check"),
            (self.log_action, "terminal"),
            (self.restart_action, "reload"),
            (self.forget_action, "key"),
            (self.remove_action, "remove"),
            (self.copy_action, "copy"),
        )
        self._theme = theme
        theme.changed.connect(self._on_theme)
        self.refresh()

    def add_to(self, menu: QMenu) -> None:
        for action in (self.connect_action, self.try_action, self.disconnect_action):
            menu.addAction(action)
        menu.addSeparator()
        menu.addAction(self.check_action)
        menu.addAction(self.log_action)
        menu.addAction(self.restart_action)
        menu.addSeparator()
        menu.addAction(self.copy_action)
        menu.addAction(self.forget_action)
        menu.addAction(self.remove_action)

    def refresh(self) -> None:
        states = {host.state for host in self._hosts()}
        none = self.tr("Not now: no host is selected.")
        for action, able, why in (
            (self.connect_action, HostState.DISCONNECTED in states, self.tr("Not now: the host is not disconnected.")),
            (self.try_action, bool(states & WAITING), self.tr("Not now: no next try is waited for.")),
            (self.disconnect_action, bool(states - {HostState.DISCONNECTED}),
             self.tr("Not now: the host is disconnected already.")),
            (self.check_action, any(self._can_check(host) for host in self._hosts()),
             self.tr("Not now: this host is made up, or its address is wrong.")),
            (self.log_action, *self._one(self.daemon.why_no_log)),
            (self.restart_action, *self._one(self.daemon.why_no_restart)),
            (self.forget_action, bool(states) and self._context.secrets is not None,
             self.tr("Not now: no logins are remembered here.")),
            (self.remove_action, bool(states), ""),
            (self.copy_action, bool(states), ""),
        ):  # fmt: skip
            action.setEnabled(able)
            action.setToolTip(action.text().replace("&", "") if able else (why if states else none))

    def _one(self, why_not: Callable[[Host], str]) -> tuple[bool, str]:
        """Whether it can be done to one of the selected hosts, and why not to the first."""
        reasons = [why_not(host) for host in self._hosts()]
        return "" in reasons, next(iter(reasons), "")

    def _hosts(self) -> Sequence[Host]:
        found = (self._context.store.hosts.get(host) for host in self._chosen())
        return [host for host in found if host is not None]

    @Slot()
    def _on_connect(self) -> None:
        for host in self._hosts():
            link = self._context.fleet.link(host.id)
            if link is not None:
                link.connect()

    @Slot()
    def _on_disconnect(self) -> None:
        for host in self._hosts():
            link = self._context.fleet.link(host.id)
            if link is not None:
                link.disconnect()

    @staticmethod
    def _can_check(host: Host) -> bool:
        return not host.is_demo and try_parse(host.id) is not None

    @Slot()
    def _on_check(self) -> None:
        """A window for each: they are compared side by side."""
        for host in self._hosts():
            uri = try_parse(host.id)
            if uri is not None and not host.is_demo:
                CheckDialog(self._context, self._theme, host.id, uri, self._window).show()

    @Slot()
    def _on_log(self) -> None:
        for host in self._hosts():
            self.daemon.show_log(host.id)

    @Slot()
    def _on_restart(self) -> None:
        for host in self._hosts():
            self.daemon.restart(host.id)

    @Slot()
    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText("\n".join(host.id for host in self._hosts()))

    @Slot()
    def _on_forget(self) -> None:
        """Passwords and passphrases that were remembered for these hosts leave the keyring."""
        for host in self._hosts():
            self._forget(host)

    def _forget(self, host: Host) -> None:
        secrets, bridge = self._context.secrets, self._context.bridge
        if secrets is None:
            return

        def tell(done: Future[int]) -> None:
            error = None if done.cancelled() else done.exception()
            if error is not None:
                text = self.tr("{host}: its login could not be forgotten: {why}.").format(host=host.name, why=error)
            elif not done.cancelled() and done.result():
                text = self.tr("{host}: its remembered login is forgotten").format(host=host.name)
            else:
                text = self.tr("{host}: no login was remembered").format(host=host.name)
            bridge.post(EventSeen(time.time(), host.id, text, None, is_problem=error is not None))

        bridge.when_done(secrets.forget(host.id), tell)

    @Slot()
    def _on_remove(self) -> None:
        hosts = self._hosts()
        if hosts:
            question = Confirmation(
                key="remove_connection",
                question=translate("HostActions", "Remove {names} from the list?").format(
                    names=", ".join(host.name for host in hosts)
                ),
                loses=translate(
                    "HostActions", "The host and its guests stay as they are. Charts kept for them here are dropped."
                ),
            )
            confirm(
                self._window, self._context.profile, question,
                verb=translate("HostActions", "Remove"), then=lambda: self._remove([host.id for host in hosts]),
            )  # fmt: skip

    def _remove(self, hosts: Sequence[HostId]) -> None:
        for host in hosts:
            self._context.fleet.remove(host)
        self._context.profile.connections.remove(*hosts)

    @Slot()
    def _on_theme(self) -> None:
        for action, name in self._names:
            action.setIcon(self._theme.icon(name))
