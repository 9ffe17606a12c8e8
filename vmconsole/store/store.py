# SPDX-License-Identifier: GPL-3.0-or-later
"""The one picture of the fleet. GUI thread only: one writer, so no lock.

Data comes in as deltas (``apply``), goes out as ids that changed and as answers to queries. It never asks a link.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never

from vmconsole.inventory import deltas
from vmconsole.metrics.frame import Frame
from vmconsole.store.changes import ChangeSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vmconsole.inventory.facts import Guest, Host
    from vmconsole.inventory.ids import GuestId, HostId
    from vmconsole.inventory.tasks import Task
    from vmconsole.metrics.delta import Delta
    from vmconsole.store.figures import HostFigures

KEPT_EVENTS = 1000
KEPT_TASKS = 500


class Store:
    """Hosts, guests, their figures, tasks and events."""

    def __init__(self) -> None:
        self._hosts: dict[HostId, Host] = {}
        self._guests: dict[HostId, dict[str, Guest]] = {}
        self._figures: dict[HostId, HostFigures] = {}
        self._tasks: dict[int, Task] = {}
        self._events: deque[deltas.EventSeen] = deque(maxlen=KEPT_EVENTS)

    # -- what is known -----------------------------------------------------------------------------------------

    @property
    def hosts(self) -> Mapping[HostId, Host]:
        """In the order in which they were added."""
        return MappingProxyType(self._hosts)

    @property
    def tasks(self) -> Mapping[int, Task]:
        return MappingProxyType(self._tasks)

    @property
    def events(self) -> tuple[deltas.EventSeen, ...]:
        """Oldest first."""
        return tuple(self._events)

    def guests_of(self, host: HostId) -> Mapping[str, Guest]:
        """uuid → guest."""
        return MappingProxyType(self._guests.get(host, {}))

    def guest(self, guest: GuestId) -> Guest | None:
        return self._guests.get(guest.host, {}).get(guest.uuid)

    def figures(self, host: HostId) -> HostFigures:
        """Current figures and history of a host's guests (empty for an unknown host)."""
        found = self._figures.get(host)
        return found if found is not None else _no_figures()

    # -- what has changed --------------------------------------------------------------------------------------

    def apply(self, batch: Iterable[Delta]) -> ChangeSet:
        """Take in deltas, in order, and say what changed. One about an unknown host is ignored: it was forgotten."""
        changes = ChangeSet()
        for delta in batch:
            self._apply_one(delta, changes)
        return changes

    def _apply_one(self, delta: Delta, changes: ChangeSet) -> None:
        match delta:
            case deltas.HostSeen():
                self._see_host(delta.host, changes)
            case deltas.HostForgotten():
                self._forget_host(delta.host, changes)
            case deltas.GuestsListed():
                self._list_guests(delta, changes)
            case deltas.GuestSeen():
                self._see_guest(delta.guest, changes)
            case deltas.GuestGone():
                self._drop_guest(delta.guest, changes)
            case deltas.EventSeen():
                self._events.append(delta)
                changes.events.append(delta)
            case deltas.TaskSeen():
                self._tasks[delta.task.id] = delta.task
                changes.tasks.add(delta.task.id)
                self._trim_tasks()
            case Frame():
                self._see_frame(delta, changes)
            case _:
                assert_never(delta)

    def _see_host(self, host: Host, changes: ChangeSet) -> None:
        known = self._hosts.get(host.id)
        self._hosts[host.id] = host
        if known is None:
            self._guests.setdefault(host.id, {})
            self._figures[host.id] = _no_figures()
            if host.id in changes.hosts_removed:
                changes.hosts_removed.discard(host.id)
                changes.hosts_changed.add(host.id)
            else:
                changes.hosts_added.add(host.id)
        elif known != host and host.id not in changes.hosts_added:
            changes.hosts_changed.add(host.id)

    def _forget_host(self, host: HostId, changes: ChangeSet) -> None:
        if self._hosts.pop(host, None) is None:
            return
        for guest in list(self._guests.pop(host, {}).values()):
            _mark_removed(guest.id, changes)
        self._figures.pop(host, None)
        changes.hosts_changed.discard(host)
        changes.ticked.discard(host)
        if host in changes.hosts_added:
            changes.hosts_added.discard(host)
        else:
            changes.hosts_removed.add(host)

    def _list_guests(self, listed: deltas.GuestsListed, changes: ChangeSet) -> None:
        if listed.host not in self._hosts:
            return
        named = {guest.id.uuid for guest in listed.guests}
        for guest in [g for uuid, g in self._guests[listed.host].items() if uuid not in named]:
            self._drop_guest(guest.id, changes)
        for guest in listed.guests:
            self._see_guest(guest, changes)
        self._figures[listed.host].retain(named)

    def _see_guest(self, guest: Guest, changes: ChangeSet) -> None:
        of_host = self._guests.get(guest.id.host)
        if of_host is None:
            return
        known = of_host.get(guest.id.uuid)
        if known is not None and known.described and not guest.described:
            guest = _with_description_of(known, guest)
        of_host[guest.id.uuid] = guest
        if known is None:
            if guest.id in changes.guests_removed:
                changes.guests_removed.discard(guest.id)
                changes.guests_changed.add(guest.id)
            else:
                changes.guests_added.add(guest.id)
        elif known != guest and guest.id not in changes.guests_added:
            changes.guests_changed.add(guest.id)

    def _drop_guest(self, guest: GuestId, changes: ChangeSet) -> None:
        if self._guests.get(guest.host, {}).pop(guest.uuid, None) is not None:
            self._figures[guest.host].forget(guest.uuid)
            _mark_removed(guest, changes)

    def _see_frame(self, frame: Frame, changes: ChangeSet) -> None:
        figures = self._figures.get(frame.host)
        if figures is not None:
            figures.take(frame)
            changes.ticked.add(frame.host)

    def _trim_tasks(self) -> None:
        over = len(self._tasks) - KEPT_TASKS
        if over > 0:
            for number in [n for n, task in self._tasks.items() if task.state.is_over][:over]:
                del self._tasks[number]


def _no_figures() -> HostFigures:
    from vmconsole.store.figures import HostFigures  # late: brings numpy, which the first window can do without

    return HostFigures()


def _mark_removed(guest: GuestId, changes: ChangeSet) -> None:
    changes.guests_changed.discard(guest)
    if guest in changes.guests_added:
        changes.guests_added.discard(guest)
    else:
        changes.guests_removed.add(guest)


def _with_description_of(known: Guest, new: Guest) -> Guest:
    """A plain listing says nothing of disks and limits: keep what was read; a guest that is off has no live ones."""
    return dataclasses.replace(
        new,
        described=True,
        title=new.title or known.title,
        disks=known.disks,
        interfaces=known.interfaces,
        iothreads=known.iothreads,
        taints=known.taints if new.state.has_process else (),
        live=known.live if new.state.has_process else None,
        stored=known.stored,
    )
