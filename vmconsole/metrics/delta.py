# SPDX-License-Identifier: GPL-3.0-or-later
"""All that the Store understands, as one type."""

from __future__ import annotations

from collections.abc import Callable

from vmconsole.inventory import deltas
from vmconsole.metrics.frame import Frame

Delta = (
    deltas.HostSeen
    | deltas.HostForgotten
    | deltas.GuestsListed
    | deltas.GuestSeen
    | deltas.GuestGone
    | deltas.EventSeen
    | deltas.TaskSeen
    | Frame
)

Post = Callable[[Delta], None]
"""Where a link sends what changed. Callable from any thread, never blocks."""
