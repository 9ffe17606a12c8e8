# SPDX-License-Identifier: GPL-3.0-or-later
"""The console as a user has it, on real hosts: used by an assistive program, and believed by the hosts' own files."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.vmlab import LabError
from tests.waiting import wait_until
from tests.window.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.display import Display
    from tests.lab.vmlab import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.window]

CPU_TOLERANCE = 0.05
MEMORY_TOLERANCE = 0.02
LINK_DELAYS_S = [step * 0.05 for step in range(21)]
LOAD_PERCENT = 100
"""Without pauses: a load that comes in bursts cannot be told to 5 % over one second."""
SETTLE_S = 12.0
BUSY_CORES = 0.2
"""Far more than an idle guest's, and there even on a crowded machine."""


def uris(lab: Lab) -> list[str]:
    return [word for host in lab.hosts for word in ("--connect", host.uri)]


def cpu_reader(host: LabHost, guest: str) -> Callable[[], int]:
    """CPU used so far in ns. libvirt counts in the unified tree where that is mounted, else in cpuacct."""
    with contextlib.suppress(LabError):
        stat = host.guest_cgroup(guest, "unified") / "cpu.stat"
        return lambda: int(stat.read_text().split("usage_usec ")[1].split()[0]) * 1000
    usage = host.guest_cgroup(guest, "cpuacct") / "cpuacct.usage"
    return lambda: int(usage.read_text())


class Counters(threading.Thread):
    """Reads a guest's CPU and memory counters from the host's cgroup files, twenty times a second."""

    def __init__(self, host: LabHost, guest: str) -> None:
        super().__init__(daemon=True)
        self._cpu = cpu_reader(host, guest)
        self._memory = host.guest_cgroup(guest, "memory") / "memory.usage_in_bytes"
        self._ended = threading.Event()
        self.readings: list[tuple[float, int, int]] = []

    def run(self) -> None:
        while not self._ended.wait(0.05):
            self.readings.append((time.time(), self._cpu(), int(self._memory.read_text())))

    def close(self) -> None:
        self._ended.set()
        self.join(timeout=5)

    def cores(self, begin: float, end: float) -> float:
        """Mean use between two moments, by interpolating the counter."""
        return (self._usage_ns(end) - self._usage_ns(begin)) / (end - begin) / 1e9

    def _usage_ns(self, at: float) -> float:
        for (t0, cpu0, _), (t1, cpu1, _) in pairwise(self.readings):
            if t0 <= at <= t1:
                return cpu0 + (cpu1 - cpu0) * (at - t0) / (t1 - t0)
        raise AssertionError(f"no reading around {at}")

    def memory_bytes(self, at: float) -> int:
        return min(self.readings, key=lambda reading: abs(reading[0] - at))[2]


@pytest.fixture(scope="module")
def busy(lab: Lab) -> Iterator[tuple[LabHost, str]]:
    """A guest under a known load."""
    host, guest = lab.hosts[0], lab.hosts[0].guests[0]
    host.wait_for_agent(guest)
    read_ns = cpu_reader(host, guest)
    host.load(guest, "cpu", LOAD_PERCENT)
    seen = [read_ns()]

    def is_busy() -> bool:
        seen.append(read_ns())
        return (seen[-1] - seen[-2]) / 1e9 > BUSY_CORES

    wait_until(is_busy, within_s=60, what="the load is really there", every_s=1.0)
    yield host, guest
    host.load(guest, "cpu", 0)


def guests_of(dump: dict[str, Any]) -> dict[str, Any]:
    return {guest["name"]: guest for host in dump["hosts"] for guest in host["guests"]}


def test_the_dump_agrees_with_the_hosts_own_counters(
    display: Display, lab: Lab, busy: tuple[LabHost, str], tmp_path: Path
) -> None:
    host, guest = busy
    counters = Counters(host, guest)
    counters.start()
    arguments = ["--after", str(SETTLE_S), "--dump", str(tmp_path / "dump.json"), *uris(lab)]
    with Console(display, tmp_path / "profile", *arguments) as console:
        assert console.process.wait(timeout=60) == 0, console.output()
    counters.close()
    dump = json.loads((tmp_path / "dump.json").read_text())
    assert {h["name"]: h["state"] for h in dump["hosts"]} == {h.name: "connected" for h in lab.hosts}
    figures = guests_of(dump)[guest]["figures"]
    cpu, memory = figures["cpu_cores"], figures["memory_bytes"]
    # A sample is stamped when it arrives: it covers the second that ended a little earlier, by the link's delay.
    truths = [counters.cores(cpu["at"] - 1.0 - late_s, cpu["at"] - late_s) for late_s in LINK_DELAYS_S]
    truth_cores = min(truths, key=lambda truth: abs(truth - cpu["value"]))
    assert cpu["value"] == pytest.approx(truth_cores, rel=CPU_TOLERANCE)
    assert memory["value"] == pytest.approx(counters.memory_bytes(memory["at"]), rel=MEMORY_TOLERANCE)
    off = guests_of(dump)[host.off_guest]
    assert off["state"] == "shut off"
    assert off["figures"]["cpu_cores"]["reason"] == "the guest is shut off"
    assert off["disks"], "the dump describes guests that nobody looked at, too"


def test_an_assistive_program_finds_and_uses_the_window(display: Display, lab: Lab, tmp_path: Path) -> None:
    guest = lab.hosts[0].guests[0]
    with Console(display, tmp_path / "profile", "--show", guest, *uris(lab)) as console:
        console.until("find", role="", name="Hosts and guests")
        everyone = [name for host in lab.hosts for name in (*host.guests, host.off_guest)]
        wait_until(
            lambda: set(everyone) <= set(console.names("", "Hosts and guests")),
            within_s=30,
            what="all guests of all hosts are in the tree",
        )
        for tab in ("Overview", "Limits", "Disks"):
            found = console.until("find", role="page tab", name=tab)
            assert "showing" in found["states"]
        console.ask("set_text", role="text", name="Filter", text=guest)
        wait_until(
            lambda: not set(everyone) - {guest} & set(console.names("", "Hosts and guests")),
            within_s=5,
            what="the filter leaves one guest",
        )


def test_virsh_on_the_host_is_seen_within_a_second(display: Display, lab: Lab, tmp_path: Path) -> None:
    host, guest = lab.hosts[1], lab.hosts[1].guests[2]
    with Console(display, tmp_path / "profile", "--connect", host.uri) as console:

        def shown() -> list[str]:
            return console.names("", "Hosts and guests")

        wait_until(lambda: guest in shown(), within_s=30, what="the guest is shown")
        for verb, word in (("destroy", "shut off"), ("start", "running")):
            before = state_shown(shown(), guest)
            host.virsh(verb, guest)
            began = time.monotonic()
            wait_until(lambda w=word: state_shown(shown(), guest) == w, within_s=5, what=f"{guest} is {word}")
            assert before != word
            assert time.monotonic() - began < 1.0 + 0.5, "within a second, and half a one to read the screen"


def state_shown(cells: list[str], guest: str) -> str:
    """The state's word in the guest's row."""
    row = cells[cells.index(guest) : cells.index(guest) + 4]
    return next((word for word in ("running", "shut off", "paused") if any(word in cell for cell in row)), "")
