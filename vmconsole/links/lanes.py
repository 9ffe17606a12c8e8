# SPDX-License-Identifier: GPL-3.0-or-later
"""The lanes of one host: what blocks runs on the lane of its kind, so that nothing waits for what is slower than it.

A lane has one thread at a time; each guest whose agent is asked has a lane of its own. Any thread may submit; the
deadlines run on the link's actor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.links.agent_lanes import AgentLanes
from vmconsole.links.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.links.base import LaneDebug
    from vmconsole.links.lane import CallLater

MOST_STUCK_COMMANDS = 4


class Lanes:
    """``close`` ends them all. ``free_stuck`` ends the RPC under calls that do not return."""

    def __init__(self, where: str, *, call_later: CallLater, free_stuck: Callable[[], None]) -> None:
        def lane(name: str, on_stuck: Callable[[], None]) -> Lane:
            return Lane(f"{name} {where}", where=where, call_later=call_later, on_stuck=on_stuck)

        self._free_stuck = free_stuck
        self.observe = lane("observe", free_stuck)
        """Connecting, listing, refreshing."""
        self.slow = lane("slow", free_stuck)
        """Statistics, and facts of the host."""
        self.pulse = lane("pulse", free_stuck)
        """Does libvirt answer?"""
        self.command = lane("command", self._on_command_stuck)
        """What the user asks of libvirt."""
        self.agents = AgentLanes(f"agent {where}", where=where, call_later=call_later)
        """What is asked of guests' agents, which may hang."""
        self.shell = lane("shell", lambda: None)  # its commands have deadlines of their own
        """What is asked of the host itself, which works while libvirt does not."""

    def debug(self) -> tuple[LaneDebug, ...]:
        lanes = (self.observe, self.slow, self.pulse, self.command)
        return (*(lane.debug() for lane in lanes), *self.agents.debug())

    def close(self) -> None:
        self.agents.close(timeout_s=0.1)
        for lane in (self.command, self.shell, self.observe, self.slow, self.pulse):
            lane.close(timeout_s=0.1)

    def _on_command_stuck(self) -> None:
        """One busy guest must not cut the host off; many stuck calls show that the daemon hangs."""
        if self.command.abandoned >= MOST_STUCK_COMMANDS:
            self._free_stuck()
