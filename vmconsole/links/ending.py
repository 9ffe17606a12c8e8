# SPDX-License-Identifier: GPL-3.0-or-later
"""How a child process is ended: with all that it started, as each child leads a process group of its own
(``children``). Any thread; blocks for as long as the caller allows.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess


def end(process: subprocess.Popen[bytes], *, grace_s: float) -> None:
    """Ask it to end (SIGTERM), and kill it if it has not ended within ``grace_s``."""
    signal_group(process, signal.SIGTERM)
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        signal_group(process, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel: it is dead as soon as it can be
            process.wait(grace_s)


def let_end(process: subprocess.Popen[bytes], *, within_s: float, grace_s: float) -> int | None:
    """Close its input, which is what ends a program of ours on a host, and leave none of its pipes open. Past
    ``within_s`` it is ended as by ``end``. Its status; None if even that did not help."""
    if process.stdin is not None:
        with contextlib.suppress(OSError, ValueError):  # what was still to be written goes with the process
            process.stdin.close()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        end(process, grace_s=grace_s)
    close_pipes(process)
    return process.returncode


def kill(process: subprocess.Popen[bytes]) -> None:
    """End one that has nothing more to say, at once, and leave none of its pipes open."""
    if process.poll() is None:
        signal_group(process, signal.SIGKILL)
        process.wait()
    close_pipes(process)


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the child and what it started (a jump host's ssh, say), if it still runs."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError, ValueError):  # what was still to be written goes with the process
                pipe.close()
