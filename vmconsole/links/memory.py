# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripted hosts: links to hypervisors that exist only here, for the demo and for tests. Real semantics, made-up load.

Threads: one per link (``Actor``: state, ticks, posts) and one for its jobs (``Lane``), as with a real link.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import Future
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from vmconsole.inventory.deltas import EventSeen, GuestSeen, GuestsListed, HostSeen
from vmconsole.inventory.errors import ConnectTimeout, ConsoleError, LinkLost, Unsupported
from vmconsole.inventory.facts import Host, HostState
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.links.actor import Actor
from vmconsole.links.agent_lanes import AgentLanes
from vmconsole.links.base import LinkDebug
from vmconsole.links.call_log import CallLog
from vmconsole.links.lane import Lane
from vmconsole.links.memory_guests import make_guests
from vmconsole.links.memory_host import ScriptedHost
from vmconsole.links.memory_resources import scripted_resources
from vmconsole.metrics.figures import Figure
from vmconsole.metrics.frame import Frame, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from vmconsole.inventory.facts import HostLook
    from vmconsole.links.base import HostVerbs, Shell
    from vmconsole.metrics.delta import Delta, Post
    from vmconsole.metrics.frame import DeviceSample

T = TypeVar("T")

LAYOUTS = ("v2", "v1")
SIZES = ((32, 256), (64, 512), (96, 768))
"""Cores and GiB of the made-up hosts, in turn."""


