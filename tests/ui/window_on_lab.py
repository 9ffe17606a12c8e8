# SPDX-License-Identifier: GPL-3.0-or-later
"""The window on three real hosts, two of which are hurt at the same time, while its stalls are measured."""

from __future__ import annotations

import contextlib
import gc
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtTest import QTest

from tests.links.far_host import FarHost
from tests.links.fault_engine import Measured, Wired, link_maker, measure, settle
from tests.links.fault_list import FAULTS
from tests.links.recording import Recorder
from tests.links.stuck import GUEST, Hasty, freeze_agent
from tests.ui.stall_meter import StallMeter, Stalls
from tests.waiting import wait_until
from vmconsole.app import garbage
from vmconsole.app.turns import take_short_turns
from vmconsole.inventory.facts import HostState
from vmconsole.inventory.ids import GuestId
from vmconsole.links.fleet import Fleet
from vmconsole.operations.lifecycle import ShutDownGuest
from vmconsole.operations.runner import OperationRunner
from vmconsole.settings.profile import Profile
from vmconsole.store.store import Store
from vmconsole.ui.bridge import Bridge
from vmconsole.ui.context import Context
from vmconsole.ui.main_window import MainWindow
from vmconsole.ui.theme import Theme
from vmconsole.ui.watchdog import STALL_S, Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from tests.lab.vmlab import Lab
    from vmconsole.inventory.tasks import TaskState
    from vmconsole.links.libvirt_link import LibvirtLoop
    from vmconsole.metrics.delta import Delta

FIRST_S = 60.0
CALM_MS = 3000
TOGETHER = (
    ("libvirtd frozen", "link silent"), ("link down", "host crashed"), ("libvirtd killed", "sshd killed"),
    ("libvirtd restarted", "ssh master killed"), ("link refused",),
)  # fmt: skip
"""Faults that are measured at the same time, on kvm1 and kvm2; the guest in front is kvm1's. kvm3 stays whole."""


class Tee(Recorder):
    """What a link posts goes to the window as well."""

    def __init__(self, onward: Callable[[Delta], None]) -> None:
        super().__init__()
        self._onward = onward

    def __call__(self, delta: Delta) -> None:
        super().__call__(delta)
        self._onward(delta)


@dataclass(frozen=True)
class Seen:
    """What became of one fault."""

    measured: Measured
    stalls: Stalls
    rows: frozenset[str]
    """What the hurt host's row said while it did not answer, up to the first comma."""
    stacks: str
    """Of the stalls that the program's own watchdog caught."""

    def line(self) -> dict[str, object]:
        return self.measured.line() | self.stalls.line() | {"row": sorted(self.rows)}


@dataclass(frozen=True)
class StuckCalls:
    """What became of acts that nobody answered."""

    stalls: Stalls
    states: tuple[TaskState, ...]
    gaps_s: list[float]
    """The worst between figures, of each host."""


