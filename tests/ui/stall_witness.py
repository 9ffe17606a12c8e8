# SPDX-License-Identifier: GPL-3.0-or-later
"""A process beside the one that is measured: how late it is itself, and what the other's threads did in a stall.

``python stall_witness.py PID BEAT_FILE``: the file holds the time of the last beat (a double, ``time.monotonic()``).
Ends when its standard input does, and then writes one JSON object. It needs nothing of the one it watches, so it sees
who runs, who waits for a processor and who sleeps even while Python's lock is held there.
"""

from __future__ import annotations

import json
import mmap
import select
import struct
import sys
import time
from pathlib import Path

STEP_S = 0.005
NOTICED_S = 0.001
STALLED_S = 0.02
"""Behind the last beat; beats are 0.01 s apart."""


def threads(pid: str) -> dict[str, tuple[str, float, float]]:
    """Name and number → state and where it sleeps, seconds it waited for a processor, seconds on one (proc(5))."""
    found = {}
    for task in Path("/proc", pid, "task").iterdir():
        try:
            ran, waited, _ = task.joinpath("schedstat").read_text().split()
            head, _, rest = task.joinpath("stat").read_text().rpartition(") ")
            where = task.joinpath("wchan").read_text()
        except OSError:
            continue  # it ended
        found[f"{head.partition('(')[2]} {task.name}"] = (f"{rest[0]} {where}", int(waited) / 1e9, int(ran) / 1e9)
    return found


def main(pid: str, beat_file: str) -> None:
    late: list[tuple[float, float]] = []
    stalls: list[dict[str, object]] = []
    before: dict[str, tuple[str, float, float]] = {}
    with open(beat_file, "rb") as file, mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ) as shared:
        began_at, due = 0.0, time.monotonic() + STEP_S
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
            now = time.monotonic()
            if now - due > NOTICED_S:
                late.append((due, now))
            (beat,) = struct.unpack("d", shared[:])
            if before and beat != began_at:
                gui = next(state for name, (state, *_) in before.items() if name.endswith(f" {pid}"))
                others = {name: row for name, row in before.items() if not name.endswith(f" {pid}")}
                stalls.append({"due": began_at, "at": now, "gui": gui, "threads": changes(others, threads(pid))})
                before = {}
            if not before and now - beat > STALLED_S:
                began_at, before = beat, threads(pid)
            due = time.monotonic() + STEP_S
    json.dump({"late": late, "stalls": stalls}, sys.stdout)


def changes(
    before: dict[str, tuple[str, float, float]], after: dict[str, tuple[str, float, float]]
) -> list[tuple[str, str, float, float]]:
    """(thread, what it did when the stall was noticed, seconds it waited for a processor since, seconds it worked)."""
    moved = [
        (name, state, round(after[name][1] - waited, 4), round(after[name][2] - ran, 4))
        for name, (state, waited, ran) in before.items()
        if name in after
    ]
    return sorted((row for row in moved if row[2] + row[3] > 0.002), key=lambda row: -row[2] - row[3])


if __name__ == "__main__":
    main(*sys.argv[1:])
