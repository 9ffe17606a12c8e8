# SPDX-License-Identifier: GPL-3.0-or-later
"""The sampler on a real host with real guests, checked against the kernel's own counters and libvirt's own words."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.lab.vmlab import Lab, LabHost
from tests.links.recording import Recorder
from tests.links.test_sampler import Shell, States
from tests.waiting import wait_until
from vmconsole.inventory.errors import LinkLost
from vmconsole.inventory.ids import HostId
from vmconsole.links.sampler import make_sampler
from vmconsole.metrics.figures import DeviceFigure, Figure
from vmconsole.metrics.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab
OURS = "[M]oduleType"
"""In the command line of the program on the host; written so that a search does not find itself."""


SEND = """
import socket, time
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(400):
    udp.sendto(b"x" * 1000, ("192.168.122.77", 9))
    time.sleep(0.005)
"""


class SshShell(Shell):
    """Commands over the lab's own ssh."""

    def __init__(self, lab: Lab, host: LabHost) -> None:
        super().__init__()
        self.where = host.name
        self._words = [str(lab.ssh_program), "-T", host.name]

    def popen(self, text: str) -> subprocess.Popen[bytes]:
        self.instead = [*self._words, text]
        return super().popen(text)


class Watched:
    """A sampler on one host, and its frames."""

    def __init__(self, lab: Lab, host: LabHost) -> None:
        self.host = host
        self.shell, self.states, self.posted = SshShell(lab, host), States(), Recorder()
        self.sampler = make_sampler(
            self.shell,
            HostId(host.uri),
            self.posted,
            self.states,  # type: ignore[arg-type]  # popen is all it uses
        )
        self.sampler.start()

    def uuid(self, guest: str) -> str:
        return self.host.virsh("domuuid", guest).strip()

    def frame(self, test: Callable[[Frame], bool] = lambda frame: True, *, within_s: float = 10) -> Frame:
        mark = self.posted.mark()
        return self.posted.wait_for(
            lambda d: d if isinstance(d, Frame) and test(d) else None, since=mark, within_s=within_s
        )

    def value(self, uuid: str, figure: Figure) -> float:
        frame = self.frame()
        return float(frame.values[frame.uuids.index(uuid), figure])


@pytest.fixture
def host(lab: Lab) -> Iterator[LabHost]:
    host = lab.host("kvm2")
    yield host
    host.repair()


@pytest.fixture
def watched(lab: Lab, host: LabHost) -> Iterator[Watched]:
    made = Watched(lab, host)
    made.frame(lambda f: f.interval_s > 0)
    yield made
    made.sampler.close()


def group(host: LabHost, controller: str, guest: str) -> Path:
    """The guest's cgroup directory as the machine sees it, found without any of the sampler's own code."""
    (found,) = host.cgroup(controller, "machine").glob(f"qemu-*-{guest}.libvirt-qemu")
    return found


def cpu_seconds(host: LabHost, guest: str) -> float:
    """In v1's cpuacct, or where libvirt leaves that alone, in the unified hierarchy."""
    if list(host.cgroup("cpuacct", "machine").glob(f"qemu-*-{guest}.libvirt-qemu")):
        return int((group(host, "cpuacct", guest) / "cpuacct.usage").read_text()) / 1e9
    first, *_ = (group(host, "unified", guest) / "cpu.stat").read_text().splitlines()
    return int(first.removeprefix("usage_usec ")) / 1e6


def busy(host: LabHost, guest: str, percent: int) -> None:
    """Load a guest and wait until the kernel's own counter shows it: a guest that has just booted is slow to begin."""
    host.wait_for_agent(guest)

    def is_busy() -> bool:
        spent = cpu_seconds(host, guest)
        time.sleep(1)
        return cpu_seconds(host, guest) - spent > 0.6 * percent / 100

    for _ in range(4):
        host.load(guest, "cpu", percent)
        if any(is_busy() for _ in range(15)):
            return
    raise AssertionError(f"{guest} does not become busy")


def program_count(host: LabHost) -> int:
    return len(host.exec("pgrep", "-f", OURS, check=False).stdout.split())


