# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit line over a real host: dragged with the mouse in the window, found in the host's cgroup file."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QScrollArea, QWidget

from vmconsole.app.hosts import LinkMaker
from vmconsole.inventory.ids import GuestId
from vmconsole.links.fleet import Fleet
from vmconsole.metrics.figures import DeviceFigure, Figure
from vmconsole.operations.runner import OperationRunner
from vmconsole.settings.profile import Profile
from vmconsole.store.store import Store
from vmconsole.ui.bridge import Bridge
from vmconsole.ui.charts.limit_line import GRAB_PX, KNOB_WIDTH
from vmconsole.ui.context import Context
from vmconsole.ui.overview import OverviewTab
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)]

CONNECT_MS = 60_000
LOAD_MS = 90_000
HELD_CORES = 0.25
RELEASE_TO_FILE_S = 2.0
REST_MS = 300


class Window:
    """An Overview of one real guest, all parts as the program puts them together."""

    def __init__(self, qtbot, profile: Path, host: LabHost, guest_name: str) -> None:
        self.qtbot, self.host, self.name = qtbot, host, guest_name
        self._run_dir = Path(tempfile.mkdtemp(prefix="vmc-"))
        self.store = Store()
        self.bridge = Bridge(self.store)
        settings = Profile(profile)
        self.links = LinkMaker(self.bridge.post, run_dir=self._run_dir, profile=settings)
        self.fleet = Fleet(self.links.make, self.bridge.post)
        self.runner = OperationRunner(self.fleet.link, self.bridge.post)
        self.tab = OverviewTab(Context(self.store, self.bridge, self.fleet, self.runner, settings, Theme()))
        self.tab.resize(900, 640)
        self.tab.show()
        qtbot.waitExposed(self.tab)
        self.connect()

    def connect(self) -> None:
        host_id = self.fleet.add(self.host.uri)
        self.qtbot.waitUntil(lambda: self._named() is not None, timeout=CONNECT_MS)
        self.id: GuestId = self._named().id
        self.fleet.link(host_id).watch(frozenset({self.id.uuid}))
        self.tab.show_guest(self.id)
        self.qtbot.waitUntil(
            lambda: self.tab.cpu.editor.can_edit and self.tab.cpu.editor.subject.is_live, timeout=CONNECT_MS
        )
        self.qtbot.waitUntil(lambda: not self.tab._one_by_one.isActive(), timeout=CONNECT_MS)

    def _named(self):
        hosts = list(self.store.hosts)
        found = [g for host in hosts for g in self.store.guests_of(host).values() if g.name == self.name]
        return found[0] if found else None

    # -- the hand ----------------------------------------------------------------------------------------------

    def point(self, cores: float) -> QPoint:
        plot = self.tab.cpu.plot
        area = plot.area()
        y = area.top() if np.isinf(cores) else plot.y_of(cores)
        return plot.viewport().mapTo(self.tab, QPoint(round(area.left() + area.width() / 3), round(y)))

    def drag_to(self, cores: float) -> float:
        """Drag the line there; the time (``time.monotonic()``) of letting go."""
        window, button, plain = self.tab.windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        start, end = self.point(self.tab.cpu.editor.number), self.point(cores)
        QTest.mousePress(window, button, plain, start)
        for i in range(1, 13):
            QTest.mouseMove(window, start + (end - start) * i / 12)
        released_at = time.monotonic()
        QTest.mouseRelease(window, button, plain, end)
        return released_at

    def settled(self) -> None:
        self.qtbot.waitUntil(lambda: not self.tab.cpu.editor.is_waiting, timeout=30_000)

    def take_to(self, chart: str, index: int, number: float) -> None:
        """Drag one of the lines of a chart, or its handle; the axis is looked at when it has been grabbed."""
        card = next(card for card in self.tab.cards if card.spec.key == chart)
        self.tab.findChild(QScrollArea).ensureWidgetVisible(card)
        slot, plot = card.limits.slots[index], card.plot
        window, button, plain = self.tab.windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        self.qtbot.waitUntil(lambda: slot.line.isVisible() and slot.line.isEnabled(), timeout=CONNECT_MS)
        self.until_at_rest(slot.line)
        middle = QPoint(KNOB_WIDTH // 2 if slot.line.is_none else slot.line.width() // 2, GRAB_PX)
        start = slot.line.mapTo(self.tab, middle)
        QTest.mouseMove(window, start)
        QTest.mousePress(window, button, plain, start)
        assert slot.line.is_dragged, "another widget took the mouse"
        now_at = plot.area().top() if np.isinf(slot.editor.number) else plot.y_of(slot.editor.number)
        way = QPoint(0, round(plot.y_of(number) - now_at))
        for i in range(1, 13):
            QTest.mouseMove(window, start + way * i / 12)
        QTest.mouseRelease(window, button, plain, start + way)
        self.qtbot.waitUntil(lambda: not slot.editor.is_waiting, timeout=30_000)

    def until_at_rest(self, widget: QWidget) -> None:
        """Wait until it stays where it is: figures that come make the axis, and with it the lines, move."""
        place = None
        while place != (place := widget.mapTo(self.tab, QPoint(0, 0))):
            self.qtbot.wait(REST_MS)

    # -- the host ----------------------------------------------------------------------------------------------

    def quota_file(self) -> Path:
        """The whole guest's quota, as the kernel has it."""
        return self.host.guest_cgroup(self.name, "cpu") / "cpu.cfs_quota_us"

    def figure(self, figure: Figure, seconds: int) -> np.ndarray:
        _, values = self.store.figures(self.id.host).series(self.id.uuid, figure, seconds)
        return values[~np.isnan(values)]

    def close(self) -> None:
        self.tab.close()
        self.runner.close()
        self.fleet.close()
        self.links.close()
        self.bridge.close()
        shutil.rmtree(self._run_dir)


@pytest.fixture
def window(qtbot, tmp_path, lab: Lab) -> Iterator[Window]:
    host = lab.host("kvm1")
    opened = Window(qtbot, tmp_path, host, host.guests[0])
    yield opened
    opened.close()
    host.virsh("schedinfo", opened.name, "--live", "--config", "global_quota=-1")


class FileWatch:
    """Notes when a file's text became what is expected. A thread, so that it sees the moment and not our event loop."""

    def __init__(self, path: Path, expected: str) -> None:
        self._path, self._expected = path, expected
        self.seen_at: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.001):
            if self._path.read_text().strip() == self._expected:
                self.seen_at = time.monotonic()
                return

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


