# SPDX-License-Identifier: GPL-3.0-or-later
"""What one batch of deltas changed: ids only. Views ask the Store for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmconsole.inventory.deltas import EventSeen
    from vmconsole.inventory.ids import GuestId, HostId


@dataclass(slots=True)
class ChangeSet:
    """An id stands in at most one of added, removed and changed of its kind."""

    hosts_added: set[HostId] = field(default_factory=set)
    hosts_removed: set[HostId] = field(default_factory=set)
    hosts_changed: set[HostId] = field(default_factory=set)
    guests_added: set[GuestId] = field(default_factory=set)
    guests_removed: set[GuestId] = field(default_factory=set)
    guests_changed: set[GuestId] = field(default_factory=set)
    ticked: set[HostId] = field(default_factory=set)
    """Hosts that have new figures."""
    tasks: set[int] = field(default_factory=set)
    events: list[EventSeen] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.hosts_added, self.hosts_removed, self.hosts_changed, self.guests_added, self.guests_removed,
                    self.guests_changed, self.ticked, self.tasks, self.events))  # fmt: skip
