# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets a host connected and keeps it so: transport, libvirt, listing, and what to do when one of them fails.

All of it belongs to the link's actor; ``verbs``, ``shell`` and ``free_stuck_calls`` may be used from any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory import deltas
from vmconsole.inventory.facts import HostState
from vmconsole.links.backoff import LONGEST_FOR_KNOWN_S, LONGEST_S
from vmconsole.links.domain_events import EventWords
from vmconsole.links.domain_rows import CloseReason
from vmconsole.links.host_facts import daemon_gone, daemon_silent, host_silent, is_final, is_silence
from vmconsole.links.libvirt_half import LibvirtHalf
from vmconsole.links.steps import Steps
from vmconsole.links.transport import Transport, make_transport
from vmconsole.links.upkeep import READ_DEADLINE_S, Upkeep

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from vmconsole.inventory.errors import ConsoleError, LinkError
    from vmconsole.inventory.facts import Guest
    from vmconsole.links.actor import Actor, Timer
    from vmconsole.links.backoff import Backoff
    from vmconsole.links.base import Shell
    from vmconsole.links.call_log import CallLog
    from vmconsole.links.host_facts import HostFacts
    from vmconsole.links.host_figures import HostFigures
    from vmconsole.links.lanes import Lanes
    from vmconsole.links.login import Login
    from vmconsole.links.uri import ConnectionUri
    from vmconsole.links.verbs import LibvirtVerbs

TRANSPORT_DEADLINE_S = 15.0
PERSON_DEADLINE_S = 3600.0
"""For a login that may ask: each question has a deadline of its own, and the time between counts for the transport."""
OPEN_DEADLINE_S = 10.0
PROBE_DEADLINE_S = 4.0


