# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting over and over leaves nothing behind; dead hosts delay nobody; quitting is quick whatever hangs."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.links.fault_engine import link_maker
from tests.links.recording import Recorder
from tests.links.test_on_lab import descendants, open_files, ours_left, ssh_connections
from tests.waiting import wait_until
from vmconsole.inventory.facts import HostState
from vmconsole.links.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import Lab, LabHost
    from tests.links.fault_engine import MakeLink, Report
    from vmconsole.links.host_link import HostLink
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = pytest.mark.lab

WARM_UP = 5
GROWTH_KIB_PER_CYCLE = 20.0
"""libvirt's and Python's memory comes in steps; a leaked connection would be hundreds of KiB each."""
LIVING, DEAD = 25, 5
LATER = 1.2
DEAD_BYTE = "250"
"""Last part of an address in the lab's network at which every packet is dropped."""


@pytest.fixture
def make(event_loop: LibvirtLoop, run_dir: Path) -> MakeLink:
    return link_maker(event_loop, run_dir)


def memory_kib() -> int:
    """What this process holds in memory that is its own (Private_Dirty: shared pages and files do not count)."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


# ---- over and over


@pytest.mark.parametrize("cycles", [6, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_connecting_cutting_and_reconnecting_leaves_nothing(
    lab_host: LabHost, make: MakeLink, run_dir: Path, cycles: int, report: Report
) -> None:
    """Each cycle: connect, figures, libvirt's connection cut under it, back by itself, close."""
    wait_until(lambda: ssh_connections(lab_host) == 0, what="no connection of an earlier test")
    children, threads = descendants(), set(threading.enumerate())
    one_cycle(lab_host, make)
    files, grown = open_files(), []
    began = time.monotonic()
    for number in range(cycles):
        one_cycle(lab_host, make)
        assert list(run_dir.iterdir()) == []
        if number >= WARM_UP - 1:
            gc.collect()
            grown.append(memory_kib())
    took_s = time.monotonic() - began
    wait_until(lambda: set(threading.enumerate()) <= threads, within_s=2, what="threads")
    wait_until(lambda: descendants() == children, within_s=2, what="processes")
    wait_until(lambda: open_files() <= files, within_s=2, what="open files")
    wait_until(lambda: ssh_connections(lab_host) == 0, within_s=3, what="connections at the host")
    wait_until(lambda: ours_left(lab_host) == [], within_s=3, what="our processes at the host")
    slope = slope_of(grown)
    report({
        "soak": cycles, "per_cycle_s": round(took_s / cycles, 2), "growth_kib_per_cycle": round(slope, 2),
        "memory_kib": [grown[0], grown[-1]], "threads": len(threads), "open_files": len(files),
    })  # fmt: skip
    if cycles >= 100:  # of a few cycles a slope says nothing
        assert slope <= GROWTH_KIB_PER_CYCLE


def one_cycle(host: LabHost, make: MakeLink) -> None:
    posted = Recorder()
    link = make(host.uri, posted)
    try:
        link.start()
        posted.host(HostState.CONNECTED, within_s=30)
        posted.frame()
        mark = posted.mark()
        cut(link)
        posted.host(HostState.CONNECTED, within_s=15, since=mark)
    finally:
        link.close()


def cut(link: HostLink) -> None:
    """End the master under it."""
    shell = link.shell()
    assert shell is not None
    os.kill(shell._master._process.pid, 9)  # type: ignore[attr-defined]  # a test looks inside


def slope_of(values: list[int]) -> float:
    """Of the line through the values (least squares), per step."""
    middle_x, middle_y = (len(values) - 1) / 2, sum(values) / len(values)
    above = sum((x - middle_x) * (y - middle_y) for x, y in enumerate(values))
    return above / max(1e-9, sum((x - middle_x) ** 2 for x in range(len(values))))


# ---- many hosts, some of them dead


@pytest.fixture
def dead_address(lab: Lab) -> Iterator[str]:
    """A second address of kvm3, behind a wall that says nothing."""
    host = lab.host("kvm3")
    host.repair()
    address = f"{host.address.rpartition('.')[0]}.{DEAD_BYTE}"
    host.exec("iptables", "-I", "INPUT", "-d", address, "-j", "DROP")
    host.exec("ip", "address", "add", f"{address}/24", "dev", "eth0")
    yield address
    host.exec("ip", "address", "del", f"{address}/24", "dev", "eth0")
    host.exec("iptables", "-D", "INPUT", "-d", address, "-j", "DROP")


