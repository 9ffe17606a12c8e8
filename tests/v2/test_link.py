# SPDX-License-Identifier: GPL-3.0-or-later
"""A link to a host with systemd and cgroup2 alone: facts, figures from the guest's scope, a cap in its cpu.max."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from vmconsole.inventory.facts import GuestState
from vmconsole.inventory.limits import CpuCap, LimitRef, LimitWrite
from vmconsole.metrics.figures import Figure
from vmconsole.metrics.frame import Frame, Source
from vmconsole.quotas.rows import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.v2 import V2Host
    from tests.links.recording import Recorder
    from tests.v2.conftest import Connect
    from vmconsole.inventory.facts import Guest
    from vmconsole.links.base import HostVerbs
    from vmconsole.links.host_link import HostLink

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(900)]

CONNECT_S = 120
FRAME_S = 60


class Linked:
    """A link that is connected, and its guest."""

    def __init__(self, host: V2Host, link: HostLink, posted: Recorder) -> None:
        self.host, self.link, self.posted = host, link, posted
        guests = {guest.name: guest for guest in posted.listing(within_s=CONNECT_S)}
        self.guests = guests
        self.uuid = guests[host.guests[0]].id.uuid
        self.frame(lambda frame: frame.interval_s > 0)

    def frame(self, test: Callable[[Frame], bool] = lambda _: True) -> Frame:
        mark = self.posted.mark()
        return self.posted.wait_for(
            lambda d: d if isinstance(d, Frame) and d.source is Source.CGROUP and test(d) else None,
            since=mark, within_s=FRAME_S,
        )  # fmt: skip

    def value(self, frame: Frame, figure: Figure) -> float:
        return float(frame.values[frame.uuids.index(self.uuid), figure])

    def write(self, key: str, value: CpuCap | None, *, stored: bool = False) -> Guest:
        write = LimitWrite(Call.SCHEDULER.name, "", ((LimitRef(key), value),))

        def job(verbs: HostVerbs) -> Guest:
            verbs.write_limits(self.uuid, write, stored=stored)
            return verbs.describe_guest(self.uuid)

        return self.link.submit(job, deadline_s=60).result(60)

    def file(self, name: str) -> str:
        return (self.host.guest_cgroup(self.host.guests[0], "cpu") / name).read_text().strip()


@pytest.fixture
def linked(v2_host: V2Host, connect: Connect) -> Iterator[Linked]:
    linked = Linked(v2_host, *connect(v2_host.uri))
    yield linked
    v2_host.load(v2_host.guests[0], "cpu", 0)


def test_the_hosts_facts(linked: Linked) -> None:
    host = linked.posted.host_that(lambda host: host.cgroup_layout != "", within_s=FRAME_S)
    assert host.cgroup_layout == "v2"
    assert host.versions["kernel"] == linked.host.exec("uname", "-r").stdout.strip()
    assert host.cpus == int(linked.host.exec("nproc").stdout)
    states = {guest.name: guest.state for guest in linked.guests.values()}
    assert states == {"nest1": GuestState.RUNNING, "nestoff": GuestState.SHUT_OFF}


def test_the_figures_are_those_of_the_guests_scope(linked: Linked) -> None:
    """Compared with what the kernel says at the same time, read another way."""
    guest = linked.host.guests[0]
    scope = linked.host.guest_scope(guest)
    assert scope.name == rf"machine-qemu\x2d{linked.host.virsh('domid', guest)}\x2d{guest}.scope"
    memory = linked.value(linked.frame(), Figure.MEMORY_BYTES)
    assert memory == pytest.approx(int((scope / "memory.current").read_text()), rel=0.05)
    linked.host.load(guest, "cpu", 100)
    linked.frame(lambda frame: linked.value(frame, Figure.CPU_CORES) > 0.5)
    script = 'head -n 1 "$1"; cat /proc/uptime'

    def usage() -> tuple[float, float]:
        words = linked.host.exec("sh", "-c", script, "usage", str(scope / "cpu.stat")).stdout.split()
        return int(words[1]) / 1e6, float(words[2])

    spent, at = usage()
    frames = [linked.frame() for _ in range(10)]
    spent_then, at_then = usage()
    length = sum(frame.interval_s for frame in frames)
    seen = sum(linked.value(frame, Figure.CPU_CORES) * frame.interval_s for frame in frames) / length
    assert seen == pytest.approx((spent_then - spent) / (at_then - at), rel=0.15)
    assert linked.value(frames[-1], Figure.CPU_THROTTLED_SHARE) == 0


def test_reading_of_the_disk_is_seen(linked: Linked) -> None:
    linked.link.watch(frozenset({linked.uuid}))
    linked.host.load(linked.host.guests[0], "disk", 1)
    try:
        linked.posted.wait_for(
            lambda d: True if isinstance(d, Frame) and self_read(linked, d) > 0 else None,
            since=linked.posted.mark(), within_s=FRAME_S,
        )  # fmt: skip
    finally:
        linked.host.load(linked.host.guests[0], "disk", 0)


def self_read(linked: Linked, frame: Frame) -> float:
    value = linked.value(frame, Figure.DISK_READ_BYTES_PER_S)
    return 0.0 if np.isnan(value) else value


@pytest.mark.parametrize(("key", "folder"), [("guest_cap", ""), ("vcpu_cap", "vcpu0/")])
def test_a_live_cap_is_in_the_right_file_and_holds_the_guest(linked: Linked, key: str, folder: str) -> None:
    guest = linked.host.guests[0]
    linked.host.load(guest, "cpu", 100)
    linked.frame(lambda frame: linked.value(frame, Figure.CPU_CORES) > 0.5)
    before = {name: linked.file(f"{name}cpu.max") for name in ("", "vcpu0/", "emulator/")}
    assert before == dict.fromkeys(before, "max 100000")
    began = time.monotonic()
    now = linked.write(key, CpuCap(100_000, 20_000))
    took_s = time.monotonic() - began
    try:
        assert now.live is not None
        assert now.live.cap(key) == CpuCap(100_000, 20_000)
        after = {name: linked.file(f"{name}cpu.max") for name in before}
        assert after == before | {folder: "20000 100000"}
        held = linked.frame(lambda frame: linked.value(frame, Figure.CPU_THROTTLED_SHARE) > 0.5)
        held = linked.frame(lambda frame: linked.value(frame, Figure.CPU_CORES) < 0.4)
        cap = linked.value(held, Figure.CPU_CAP_CORES)
        assert cap == pytest.approx(0.2) if key == "guest_cap" else np.isnan(cap)
    finally:
        cleared = linked.write(key, None)
    assert cleared.live is not None
    assert cleared.live.cap(key).quota_us is None
    assert linked.file(f"{folder}cpu.max").startswith("max ")
    print(f"{key}: written and read back in {took_s:.2f} s")


def test_a_stored_cap_leaves_the_running_guest_alone(linked: Linked) -> None:
    now = linked.write("guest_cap", CpuCap(100_000, 70_000), stored=True)
    assert now.stored is not None
    assert now.live is not None
    assert (now.stored.guest_cap.quota_us, now.live.guest_cap.quota_us) == (70_000, None)
    assert linked.file("cpu.max").startswith("max ")
    linked.write("guest_cap", None, stored=True)