def test_a_drag_reaches_the_hosts_cgroup_file_and_undo_takes_it_back(window, record_property):
    quota = window.quota_file()
    assert quota.read_text().strip() == "-1"
    watch = FileWatch(quota, "50000")
    released_at = window.drag_to(0.5)
    window.settled()
    watch.close()
    assert watch.seen_at is not None, f"the file says {quota.read_text()}"
    took_s = watch.seen_at - released_at
    record_property("release_to_file_s", round(took_s, 4))
    print(f"release to file: {took_s * 1000:.1f} ms")
    assert took_s < RELEASE_TO_FILE_S
    assert window.tab.cpu.editor.subject.live.quota_us == 50_000
    assert "0.50 cores" in window.tab.toast.text
    window.qtbot.waitUntil(lambda: abs(window.figure(Figure.CPU_CAP_CORES, 5)[-1:].sum() - 0.5) < 1e-6, timeout=20_000)
    window.runner.undo()
    window.qtbot.waitUntil(lambda: quota.read_text().strip() == "-1", timeout=20_000)


def test_also_the_next_boot(window):
    window.tab.cpu.controls._also.click()
    window.drag_to(0.75)
    window.settled()
    assert window.tab.cpu.editor.subject.stored.cores == 0.75
    assert "<global_quota>75000</global_quota>" in window.host.virsh("dumpxml", "--inactive", window.name)


def test_the_guests_load_is_held_to_the_line(window):
    window.host.wait_for_agent(window.name, timeout_s=240)
    window.host.load(window.name, "cpu", 100)
    try:
        window.qtbot.waitUntil(
            lambda: window.figure(Figure.CPU_CORES, 8).size >= 5 and window.figure(Figure.CPU_CORES, 8).mean() > 0.4,
            timeout=LOAD_MS,
        )
        window.drag_to(HELD_CORES)
        window.settled()
        window.qtbot.wait(3000)  # what was used before the limit is still in the first of the next figures
        count = len(window.figure(Figure.CPU_CORES, 300))
        window.qtbot.waitUntil(lambda: len(window.figure(Figure.CPU_CORES, 300)) >= count + 8, timeout=40_000)
        held = window.figure(Figure.CPU_CORES, 8)
        assert held.mean() < HELD_CORES * 1.1
        assert held.mean() > HELD_CORES * 0.5
        assert window.figure(Figure.CPU_THROTTLED_SHARE, 8).mean() > 0.3
        assert window.tab.cpu.plot._stretches, "the chart shades the time in which it was held back"
        assert "held back" in window.tab.cpu._value.text()
    finally:
        window.runner.undo()
        window.settled()
        window.host.load(window.name, "cpu", 0)


def rates(window: Window, device: str) -> tuple[np.ndarray, np.ndarray]:
    return window.store.figures(window.id.host).device_series(window.id.uuid, device, DeviceFigure.READ_BYTES_PER_S)


def test_a_disks_line_holds_its_rate(window):
    """libvirt counts what the disk did; the cgroup would not know what came out of the host's page cache."""
    limit = 2 * 2**20
    window.host.wait_for_agent(window.name, timeout_s=240)
    reading = "while :; do dd if=/dev/vda of=/dev/null bs=256k count=64 iflag=direct; done"
    window.host.guest(window.name, f"({reading}) >/dev/null 2>&1 & echo $! > /run/reading")
    try:
        window.qtbot.waitUntil(lambda: rates(window, "vda")[1][-1:].sum() > 2 * limit, timeout=LOAD_MS)
        window.take_to("disk", 1, limit)
        told = window.host.virsh("blkdeviotune", window.name, "vda", "--live")
        value = int(next(line.split(":")[1] for line in told.splitlines() if line.startswith("read_bytes_sec ")))
        assert value == pytest.approx(limit, rel=0.35), window.tab.toast.text
        applied_at = time.time()
        # The first figure after it still has some of the time before.
        window.qtbot.waitUntil(lambda: (rates(window, "vda")[0] > applied_at + 10).any(), timeout=LOAD_MS)
        held = rates(window, "vda")[1][-1]
        assert value * 0.5 < held < value * 1.15
        window.runner.undo()
        slot = window.tab.cards[3].limits.slots[1]
        window.qtbot.waitUntil(lambda: slot.line.is_none, timeout=30_000)
        assert "read_bytes_sec : 0" in window.host.virsh("blkdeviotune", window.name, "vda", "--live")
    finally:
        window.host.guest(window.name, "kill $(cat /run/reading)")
        window.host.virsh("blkdeviotune", window.name, "vda", "--read-bytes-sec", "0", "--live")
