# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells each host's link which of its guests are looked at, so that it reads their devices and limits. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmconsole.inventory.ids import GuestId, HostId
    from vmconsole.links.fleet import Fleet


class Watching:
    """Says it again only when it has changed. ``watch`` of a link never blocks."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._told: dict[HostId, frozenset[str]] = {}

    def look_at(self, guests: Iterable[GuestId]) -> None:
        wanted: dict[HostId, set[str]] = {host: set() for host in self._told}
        for guest in guests:
            wanted.setdefault(guest.host, set()).add(guest.uuid)
        for host, uuids in wanted.items():
            found = frozenset(uuids)
            link = self._fleet.link(host)
            if link is not None and self._told.get(host, frozenset()) != found:
                link.watch(found)
                self._told[host] = found
