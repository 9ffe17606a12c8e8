# SPDX-License-Identifier: GPL-3.0-or-later
"""A place for a link to post to, where a test can wait for what it expects."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeGuard, TypeVar

from vmconsole.inventory import deltas
from vmconsole.links.base import SamplerDebug
from vmconsole.metrics.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.facts import Guest, GuestState, Host, HostState
    from vmconsole.metrics.delta import Delta

T = TypeVar("T")


class Recorder:
    """Call it with deltas from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._deltas: list[tuple[float, Delta]] = []

    def __call__(self, delta: Delta) -> None:
        with self._changed:
            self._deltas.append((time.monotonic(), delta))
            self._changed.notify_all()

    @property
    def deltas(self) -> list[Delta]:
        with self._changed:
            return [delta for _, delta in self._deltas]

    def timed(self, since: int = 0) -> list[tuple[float, Delta]]:
        """The deltas with the seconds of ``time.monotonic()`` at which they were posted."""
        with self._changed:
            return self._deltas[since:]

    def mark(self) -> int:
        """Pass it to ``wait_for`` as ``since`` to look at later deltas only."""
        with self._changed:
            return len(self._deltas)

    def wait_for(self, pick: Callable[[Delta], T | None], *, within_s: float = 10.0, since: int = 0) -> T:
        """The first thing that ``pick`` makes of a delta and that is not None."""
        ends_at = time.monotonic() + within_s
        seen = since
        with self._changed:
            while True:
                for _, delta in self._deltas[seen:]:
                    if (found := pick(delta)) is not None:
                        return found
                seen = len(self._deltas)
                left_s = ends_at - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    tail = "\n".join(str(delta)[:300] for _, delta in self._deltas[-8:])
                    raise AssertionError(f"not posted within {within_s} s; the last ones:\n{tail}")

    # -- what is usually waited for ------------------------------------------------------------------------------------

    def host(self, state: HostState, *, within_s: float = 15.0, since: int = 0) -> Host:
        return self.wait_for(
            lambda d: d.host if isinstance(d, deltas.HostSeen) and d.host.state is state else None,
            within_s=within_s, since=since,
        )  # fmt: skip

    def host_that(self, test: Callable[[Host], bool], *, within_s: float = 15.0, since: int = 0) -> Host:
        return self.wait_for(
            lambda d: d.host if isinstance(d, deltas.HostSeen) and test(d.host) else None,
            within_s=within_s,
            since=since,
        )

    def listing(self, *, within_s: float = 15.0, since: int = 0) -> tuple[Guest, ...]:
        return self.wait_for(
            lambda d: d.guests if isinstance(d, deltas.GuestsListed) else None, within_s=within_s, since=since
        )

    def guest(self, uuid: str, test: Callable[[Guest], bool], *, within_s: float = 10.0, since: int = 0) -> Guest:
        return self.wait_for(
            lambda d: d.guest if _is_about(d, uuid) and test(d.guest) else None, within_s=within_s, since=since
        )

    def guest_or_listed_as(self, uuid: str, state: GuestState, *, within_s: float = 10.0, since: int = 0) -> Guest:
        """The guest in that state, seen on its own or in a listing."""

        def pick(delta: Delta) -> Guest | None:
            guests = delta.guests if isinstance(delta, deltas.GuestsListed) else ()
            if isinstance(delta, deltas.GuestSeen):
                guests = (delta.guest,)
            return next((g for g in guests if g.id.uuid == uuid and g.state is state), None)

        return self.wait_for(pick, within_s=within_s, since=since)

    def frame(self, *, within_s: float = 10.0, since: int = 0) -> Frame:
        return self.wait_for(lambda d: d if isinstance(d, Frame) else None, within_s=within_s, since=since)


def _is_about(delta: Delta, uuid: str) -> TypeGuard[deltas.GuestSeen]:
    return isinstance(delta, deltas.GuestSeen) and delta.guest.id.uuid == uuid


class QuietSampler:
    """Stands for a sampler where a test is about something else: frames flow at once, but there are none."""

    def __init__(self, on_state: Callable[[None, dict[str, str]], None]) -> None:
        self._on_state = on_state
        self.watched: frozenset[str] = frozenset()
        self.is_closed = False

    def start(self) -> None:
        self._on_state(None, {"cgroup_layout": "v1", "python": "3.11"})

    def watch(self, uuids: frozenset[str]) -> None:
        self.watched = uuids

    def debug(self) -> SamplerDebug:
        return SamplerDebug(cpu_s=0.0, memory_kib=0, frames=0, garbled=0, received_bytes=0)

    def close(self) -> None:
        self.is_closed = True
