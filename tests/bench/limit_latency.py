# SPDX-License-Identifier: GPL-3.0-or-later
"""From letting go of the limit line (a real mouse release in the window) to the changed cgroup file on a lab host."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication, QWidget

from tests.lab.vmlab import Lab, LabOptions
from tests.ui_charts.test_limit_on_lab import FileWatch, Window

if TYPE_CHECKING:
    from collections.abc import Callable

DRAGS = 40


class Hand:
    """What the window's test helper asks of pytest-qt, without pytest."""

    def waitExposed(self, widget: QWidget) -> None:  # noqa: N802  # pytest-qt's name
        self.waitUntil(widget.isVisible, timeout=10_000)

    def waitUntil(self, condition: Callable[[], object], *, timeout: int) -> None:  # noqa: N802  # pytest-qt's name
        end = time.monotonic() + timeout / 1000
        while not condition():
            assert time.monotonic() < end, "the window did not get there in time"
            QCoreApplication.processEvents()
            time.sleep(0.001)


def measure() -> dict[str, object]:
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory(prefix="vmc-bench-") as folder, Lab(Path(folder) / "lab") as lab:
        lab.up(LabOptions(hosts=1, guests=1, load=False))
        host = lab.host("kvm1")
        host.wait_for_agent(host.guests[0])
        window = Window(Hand(), Path(folder) / "profile", host, host.guests[0])
        try:
            took_ms = [_drag(window, cores) * 1000 for cores in _places()]
        finally:
            window.close()
            app.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    cuts = statistics.quantiles(took_ms, n=20)
    return {
        "drags": DRAGS,
        "release_to_file_ms_median": round(statistics.median(took_ms), 1),
        "release_to_file_ms_p95": round(cuts[18], 1),
        "release_to_file_ms_worst": round(max(took_ms), 1),
        "aim_p95_ms": 150,
    }


def _places() -> list[float]:
    return [0.3 if number % 2 else 0.6 for number in range(DRAGS)]


def _drag(window: Window, cores: float) -> float:
    watch = FileWatch(window.quota_file(), str(round(cores * 100_000)))
    released_at = window.drag_to(cores)
    window.settled()
    window.qtbot.waitUntil(lambda: watch.seen_at is not None, timeout=10_000)
    watch.close()
    assert watch.seen_at is not None
    return watch.seen_at - released_at
