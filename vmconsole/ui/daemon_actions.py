# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the log of libvirt's daemon, and restart it: for a host where SSH answers and libvirt does not. GUI thread.

Which daemon a host has and how it is started is asked of the host before the question is put, so that the question
can show the very command.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject

from vmconsole.inventory.errors import ConsoleError
from vmconsole.operations.daemon import LOOK_S, Daemon, RestartDaemon, find_daemon
from vmconsole.ui.confirm import confirm
from vmconsole.ui.error_dialog import ErrorDialog
from vmconsole.ui.log_window import LogWindow
from vmconsole.ui.remedies import Subject

if TYPE_CHECKING:
    from concurrent.futures import Future

    from PySide6.QtWidgets import QWidget

    from vmconsole.inventory.facts import Host
    from vmconsole.inventory.ids import HostId
    from vmconsole.ui.context import Context
    from vmconsole.ui.error_help import ErrorHelp

translate = QCoreApplication.translate


class DaemonActions(QObject):
    """Made once by the window."""

    def __init__(self, context: Context, parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self._theme = context.theme
        self._window = parent
        self._looking: set[HostId] = set()
        self.helped_by: ErrorHelp | None = None
        """Set once by who makes both: the help itself needs these actions."""

    def why_no_log(self, host: Host) -> str:
        """Empty, or why no command can be run there."""
        if host.is_demo:
            return translate("DaemonActions", "Not now: this host is made up.")
        return "" if host.has_shell else translate("DaemonActions", "Not now: SSH does not reach the host.")

    def why_no_restart(self, host: Host) -> str:
        """Empty, or why it cannot be restarted from here."""
        why = self.why_no_log(host)
        if not why and host.is_read_only:
            why = translate("DaemonActions", "Not now: the host is opened for looking only.")
        return why or RestartDaemon.possible(host.id)

    def show_log(self, wanted: HostId) -> None:
        """A window for each host: they may be compared."""
        host = self._context.store.hosts.get(wanted)
        if host is not None and not self.why_no_log(host):
            LogWindow(self._context, host, self._window, helped_by=self.helped_by).show()

    def restart(self, wanted: HostId) -> None:
        """Look which daemon it is, ask, and restart it as a task."""
        host = self._context.store.hosts.get(wanted)
        link = self._context.fleet.link(wanted)
        if host is None or link is None or self.why_no_restart(host) or wanted in self._looking:
            return
        self._looking.add(wanted)
        future = link.submit_shell(lambda shell: find_daemon(shell, wanted), deadline_s=LOOK_S + 1)
        self._context.bridge.when_done(future, lambda done: self._on_found(host, done))

    def _on_found(self, host: Host, done: Future[Daemon]) -> None:
        self._looking.discard(host.id)
        error = None if done.cancelled() else done.exception()
        if isinstance(error, ConsoleError):
            self._tell(host.id, error)
        elif error is None and not done.cancelled():
            operation = RestartDaemon(host.id, host.name, done.result())
            question = operation.confirmation
            assert question is not None
            runs = operation.daemon.pid is not None
            verb = translate("DaemonActions", "Restart") if runs else translate("DaemonActions", "Start")
            confirm(self._window, self._context.profile, question, verb=verb, then=lambda: self._run(operation))

    def _run(self, operation: RestartDaemon) -> None:
        self._context.runner.run([operation])

    def _tell(self, host: HostId, error: ConsoleError) -> None:
        subject = Subject(host, at=time.time())
        ErrorDialog(error.explanation, self._theme, self._window, subject=subject, helped_by=self.helped_by)
