# SPDX-License-Identifier: GPL-3.0-or-later
"""Connect, Disconnect, Try Now, Check, Edit, the daemon's log and restart, Forget Login, Remove: for selected hosts.

GUI thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Slot
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence

from vmconsole.inventory.deltas import EventSeen
from vmconsole.inventory.facts import HostState
from vmconsole.links.address import try_parse
from vmconsole.settings.connections import SavedConnection
from vmconsole.ui.add_host.check_dialog import CheckDialog
from vmconsole.ui.add_host.edit_dialog import EditHostDialog
from vmconsole.ui.add_host.remove_dialog import ask_to_remove
from vmconsole.ui.connection_change import ConnectionChange, Listed
from vmconsole.ui.daemon_actions import DaemonActions
from vmconsole.ui.error_help import ErrorHelp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from PySide6.QtWidgets import QMenu, QWidget

    from vmconsole.inventory.facts import Host
    from vmconsole.inventory.ids import GuestId, HostId
    from vmconsole.ui.context import Context

translate = QCoreApplication.translate
WAITING = frozenset({HostState.NOT_ANSWERING, HostState.FAILED})


class HostActions(QObject):
    """``chosen`` says which hosts are selected."""

    def __init__(
        self,
        context: Context,
        chosen: Callable[[], Sequence[HostId]],
        parent: QWidget,
        *,
        show_limits: Callable[[GuestId], None] = lambda _: None,
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._chosen = chosen
        self._window = parent
        theme = self._theme = context.theme
        self.connect_action = QAction(theme.icon("connect"), self.tr("&Connect"), self)
        self.try_action = QAction(theme.icon("reboot"), self.tr("&Try Now"), self)
        self.disconnect_action = QAction(theme.icon("disconnect"), self.tr("&Disconnect"), self)
        self.check_action = QAction(theme.icon("check"), self.tr("Chec&k Connection…"), self)
        self.edit_action = QAction(theme.icon("edit"), self.tr("&Edit Connection…"), self)
        self.edit_action.setShortcut(QKeySequence("F2"))
        self.daemon = DaemonActions(context, parent)
        self.helped_by = ErrorHelp(context, show_limits=show_limits, daemon=self.daemon)
        self.daemon.helped_by = self.helped_by
        self.log_action = QAction(theme.icon("terminal"), self.tr("Show libvirtd's &Log"), self)
        self.restart_action = QAction(theme.icon("reload"), self.tr("Restart &libvirtd…"), self)
        self.forget_action = QAction(theme.icon("key"), self.tr("Forget Login"), self)
        self.remove_action = QAction(theme.icon("remove"), self.tr("Remove Connection…"), self)
        self.copy_action = QAction(theme.icon("copy"), self.tr("Copy Address"), self)
        self.connect_action.triggered.connect(self._on_connect)
        self.try_action.triggered.connect(self._on_connect)
        self.disconnect_action.triggered.connect(self._on_disconnect)
        self.check_action.triggered.connect(self._on_check)
        self.edit_action.triggered.connect(self._on_edit)
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
            (self.edit_action, "edit"),
            (self.log_action, "terminal"),
            (self.restart_action, "reload"),
            (self.forget_action, "key"),
            (self.remove_action, "remove"),
            (self.copy_action, "copy"),
        )
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
        menu.addAction(self.edit_action)
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
            (self.edit_action, any(not host.is_demo for host in self._hosts()),
             self.tr("Not now: this host is made up.")),
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
                CheckDialog(self._context, host.id, uri, self._window, helped_by=self.helped_by).show()

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

    # -- the list itself -----------------------------------------------------------------------------------------------

    def _listed(self, host: Host) -> Listed:
        saved = self._context.profile.connections.find(host.id)
        is_wanted = host.state is not HostState.DISCONNECTED
        return Listed(saved or SavedConnection(host.id), is_kept=saved is not None, is_wanted=is_wanted)

    @Slot()
    def _on_edit(self) -> None:
        """A window for each."""
        for host in self._hosts():
            if not host.is_demo:
                saved = self._listed(host).saved
                dialog = EditHostDialog(self._context, saved, self._window, helped_by=self.helped_by)
                dialog.edited.connect(lambda wanted, host=host.id: self._edit(host, wanted))
                dialog.show()

    def _edit(self, host_id: HostId, wanted: SavedConnection) -> None:
        """What is edited is kept from now on, also what the command line had brought."""
        host = self._context.store.hosts.get(host_id)
        if host is not None:  # it may have been removed meanwhile
            before = self._listed(host)
            after = Listed(wanted, is_wanted=before.is_wanted)
            self._context.runner.run([ConnectionChange(self._context, host.name, before=before, after=after)])

    @Slot()
    def _on_remove(self) -> None:
        hosts = self._hosts()
        if hosts:
            secrets = self._context.secrets
            ask_to_remove(
                self._window, [host.name for host in hosts],
                may_know_login=secrets is not None and secrets.may_know,
                then=lambda forget: self._remove(hosts, forget=forget),
            )  # fmt: skip

    def _remove(self, hosts: Sequence[Host], *, forget: bool) -> None:
        """As one step for undo. A made-up host is gone for good: no address leads back to it."""
        for host in hosts:
            if host.is_demo:
                self._context.fleet.remove(host.id)
            elif forget:
                self._forget(host)
        real = [host for host in hosts if not host.is_demo]
        self._context.runner.run(
            [ConnectionChange(self._context, host.name, before=self._listed(host), after=None) for host in real]
        )

    @Slot()
    def _on_theme(self) -> None:
        for action, name in self._names:
            action.setIcon(self._theme.icon(name))