class WindowOnLab:
    """Make it with a QApplication alive; ``close`` it. Put together as ``app`` does."""

    def __init__(self, lab: Lab, event_loop: LibvirtLoop) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="vmc-"))
        self._store = Store()
        self._bridge = Bridge(self._store)
        make = link_maker(event_loop, self._folder)
        self._fleet = Fleet(lambda uri: make(uri, Tee(self._bridge.post)), self._bridge.post)
        self._runner = OperationRunner(self._fleet.link, self._bridge.post)
        profile = Profile(self._folder / "profile")
        self.window = MainWindow(Context(self._store, self._bridge, self._fleet, self._runner, profile, Theme()))
        self._hosts = [FarHost(lab, f"kvm{number}") for number in (1, 2, 3)]
        self._wired: list[Wired] = []
        for host in self._hosts:
            posted = Tee(self._bridge.post)
            link = make(host.uri, posted)
            self._wired.append(Wired(host, link, posted))  # type: ignore[arg-type]  # a LabHost but for its class
            self._fleet.adopt(link)
        self._seen: dict[str, Seen | BaseException] = {}

    def show(self) -> None:
        """Returns when all hosts are connected and a guest is in front, its charts running."""
        self.window.show()
        wait_for(self._is_whole)
        first = self._wired[0]
        self.window.select(GuestId(first.link.host_id, first.uuid(first.host.guests[0])))
        wait_for(lambda: self.window.guest_page.guest is not None)
        # As ``app`` does; the tests' own objects are three times as many as the program's.
        take_short_turns()
        garbage.set_apart()
        QTest.qWait(CALM_MS)  # first paints and first curves are no fault's doing

    def _is_whole(self) -> bool:
        states = [host.state for host in self._store.hosts.values()]
        return states == [HostState.CONNECTED] * 3 and all(
            self._store.figures(host).last_at for host in self._store.hosts
        )

    def of(self, name: str) -> Seen:
        """What is measured of this fault; each is made once, with the one that goes along."""
        if name not in self._seen:
            self._make(next(names for names in TOGETHER if name in names))
        return self._found(name)

    def again(self, name: str) -> Seen:
        """Measured once more: what is ours comes again, what the machine had to do elsewhere does not."""
        self._make(next(names for names in TOGETHER if name in names))
        return self._found(name)

    def _found(self, name: str) -> Seen:
        found = self._seen[name]
        if isinstance(found, BaseException):
            raise found
        return found

    def _make(self, names: Sequence[str]) -> None:
        faults = [fault for name in names for fault in FAULTS if fault.name == name]
        hurt, whole = self._wired[: len(faults)], self._wired[len(faults) :]
        with ThreadPoolExecutor(2) as pool:
            self._wait(pool.submit(settle, self._wired), lambda: None)
            watchdog, meter = Watchdog(self.window, limit_s=STALL_S), StallMeter()
            watchdog.start()
            running = [pool.submit(measure, fault, one, whole) for fault, one in zip(faults, hurt, strict=True)]
            rows: list[set[str]] = [set() for _ in hurt]
            for future in running:
                self._wait(future, lambda: self._look(hurt, rows))
            watchdog.close()
            stalls = meter.stop()
        stacks = "\n".join(f"{stall.seconds * 1000:.0f} ms:\n{stall.stack}{stall.others}" for stall in watchdog.stalls)
        for name, future, said in zip(names, running, rows, strict=True):
            error = future.exception()
            self._seen[name] = error or Seen(future.result(), stalls, frozenset(said), f"{stalls.told}\n{stacks}")

    def under_stuck_calls(self, asleep: str, server: int) -> StuckCalls:
        """On kvm1 the guest ``asleep``, whose agent is frozen first, is asked to shut down; on kvm2 one is started
        whose disk lies on a mount, the server of which (a process there) is stopped first. Until both acts are over."""
        one, two = self._wired[:2]
        dead = self._guest(two, GUEST)
        with ThreadPoolExecutor(2) as pool:
            self._wait(pool.submit(settle, self._wired), lambda: None)
            self._wait(pool.submit(freeze_agent, one.host, asleep), lambda: None)
            self._wait(pool.submit(two.host.exec, "kill", "-STOP", str(server)), lambda: None)
            meter, began = StallMeter(), time.monotonic()
            listing = ["virsh", "pool-refresh", "dead"]
            refresh = pool.submit(two.host.exec, *listing, check=False, timeout_s=120)
            numbers = [
                *self._runner.run([ShutDownGuest(self._guest(one, asleep), asleep)]),
                *self._runner.run([Hasty(dead, GUEST)]),
            ]
            wait_for(lambda: all(n in self._store.tasks and self._store.tasks[n].state.is_over for n in numbers))
            ended, stalls = time.monotonic(), meter.stop()
            states = tuple(self._store.tasks[n].state for n in numbers)
            self._wait(pool.submit(two.host.exec, "kill", "-CONT", str(server)), lambda: None)
            self._wait(refresh, lambda: None)
        return StuckCalls(stalls, states, [w.worst_gap_s(began, ended) for w in self._wired])

    def _guest(self, one: Wired, name: str) -> GuestId:
        wait_for(lambda: any(g.name == name for g in self._store.guests_of(one.link.host_id).values()))
        return next(g.id for g in self._store.guests_of(one.link.host_id).values() if g.name == name)

    def _wait(self, future: Future[object], look: Callable[[], None]) -> None:
        while not future.done():
            QTest.qWait(200)
            look()

    def _look(self, hurt: Sequence[Wired], rows: Sequence[set[str]]) -> None:
        for one, said in zip(hurt, rows, strict=True):
            if self._store.hosts[one.link.host_id].state is HostState.NOT_ANSWERING:
                said.add(self.window.model.cells.remark(one.link.host_id).partition(", ")[0])

    def close(self) -> None:
        with contextlib.ExitStack() as parts:
            parts.callback(gc.unfreeze)
            for host in self._hosts:
                parts.callback(host.close)
                parts.callback(host.repair)
            parts.callback(shutil.rmtree, self._folder)
            parts.callback(self._bridge.close)
            parts.callback(self._fleet.close)
            parts.callback(self._runner.close)
            parts.callback(self.window.close)


def wait_for(test: Callable[[], bool]) -> None:
    """While the window lives."""
    wait_until(test, within_s=FIRST_S, pause=lambda pause_s: QTest.qWait(round(pause_s * 1000)))


def all_faults(window: WindowOnLab) -> list[Seen]:
    return [window.of(fault.name) for fault in FAULTS]
