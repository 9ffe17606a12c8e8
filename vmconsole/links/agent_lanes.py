# SPDX-License-Identifier: GPL-3.0-or-later
"""A lane for each guest whose agent is asked, so that an agent which hangs holds up its own guest alone. Any thread.

Only a few agents of a host are asked at a time: libvirt's daemon serves five calls of a connection at once and leaves
the rest unread until one of them returns (``max_client_requests`` in libvirtd.conf), so that with five agents that hang
the whole host would seem to be silent. The pulse and what the user asks need room beside them.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from vmconsole.inventory.catalogue import catalogue
from vmconsole.inventory.errors import LinkLost
from vmconsole.links.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.errors import ConsoleError
    from vmconsole.links.base import LaneDebug
    from vmconsole.links.lane import CallLater

T = TypeVar("T")

MOST_AT_ONCE = 3
PATIENCE_S = 8.0
"""How long a call waits until it is among these. With what the call itself may take (``links.agent``), a caller's
deadline should be 23 s or more."""
MOST_LANES = 16
IDLE_S = 30.0
"""A lane that was not used for so long is ended."""


class AgentLanes:
    """``submit`` makes a guest's lane when it is first needed. ``close`` ends them all."""

    def __init__(self, name: str, *, where: str, call_later: CallLater, idle_s: float = IDLE_S) -> None:
        self._name = name
        self._where = where
        self._call_later = call_later
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._lanes: dict[str, Lane] = {}
        self._used_at: dict[str, float] = {}
        self._places = _Places()
        self._sweeps = False

    def submit(self, uuid: str, work: Callable[[], T], *, deadline_s: float) -> Future[T]:
        """Run ``work`` after what is asked of the same guest. Fails with DomainBusy if too many others are asked."""
        with self._lock:
            if self._places.is_closed or (uuid not in self._lanes and not self._hire(uuid)):
                refused: Future[T] = Future()
                refused.set_exception(self._refusal())
                return refused
            self._used_at[uuid] = time.monotonic()
            return self._lanes[uuid].submit(lambda: self._in_a_place(work), deadline_s=deadline_s)

    def retire(self, uuid: str) -> None:
        """The guest has stopped: its lane ends, now or, if something waits in it, once that has ended."""
        with self._lock:
            if uuid in self._lanes and _is_idle(self._lanes[uuid]):
                self._dismiss(uuid)

    def debug(self) -> tuple[LaneDebug, ...]:
        with self._lock:
            lanes = dict(self._lanes)
        return tuple(dataclasses.replace(lane.debug(), guest=uuid) for uuid, lane in lanes.items())

    def close(self, *, timeout_s: float = 0.1) -> bool:
        """Fail what waits, and end. True when no thread is left."""
        with self._lock:
            self._places.close()
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.close(timeout_s=0.0)  # all at once
        ends_at = time.monotonic() + timeout_s
        ended = [lane.close(timeout_s=max(0.0, ends_at - time.monotonic())) for lane in lanes]
        return all(ended)

    def _hire(self, uuid: str) -> bool:
        if len(self._lanes) >= MOST_LANES:
            idle = [known for known, lane in self._lanes.items() if _is_idle(lane)]
            if not idle:
                return False
            self._dismiss(min(idle, key=self._used_at.__getitem__))
        # A call that hangs is given up by libvirt itself, and whether its daemon hangs is for the pulse to say.
        self._lanes[uuid] = Lane(self._name, where=self._where, call_later=self._call_later, on_stuck=lambda: None)
        self._sweep_later()
        return True

    def _dismiss(self, uuid: str) -> None:
        del self._used_at[uuid]
        self._lanes.pop(uuid).close(timeout_s=0.0)

    def _sweep_later(self) -> None:
        if not self._sweeps:
            self._sweeps = True
            self._call_later(self._idle_s, self._sweep)

    def _sweep(self) -> None:
        with self._lock:
            self._sweeps = False
            too_old = time.monotonic() - self._idle_s
            for uuid in [u for u, at in self._used_at.items() if at <= too_old and _is_idle(self._lanes[u])]:
                self._dismiss(uuid)
            if self._lanes:
                self._sweep_later()

    def _in_a_place(self, work: Callable[[], T]) -> T:
        if not self._places.take():
            raise self._refusal()
        try:
            return work()
        finally:
            self._places.give_back()

    def _refusal(self) -> ConsoleError:
        if self._places.is_closed:
            return LinkLost(f"The connection to {self._where} was closed.", where=self._where)
        return catalogue().own_error("agents-too-many", where=self._where, host=self._where)


class _Places:
    """So many calls at a time; those that wait are let go when it is closed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = 0
        self.is_closed = False

    def take(self) -> bool:
        """False after ``PATIENCE_S``, or once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_closed or self._taken < MOST_AT_ONCE, PATIENCE_S)
            if self.is_closed or self._taken >= MOST_AT_ONCE:
                return False
            self._taken += 1
            return True

    def give_back(self) -> None:
        with self._changed:
            self._taken -= 1
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()


def _is_idle(lane: Lane) -> bool:
    now = lane.debug()
    return not now.queued and now.busy_s is None and not now.abandoned
