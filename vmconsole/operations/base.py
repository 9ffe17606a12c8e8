# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation is: one thing the user asks of one guest.

It runs in a lane of the guest's host and returns what changed.

An operation is plain data until it runs: it names no widget and no Store, so that it can be queued, shown as virsh,
undone, and tested against any link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vmconsole.inventory.ids import GuestId
    from vmconsole.links.base import HostVerbs
    from vmconsole.metrics.delta import Delta


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the user must agree to first. ``key`` names the «don't ask again» setting."""

    key: str
    question: str
    loses: str
    """What is lost, in one sentence."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation did."""

    deltas: tuple[Delta, ...] = ()
    """Facts as read back from the host afterwards."""
    note: str = ""
    """What came of it, for the task list: «cap is now 1.50 cores»."""
    undo: Operation | None = None
    """The operation that takes it back, or None where that cannot be."""


class Operation(Protocol):
    """One act on one guest."""

    @property
    def guest(self) -> GuestId: ...

    @property
    def title(self) -> str:
        """«Shut down web1»."""

    @property
    def deadline_s(self) -> float: ...

    @property
    def confirmation(self) -> Confirmation | None: ...

    def virsh(self) -> str:
        """The same act as command lines (``virsh -c URI …``), quoted for a shell."""

    def run(self, verbs: HostVerbs) -> Outcome:
        """Blocks; runs in a lane thread. Raises inventory.errors.ConsoleError."""