@pytest.fixture
def ssh_program(lab: Lab, dead_address: str, tmp_path: Path) -> Path:
    """An ssh for which ``a1``, ``a2``… are names of the lab's hosts, and ``dead1``… of an address without an answer."""
    config = tmp_path / "ssh_config"
    addresses = [lab.host(f"kvm{1 + number % 3}").address for number in range(LIVING)]
    lines = [f"Host a{number}\n HostName {address}" for number, address in enumerate(addresses)]
    lines.append(f"Host dead*\n HostName {dead_address}")
    lab_config = Path(lab.directory, "ssh_config").read_text()
    common = "Host *\n UserKnownHostsFile /dev/null\n StrictHostKeyChecking no\n LogLevel ERROR\n"
    config.write_text("\n".join(lines) + "\n" + common + identity_of(lab_config))
    program = tmp_path / "ssh"
    program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {config} "$@"\n')
    program.chmod(0o755)
    return program


def identity_of(config: str) -> str:
    return "\n".join(line for line in config.splitlines() if line.split()[:1] == ["IdentityFile"]) + "\n"


def shown_after_s(make: MakeLink, ssh: Path, names: list[str], living: int) -> float:
    """Connect to all at once; the time until the guests of the last living one are listed. Dead ones stay unknown."""
    wired = [(Recorder(), name) for name in names]
    links = [make(f"qemu+ssh://root@{name}/system?command={ssh}", posted) for posted, name in wired]
    began = time.monotonic()
    with contextlib.ExitStack() as parts:
        for link in links:
            parts.callback(link.close)
            link.start()
        for posted, _ in wired[:living]:
            posted.listing(within_s=60)
        return time.monotonic() - began


def test_dead_hosts_do_not_delay_the_others(lab: Lab, make: MakeLink, ssh_program: Path, report: Report) -> None:
    """Best of two each, in turn, or of four: what the machine does beside this must not decide."""
    living, dead = [f"a{number}" for number in range(LIVING)], [f"dead{number}" for number in range(DEAD)]
    shown_after_s(make, ssh_program, living[:3], 3)  # the first brings what all need
    alone, beside = [], []
    for turn in range(4):
        alone.append(shown_after_s(make, ssh_program, living, LIVING))
        beside.append(shown_after_s(make, ssh_program, [*living, *dead], LIVING))
        ratio = min(beside) / min(alone)
        if turn and ratio <= LATER:
            break
    report({
        "hosts": LIVING + DEAD, "dead": DEAD, "alone_s": round(min(alone), 2), "beside_dead_s": round(min(beside), 2),
        "ratio": round(ratio, 2),
    })  # fmt: skip
    assert ratio <= LATER


# ---- quitting


@pytest.fixture
def hung(lab: Lab) -> Iterator[list[LabHost]]:
    hosts = lab.hosts
    yield hosts
    for host in hosts:
        host.repair()


def test_quitting_takes_less_than_a_second_whatever_hangs(
    hung: list[LabHost], make: MakeLink, ssh_program: Path, report: Report
) -> None:
    """Connected hosts with frozen daemons and calls in them, one behind a silent network, and dead ones being tried."""
    posted = Recorder()
    fleet = Fleet(lambda uri: make(uri, posted), posted)
    for host in hung:
        host.repair()
    names = [f"a{number}" for number in range(9)]
    ids = [fleet.add(f"qemu+ssh://root@{name}/system?command={ssh_program}") for name in names]
    for host_id in ids:
        posted.host_that(lambda h, host_id=host_id: h.id == host_id and h.state is HostState.CONNECTED, within_s=60)
    for number in range(DEAD):
        fleet.add(f"qemu+ssh://root@dead{number}/system?command={ssh_program}")
    for host in hung:
        host.freeze()
    hung[2].cut("drop")
    stuck = []
    for host_id in ids:
        link = fleet.link(host_id)
        assert link is not None
        stuck += [link.submit(lambda verbs: verbs.guest_xml("no such guest", stored=False), deadline_s=60)] * 3
    began = time.monotonic()
    fleet.close()
    took_s = time.monotonic() - began
    report({"quit_with_hung_hosts": len(ids) + DEAD, "took_s": round(took_s, 2)})
    assert took_s < 1.0
    for future in stuck:
        assert future.exception(1) is not None
    wait_until(lambda: not [line for line in descendants() if str(ssh_program) in line], within_s=3, what="ssh ends")
