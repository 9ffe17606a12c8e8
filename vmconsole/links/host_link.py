# SPDX-License-Identifier: GPL-3.0-or-later
"""One real host as the rest of the program knows it: ``links.base.Link``, put together from its parts.

The state lives on the link's actor thread (``connecting``, ``upkeep``, ``host_figures``); what blocks runs on lanes
(``lanes``), and each step's end comes back to the actor (``steps``).
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from vmconsole.inventory.facts import PLAIN_LOOK, Host
from vmconsole.links.actor import Actor
from vmconsole.links.backoff import Backoff
from vmconsole.links.base import LinkDebug
from vmconsole.links.call_log import CallLog
from vmconsole.links.connecting import Connecting
from vmconsole.links.drivers import driver_of
from vmconsole.links.host_facts import HostFacts, has_no_shell, not_connected
from vmconsole.links.host_figures import HostFigures
from vmconsole.links.lanes import Lanes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmconsole.inventory.errors import ConsoleError
    from vmconsole.inventory.facts import HostLook
    from vmconsole.inventory.ids import HostId
    from vmconsole.links.base import HostVerbs, Shell
    from vmconsole.links.libvirt_link import LibvirtLoop
    from vmconsole.links.login import Login
    from vmconsole.links.sampler import MakeSampler
    from vmconsole.links.uri import ConnectionUri
    from vmconsole.metrics.delta import Post

T = TypeVar("T")


class HostLink:
    """``links.base.Link`` over SSH, on this machine, or by libvirt's own transports."""

    def __init__(
        self,
        uri: ConnectionUri,
        *,
        post: Post,
        event_loop: LibvirtLoop,
        make_sampler: MakeSampler,
        run_dir: Path,
        clock: Callable[[], float] = time.time,
        backoff: Backoff | None = None,
        login: Login | None = None,
        look: HostLook = PLAIN_LOOK,
    ) -> None:
        """``event_loop`` must have been started; it outlives the link. ``clock`` tells seconds of ``time.time()``.
        ``login`` answers what ssh asks; without it nobody is asked."""
        self._uri = uri
        self._event_loop = event_loop  # libvirt calls back on it for as long as there is a link
        driver, own_name = driver_of(uri), uri.display_name
        host = Host(
            uri.host_id, look.name or own_name, since=clock(), is_read_only=uri.read_only, look=look,
            lacks=driver.lacks, cap_parameter=driver.cap_parameter,
        )  # fmt: skip
        self._facts = HostFacts(host, post, clock=clock, own_name=own_name)
        self._calls = CallLog()
        self._actor = Actor(f"link {own_name}")
        self._lanes = Lanes(
            own_name, call_later=self._actor.call_later, free_stuck=lambda: self._connecting.free_stuck_calls()
        )
        self._figures = HostFigures(uri, make_sampler=make_sampler, facts=self._facts, actor=self._actor)
        self._connecting = Connecting(
            uri, actor=self._actor, lanes=self._lanes, facts=self._facts, figures=self._figures, calls=self._calls,
            run_dir=run_dir, clock=clock, backoff=backoff or Backoff(), login=login,
        )  # fmt: skip

    @property
    def host_id(self) -> HostId:
        return self._uri.host_id

    # -- its life ------------------------------------------------------------------------------------------------------

    def start(self, *, connect: bool = True) -> None:
        self._actor.start()
        if connect:
            self._actor.call(self._facts.announce)
            self.connect()
        else:
            self.disconnect()

    def connect(self) -> None:
        self._actor.call(self._connecting.connect)

    def disconnect(self) -> None:
        self._actor.call(self._connecting.disconnect)

    def close(self) -> None:
        self._facts.silence()
        self._actor.close()  # from here on nothing else touches the state
        self._connecting.end()

    # -- what is asked of it -------------------------------------------------------------------------------------------

    def submit(self, job: Callable[[HostVerbs], T], *, deadline_s: float) -> Future[T]:
        verbs = self._connecting.verbs
        if verbs is None:
            return _refused(not_connected(self._facts.host))
        return self._lanes.command.submit(lambda: job(verbs), deadline_s=deadline_s)

    def submit_agent(self, uuid: str, job: Callable[[HostVerbs], T], *, deadline_s: float) -> Future[T]:
        verbs = self._connecting.verbs
        if verbs is None:
            return _refused(not_connected(self._facts.host))
        return self._lanes.agents.submit(uuid, lambda: job(verbs), deadline_s=deadline_s)

    def submit_shell(self, job: Callable[[Shell], T], *, deadline_s: float) -> Future[T]:
        shell = self.shell()
        if shell is None:
            return _refused(has_no_shell(self._facts.host))
        return self._lanes.shell.submit(lambda: job(shell), deadline_s=deadline_s)

    def watch(self, uuids: frozenset[str]) -> None:
        self._actor.call(lambda: self._connecting.watch(uuids))

    def set_look(self, look: HostLook) -> None:
        self._actor.call(lambda: self._facts.set_look(look))

    def shell(self) -> Shell | None:
        return self._connecting.shell()

    def debug(self) -> LinkDebug:
        return LinkDebug(
            self.host_id, self._lanes.debug(), self._calls.last(), self._calls.under_way(), self._figures.debug()
        )


def _refused(error: ConsoleError) -> Future[T]:
    refused: Future[T] = Future()
    refused.set_exception(error)
    return refused
