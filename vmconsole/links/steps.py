# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a try to reach a host: each blocks on a lane, and its end comes back to the link's actor.

Ends of a try that was given up are ignored, so what is told to begin anew need not wait for what is stuck.
``still`` may be called by the actor alone; what it gives, by any thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from vmconsole.inventory.errors import ConsoleError, LinkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from vmconsole.links.actor import Actor
    from vmconsole.links.host_facts import HostFacts
    from vmconsole.links.lane import Lane

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Steps:
    """Numbers the tries. ``on_failed`` is called when a step of the current try fails."""

    def __init__(self, actor: Actor, *, facts: HostFacts, on_failed: Callable[[ConsoleError], None]) -> None:
        self._actor = actor
        self._facts = facts
        self._on_failed = on_failed
        self._try = 0

    def give_up(self) -> None:
        """Ends of steps begun before this are ignored."""
        self._try += 1

    def still(self, function: Callable[P, object]) -> Callable[P, None]:
        """``function`` for any thread to call: it runs on the actor, if the try of now is then still the current."""
        number = self._try

        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            if number == self._try:
                function(*args, **kwargs)

        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            self._actor.call(lambda: run(*args, **kwargs))

        return call

    def later(self, delay_s: float, function: Callable[[], None]) -> None:
        """Run on the actor, if this try is then still the current."""
        self._actor.call_later(delay_s, self.still(function))

    def run(self, lane: Lane, work: Callable[[], T], *, deadline_s: float, then: Callable[[T], None]) -> None:
        """Run ``work`` on the lane; go on with ``then(result)`` on the actor."""
        future = lane.submit(work, deadline_s=deadline_s)
        future.add_done_callback(self.still(lambda done: self._on_done(done, then)))

    def _on_done(self, done: Future[T], then: Callable[[T], None]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            then(done.result())
        elif isinstance(error, ConsoleError):
            self._on_failed(error)
        else:
            where = self._facts.host.name
            _log.error("unexpected failure at %s", where, exc_info=error)
            self._on_failed(LinkError(f"Something unexpected went wrong: {error!r}.", where=where))
