# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends the SSH masters of a console that was killed. One small shell waits for the console's end, whatever its kind.

A master is a child in the foreground, but no parent's death ends a child, and the kernel's own way (PR_SET_PDEATHSIG)
follows the thread that started it, not the process. So the shell holds the reading end of a pipe that the console
alone can write to: when that end closes, the shell looks for masters whose process ids stand in the run folder, ends
those that are still ours, and removes the folder.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from vmconsole.links.children import Child

if TYPE_CHECKING:
    from pathlib import Path

CLOSE_S = 1.0
_WATCH = """
read -r line
for file in "$1"/h*/pid; do
    pid=$(cat "$file" 2>/dev/null) || continue
    tr '\\0' '\\n' < "/proc/$pid/cmdline" 2>/dev/null | grep -qxF "${file%/pid}/cm" && kill -s TERM -- "-$pid"
done
rm -rf "$1"
"""


class Guard:
    """``start`` it before the first connection; ``close`` it after the last. It removes ``run_dir`` at its end."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # In a session of its own: neither Ctrl+C nor the end of a terminal takes it along.
        self._process = Child(
            ["/bin/sh", "-c", _WATCH, "vmconsole-guard", str(self._run_dir)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # it goes on by itself
            process.wait(CLOSE_S)
