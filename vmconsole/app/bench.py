# SPDX-License-Identifier: GPL-3.0-or-later
"""``--bench-json FILE``: what a run cost, for ``tests/bench``. A heartbeat of the window shows the longest stall."""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, QTimer

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

HEARTBEAT_MS = 20
WARM_UP_S = 5.0
"""The first seconds load libraries and lists; the steady state begins afterwards."""
HEAVY = ("pyqtgraph", "keyring", "guestfs", "libvirt", "lxml", "numpy")


class BenchReport(QObject):
    """Watches one window from before it is shown; ``write`` at the end."""

    def __init__(self, window: QWidget, path: Path) -> None:
        super().__init__(window)
        self._path = path
        self._figures: dict[str, object] = {}
        self._beat_at = time.monotonic()
        self._began_at = self._beat_at
        self._stall_s = 0.0
        self._steady: tuple[float, float] | None = None
        window.installEventFilter(self)
        timer = QTimer(self)
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(self._on_beat)
        timer.start(HEARTBEAT_MS)

    def write(self) -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self._figures["rss_mib"] = round(usage.ru_maxrss / 1024, 1)
        self._figures["objects_set_apart"] = gc.get_freeze_count()
        self._figures["longest_stall_ms"] = round(self._stall_s * 1000, 1)
        if self._steady is not None:
            cpu_s, at = self._steady
            self._figures["steady_s"] = round(time.monotonic() - at, 2)
            self._figures["steady_cpu_s"] = round(time.process_time() - cpu_s, 3)
        self._path.write_text(json.dumps(self._figures), encoding="utf-8")

    def _on_beat(self) -> None:
        now = time.monotonic()
        if self._steady is not None:
            self._stall_s = max(self._stall_s, now - self._beat_at - HEARTBEAT_MS / 1000)
        elif now - self._began_at > WARM_UP_S:
            self._steady = (time.process_time(), now)
        self._beat_at = now

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint and "window_cpu_s" not in self._figures:
            self._figures["window_cpu_s"] = round(time.process_time(), 3)
            self._figures["window_s"] = round(_age_s(), 3)
            self._figures["loaded_before_window"] = [name for name in HEAVY if name in sys.modules]
        return super().eventFilter(watched, event)


def _age_s() -> float:
    """Time since this process was started (field 22 of proc(5)'s stat, in ticks since boot)."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    ticks_per_s = 100  # USER_HZ, 100 on every Linux that Debian builds
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / ticks_per_s
