# SPDX-License-Identifier: GPL-3.0-or-later
"""A small fleet for the window's tests: links that do what they are told and remember what they were asked."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from vmconsole.inventory import deltas
from vmconsole.inventory.errors import DomainBusy
from vmconsole.inventory.facts import Guest, GuestState, Host, HostLook, HostState
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.links.base import LinkDebug
from vmconsole.links.fleet import Fleet
from vmconsole.metrics.figures import FIGURE_COUNT, Figure
from vmconsole.metrics.frame import Frame, Source
from vmconsole.operations.runner import OperationRunner
from vmconsole.settings.profile import Profile
from vmconsole.store.store import Store
from vmconsole.ui.bridge import Bridge
from vmconsole.ui.context import Context
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vmconsole.metrics.delta import Delta, Post


def host_id(name: str) -> HostId:
    return HostId(f"test://{name}")


def guest_id(host: str, name: str) -> GuestId:
    return GuestId(host_id(host), f"uuid-of-{name}")


class FakeVerbs:
    """Only what the lifecycle operations call."""

    def __init__(self, link: FakeLink) -> None:
        self._link = link

    def _to(self, uuid: str, state: GuestState, asked: str) -> None:
        self._link.asked.append((asked, uuid))
        if uuid in self._link.stubborn:
            raise DomainBusy("The guest is held by another job.", advice="Wait, and try again.", said="cannot acquire")
        self._link.guests[uuid] = replace(self._link.guests[uuid], state=state)

    def agent(self, uuid: str, command: str, arguments: object) -> object:
        raise DomainBusy("The agent inside the guest does not answer.")

    def start_guest(self, uuid: str) -> None:
        self._to(uuid, GuestState.RUNNING, "start")

    def shut_down_guest(self, uuid: str) -> None:
        self._to(uuid, GuestState.SHUT_OFF, "shutdown")

    def reboot_guest(self, uuid: str) -> None:
        self._to(uuid, GuestState.RUNNING, "reboot")

    def pause_guest(self, uuid: str) -> None:
        self._to(uuid, GuestState.PAUSED, "suspend")

    def resume_guest(self, uuid: str) -> None:
        self._to(uuid, GuestState.RUNNING, "resume")

    def force_off_guest(self, uuid: str) -> None:
        self._to(uuid, GuestState.SHUT_OFF, "destroy")

    def describe_guest(self, uuid: str) -> Guest:
        return self._link.guests[uuid]


@dataclass
class FakeLink:
    """Answers at once, in the caller's thread."""

    host_id: HostId
    post: Post
    guests: dict[str, Guest] = field(default_factory=dict)
    stubborn: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    watched: list[frozenset[str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    looks: list[HostLook] = field(default_factory=list)
    inside: LinkDebug | None = None

    def set_look(self, look: HostLook) -> None:
        self.looks.append(look)

    def debug(self) -> LinkDebug:
        return self.inside or LinkDebug(self.host_id, ())

    def start(self, *, connect: bool = True) -> None:
        self.calls.append("start" if connect else "start idle")

    def close(self) -> None:
        self.calls.append("close")

    def connect(self) -> None:
        self.calls.append("connect")

    def disconnect(self) -> None:
        self.calls.append("disconnect")

    def watch(self, uuids: frozenset[str]) -> None:
        self.watched.append(uuids)

    def shell(self) -> None:
        return None

    def submit(self, job: Callable[[FakeVerbs], object], *, deadline_s: float) -> Future[object]:
        future: Future[object] = Future()
        try:
            future.set_result(job(FakeVerbs(self)))
        except DomainBusy as error:
            future.set_exception(error)
        return future

    def submit_agent(self, uuid: str, job: Callable[[FakeVerbs], object], *, deadline_s: float) -> Future[object]:
        del uuid
        return self.submit(job, deadline_s=deadline_s)


class Rig:
    """Context, links, and the means to make things happen."""

    def __init__(self, root: Path) -> None:
        self.store = Store()
        self.bridge = Bridge(self.store)
        self.links: dict[HostId, FakeLink] = {}
        self.fleet = Fleet(self._make_link, self.bridge.post)
        self.runner = OperationRunner(self.fleet.link, self.bridge.post)
        self.profile = Profile(root)
        self.context = Context(
            store=self.store, bridge=self.bridge, fleet=self.fleet, runner=self.runner, profile=self.profile,
            theme=Theme(),
        )  # fmt: skip
        self.at = 1000.0

    def close(self) -> None:
        self.runner.close()
        self.fleet.close()
        self.bridge.close()

    def _make_link(self, uri: str) -> FakeLink:  # a Link in all but its verbs' types
        link = FakeLink(HostId(uri), self.bridge.post)
        self.links[link.host_id] = link
        return link

    def apply(self, *batch: Delta) -> None:
        """As the bridge does, but now."""
        changes = self.store.apply(batch)
        if changes:
            self.bridge.store_changed.emit(changes)

    def add_host(self, name: str, guests: dict[str, GuestState], **facts: object) -> FakeLink:
        wanted = host_id(name)
        link = FakeLink(wanted, self.bridge.post)
        link.guests = {
            f"uuid-of-{guest}": Guest(
                id=guest_id(name, guest), name=guest, state=state, vcpus=2, memory_max_kib=4 << 20
            )
            for guest, state in guests.items()
        }
        self.links[wanted] = link
        self.fleet.adopt(link)  # type: ignore[arg-type]  # a Link in all but its verbs' types
        given = {"state": HostState.CONNECTED, "cpus": 8, "memory_bytes": 32 << 30, **facts}
        self.apply(
            deltas.HostSeen(Host(id=wanted, name=name, **given)),  # type: ignore[arg-type]  # fields of Host, by name
            deltas.GuestsListed(wanted, tuple(link.guests.values())),
        )
        return link

    def change_host(self, name: str, **facts: object) -> None:
        self.apply(deltas.HostSeen(replace(self.store.hosts[host_id(name)], **facts)))  # type: ignore[arg-type]  # same

    def change_guest(self, host: str, name: str, **facts: object) -> None:
        known = self.store.guest(guest_id(host, name))
        assert known is not None
        self.apply(deltas.GuestSeen(replace(known, **facts)))  # type: ignore[arg-type]  # fields of Guest, by name

    def tick(self, host: str, cores: dict[str, float]) -> None:
        """A frame with CPU and memory of the named guests."""
        self.at += 1
        self.apply(frame(host_id(host), self.at, [f"uuid-of-{g}" for g in cores], list(cores.values())))


def frame(host: HostId, at: float, uuids: Sequence[str], cores: Sequence[float]) -> Frame:
    table = np.full((len(uuids), FIGURE_COUNT), np.nan)
    table[:, Figure.CPU_CORES] = cores
    table[:, Figure.MEMORY_BYTES] = 1 << 30
    return Frame(host, at, 1.0, Source.CGROUP, tuple(uuids), table)
