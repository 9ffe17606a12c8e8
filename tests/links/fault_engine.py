# SPDX-License-Identifier: GPL-3.0-or-later
"""Hurts one of several connected hosts and measures what the console makes of it. Used by tests and by a bench."""

from __future__ import annotations

import functools
import itertools
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Protocol

from tests.links.recording import Recorder
from vmconsole.inventory import deltas
from vmconsole.inventory.facts import HostState
from vmconsole.links.drivers import sampled_guests
from vmconsole.links.host_link import HostLink
from vmconsole.links.sampler import make_sampler
from vmconsole.links.uri import parse_uri
from vmconsole.metrics.frame import Frame, Source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.lab.vmlab import LabHost
    from vmconsole.inventory.facts import Host
    from vmconsole.links.libvirt_link import LibvirtLoop
    from vmconsole.metrics.delta import Delta

Report = Callable[[dict[str, object]], None]

CLOSED_S = 5.0
SILENT_S = 15.0
RECOVERY_S = 10.0
SETTLED_S = 40.0
EVERY_S = 1.0
"""How often figures come."""


@dataclass(frozen=True)
class Fault:
    """One way to hurt a host. ``words`` is a pattern for what the console must say of it."""

    name: str
    hit: Callable[[Wired], None]
    cure: Callable[[Wired], None]
    words: str
    is_silent: bool
    charts_go_on: bool = False
    """Of the hurt host: its SSH is not touched."""
    words_come_and_go: bool = False
    """It gets well by itself, maybe sooner than anybody looks."""
    meanwhile: Callable[[Wired], None] = lambda _: None
    """Done when the words are there, before the cure."""


@dataclass
class Measured:
    """One line of the report. Times in seconds."""

    fault: str
    words: str = ""
    words_s: float = 0.0
    words_limit_s: float = 0.0
    recovery_s: float = 0.0
    others_gap_s: float = 0.0
    """The worst time without figures of the hosts that were not touched, and …"""
    others_gap_ours_s: float = 0.0
    """Without the time by which the hosts themselves were late with reading, as their frames tell, and …"""
    calm_gap_s: float = 0.0
    """… the worst before the fault."""
    own_gap_s: float | None = None
    """The same of the hurt host, where its charts must go on."""
    guests: dict[str, str] = field(default_factory=dict)
    """The states that the console shows after the cure …"""
    truth: dict[str, str] = field(default_factory=dict)
    """… and what the host's own virsh says."""

    def line(self) -> dict[str, object]:
        return {key: round(value, 2) if isinstance(value, float) else value for key, value in asdict(self).items()}


class Wired:
    """A host of the lab, its link, and what the link posted."""

    def __init__(self, host: LabHost, link: HostLink, posted: Recorder) -> None:
        self.host = host
        self.link = link
        self.posted = posted

    def host_now(self) -> Host:
        found = [d.host for d in self.posted.deltas if isinstance(d, deltas.HostSeen)]
        return found[-1]

    def states(self) -> dict[str, str]:
        """Guests' names and states as the console would show them."""
        known: dict[str, tuple[str, str]] = {}
        for delta in self.posted.deltas:
            if isinstance(delta, deltas.GuestsListed):
                known = {guest.id.uuid: (guest.name, guest.state.value) for guest in delta.guests}
            elif isinstance(delta, deltas.GuestSeen):
                known[delta.guest.id.uuid] = (delta.guest.name, delta.guest.state.value)
            elif isinstance(delta, deltas.GuestGone):
                known.pop(delta.guest.uuid, None)
        return dict(sorted(known.values()))

    def uuid(self, name: str) -> str:
        return next(g.id.uuid for g in self.posted.listing() if g.name == name)

    def worst_gap_s(self, since: float, until: float) -> float:
        """Between the arrivals of figures, the ends of the time looked at included."""
        return max(gap_s for gap_s, _ in self._gaps(since, until))

    def worst_gap_of_ours_s(self, since: float, until: float) -> float:
        """Of that what a host on a busy machine did not cause: a frame says how long ago the reading before it was."""
        return max(gap_s - max(0.0, covered_s - EVERY_S) for gap_s, covered_s in self._gaps(since, until))

    def _gaps(self, since: float, until: float) -> list[tuple[float, float]]:
        """(time since the frame before, time that the frame covers)."""
        frames = [
            (at, delta.interval_s)
            for at, delta in self.posted.timed()
            if isinstance(delta, Frame) and _is_figures(delta) and since <= at <= until
        ]
        ends = itertools.pairwise([(since, EVERY_S), *frames, (until, EVERY_S)])
        return [(later - sooner, covered_s) for (sooner, _), (later, covered_s) in ends]


