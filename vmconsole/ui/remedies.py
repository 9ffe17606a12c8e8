# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console can do about a failure by now, as a button: the catalogue's action ids to acts. GUI thread.

An action that is not here stays text: the explanation's advice says what to type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QCoreApplication

from vmconsole.inventory.facts import HostState
from vmconsole.operations.lifecycle import ResumeGuest, ShutDownGuest, StartGuest

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.errors import Explanation
    from vmconsole.inventory.facts import Guest, Host
    from vmconsole.inventory.ids import GuestId, HostId
    from vmconsole.operations.base import Operation
    from vmconsole.ui.context import Context

translate = QCoreApplication.translate
AWAY = frozenset({HostState.NOT_ANSWERING, HostState.FAILED, HostState.DISCONNECTED})


@dataclass(frozen=True, slots=True)
class Subject:
    """What a failure is about, as far as the place that shows it knows."""

    host: HostId | None = None
    guest: GuestId | None = None
    call: str = ""
    """What was asked for, as command lines."""
    at: float | None = None
    """Seconds of ``time.time()``."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """A button: its text and its act."""

    text: str
    do: Callable[[], object]


class DaemonHelp(Protocol):
    """What can be done for a host's daemon without libvirt; ``why_…`` are empty, or say why it cannot."""

    def why_no_log(self, host: Host) -> str: ...

    def why_no_restart(self, host: Host) -> str: ...

    def show_log(self, wanted: HostId) -> None: ...

    def restart(self, wanted: HostId) -> None: ...


class Remedies:
    """``show_limits`` brings a guest's limits to the front. What is not given is not offered."""

    def __init__(
        self,
        context: Context,
        *,
        show_limits: Callable[[GuestId], None] | None = None,
        daemon: DaemonHelp | None = None,
    ) -> None:
        self._context = context
        self._show_limits = show_limits
        self._daemon = daemon
        self._makers: dict[str, Callable[[Subject], Remedy | None]] = {
            "reconnect": self._reconnect,
            "start-guest": lambda subject: self._act(subject, translate("Remedies", "Run {name}"), StartGuest),
            "resume-guest": lambda subject: self._act(subject, translate("Remedies", "Resume {name}"), ResumeGuest),
            "shut-down-guest": lambda subject: self._act(
                subject, translate("Remedies", "Shut Down {name}"), ShutDownGuest
            ),
            "raise-limit": self._limits,
            "show-log": self._log,
            "start-libvirtd": lambda subject: self._restart(subject, translate("Remedies", "Start libvirtd…")),
            "restart-libvirtd": lambda subject: self._restart(subject, translate("Remedies", "Restart libvirtd…")),
        }

    def offer(self, explanation: Explanation, subject: Subject) -> Remedy | None:
        """What can be done now, or None."""
        make = self._makers.get(explanation.action)
        return None if make is None else make(subject)

    def _reconnect(self, subject: Subject) -> Remedy | None:
        host = None if subject.host is None else self._context.store.hosts.get(subject.host)
        link = None if host is None else self._context.fleet.link(host.id)
        if host is None or link is None or host.state not in AWAY:
            return None
        return Remedy(translate("Remedies", "Try Now"), link.connect)

    def _log(self, subject: Subject) -> Remedy | None:
        host = None if subject.host is None else self._context.store.hosts.get(subject.host)
        daemon = self._daemon
        if host is None or daemon is None or daemon.why_no_log(host):
            return None
        return Remedy(translate("Remedies", "Show libvirtd's Log"), lambda: daemon.show_log(host.id))

    def _restart(self, subject: Subject, text: str) -> Remedy | None:
        """Only while libvirt does not answer: a failure of yesterday is no reason to restart what works."""
        host = None if subject.host is None else self._context.store.hosts.get(subject.host)
        daemon = self._daemon
        if host is None or daemon is None or host.state not in AWAY or daemon.why_no_restart(host):
            return None
        return Remedy(text, lambda: daemon.restart(host.id))

    def _limits(self, subject: Subject) -> Remedy | None:
        guest, show = self._guest(subject), self._show_limits
        if guest is None or show is None:
            return None
        text = translate("Remedies", "Show the Limits of {name}").format(name=guest.name)
        return Remedy(text, lambda: show(guest.id))

    def _act(
        self, subject: Subject, text: str, make: type[StartGuest] | type[ResumeGuest] | type[ShutDownGuest]
    ) -> Remedy | None:
        guest = self._guest(subject)
        if guest is None or make.possible(guest):
            return None
        operation: Operation = make(guest.id, guest.name)
        return Remedy(text.format(name=guest.name), lambda: self._context.runner.run([operation]))

    def _guest(self, subject: Subject) -> Guest | None:
        return None if subject.guest is None else self._context.store.guest(subject.guest)
