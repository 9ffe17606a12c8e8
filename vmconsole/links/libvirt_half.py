# SPDX-License-Identifier: GPL-3.0-or-later
"""The libvirt side of a host while it is open: listing, refreshing, statistics. One object for each opened connection.

Its methods block and run on lanes, ``shut`` aside, which may be called from any thread and does not wait.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from vmconsole.inventory import deltas
from vmconsole.inventory.errors import BadDescription, LinkLost, OperationRefused
from vmconsole.inventory.ids import GuestId
from vmconsole.inventory.topology import NO_RESOURCES
from vmconsole.links.domain_rows import guest_of
from vmconsole.links.libvirt_link import ALL_GROUPS, SLOW_GROUPS, Connection
from vmconsole.links.stats import StatsRates
from vmconsole.links.verbs import LibvirtVerbs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import HostId
    from vmconsole.inventory.topology import HostResources
    from vmconsole.links.call_log import CallLog
    from vmconsole.links.domain_rows import CloseReason, DomainEvent, NodeFacts
    from vmconsole.links.transport import Door, Transport
    from vmconsole.metrics.delta import Post

RELIST_FROM = 40
"""From so many guests on, one listing is cheaper than asking for each."""


class LibvirtHalf:
    """Owns a door and the connection that goes through it."""

    def __init__(
        self,
        transport: Transport,
        *,
        host: HostId,
        where: str,
        post: Post,
        read_only: bool = False,
        calls: CallLog | None = None,
        cap_parameter: str = "global",
    ) -> None:
        self._transport = transport
        self._calls = calls
        self._cap_parameter = cap_parameter
        self._read_only = read_only
        self._door: Door | None = None
        self._host = host
        self._where = where
        self._post = post
        self._lock = threading.Lock()
        self._shut = False
        self._connection: Connection | None = None
        self._rates = StatsRates(host)
        self._has_events = False
        self._closer: threading.Thread | None = None

    @property
    def connection(self) -> Connection:
        with self._lock:
            if self._connection is None or self._shut:
                raise self._closed_error()
            return self._connection

    def _closed_error(self) -> LinkLost:
        return LinkLost(f"The connection to {self._where} was closed.", where=self._where)

    def verbs(self) -> LibvirtVerbs:
        return LibvirtVerbs(self.connection, self._host, cap_parameter=self._cap_parameter, shell=self._transport.shell)

    # -- on a lane -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect through a new door. If ``shut`` came meanwhile, what was opened is closed again."""
        uri, door = self._make_door()
        connection = Connection.open(
            uri, where=self._where, read_only=self._read_only, calls=self._calls, keep_alive=not door.can_shut,
            said=door.said,
        )  # fmt: skip
        with self._lock:
            if not self._shut:
                self._connection = connection
                return
        connection.close()
        raise self._closed_error()

    def _make_door(self) -> tuple[str, Door]:
        with self._lock:
            if self._shut:
                raise self._closed_error()
            uri, door = self._transport.new_door()
            self._door = door
        return uri, door

    def begin(
        self, *, on_closed: Callable[[CloseReason], None], on_event: Callable[[DomainEvent], None]
    ) -> tuple[Guest, ...]:
        """Listen, then list, so that nothing is missed in between."""
        self.connection.on_closed(on_closed)
        self._has_events = self.connection.on_lifecycle(on_event)
        return self.list_guests()

    def ping(self) -> None:
        self.connection.ping()

    def list_guests(self) -> tuple[Guest, ...]:
        return tuple(guest_of(row, self._host) for row in self.connection.domain_rows())

    def complete(self, on_event: Callable[[DomainEvent], None]) -> NodeFacts:
        """What can wait until the rows are shown."""
        facts = self.connection.node()
        self.connection.on_other_events(on_event)
        return facts

    def resources(self) -> HostResources:
        """What limits are measured against; as far as the host tells."""
        try:
            return self.verbs().host_resources()
        except (OperationRefused, BadDescription):
            return NO_RESOURCES  # this driver has no capabilities, or odd ones

    def refresh(self, uuids: Iterable[str], *, watched: frozenset[str]) -> None:
        """Look at guests again and post what they are now, the watched ones with their description."""
        wanted = list(uuids)
        if len(wanted) >= RELIST_FROM:
            self._post(deltas.GuestsListed(self._host, self.list_guests()))
            wanted = [uuid for uuid in wanted if uuid in watched]
        for uuid in wanted:
            self._refresh_one(uuid, described=uuid in watched)

    def _refresh_one(self, uuid: str, *, described: bool) -> None:
        row = self.connection.domain_row(uuid)
        if row is None:
            self._post(deltas.GuestGone(GuestId(self._host, uuid)))
            return
        self._post(deltas.GuestSeen(guest_of(row, self._host)))
        if described:
            self._describe(uuid)

    def _describe(self, uuid: str) -> None:
        try:
            guest = self.verbs().describe_guest(uuid)
        except (OperationRefused, BadDescription):
            return  # it went meanwhile, or its XML is broken: whoever opens it is told
        self._post(deltas.GuestSeen(guest))

    def read_stats(self, *, watched: frozenset[str], has_sampler: bool) -> None:
        """Ask for statistics and post them as a frame. Where no events come, list the guests too."""
        try:
            answer = self.connection.stats(SLOW_GROUPS if has_sampler else ALL_GROUPS)
        except OperationRefused:
            answer = []  # this driver has no statistics
        if answer:
            at, monotonic = time.time(), time.monotonic()
            self._post(self._rates.frame(answer, at=at, monotonic=monotonic, watched=watched))
        if not self._has_events:
            self._post(deltas.GuestsListed(self._host, self.list_guests()))

    # -- any thread ----------------------------------------------------------------------------------------------------

    def free_stuck_calls(self) -> None:
        """End the RPC under whatever is stuck in it; its calls fail at once."""
        with self._lock:
            door = self._door
        if door is not None:
            door.shut()

    def shut(self) -> None:
        """Let go: calls under way fail, and the connection is closed by the last that leaves it."""
        with self._lock:
            if self._shut:
                return
            self._shut = True
            connection = self._connection
        self.free_stuck_calls()
        if connection is not None:  # closing talks to the daemon, which may hang
            self._closer = threading.Thread(target=connection.close, name=f"close {self._where}", daemon=True)
            self._closer.start()

    def join(self, *, timeout_s: float) -> None:
        """Wait a little for what ``shut`` began."""
        if self._closer is not None:
            self._closer.join(timeout_s)
        if self._connection is not None:
            self._connection.close(timeout_s=timeout_s)