class Connecting:
    """``connect`` and ``disconnect`` are the user's wish; between them it tries again by itself."""

    def __init__(
        self, uri: ConnectionUri, *, actor: Actor, lanes: Lanes, facts: HostFacts, figures: HostFigures,
        calls: CallLog, run_dir: Path, clock: Callable[[], float], backoff: Backoff, login: Login | None,
    ) -> None:  # fmt: skip
        self._uri = uri
        self._actor = actor
        self._lanes = lanes
        self._facts = facts
        self._figures = figures
        self._calls = calls
        self._run_dir = run_dir
        self._clock = clock
        self._backoff = backoff
        self._login = login
        self._steps = Steps(actor, facts=facts, on_failed=self._on_failed)
        self._wanted = False
        self._was_connected = False
        self._retry: Timer | None = None
        self._transport: Transport | None = None
        self._half: LibvirtHalf | None = None
        self._upkeep: Upkeep | None = None
        self._event_words = EventWords()
        self._watched: frozenset[str] = frozenset()
        self.verbs: LibvirtVerbs | None = None
        """While it is connected."""

    # -- any thread ----------------------------------------------------------------------------------------------------

    def shell(self) -> Shell | None:
        transport = self._transport
        return transport.shell if transport is not None and transport.is_alive else None

    def free_stuck_calls(self) -> None:
        half = self._half
        if half is not None:
            half.free_stuck_calls()

    def end(self) -> None:
        """Once the actor has ended."""
        half, transport = self._half, self._transport
        self._let_go_of_libvirt()
        self._let_go_of_transport()
        self._lanes.close()
        if half is not None:
            half.join(timeout_s=0.1)
        if transport is not None:
            transport.close()  # a try that was under way may have started it after the first close

    # -- what the user wishes ------------------------------------------------------------------------------------------

    def connect(self) -> None:
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

    def disconnect(self) -> None:
        self._wanted = False
        self._give_up_try()
        self._let_go_of_libvirt()
        self._let_go_of_transport()
        self._facts.change(state=HostState.DISCONNECTED, reason=None, retry_at=None, has_shell=False)

    def watch(self, uuids: frozenset[str]) -> None:
        self._watched = uuids
        self._figures.watch(uuids)
        if self._upkeep is not None:
            self._upkeep.watch(uuids)

    # -- a try, step by step -------------------------------------------------------------------------------------------

    def _try(self) -> None:
        self._give_up_try()
        transport, observe = self._transport, self._lanes.observe
        if transport is not None and transport.is_alive:
            self._steps.run(
                observe, lambda: transport.probe(deadline_s=PROBE_DEADLINE_S), deadline_s=PROBE_DEADLINE_S + 1,
                then=self._on_reached,
            )  # fmt: skip
            return
        self._let_go_of_transport()

        def on_exit(error: LinkError) -> None:
            self._actor.call(lambda: self._on_link_lost(made, error))

        made = make_transport(self._uri, run_dir=self._run_dir, on_exit=on_exit, login=self._login)
        self._transport = made
        self._steps.run(
            observe, lambda: made.open(deadline_s=TRANSPORT_DEADLINE_S),
            deadline_s=TRANSPORT_DEADLINE_S + 1 if self._login is None else PERSON_DEADLINE_S, then=self._on_reached,
        )  # fmt: skip

    def _on_reached(self, _: object) -> None:
        assert self._transport is not None
        self._facts.change(retry_at=None, has_shell=self._transport.shell is not None)
        half = LibvirtHalf(
            self._transport, host=self._uri.host_id, where=self._facts.host.name, post=self._facts.post,
            read_only=self._uri.read_only, calls=self._calls, cap_parameter=self._facts.host.cap_parameter,
        )  # fmt: skip
        self._half = half
        self._steps.run(
            self._lanes.observe, half.open, deadline_s=OPEN_DEADLINE_S, then=lambda _: self._on_opened(half)
        )

    def _on_opened(self, half: LibvirtHalf) -> None:
        upkeep = Upkeep(
            half, uri=self._uri, facts=self._facts, steps=self._steps, lanes=self._lanes, figures=self._figures,
            words=self._event_words, watched=self._watched,
        )  # fmt: skip
        self._upkeep = upkeep
        on_closed = self._steps.still(self._on_connection_closed)
        self._steps.run(
            self._lanes.observe, lambda: half.begin(on_closed=on_closed, on_event=upkeep.event_sink),
            deadline_s=READ_DEADLINE_S, then=lambda guests: self._on_listed(half, upkeep, guests),
        )  # fmt: skip

    def _on_listed(self, half: LibvirtHalf, upkeep: Upkeep, guests: tuple[Guest, ...]) -> None:
        assert self._transport is not None
        back = self._was_connected
        self._was_connected = True
        self._backoff.reset()
        self.verbs = half.verbs()
        self._facts.change(state=HostState.CONNECTED, reason=None, retry_at=None)
        self._facts.post(deltas.GuestsListed(self._uri.host_id, guests))
        self._facts.tell(f"{self._facts.host.name} is {'back' if back else 'connected'}")
        self._figures.begin(self._transport.shell)
        upkeep.begin()

    def _give_up_try(self) -> None:
        self._steps.give_up()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    # -- failing -------------------------------------------------------------------------------------------------------

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
        elif is_silence(error) and transport.can_probe:  # is SSH silent, too? That is found out before anything is said
            future = self._lanes.slow.submit(
                lambda: transport.probe(deadline_s=PROBE_DEADLINE_S), deadline_s=PROBE_DEADLINE_S
            )
            future.add_done_callback(self._steps.still(self._on_probed))
        else:
            self._announce_failure(error)

    def _on_probed(self, done: Future[None]) -> None:
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

    def _on_connection_closed(self, reason: CloseReason) -> None:
        name = self._facts.host.name
        self._on_failed(host_silent(name) if reason is CloseReason.SILENT else daemon_gone(name))

    def _on_link_lost(self, transport: Transport, error: LinkError) -> None:
        if transport is self._transport:
            self._give_up_try()
            self._let_go_of_libvirt()
            self._let_go_of_transport()
            self._announce_failure(error)

    def _let_go_of_libvirt(self) -> None:
        self.verbs = None
        self._upkeep = None
        half, self._half = self._half, None
        if half is not None:
            half.shut()

    def _let_go_of_transport(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()  # first: the sampler's process ends with it, so that nobody waits for a dead link
        self._figures.end()
