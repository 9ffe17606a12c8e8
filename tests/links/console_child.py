# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts ``console_program`` and reads what it tells, with deadlines."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parents[2]


class ConsoleChild:
    """``lines``: what was told so far, each with ``read_at``, the time at which it was read here."""

    def __init__(self, uris: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.links.console_program", *uris], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self._changed = threading.Condition()
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            with self._changed:
                self.lines.append({**json.loads(text), "read_at": time.monotonic()})
                self._changed.notify_all()

    def wait_for(self, test: Callable[[dict[str, Any]], object], *, within_s: float, since: int = 0) -> dict[str, Any]:
        """The first line from number ``since`` on that passes."""
        ends_at = time.monotonic() + within_s
        with self._changed:
            while True:
                for line in self.lines[since:]:
                    if test(line):
                        return line
                left_s = ends_at - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    raise AssertionError(f"not told within {within_s} s; the last: {self.lines[-4:]}")

    def family(self) -> list[int]:
        """The program's process and those under it: ssh masters, their clients, the guard."""
        rows = [
            (int(path.name), int(path.joinpath("stat").read_text().rpartition(") ")[2].split()[1]))
            for path in Path("/proc").iterdir()
            if path.name.isdigit() and path.joinpath("stat").exists()
        ]
        found, grown = {self.process.pid}, 0
        while grown != len(found):
            grown = len(found)
            found |= {pid for pid, parent in rows if parent in found}
        return sorted(found)

    def signal_all(self, number: signal.Signals) -> None:
        """As when the machine is suspended or resumed."""
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(pid, number)

    def close(self) -> None:
        assert self.process.stdin is not None
        if self.process.poll() is None:
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self._reader.join(2)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.stdin.close()
