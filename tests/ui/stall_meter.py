# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the window stood still, and what of that was the console's doing on a machine that has much else to do.

A beat in the GUI thread is late by some time. What this thread waited for a processor is taken off: the kernel counts
it (schedstat in proc(5)). So is what another thread of ours waited for one while the GUI thread waited for that thread,
as a process beside us saw it (``stall_witness``); if that process was starved as well and saw nothing, what it was late
itself. What is left is work in the GUI thread, or waiting for something of ours: a lock, Python's own lock, a disk.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer

BEAT_MS = 10
TOLD_S = 0.03
WAITS = ("R ", "futex", "rwsem", "lock_mm")
"""Runnable, or where a thread sleeps that waits for another one (wchan in proc(5)); not a sleep or a look at a disk."""
Witness = dict[str, Any]
"""``late``: (due, at) of the process beside us; ``stalls``: as ``stall_witness`` writes them."""


@dataclass(frozen=True)
class Late:
    """One beat that came late, in seconds of ``time.monotonic()``."""

    due: float
    at: float
    waited_s: float
    """For a processor, by the kernel's count."""
    worked_s: float

    @property
    def wall_s(self) -> float:
        return self.at - self.due

    def ours_s(self, witness: Witness) -> float:
        left_s = self.wall_s - self.waited_s
        seen = self.seen(witness)
        starved_s = sum(max(0.0, min(end, self.at) - max(due, self.due)) for due, end in witness["late"])
        if seen is None:
            held_s = starved_s
        elif any(word in seen["gui"] for word in WAITS):  # a lock may go through several hands
            held_s = max(starved_s, sum(waited for _, _, waited, _ in seen["threads"]))
        else:
            held_s = 0.0
        return max(min(self.worked_s, left_s), left_s - held_s)

    def seen(self, witness: Witness) -> dict[str, Any] | None:
        """What the other process saw of our threads in this stall."""
        return next((seen for seen in witness["stalls"] if seen["due"] < self.at <= seen["at"] + BEAT_MS / 1000), None)


@dataclass(frozen=True)
class Stalls:
    """The worst of a time. Seconds."""

    wall_s: float
    ours_s: float
    work_s: float
    control_s: float
    """How late the process beside us was at worst."""
    collector_s: float
    """How long Python's garbage collector held all threads at worst."""
    beats: int
    told: str
    """Of the stalls that were ours: their length, and what the threads did."""

    def line(self) -> dict[str, int | str]:
        return {
            "stall_wall_ms": round(1000 * self.wall_s), "stall_ours_ms": round(1000 * self.ours_s),
            "stall_work_ms": round(1000 * self.work_s), "control_ms": round(1000 * self.control_s),
            "collector_ms": round(1000 * self.collector_s), "stalls": self.told,
        }  # fmt: skip


class StallMeter(QObject):
    """Measures from its making until ``stop``. Make it in the GUI thread."""

    def __init__(self) -> None:
        super().__init__()
        self._schedstat = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._late: list[Late] = []
        self._beats = 0
        self._file = tempfile.NamedTemporaryFile()  # noqa: SIM115  # closed by ``stop``
        self._file.truncate(8)
        self._shared = mmap.mmap(self._file.fileno(), 8)
        self._shared[:] = struct.pack("d", time.monotonic())
        program = [sys.executable, "-S", str(Path(__file__).with_name("stall_witness.py")), str(os.getpid())]
        self._witness = subprocess.Popen([*program, self._file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._witness.stdout is not None
        self._witness.stdout.readline()
        self._collecting_since = self._collector_s = 0.0
        gc.callbacks.append(self._on_collector)
        self._last = self._now()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_beat)
        self._timer.start(BEAT_MS)

    def _now(self) -> tuple[float, float, float]:
        """Time, time on a processor, time spent waiting for one; seconds."""
        ran, waited, _ = self._schedstat.read_text().split()
        return time.monotonic(), int(ran) / 1e9, int(waited) / 1e9

    def _on_collector(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._collecting_since = time.monotonic()
        else:
            self._collector_s = max(self._collector_s, time.monotonic() - self._collecting_since)

    def _on_beat(self) -> None:
        now, last = self._now(), self._last
        self._beats += 1
        self._shared[:] = struct.pack("d", now[0])
        self._late.append(Late(last[0] + BEAT_MS / 1000, now[0], now[2] - last[2], now[1] - last[1]))
        self._last = now

    def stop(self) -> Stalls:
        self._timer.stop()
        gc.callbacks.remove(self._on_collector)
        out, _ = self._witness.communicate(timeout=20)
        self._shared.close()
        self._file.close()
        witness: Witness = json.loads(out)
        late = [one for one in self._late if one.wall_s > 0.005]
        return Stalls(
            wall_s=max((one.wall_s for one in late), default=0.0),
            ours_s=max((one.ours_s(witness) for one in late), default=0.0),
            work_s=max((min(one.worked_s, one.wall_s) for one in late), default=0.0),
            control_s=max((end - due for due, end in witness["late"]), default=0.0),
            collector_s=self._collector_s,
            beats=self._beats,
            told="\n".join(_words(one, witness) for one in late if one.ours_s(witness) > TOLD_S),
        )


def _words(late: Late, witness: Witness) -> str:
    ours, work = late.ours_s(witness) * 1000, late.worked_s * 1000
    seen = late.seen(witness) or {"gui": "not seen", "threads": []}
    rows = [
        f"  {name}: {state}, waited {waited * 1000:.0f} ms for a processor, worked {worked * 1000:.0f} ms"
        for name, state, waited, worked in seen["threads"]
    ]
    return "\n".join([f"{late.wall_s * 1000:.0f} ms, ours {ours:.0f} ms, work {work:.0f} ms; {seen['gui']}", *rows])
