# SPDX-License-Identifier: GPL-3.0-or-later
"""What an error view gets from the window: the report's surroundings, names to mask, remedies. GUI thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vmconsole import __version__
from vmconsole.inventory.report import Names, Report
from vmconsole.ui.remedies import Remedies, Remedy, Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.errors import Explanation
    from vmconsole.inventory.facts import Host
    from vmconsole.inventory.ids import GuestId
    from vmconsole.ui.context import Context
    from vmconsole.ui.remedies import DaemonHelp

OURS = (("vmconsole", __version__),)


def plain_report(explanation: Explanation, subject: Subject) -> Report:
    """Where no more is known than the failure itself."""
    return Report(explanation, _time(subject.at), call=subject.call, host=subject.host or "", versions=OURS)


class ErrorHelp:
    """Made once by each window, for the views that show failures of hosts, guests and images."""

    def __init__(
        self,
        context: Context,
        *,
        show_limits: Callable[[GuestId], None] | None = None,
        daemon: DaemonHelp | None = None,
    ) -> None:
        self._context = context
        self._remedies = Remedies(context, show_limits=show_limits, daemon=daemon)

    def report(self, explanation: Explanation, subject: Subject) -> Report:
        """With the host's address and the versions that it told."""
        host = None if subject.host is None else self._context.store.hosts.get(subject.host)
        versions = () if host is None else tuple(sorted(host.versions.items()))
        return Report(
            explanation, _time(subject.at), call=subject.call, host=subject.host or "", versions=(*OURS, *versions)
        )

    def names(self, subject: Subject) -> Names:
        """Names of all hosts and guests that the console knows, those of the subject first."""
        store = self._context.store
        hosts = sorted(store.hosts.values(), key=lambda host: host.id != subject.host)
        guests = sorted(
            (guest for host in hosts for guest in store.guests_of(host.id).values()),
            key=lambda guest: guest.id != subject.guest,
        )
        return Names(
            hosts=tuple(name for host in hosts for name in _names_of(host)),
            guests=tuple(name for guest in guests for name in (guest.name, guest.id.uuid)),
        )

    def offer(self, explanation: Explanation, subject: Subject) -> Remedy | None:
        return self._remedies.offer(explanation, subject)


def _names_of(host: Host) -> tuple[str, ...]:
    """What the tree calls it, and the host part of its address."""
    return tuple(dict.fromkeys(filter(None, (host.name, name_in(host.id)))))


def name_in(uri: str) -> str:
    """The host part of an address, which may be wrong."""
    address = uri.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return address.partition("]")[0].lstrip("[") if address.startswith("[") else address.partition(":")[0]


def _time(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at))
