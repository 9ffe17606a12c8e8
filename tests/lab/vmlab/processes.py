# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes the lab starts and ends: never the wrong one, never without a time limit."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process for good: a pid alone may come to mean another process, the pid and its start time may not."""

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        """The identity of the running process `pid`; None when there is none (a zombie counts as none)."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))  # proc(5): field 3 is state, 22 starttime

    @classmethod
    def parse(cls, text: str) -> "ProcessId | None":
        """Read what `str()` wrote; None when it is damaged."""
        parts = text.split()
        return cls(int(parts[0]), int(parts[1])) if len(parts) == 2 and all(p.isdigit() for p in parts) else None

    def __str__(self) -> str:
        return f"{self.pid} {self.start_ticks}"

    def is_alive(self) -> bool:
        """Whether exactly this process still runs."""
        return ProcessId.of(self.pid) == self

    def kill(self) -> None:
        """SIGKILL; no error when it is gone already."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def run(
    command: Sequence[str | Path],
    *,
    timeout_s: float = 30,
    stdin: str = "",
    check: bool = True,
    env: Mapping[str, str] | None = None,
    keep_lock: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return its output; LabError says what failed and what the command wrote.

    The command inherits the lab's lock, if this process holds it (see LabDirectory.locked); a command that leaves a
    daemon behind must not (`keep_lock=False`).
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            env={**os.environ, "PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"} if env is None else dict(env),
            close_fds=not keep_lock,  # Python's other descriptors are close-on-exec anyway
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no answer within {timeout_s:.0f} s from: {' '.join(words)}") from error
    except FileNotFoundError as error:
        raise LabError(f"not installed: {words[0]}") from error
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise LabError(f"{' '.join(words)}: {said}")
    return done


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str, interval_s: float = 0.02) -> None:
    """Look at `condition` again and again until it holds; LabError("`what`: not within …") when it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(interval_s)
