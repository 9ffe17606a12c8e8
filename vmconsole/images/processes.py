# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a process of ours that has nothing more to say. Any thread; blocks for a moment."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill it if it runs, take its end, and leave none of its pipes open."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was still to be written goes with the process
                pipe.close()
