# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the definitions of all guests of a host read, for pages that compare them. GUI thread; the links do the work.

A listing tells neither limits nor pinning. One guest after the other is asked for, so that a host is never flooded and
what the user does in between is not held up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from vmconsole.inventory.deltas import GuestSeen
from vmconsole.inventory.errors import ConsoleError
from vmconsole.inventory.facts import HostState

if TYPE_CHECKING:
    from concurrent.futures import Future

    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import GuestId, HostId
    from vmconsole.ui.context import Context

DEADLINE_S = 20.0


class Describer(QObject):
    """``progressed``: fewer are missing now. A guest that cannot be read is left out until it is wanted again."""

    progressed = Signal()

    def __init__(self, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._due: dict[HostId, deque[GuestId]] = {}
        self._asked: set[GuestId] = set()

    @property
    def missing(self) -> int:
        """How many are still to be read."""
        return sum(map(len, self._due.values())) + len(self._asked)

    def want(self, host: HostId) -> None:
        """Read what is not known of the guests of ``host``."""
        store = self._context.store
        known = store.hosts.get(host)
        if known is None or known.state is not HostState.CONNECTED:
            return
        due = self._due.setdefault(host, deque())
        wanted = [g.id for g in store.guests_of(host).values() if not g.described]
        due.extend(guest for guest in wanted if guest not in due and guest not in self._asked)
        self._ask_next(host)

    def stop(self) -> None:
        """What is not asked yet is not needed any more."""
        self._due.clear()

    def _ask_next(self, host: HostId) -> None:
        due, link = self._due.get(host), self._context.fleet.link(host)
        if not due or link is None or any(guest.host == host for guest in self._asked):
            return
        guest = due.popleft()
        self._asked.add(guest)
        uuid = guest.uuid
        asking = link.submit(lambda verbs: verbs.describe_guest(uuid), deadline_s=DEADLINE_S)
        self._context.bridge.when_done(asking, lambda done: self._on_read(guest, done))

    def _on_read(self, guest: GuestId, asking: Future[Guest]) -> None:
        self._asked.discard(guest)
        try:
            self._context.bridge.post(GuestSeen(asking.result()))
        except ConsoleError:
            self._due.pop(guest.host, None)  # the host does not answer: it is asked again when somebody looks again
        self._ask_next(guest.host)
        self.progressed.emit()