class MakeLink(Protocol):
    def __call__(self, uri: str, posted: Recorder) -> HostLink: ...


def link_maker(event_loop: LibvirtLoop, run_dir: Path) -> MakeLink:
    def make(uri: str, posted: Recorder) -> HostLink:
        address = parse_uri(uri)
        made = functools.partial(make_sampler, guests=sampled_guests(address), socket=address.parameter("socket"))
        return HostLink(address, post=posted, event_loop=event_loop, run_dir=run_dir, make_sampler=made)

    return make


def wire(hosts: Sequence[LabHost], make: MakeLink) -> list[Wired]:
    """Connect to all, and return when figures flow from each."""
    wired = []
    for host in hosts:
        host.repair()
        posted = Recorder()
        wired.append(Wired(host, make(host.uri, posted), posted))
    for one in wired:
        one.link.start()
    for one in wired:
        one.posted.host(HostState.CONNECTED, within_s=30)
        one.posted.listing()
        one.posted.wait_for(lambda d: d if _is_figures(d) else None, within_s=30)
    return wired


def settle(wired: Sequence[Wired]) -> None:
    """Until every host is connected and its figures flow."""
    for one in wired:
        one.host.repair()
        wait_state(one, HostState.CONNECTED)
        one.posted.wait_for(lambda d: d if _is_figures(d) else None, within_s=SETTLED_S, since=one.posted.mark())


def wait_state(one: Wired, state: HostState) -> None:
    """Now, or soon."""
    mark = one.posted.mark()
    if one.host_now().state is not state:
        one.posted.host(state, within_s=SETTLED_S, since=mark)


def measure(fault: Fault, hurt: Wired, others: Sequence[Wired]) -> Measured:
    """Hurt a host, wait for the words, cure it, wait until it is back."""
    found = Measured(fault.name, words_limit_s=SILENT_S if fault.is_silent else CLOSED_S)
    calm_from = time.monotonic()
    hurt.posted.wait_for(_frames(2), since=hurt.posted.mark())
    mark, hit_at = hurt.posted.mark(), time.monotonic()
    fault.hit(hurt)
    said_at, found.words = _wait_words(hurt, fault.words, since=mark, within_s=SETTLED_S)
    found.words_s = said_at - hit_at
    fault.meanwhile(hurt)
    mark = hurt.posted.mark() if hurt.host_now().state is not HostState.CONNECTED else mark
    fault.cure(hurt)
    cured_at = time.monotonic()
    back_at = _wait_back(hurt, since=mark)
    found.recovery_s = max(0.0, back_at - cured_at)
    until = time.monotonic()
    found.calm_gap_s = max(one.worst_gap_s(calm_from, hit_at) for one in others)
    found.others_gap_s = max(one.worst_gap_s(hit_at, until) for one in others)
    found.others_gap_ours_s = max(one.worst_gap_of_ours_s(hit_at, until) for one in others)
    if fault.charts_go_on:
        found.own_gap_s = hurt.worst_gap_s(hit_at, until)
    _compare_guests(found, hurt)
    return found


def _frames(count: int) -> Callable[[Delta], bool | None]:
    seen = itertools.count(1)
    return lambda delta: True if _is_figures(delta) and next(seen) >= count else None


def _is_figures(delta: Delta) -> bool:
    return isinstance(delta, Frame) and delta.source is Source.CGROUP


def _wait_words(one: Wired, words: str, *, since: int, within_s: float) -> tuple[float, str]:
    def said(delta: Delta) -> str | None:
        if not isinstance(delta, deltas.HostSeen) or delta.host.reason is None:
            return None
        assert delta.host.state is HostState.NOT_ANSWERING
        return delta.host.reason.what if re.search(words, delta.host.reason.what) else None

    what = one.posted.wait_for(said, within_s=within_s, since=since)
    at = next(at for at, delta in one.posted.timed(since) if said(delta) == what)
    return at, what


def _wait_back(one: Wired, *, since: int) -> float:
    """When it was connected again and its guests were listed."""
    one.posted.host(HostState.CONNECTED, within_s=SETTLED_S, since=since)
    one.posted.listing(within_s=SETTLED_S, since=since)
    return next(at for at, delta in one.posted.timed(since) if isinstance(delta, deltas.GuestsListed))


def _compare_guests(found: Measured, one: Wired) -> None:
    """At once: a state that is still wrong now is a wrong state. What virsh says is asked twice, as guests move."""
    for _ in range(2):
        before = one.host.domains(timeout_s=30)
        found.guests = one.states()
        found.truth = one.host.domains(timeout_s=30)
        if before == found.truth:
            return
