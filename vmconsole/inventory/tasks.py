# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing the user asked for, as the task list shows it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmconsole.inventory.errors import Explanation
    from vmconsole.inventory.ids import GuestId, HostId


class TaskState(enum.Enum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """The link died while it ran: reconnect and look."""

    @property
    def is_over(self) -> bool:
        return self not in {TaskState.QUEUED, TaskState.RUNNING}


@dataclass(frozen=True, slots=True)
class Task:
    id: int
    title: str
    """«Shut down web1», in the user's words."""
    where: str
    """Host name or file."""
    state: TaskState
    began_at: float
    """Seconds of ``time.time()``."""
    host: HostId | None = None
    ended_at: float | None = None
    progress: float | None = None
    """0–1, or None where it is not known."""
    note: str = ""
    """A word on what is happening or what came out."""
    problem: Explanation | None = None
    virsh: str = ""
    """The same thing as command lines, for «Show as virsh»."""
    guest: GuestId | None = None
