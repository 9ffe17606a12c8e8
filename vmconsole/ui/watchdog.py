# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches that the GUI thread never stalls, and logs the stack of what holds it up. For ``--debug``.

A timer in the GUI thread says «I live» fifty times a second; a thread of its own looks whether it did, and takes the
GUI thread's stack while the stall still lasts, since afterwards it is gone, and the other threads' innermost lines:
one of them may hold what the GUI thread waits for. If Python's own lock is held, or no processor is free, this thread
stands still as well; then the stacks are those of the moment after, and that is said.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot

if TYPE_CHECKING:
    from types import FrameType

BEAT_S = 0.02
LOOK_S = 0.01
STALL_S = 0.05
KEPT = 100
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stall:
    seconds: float
    stack: str
    """Where the GUI thread was when the stall was noticed."""
    at: float = 0.0
    """When it ended, in seconds of ``time.time()``."""
    others: str = ""
    """The innermost lines of the other threads at that moment."""


class Watchdog(QObject):
    """Make and start it in the GUI thread. ``stalls`` keeps the latest hundred."""

    def __init__(self, parent: QObject | None = None, *, limit_s: float = STALL_S) -> None:
        super().__init__(parent)
        self._limit_s = limit_s
        self._gui_thread = threading.get_ident()
        self._beat_at = time.monotonic()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(int(BEAT_S * 1000))
        self._timer.timeout.connect(self._on_beat)
        self.stalls: list[Stall] = []

    def start(self) -> None:
        self._beat_at = time.monotonic()
        self._timer.start()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._timer.stop()
        self._end.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)
            self._thread = None

    @Slot()
    def _on_beat(self) -> None:
        self._beat_at = time.monotonic()

    def _watch(self) -> None:
        looked_at = time.monotonic()
        while not self._end.wait(LOOK_S):
            beat, now = self._beat_at, time.monotonic()
            if now - beat > self._limit_s + BEAT_S:
                self._catch(beat, held_s=now - looked_at)
            looked_at = time.monotonic()

    def _catch(self, beat: float, *, held_s: float) -> None:
        """In the watching thread: keep the stacks, wait for the end of the stall, and log it."""
        frames = sys._current_frames()  # noqa: SLF001  # the one way to another thread's stack
        frame = frames.get(self._gui_thread)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        others = self._others(frames)
        if held_s > self._limit_s:
            stack += (
                f"(The watching thread stood still for {held_s * 1000:.0f} ms, too: Python's lock, or no processor.)\n"
            )
        while self._beat_at == beat and not self._end.wait(LOOK_S):
            pass
        stall = Stall(time.monotonic() - beat - BEAT_S, stack, time.time(), others)
        self.stalls = [*self.stalls[-KEPT + 1 :], stall]
        log.warning("the window stood still for %.0f ms, at:\n%s%s", stall.seconds * 1000, stall.stack, stall.others)

    def _others(self, frames: dict[int, FrameType]) -> str:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        mine = {self._gui_thread, threading.get_ident()}
        return "".join(
            f"{names.get(number, number)}: {frame.f_code.co_qualname}, {frame.f_code.co_filename}:{frame.f_lineno}\n"
            for number, frame in frames.items()
            if number not in mine
        )
