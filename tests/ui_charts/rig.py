# SPDX-License-Identifier: GPL-3.0-or-later
"""An Overview over a host of the tests' own: a Store filled by hand, a runner with a link whose gate can be shut."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from tests.operations.fakes import HOST, FakeLink, FakeVerbs, a_guest
from vmconsole.inventory.deltas import GuestsListed, HostSeen
from vmconsole.inventory.facts import Host, HostState
from vmconsole.inventory.limits import CpuCap, Limits
from vmconsole.links.fleet import Fleet
from vmconsole.metrics.figures import FIGURE_COUNT, Figure
from vmconsole.metrics.frame import Frame, Source
from vmconsole.operations.runner import OperationRunner
from vmconsole.settings.profile import Profile
from vmconsole.store.store import Store
from vmconsole.ui.bridge import Bridge
from vmconsole.ui.context import Context
from vmconsole.ui.formats import Formats
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.inventory.facts import Guest

NOW = 1_700_000_000.0
GIB = 2.0**30


def frame(at: float, uuids: tuple[str, ...], *, devices: dict | None = None, **figures: float) -> Frame:
    values = np.full((len(uuids), FIGURE_COUNT), np.nan)
    for name, value in figures.items():
        values[:, Figure[name.upper()]] = value
    return Frame(HOST, at, 1.0, Source.CGROUP, uuids, values, devices or {})


def a_busy_second(at: float, i: int, uuid: str) -> Frame:
    """A guest that computes, reads and talks, with some noise."""
    r = np.random.default_rng(i)
    work = 1.2 + 0.7 * np.sin(i / 35) + 0.25 * np.sin(i / 4) + r.normal(0, 0.1)
    cores = float(np.clip(work, 0.02, 1.5))
    user = cores * 0.78
    read, write = float(max(0, 30 * np.sin(i / 50)) * 2**20 * r.random()), float((3 + (i % 40 == 0) * 60) * 2**20)
    sample = (read, write, read / 16384, write / 8192)
    net = (float(2e6 * (1.2 + np.sin(i / 20)) * r.random()), float(4e5 * r.random()), 900.0, 200.0)
    return frame(
        at,
        (uuid,),
        devices={uuid: {"8:0 sda": sample, "vnet0": net}},
        cpu_cores=cores,
        cpu_user_cores=user,
        cpu_system_cores=cores - user,
        cpu_throttled_share=float(np.clip((work - 1.5) * 2, 0, 1)),
        cpu_cap_cores=1.5,
        memory_bytes=1.4 * GIB + 0.2 * GIB * np.sin(i / 90),
        memory_anon_bytes=1.05 * GIB,
        memory_cache_bytes=0.3 * GIB + 0.2 * GIB * np.sin(i / 90),
        memory_limit_bytes=1.75 * GIB,
        disk_read_bytes_per_s=read,
        disk_write_bytes_per_s=write,
        disk_read_iops=read / 16384,
        disk_write_iops=write / 8192,
        net_rx_bytes_per_s=net[0],
        net_tx_bytes_per_s=net[1],
    )


class Rig:
    """``clock`` is the time that everything sees."""

    def __init__(self, folder: Path, guest: Guest | None = None, *, layout: str = "v1") -> None:
        self.clock = NOW
        self.guest = guest if guest is not None else a_guest()
        self.store = Store()
        self.bridge = Bridge(self.store)
        self.verbs = FakeVerbs(self.guest)
        self.link = FakeLink(HOST, self.verbs)
        self.fleet = Fleet(lambda uri: self.link, self.bridge.post)
        self.fleet.adopt(self.link)
        self.runner = OperationRunner(self.fleet.link, self.bridge.post, host_name=lambda _: "node1")
        self.context = Context(self.store, self.bridge, self.fleet, self.runner, Profile(folder), Theme())
        self.formats = Formats(now=lambda: self.clock)
        self.host = Host(HOST, "node1", HostState.CONNECTED, cgroup_layout=layout)
        self.apply(HostSeen(self.host), GuestsListed(HOST, (self.guest,)))

    def apply(self, *deltas: object) -> None:
        """As if posted and delivered."""
        changes = self.store.apply(deltas)
        self.bridge.store_changed.emit(changes)

    def fill(self, seconds: int = 300) -> None:
        self.store.apply(a_busy_second(self.clock - seconds + 1 + i, i, self.guest.id.uuid) for i in range(seconds))

    def tick(self) -> None:
        self.clock += 1
        self.apply(a_busy_second(self.clock, int(self.clock - NOW) + 300, self.guest.id.uuid))

    def close(self) -> None:
        self.runner.close()
        self.fleet.close()
        self.bridge.close()


def capped(
    guest: Guest, *, live: CpuCap | None = None, stored: CpuCap | None = None, vcpu: CpuCap | None = None
) -> Guest:
    def limits(cap: CpuCap | None) -> Limits:
        return Limits.of(guest_cap=cap or CpuCap(), vcpu_cap=vcpu or CpuCap())

    return dataclasses.replace(guest, live=limits(live) if guest.state.has_process else None, stored=limits(stored))