def test_all_running_guests_have_figures_and_the_host_its_facts(watched: Watched) -> None:
    frame = watched.frame()
    assert set(frame.uuids) == {watched.uuid(guest) for guest in watched.host.guests}
    gauges = [Figure.MEMORY_BYTES, Figure.MEMORY_ANON_BYTES, Figure.CPU_CORES, Figure.NET_RX_BYTES_PER_S]
    assert not np.isnan(frame.values[:, gauges]).any()
    ((problem, facts),) = watched.states.said
    assert problem is None
    has_v2 = watched.host.exec("sh", "-c", "test -e /sys/fs/cgroup/unified/cgroup.procs", check=False).returncode == 0
    assert facts["cgroup_layout"] == ("hybrid" if has_v2 else "v1")
    assert facts["kernel"] == watched.host.exec("uname", "-r").stdout.strip()


def test_cpu_and_memory_agree_with_the_kernels_counters(watched: Watched) -> None:
    """CPU within 5 % over ten seconds of load, memory within 2 %."""
    guest = watched.host.guests[0]
    uuid = watched.uuid(guest)
    busy(watched.host, guest, 60)
    watched.frame(lambda f: f.values[f.uuids.index(uuid), Figure.CPU_CORES] > 0.2)
    watched.frame()
    began, spent = time.monotonic(), cpu_seconds(watched.host, guest)
    frames = [watched.frame() for _ in range(10)]
    cores = (cpu_seconds(watched.host, guest) - spent) / (time.monotonic() - began)
    length = sum(frame.interval_s for frame in frames)
    seen = sum(f.values[f.uuids.index(uuid), Figure.CPU_CORES] * f.interval_s for f in frames) / length
    assert seen == pytest.approx(cores, rel=0.05)
    row = frames[-1].values[frames[-1].uuids.index(uuid)]
    assert row[Figure.CPU_USER_CORES] + row[Figure.CPU_SYSTEM_CORES] == pytest.approx(row[Figure.CPU_CORES], abs=0.1)
    watched.host.load(guest, "cpu", 0)
    memory = group(watched.host, "memory", guest)
    shown = watched.value(uuid, Figure.MEMORY_BYTES)
    assert shown == pytest.approx(int((memory / "memory.usage_in_bytes").read_text()), rel=0.02)


@pytest.mark.parametrize("scope", ["global", "vcpu"])
def test_a_cap_makes_the_throttled_share_rise_and_the_cap_in_force_is_shown(watched: Watched, scope: str) -> None:
    """A vCPU's own cap shows in the groups of the vCPUs only."""
    guest = watched.host.guests[1]
    uuid = watched.uuid(guest)
    busy(watched.host, guest, 100)
    watched.frame(lambda f: f.values[f.uuids.index(uuid), Figure.CPU_CORES] > 0.3)
    assert watched.value(uuid, Figure.CPU_THROTTLED_SHARE) == 0
    watched.host.virsh("schedinfo", guest, "--live", f"{scope}_quota=20000")
    try:
        held = watched.frame(lambda f: f.values[f.uuids.index(uuid), Figure.CPU_THROTTLED_SHARE] > 0.5)
        watched.frame()
        assert watched.value(uuid, Figure.CPU_CORES) < 0.35
    finally:
        watched.host.virsh("schedinfo", guest, "--live", f"{scope}_quota=-1")
        watched.host.load(guest, "cpu", 0)
    cap = held.values[held.uuids.index(uuid), Figure.CPU_CAP_CORES]
    assert cap == pytest.approx(0.2) if scope == "global" else np.isnan(cap)


def test_a_memory_limit_is_shown(watched: Watched) -> None:
    guest = watched.host.guests[2]
    uuid = watched.uuid(guest)
    watched.host.virsh("memtune", guest, "--live", "--hard-limit", str(900 * 1024))
    frame = watched.frame(lambda f: not np.isnan(f.values[f.uuids.index(uuid), Figure.MEMORY_LIMIT_BYTES]))
    assert frame.values[frame.uuids.index(uuid), Figure.MEMORY_LIMIT_BYTES] == 900 * 2**20
    watched.host.virsh("memtune", guest, "--live", "--hard-limit", "-1")
    watched.frame(lambda f: np.isnan(f.values[f.uuids.index(uuid), Figure.MEMORY_LIMIT_BYTES]))


