# SPDX-License-Identifier: GPL-3.0-or-later
"""The status bar's plain summary: hosts connected, guests running, problems. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmconsole.inventory.facts import GuestState, HostState
from vmconsole.inventory.ids import GuestId
from vmconsole.ui import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.ids import HostId
    from vmconsole.store.store import Store
    from vmconsole.ui.formats import Formats

translate = QCoreApplication.translate
BAD_HOST = frozenset({HostState.NOT_ANSWERING, HostState.FAILED})


def problems(store: Store) -> Sequence[HostId | GuestId]:
    """Hosts that are not there against the user's wish, and crashed guests."""
    found: list[HostId | GuestId] = []
    for host in store.hosts.values():
        if host.state in BAD_HOST or host.figures_reason is not None:
            found.append(host.id)
        found += [guest.id for guest in store.guests_of(host.id).values() if guest.state is GuestState.CRASHED]
    return found


def host_of(row: HostId | GuestId) -> HostId:
    return row.host if isinstance(row, GuestId) else row


def name_of(store: Store, row: HostId | GuestId) -> str:
    """«web1 on kvm1», or a host's name."""
    guest, host = store.guest(row) if isinstance(row, GuestId) else None, store.hosts.get(host_of(row))
    if guest is None or host is None:
        return str(row) if host is None else host.name
    return translate("Summary", "{guest} on {host}").format(guest=guest.name, host=host.name)


def told(store: Store, row: HostId | GuestId, formats: Formats) -> str:
    """What is wrong with one of ``problems``, in a few words."""
    guest = store.guest(row) if isinstance(row, GuestId) else None
    host = store.hosts.get(host_of(row))
    if guest is not None or host is None:
        return "" if guest is None else words.guest_state(guest.state)
    reason = host.reason or host.figures_reason
    return words.host_state(host, formats) if reason is None else reason.what


def summary(store: Store) -> str:
    """«2 of 3 hosts connected · 41 of 60 guests running»."""
    if not store.hosts:
        return translate("Summary", "No hosts")
    states = [host.state for host in store.hosts.values()]
    guests = [guest for host in store.hosts for guest in store.guests_of(host).values()]
    connected = translate("Summary", "{n} of {all} hosts connected").format(
        n=states.count(HostState.CONNECTED), all=len(states)
    )
    running = translate("Summary", "{n} of {all} guests running").format(
        n=sum(guest.state is GuestState.RUNNING for guest in guests), all=len(guests)
    )
    return f"{connected} · {running}"


def problem_text(count: int) -> str:
    if not count:
        return translate("Summary", "No problems")
    return words.counted(count, one=translate("Summary", "1 problem"), many=translate("Summary", "{n} problems"))