def demo_links(hosts: int, domains: int, seed: int, post: Post, *, interval_s: float = 1.0) -> list[MemoryLink]:
    """``hosts`` links, not started, with ``domains`` guests in all. Of two hosts or more the last does not answer."""
    working = max(1, hosts - 1)
    shares = [domains // working + (number < domains % working) for number in range(working)]
    links = [
        MemoryLink(number, shares[number], seed, post, first_number=1 + sum(shares[:number]), interval_s=interval_s)
        for number in range(working)
    ]
    return links + [
        MemoryLink(number, 0, seed, post, interval_s=interval_s, fails=True) for number in range(working, hosts)
    ]


class MemoryLink:
    """A ``links.base.Link`` to a made-up host."""

    def __init__(
        self,
        number: int,
        guests: int,
        seed: int,
        post: Post,
        *,
        first_number: int = 1,
        interval_s: float = 1.0,
        fails: bool = False,
    ) -> None:
        name = f"kvm{number + 1:02d}"
        self._host_id = HostId(f"demo://{name}")
        self._post_to = post
        self._interval_s = interval_s
        self._fails = fails
        self._watched: frozenset[str] = frozenset()
        self._posting = threading.RLock()
        self._closed = False
        cores, gib = SIZES[number % len(SIZES)]
        self._name = name
        self._facts = Host(
            id=self._host_id,
            name=name,
            versions=MappingProxyType({"libvirt": "9.0.0", "qemu": "7.2.22", "kernel": "6.1.0-39-amd64"}),
            cpus=cores,
            memory_bytes=gib * 2**30,
            cgroup_layout=LAYOUTS[number % len(LAYOUTS)],
            resources=scripted_resources(cores, gib),
            is_demo=True,
        )
        self._host = ScriptedHost(
            self._host_id,
            make_guests(guests, seed=seed, host=number, first_number=first_number),
            seed=seed,
            cgroup_layout=self._facts.cgroup_layout,
            resources=self._facts.resources,
            on_change=self._on_change,
        )
        self._calls = CallLog()
        self._connected = False
        self._due = 0.0
        self._life = 0
        self._actor = Actor(f"demo {name}")
        call_later = self._actor.call_later
        self._lane = Lane(f"demo {name} jobs", where=name, call_later=call_later, on_stuck=lambda: None)
        self._agents = AgentLanes(f"demo {name} agent", where=name, call_later=call_later)

    # -- Link (any thread) ---------------------------------------------------------------------------------------------

    @property
    def host_id(self) -> HostId:
        return self._host_id

    def start(self, *, connect: bool = True) -> None:
        self._actor.start()
        if connect:
            self.connect()
        else:
            self.disconnect()

    def connect(self) -> None:
        self._actor.call(self._connect)

    def disconnect(self) -> None:
        self._actor.call(self._disconnect)

    def close(self) -> None:
        with self._posting:
            self._closed = True
        self._actor.close()
        self._lane.close()
        self._agents.close()

    def submit(self, job: Callable[[HostVerbs], T], *, deadline_s: float) -> Future[T]:
        return self._not_now() or self._lane.submit(lambda: self._run(job), deadline_s=deadline_s)

    def submit_agent(self, uuid: str, job: Callable[[HostVerbs], T], *, deadline_s: float) -> Future[T]:
        return self._not_now() or self._agents.submit(uuid, lambda: self._run(job), deadline_s=deadline_s)

    def _not_now(self) -> Future[Any] | None:
        """The refusal while it is not connected."""
        if self._connected:
            return None
        refused: Future[Any] = Future()
        refused.set_exception(LinkLost(f"{self._facts.name} is not connected.", where=self._facts.name))
        return refused

    def submit_shell(self, job: Callable[[Shell], T], *, deadline_s: float) -> Future[T]:
        del job, deadline_s
        refused: Future[T] = Future()
        refused.set_exception(Unsupported(f"{self._facts.name} is made up: no commands run there."))
        return refused

    def watch(self, uuids: frozenset[str]) -> None:
        self._actor.call(lambda: self._watch(uuids))

    def set_look(self, look: HostLook) -> None:
        self._actor.call(lambda: self._set_look(look))

    def shell(self) -> Shell | None:
        return None

    def debug(self) -> LinkDebug:
        return LinkDebug(
            self._host_id, (self._lane.debug(), *self._agents.debug()), self._calls.last(), self._calls.under_way()
        )

    def _run(self, job: Callable[[HostVerbs], T]) -> T:
        with self._calls.call("do what the user asked"):
            return job(self._host)

    # -- the actor's thread --------------------------------------------------------------------------------------------

    def _set_look(self, look: HostLook) -> None:
        self._facts = dataclasses.replace(self._facts, look=look, name=look.name or self._name)
        self._see_host(HostState.CONNECTED if self._connected else HostState.DISCONNECTED)

    def _connect(self) -> None:
        if self._connected:
            return
        self._see_host(HostState.CONNECTING)
        if self._fails:
            self._see_host(HostState.FAILED, problem=_unreachable(self._facts.name))
            return
        self._connected = True
        self._see_host(HostState.CONNECTED)
        self._post(GuestsListed(self._host_id, self._host.listed()))
        self._life += 1
        self._due = time.monotonic()
        self._tick(self._life)

    def _disconnect(self) -> None:
        self._connected = False
        self._life += 1
        self._see_host(HostState.DISCONNECTED)

    def _watch(self, uuids: frozenset[str]) -> None:
        new, self._watched = uuids - self._watched, uuids
        for uuid in new:
            self._describe(uuid)

    def _tick(self, life: int) -> None:
        """One frame, and the next one's appointment; a tick of an earlier connection ends here."""
        if life != self._life:
            return
        uuids, values = self._host.advance()
        frame = Frame(
            host=self._host_id,
            at=time.time(),
            interval_s=self._interval_s,
            source=Source.SCRIPT,
            uuids=uuids,
            values=values,
            devices=self._devices(uuids, values),
        )
        self._post(frame)
        now = time.monotonic()
        self._due = max(self._due + self._interval_s, now)
        self._actor.call_later(self._due - now, lambda: self._tick(life))

    def _devices(self, uuids: tuple[str, ...], values: NDArray[np.float64]) -> Mapping[str, Mapping[str, DeviceSample]]:
        found: dict[str, Mapping[str, DeviceSample]] = {}
        for uuid in self._watched.intersection(uuids):
            disks, taps = self._host.disks_and_taps(uuid)
            row = values[uuids.index(uuid)]
            found[uuid] = {
                **_shared_out(disks, row[Figure.DISK_READ_BYTES_PER_S : Figure.DISK_WRITE_IOPS + 1].tolist()),
                **_shared_out(taps, _net_sample(row)),
            }
        return MappingProxyType(found)

    # -- posting (the actor's and the lane's threads) ------------------------------------------------------------------

    def _post(self, delta: Delta) -> None:
        with self._posting:
            if not self._closed:
                self._post_to(delta)

    def _see_host(self, state: HostState, *, problem: ConsoleError | None = None) -> None:
        reason = problem.explanation if problem else None
        self._post(HostSeen(dataclasses.replace(self._facts, state=state, reason=reason, since=time.time())))

    def _describe(self, uuid: str) -> None:
        try:
            self._post(GuestSeen(self._host.describe_guest(uuid)))
        except ConsoleError:
            return  # not a guest of this host

    def _on_change(self, uuid: str, word: str) -> None:
        guest = self._host.describe_guest(uuid)
        self._post(GuestSeen(guest))
        self._post(EventSeen(time.time(), self._host_id, f"{guest.name} {word}", GuestId(self._host_id, uuid)))


def _unreachable(name: str) -> ConnectTimeout:
    return ConnectTimeout(
        f"{name} did not answer within 10 s.",
        cause="The host is off, or a firewall drops the connection.",
        advice="Check that it is up: `ping " + name + "`. Then connect again.",
        where=name,
        said=f"ssh: connect to host {name} port 22: Connection timed out",
    )


def _net_sample(row: NDArray[np.float64]) -> list[float]:
    received, sent = float(row[Figure.NET_RX_BYTES_PER_S]), float(row[Figure.NET_TX_BYTES_PER_S])
    return [received, sent, received / 900, sent / 900]


def _shared_out(names: tuple[str, ...], total: list[float]) -> dict[str, DeviceSample]:
    """Each device has twice the share of the next one."""
    parts = [2.0**-place for place in range(len(names))]
    whole = sum(parts)
    found: dict[str, DeviceSample] = {}
    for name, part in zip(names, parts, strict=True):
        a, b, c, d = (value * part / whole for value in total)
        found[name] = (a, b, c, d)
    return found