def test_a_new_guest_has_figures_within_three_seconds_and_one_that_ends_has_none(watched: Watched) -> None:
    guest = watched.host.off_guest
    uuid = watched.uuid(guest)
    watched.host.virsh("start", guest)
    began = time.monotonic()
    watched.frame(lambda f: uuid in f.uuids and f.values[f.uuids.index(uuid), Figure.CPU_CORES] > 0, within_s=10)
    assert time.monotonic() - began < 3.2
    watched.host.virsh("destroy", guest)
    began = time.monotonic()
    watched.frame(lambda f: uuid not in f.uuids)
    assert time.monotonic() - began < 3.2


def test_a_guest_that_is_restarted_never_shows_a_wild_rate(watched: Watched) -> None:
    guest = watched.host.guests[0]
    uuid = watched.uuid(guest)
    mark = watched.posted.mark()
    watched.host.virsh("destroy", guest)
    watched.host.virsh("start", guest)
    watched.frame(lambda f: uuid in f.uuids and f.values[f.uuids.index(uuid), Figure.CPU_CORES] > 0)
    frames = [d for d in watched.posted.deltas[mark:] if isinstance(d, Frame) and uuid in d.uuids]
    seen = [f.values[f.uuids.index(uuid), Figure.CPU_CORES] for f in frames]
    assert all(np.isnan(value) or 0 <= value <= 2.5 for value in seen)


def test_network_agrees_with_libvirt_in_amount_and_direction(watched: Watched) -> None:
    guest = watched.host.guests[2]
    uuid = watched.uuid(guest)
    watched.host.wait_for_agent(guest)
    watched.sampler.watch(frozenset({uuid}))
    tap, address = tap_and_mac(watched.host, guest)
    watched.frame(lambda f: tap in f.devices.get(uuid, {}))
    before = interface(watched.host, guest, tap)
    mark = watched.posted.mark()
    # The host sends and nobody answers: what the guest receives grows, what it sends does not.
    watched.host.exec("ip", "neigh", "replace", "192.168.122.77", "lladdr", address, "dev", "virbr0")
    watched.host.exec("python3", "-c", SEND, timeout_s=20)
    watched.frame()
    watched.frame()
    after = interface(watched.host, guest, tap)
    frames = [d for d in watched.posted.deltas[mark:] if isinstance(d, Frame)]
    received = sum(f.devices[uuid][tap][DeviceFigure.READ_BYTES_PER_S] * f.interval_s for f in frames)
    sent = sum(f.devices[uuid][tap][DeviceFigure.WRITE_BYTES_PER_S] * f.interval_s for f in frames)
    assert after["rx_bytes"] - before["rx_bytes"] > 300_000
    assert received == pytest.approx(after["rx_bytes"] - before["rx_bytes"], rel=0.05)
    assert sent == pytest.approx(after["tx_bytes"] - before["tx_bytes"], abs=5_000)
    total = sum(f.values[f.uuids.index(uuid), Figure.NET_RX_BYTES_PER_S] * f.interval_s for f in frames)
    assert total == pytest.approx(received)


def interface(host: LabHost, guest: str, tap: str) -> dict[str, int]:
    lines = [line.split() for line in host.virsh("domifstat", guest, tap).strip().split("\n")]
    return {name: int(value) for _, name, value in lines}


def tap_and_mac(host: LabHost, guest: str) -> tuple[str, str]:
    tap, _, _, _, address = host.virsh("domiflist", guest).split()
    return tap, address


def test_frames_go_on_while_libvirtd_hangs(watched: Watched) -> None:
    watched.host.freeze()
    try:
        frames = [watched.frame(within_s=3) for _ in range(4)]
        assert all(len(frame.uuids) == len(watched.host.guests) for frame in frames)
    finally:
        watched.host.thaw()


def test_nothing_is_left_on_the_host_after_close(watched: Watched) -> None:
    assert program_count(watched.host) >= 1
    watched.sampler.close()
    wait_until(lambda: program_count(watched.host) == 0, within_s=2, what="the program has ended")


def test_nothing_is_left_on_the_host_when_ssh_is_killed(watched: Watched) -> None:
    assert program_count(watched.host) >= 1
    watched.shell.error = LinkLost("no second life in this test")
    watched.shell.children[0].kill()
    wait_until(lambda: program_count(watched.host) == 0, within_s=5, what="the program has ended")
    assert watched.states.problem().where == watched.host.name
