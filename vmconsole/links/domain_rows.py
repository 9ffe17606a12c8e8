# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain values that ``libvirt_link`` hands out, and what becomes of them as facts. Pure; any thread."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.facts import Guest, GuestState
from vmconsole.inventory.ids import GuestId

if TYPE_CHECKING:
    from vmconsole.inventory.ids import HostId

_STATES = {
    1: GuestState.RUNNING,
    2: GuestState.RUNNING,  # «blocked»: it waits for its hypervisor, which is no matter for a person
    3: GuestState.PAUSED,
    4: GuestState.SHUTTING_DOWN,
    5: GuestState.SHUT_OFF,
    6: GuestState.CRASHED,
    7: GuestState.SUSPENDED,
}


class CloseReason(enum.Enum):
    """Why a connection to the daemon ended."""

    ENDED = "ended"
    """The other side closed it, or the way to it broke."""
    SILENT = "silent"
    """Keep-alive got no answer."""


@dataclass(frozen=True, slots=True)
class DomainRow:
    """What a listing tells of one domain."""

    uuid: str
    name: str
    libvirt_id: int | None
    state: int
    """virDomainState."""
    vcpus: int | None
    memory_max_kib: int | None
    persistent: bool


@dataclass(frozen=True, slots=True)
class DomainEvent:
    """Something happened to a domain: ``kind`` and ``detail`` are numbers of libvirt's, see ``domain_events``."""

    uuid: str
    name: str
    kind: str
    """``lifecycle``, ``reboot``, ``device-added``, ``device-removed``, ``tunable``, ``metadata``, ``io-error``…"""
    event: int = 0
    """For a lifecycle event: virDomainEventType."""
    detail: int = 0
    words: str = ""
    """A device's alias, a path: whatever names the thing concerned."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The host behind a connection."""

    name: str
    cpus: int | None
    memory_bytes: int | None
    versions: dict[str, str]
    is_secure: bool = True
    """Whether the connection is encrypted, or does not leave its machine."""


def guest_of(row: DomainRow, host: HostId) -> Guest:
    """The guest without a description."""
    return Guest(
        id=GuestId(host, row.uuid),
        name=row.name,
        state=_STATES.get(row.state, GuestState.UNKNOWN),
        libvirt_id=row.libvirt_id,
        vcpus=row.vcpus,
        memory_max_kib=row.memory_max_kib,
        persistent=row.persistent,
    )


def version_text(number: int) -> str:
    """libvirt's 9000002 as «9.0.2»."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
