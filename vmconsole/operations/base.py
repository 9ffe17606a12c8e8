# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation is: one thing the user asks of one guest, or of a host itself.

It runs in a lane of that host and returns what changed.

An operation is plain data until it runs: it names no widget and no Store, so that it can be queued, shown as virsh,
undone, and tested against any link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from vmconsole.inventory.ids import GuestId, HostId
    from vmconsole.links.base import HostVerbs, Shell
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
    undo: AnyOperation | None = None
    """The operation that takes it back, or None where that cannot be."""


class _AskedOfAHost(Protocol):
    """What all acts on a host have in common."""

    @property
    def title(self) -> str:
        """«Shut down web1», «Restart libvirtd on kvm1»."""

    @property
    def deadline_s(self) -> float: ...

    @property
    def confirmation(self) -> Confirmation | None: ...

    def virsh(self) -> str:
        """The same act as command lines (``virsh -c URI …``), quoted for a shell."""


class Operation(_AskedOfAHost, Protocol):
    """One act on one guest."""

    @property
    def guest(self) -> GuestId: ...

    def run(self, verbs: HostVerbs) -> Outcome:
        """Blocks; runs in a lane thread. Raises inventory.errors.ConsoleError."""


@runtime_checkable
class HostOperation(_AskedOfAHost, Protocol):
    """One act on a host below libvirt, through its shell. It is possible while libvirt's daemon hangs."""

    @property
    def host(self) -> HostId: ...

    def run_on(self, shell: Shell) -> Outcome:
        """Blocks; runs in a lane thread. Raises inventory.errors.ConsoleError."""


@runtime_checkable
class OwnOperation(Protocol):
    """A change of the console itself, such as of its list of connections: it asks no host, so it runs in no lane."""

    @property
    def host(self) -> HostId: ...

    @property
    def title(self) -> str:
        """«Remove kvm1 from the list»."""

    def virsh(self) -> str:
        """Empty: a host knows nothing of it."""

    def run_here(self) -> Outcome:
        """Does not block; runs in the thread that asks for it. Raises inventory.errors.ConsoleError."""


AnyOperation = Operation | HostOperation | OwnOperation


def host_of(operation: AnyOperation) -> HostId:
    """Where it is done."""
    return operation.host if isinstance(operation, (HostOperation, OwnOperation)) else operation.guest.host
