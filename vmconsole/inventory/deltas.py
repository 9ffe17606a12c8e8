# SPDX-License-Identifier: GPL-3.0-or-later
"""What links and operations say has changed. Immutable; made on worker threads, applied by the Store on the GUI thread.

The figures' delta (``metrics.frame.Frame``) lives beside numpy in ``metrics``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmconsole.inventory.facts import Guest, Host
    from vmconsole.inventory.ids import GuestId, HostId
    from vmconsole.inventory.tasks import Task


@dataclass(frozen=True, slots=True)
class HostSeen:
    """A host's facts, whole: they replace what was known."""

    host: Host


@dataclass(frozen=True, slots=True)
class HostForgotten:
    """The user took the connection off the list."""

    host: HostId


@dataclass(frozen=True, slots=True)
class GuestsListed:
    """All guests of a host: those not named are gone. A guest's description is kept if the new fact has none."""

    host: HostId
    guests: tuple[Guest, ...]


@dataclass(frozen=True, slots=True)
class GuestSeen:
    """One guest's facts, whole, except that a description is kept if the new fact has none."""

    guest: Guest


@dataclass(frozen=True, slots=True)
class GuestGone:
    """A guest was undefined, or a transient one ended."""

    guest: GuestId


@dataclass(frozen=True, slots=True)
class EventSeen:
    """One line for the events list."""

    at: float
    """Seconds of ``time.time()``."""
    host: HostId
    text: str
    guest: GuestId | None = None
    is_problem: bool = False


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """A task began, moved or ended."""

    task: Task
