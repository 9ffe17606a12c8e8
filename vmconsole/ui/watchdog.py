# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches that the GUI thread never stalls, and logs the stack of what holds it up. For ``--debug``.

A timer in the GUI thread says «I live» fifty times a second; a thread of its own looks whether it did, and takes the
GUI thread's stack while the stall still lasts, since afterwards it is gone, and the other threads' innermost lines:
one of them may hold what the GUI thread waits for. If Python's own lock is held, or no processor is free, this thread
stands still as well; then the stacks are those of the moment after, and that is said.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import re
import threading
import time
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, QTimer, Slot

BEAT_S = 0.02
LOOK_S = 0.01
STALL_S = 0.05
KEPT = 100
_THREAD = re.compile(r"(?:Current t|T)hread 0x([0-9a-f]+)")
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
        stacks = _stacks()
        stack = "".join(stacks.pop(self._gui_thread, []))
        if held_s > self._limit_s:
            stack += (
                f"(The watching thread stood still for {held_s * 1000:.0f} ms, too: Python's lock, or no processor.)\n"
            )
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        stacks.pop(threading.get_ident(), None)
        others = "".join(f"{names.get(number, number)}:{lines[-1]}" for number, lines in stacks.items() if lines)
        while self._beat_at == beat and not self._end.wait(LOOK_S):
            pass
        stall = Stall(time.monotonic() - beat - BEAT_S, stack, time.time(), others)
        self.stalls = [*self.stalls[-KEPT + 1 :], stall]
        log.warning("the window stood still for %.0f ms, at:\n%s%s", stall.seconds * 1000, stall.stack, stall.others)


def _stacks() -> dict[int, list[str]]:
    """Thread → its lines, the innermost last. By ``faulthandler``, since that keeps no frame: a frame that is held
    here beyond its end keeps its QPainter, which would then be destroyed in this thread, and Qt dies of that."""
    with os.fdopen(os.memfd_create("stacks"), "r+") as file:
        faulthandler.dump_traceback(file=file, all_threads=True)
        file.seek(0)
        lines = file.readlines()
    found: dict[int, list[str]] = {}
    for line in lines:
        head = _THREAD.match(line)
        if head is not None:
            found[number := int(head[1], 16)] = []
        elif found and line.startswith("  File "):
            found[number].insert(0, line)
    return found
