# SPDX-License-Identifier: GPL-3.0-or-later
"""One real host: connects, keeps connected, and posts what it learns.

All state lives on the link's actor thread; what blocks runs on lanes: ``observe`` (connecting, listing, refreshing),
``slow`` (statistics, facts of the host), ``pulse`` (does libvirt answer?), ``command`` (what the user asks of libvirt),
``agent`` (of a guest's agent, which may hang) and ``shell`` (of the host itself, which works while libvirt does not).
The steps are transport, libvirt, listing, sampler; each step's end comes back to the actor, and ends of a try that was
given up are ignored.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from vmconsole.inventory import deltas
from vmconsole.inventory.errors import ConsoleError, Explanation, LinkError
from vmconsole.inventory.facts import PLAIN_LOOK, Host, HostState
from vmconsole.inventory.ids import GuestId
from vmconsole.links.actor import Actor, Timer
from vmconsole.links.backoff import LONGEST_FOR_KNOWN_S, LONGEST_S, Backoff
from vmconsole.links.base import LinkDebug
from vmconsole.links.call_log import CallLog
from vmconsole.links.domain_events import EventWords, is_problem
from vmconsole.links.domain_rows import CloseReason
from vmconsole.links.drivers import driver_of, held_by, marked, not_encrypted, why_no_cgroups
from vmconsole.links.host_facts import (
    HostFacts,
    daemon_gone,
    daemon_silent,
    has_no_shell,
    host_silent,
    is_final,
    is_silence,
    not_connected,
)
from vmconsole.links.lane import Lane
from vmconsole.links.libvirt_half import LibvirtHalf
from vmconsole.links.transport import Transport, make_transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from vmconsole.inventory.facts import Guest, HostLook
    from vmconsole.inventory.ids import HostId
    from vmconsole.inventory.topology import HostResources
    from vmconsole.links.base import HostVerbs, Shell
    from vmconsole.links.domain_rows import DomainEvent, NodeFacts
    from vmconsole.links.libvirt_link import LibvirtLoop
    from vmconsole.links.login import Login
    from vmconsole.links.sampler import MakeSampler, Sampler
    from vmconsole.links.uri import ConnectionUri
    from vmconsole.links.verbs import LibvirtVerbs
    from vmconsole.metrics.delta import Post

_log = logging.getLogger(__name__)

T = TypeVar("T")

TRANSPORT_DEADLINE_S = 15.0
PERSON_DEADLINE_S = 3600.0
"""For a login that may ask: each question has a deadline of its own, and the time between counts for the transport."""
OPEN_DEADLINE_S = 10.0
LIST_DEADLINE_S = 15.0
PROBE_DEADLINE_S = 4.0
STATS_EVERY_S = 10.0
STATS_EVERY_WITHOUT_SAMPLER_S = 3.0
PING_EVERY_S = 2.0
PING_DEADLINE_S = 8.0
"""With the look at SSH that follows (4 s at most), a silent daemon or link is told apart and said within 14 s."""
MOST_STUCK_COMMANDS = 4


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
        self._event_loop = event_loop
        self._make_sampler = make_sampler
        self._run_dir = run_dir
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._login = login
        host = Host(
            uri.host_id, look.name or uri.display_name, since=clock(), is_read_only=uri.read_only, look=look,
            lacks=driver_of(uri).lacks, cap_parameter=driver_of(uri).cap_parameter,
        )  # fmt: skip
        self._facts = HostFacts(host, post, clock=clock, own_name=uri.display_name)
        self._actor = Actor(f"link {uri.display_name}")
        self._observe = self._lane("observe", self._free_stuck)
        self._slow = self._lane("slow", self._free_stuck)
        self._pulse = self._lane("pulse", self._free_stuck)
        self._command = self._lane("command", self._on_command_stuck)
        self._agent = self._lane("agent", self._on_command_stuck)
        self._shell_lane = self._lane("shell", lambda: None)  # its commands have deadlines of their own
        self._wanted = False
        self._was_connected = False
        self._try_number = 0
        self._transport: Transport | None = None
        self._half: LibvirtHalf | None = None
        self._verbs: LibvirtVerbs | None = None
        self._sampler: Sampler | None = None
        self._sampler_flows = False
        self._retry: Timer | None = None
        self._watched: frozenset[str] = frozenset()
        self._dirty: set[str] = set()
        self._refreshing = False
        self._event_words = EventWords()
        self._calls = CallLog()

    def _lane(self, name: str, on_stuck: Callable[[], None]) -> Lane:
        where = self._uri.display_name
        return Lane(f"{name} {where}", where=where, call_later=self._actor.call_later, on_stuck=on_stuck)

    # -- links.base.Link -----------------------------------------------------------------------------------------------

    @property
    def host_id(self) -> HostId:
        return self._uri.host_id

    def start(self, *, connect: bool = True) -> None:
        self._actor.start()
        if connect:
            self._actor.call(self._facts.announce)
            self.connect()
        else:
            self.disconnect()

    def connect(self) -> None:
        self._actor.call(self._connect_by_wish)

    def disconnect(self) -> None:
        self._actor.call(self._disconnect_by_wish)

    def close(self) -> None:
        self._facts.silence()
        self._actor.close()  # from here on nothing else touches the state
        half, transport = self._half, self._transport
        self._let_go_of_libvirt()
        self._let_go_of_transport()
        for lane in (self._command, self._agent, self._shell_lane, self._observe, self._slow, self._pulse):
            lane.close(timeout_s=0.1)
        if half is not None:
            half.join(timeout_s=0.1)
        if transport is not None:
            transport.close()  # a try that was under way may have started it after the first close

    def submit(self, job: Callable[[HostVerbs], T], *, deadline_s: float) -> Future[T]:
        return self._submit(self._command, job, deadline_s)

    def submit_agent(self, job: Callable[[HostVerbs], T], *, deadline_s: float) -> Future[T]:
        return self._submit(self._agent, job, deadline_s)

    def _submit(self, lane: Lane, job: Callable[[HostVerbs], T], deadline_s: float) -> Future[T]:
        verbs = self._verbs
        if verbs is None:
            refused: Future[T] = Future()
            refused.set_exception(not_connected(self._facts.host))
            return refused
        return lane.submit(lambda: job(verbs), deadline_s=deadline_s)

    def submit_shell(self, job: Callable[[Shell], T], *, deadline_s: float) -> Future[T]:
        shell = self.shell()
        if shell is None:
            refused: Future[T] = Future()
            refused.set_exception(has_no_shell(self._facts.host))
            return refused
        return self._shell_lane.submit(lambda: job(shell), deadline_s=deadline_s)

    def watch(self, uuids: frozenset[str]) -> None:
        self._actor.call(lambda: self._watch(uuids))

    def set_look(self, look: HostLook) -> None:
        self._actor.call(lambda: self._facts.set_look(look))

    def shell(self) -> Shell | None:
        transport = self._transport
        return transport.shell if transport is not None and transport.is_alive else None

    def debug(self) -> LinkDebug:
        sampler = self._sampler
        lanes = tuple(lane.debug() for lane in (self._observe, self._slow, self._pulse, self._command, self._agent))
        return LinkDebug(
            self.host_id, lanes, self._calls.last(), self._calls.under_way(),
            sampler=None if sampler is None else sampler.debug(),
        )  # fmt: skip

    # -- connecting, step by step (actor) ------------------------------------------------------------------------------

    def _connect_by_wish(self) -> None:
        if self._facts.host.state is HostState.CONNECTED or (self._wanted and self._retry is None):
            return  # it is connected, or a try is under way
        self._wanted = True
        if self._facts.host.state is not HostState.NOT_ANSWERING:  # a host that is missed stays one that is known
            self._was_connected = False
        self._backoff.reset()
        if self._login is not None:
            self._login.renew()
        self._facts.change(state=HostState.CONNECTING, reason=None, retry_at=None)
        self._try()

    def _disconnect_by_wish(self) -> None:
        self._wanted = False
        self._give_up_try()
        self._let_go_of_libvirt()
        self._let_go_of_transport()
        self._facts.change(state=HostState.DISCONNECTED, reason=None, retry_at=None, has_shell=False)

    def _try(self) -> None:
        self._give_up_try()
        transport = self._transport
        if transport is not None and transport.is_alive:
            self._step(lambda: transport.probe(deadline_s=PROBE_DEADLINE_S), PROBE_DEADLINE_S + 1, self._on_reached)
            return
        self._let_go_of_transport()
        made = make_transport(
            self._uri,
            run_dir=self._run_dir,
            on_exit=lambda error: self._to_actor(lambda: self._on_link_lost(made, error)),
            login=self._login,
        )
        self._transport = made
        lane_deadline_s = TRANSPORT_DEADLINE_S + 1 if self._login is None else PERSON_DEADLINE_S
        self._step(lambda: made.open(deadline_s=TRANSPORT_DEADLINE_S), lane_deadline_s, self._on_reached)

    def _on_reached(self, _: object) -> None:
        assert self._transport is not None
        self._facts.change(retry_at=None, has_shell=self._transport.shell is not None)
        half = LibvirtHalf(
            self._transport, host=self.host_id, where=self._facts.host.name, post=self._facts.post,
            read_only=self._uri.read_only, calls=self._calls, cap_parameter=self._facts.host.cap_parameter,
        )  # fmt: skip
        self._half = half
        self._step(half.open, OPEN_DEADLINE_S, lambda _: self._on_opened(half))

    def _on_opened(self, half: LibvirtHalf) -> None:
        number = self._try_number

        def on_closed(reason: CloseReason) -> None:
            self._to_actor(lambda: self._on_connection_closed(number, reason))

        self._step(
            lambda: half.begin(on_closed=on_closed, on_event=self._event_sink(number)),
            LIST_DEADLINE_S,
            lambda guests: self._on_listed(half, guests),
        )

    def _on_listed(self, half: LibvirtHalf, guests: tuple[Guest, ...]) -> None:
        assert self._transport is not None
        back = self._was_connected
        self._was_connected = True
        self._backoff.reset()
        self._verbs = half.verbs()
        self._facts.change(state=HostState.CONNECTED, reason=None, retry_at=None)
        self._facts.post(deltas.GuestsListed(self.host_id, guests))
        self._facts.tell(f"{self._facts.host.name} is {'back' if back else 'connected'}")
        self._start_sampler()
        number = self._try_number
        self._step(
            lambda: half.complete(self._event_sink(number)), LIST_DEADLINE_S, self._on_node_facts, lane=self._slow
        )
        self._see_again(self._watched)
        self._stats_due(number)
        self._pulse_due(number)

    def _on_node_facts(self, facts: NodeFacts) -> None:
        if facts.name:
            self._facts.call_itself(marked(facts.name, self._uri))
        self._facts.change(
            cpus=facts.cpus, memory_bytes=facts.memory_bytes,
            versions={**self._facts.host.versions, **facts.versions},
            caution=None if facts.is_secure else not_encrypted(),
        )  # fmt: skip
        if self._half is not None:
            self._step(self._half.resources, LIST_DEADLINE_S, self._on_resources, lane=self._slow)

    def _on_resources(self, found: HostResources) -> None:
        self._facts.change(resources=held_by(found, self._uri))

    def _step(
        self, work: Callable[[], T], deadline_s: float, then: Callable[[T], None], *, lane: Lane | None = None
    ) -> None:
        """Run ``work`` on a lane; go on with ``then(result)`` on the actor, unless this try was given up meanwhile."""
        number = self._try_number
        future = (lane or self._observe).submit(work, deadline_s=deadline_s)
        future.add_done_callback(lambda done: self._to_actor(lambda: self._on_step_done(number, done, then)))

    def _on_step_done(self, number: int, done: Future[T], then: Callable[[T], None]) -> None:
        if number != self._try_number or done.cancelled():
            return
        error = done.exception()
        if error is None:
            then(done.result())
        elif isinstance(error, (LinkError, ConsoleError)):
            self._on_failed(error)
        else:
            _log.error("unexpected failure at %s", self._facts.host.name, exc_info=error)
            self._on_failed(LinkError(f"Something unexpected went wrong: {error!r}.", where=self._facts.host.name))

    def _to_actor(self, function: Callable[[], None]) -> None:
        self._actor.call(function)

    def _give_up_try(self) -> None:
        """Ends of steps begun before this are ignored."""
        self._try_number += 1
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    # -- failing (actor) -----------------------------------------------------------------------------------------------

    def _on_failed(self, error: ConsoleError) -> None:
        """A step did not work, or the open connection broke. The transport stays if it is alive."""
        self._give_up_try()
        self._let_go_of_libvirt()
        transport = self._transport
        if transport is not None and transport.has_ended:
            return  # its own end is on the way, and says more
        if transport is None or not transport.is_alive:
            self._let_go_of_transport()
            self._announce_failure(error)
        elif is_silence(error) and transport.can_probe:
            number = self._try_number  # find out whether SSH is silent, too, before anything is said
            future = self._slow.submit(
                lambda: transport.probe(deadline_s=PROBE_DEADLINE_S), deadline_s=PROBE_DEADLINE_S
            )
            future.add_done_callback(lambda done: self._to_actor(lambda: self._on_probed(number, done)))
        else:
            self._announce_failure(error)

    def _on_probed(self, number: int, done: Future[None]) -> None:
        if number != self._try_number:
            return
        name = self._facts.host.name
        ssh_answers = not done.cancelled() and done.exception() is None
        self._announce_failure(daemon_silent(name, self._uri.host) if ssh_answers else host_silent(name))

    def _announce_failure(self, error: ConsoleError) -> None:
        final = is_final(error, was_connected=self._was_connected)
        state = HostState.NOT_ANSWERING if self._was_connected and not final else HostState.FAILED
        retry_at = None
        if final:
            self._wanted = False
        else:
            delay_s = self._backoff.next_s(longest_s=LONGEST_FOR_KNOWN_S if self._was_connected else LONGEST_S)
            retry_at = self._clock() + delay_s
            self._retry = self._actor.call_later(delay_s, self._try)
        if self._facts.host.state is not state:
            self._facts.tell(f"{self._facts.host.name}: {error.explanation.what}", is_problem=True)
        self._facts.change(state=state, reason=error.explanation, retry_at=retry_at, has_shell=self.shell() is not None)

    def _on_connection_closed(self, number: int, reason: CloseReason) -> None:
        if number == self._try_number:
            name = self._facts.host.name
            self._on_failed(host_silent(name) if reason is CloseReason.SILENT else daemon_gone(name))

    def _on_link_lost(self, transport: Transport, error: LinkError) -> None:
        if transport is self._transport:
            self._give_up_try()
            self._let_go_of_libvirt()
            self._let_go_of_transport()
            self._announce_failure(error)

    def _free_stuck(self) -> None:
        half = self._half
        if half is not None:
            half.free_stuck_calls()

    def _on_command_stuck(self) -> None:
        """One busy guest must not cut the host off; many stuck calls show that the daemon hangs."""
        if self._command.abandoned + self._agent.abandoned >= MOST_STUCK_COMMANDS:
            self._free_stuck()

    def _let_go_of_libvirt(self) -> None:
        self._verbs = None
        self._dirty.clear()
        self._refreshing = False
        half, self._half = self._half, None
        if half is not None:
            half.shut()

    def _let_go_of_transport(self) -> None:
        sampler, self._sampler = self._sampler, None
        self._sampler_flows = False
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()  # first: the sampler's process ends with it, so that nobody waits for a dead link
        if sampler is not None:
            sampler.close()

    # -- while connected (actor) ---------------------------------------------------------------------------------------

    def _event_sink(self, number: int) -> Callable[[DomainEvent], None]:
        return lambda event: self._to_actor(lambda: self._on_domain_event(number, event))

    def _on_domain_event(self, number: int, event: DomainEvent) -> None:
        if number != self._try_number:
            return
        text = self._event_words.text(event)
        if text:
            guest = GuestId(self.host_id, event.uuid)
            self._facts.tell(text, guest=guest, is_problem=is_problem(event))
        self._see_again(frozenset({event.uuid}))

    def _see_again(self, uuids: frozenset[str]) -> None:
        self._dirty |= uuids
        half = self._half
        if half is None or self._refreshing or not self._dirty:
            return
        self._refreshing = True
        batch, self._dirty = self._dirty, set()
        watched = self._watched
        self._step(lambda: half.refresh(batch, watched=watched), LIST_DEADLINE_S, self._on_refreshed)

    def _on_refreshed(self, _: object) -> None:
        self._refreshing = False
        self._see_again(frozenset())

    def _stats_due(self, number: int) -> None:
        half = self._half
        if number != self._try_number or half is None:
            return
        watched, has_sampler = self._watched, self._sampler_flows
        self._step(
            lambda: half.read_stats(watched=watched, has_sampler=has_sampler),
            LIST_DEADLINE_S,
            lambda _: self._on_stats_read(number),
            lane=self._slow,
        )

    def _on_stats_read(self, number: int) -> None:
        every_s = STATS_EVERY_S if self._sampler_flows else STATS_EVERY_WITHOUT_SAMPLER_S
        self._actor.call_later(every_s, lambda: self._stats_due(number))

    def _pulse_due(self, number: int) -> None:
        """Feel whether libvirt lives: its own keep-alive would, if its client could stand that (``libvirt_link``)."""
        half = self._half
        if number == self._try_number and half is not None:
            self._step(half.ping, PING_DEADLINE_S, lambda _: self._pulse_later(number), lane=self._pulse)

    def _pulse_later(self, number: int) -> None:
        self._actor.call_later(PING_EVERY_S, lambda: self._pulse_due(number))

    def _watch(self, uuids: frozenset[str]) -> None:
        new = uuids - self._watched
        self._watched = uuids
        if self._sampler is not None:
            self._sampler.watch(uuids)
        self._see_again(new)

    # -- the sampler (actor) -------------------------------------------------------------------------------------------

    def _start_sampler(self) -> None:
        if self._sampler is not None:
            return
        shell = None if self._transport is None else self._transport.shell
        reason = why_no_cgroups(self._uri, has_shell=shell is not None)
        if shell is None or reason is not None:
            self._facts.change(figures_reason=reason)
            return
        transport = self._transport

        def on_state(reason: Explanation | None, facts: Mapping[str, str]) -> None:
            self._to_actor(lambda: self._on_sampler_state(transport, reason, facts))

        self._sampler = self._make_sampler(shell, self.host_id, self._facts.post, on_state)
        self._sampler.start()
        self._sampler.watch(self._watched)

    def _on_sampler_state(
        self, transport: Transport | None, reason: Explanation | None, facts: Mapping[str, str]
    ) -> None:
        if transport is not self._transport:
            return
        self._sampler_flows = reason is None
        versions = {name: facts[name] for name in ("kernel", "python") if name in facts}
        self._facts.change(
            figures_reason=reason,
            cgroup_layout=facts.get("cgroup_layout", self._facts.host.cgroup_layout),
            versions={**self._facts.host.versions, **versions},
        )
