# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of a million entries in the editor's window: how much memory, and how long nothing moves. Slow.

The parts come as the child sends them: sorted, a thousand at a time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtWidgets import QApplication

from vmconsole.images.messages import Entry, EntryKind
from vmconsole.ui.image_editor.file_model import MOST_ROWS, NAME, SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.slow
MILLION = 1_000_000
MOST_MIB = 1200
PART_S, WHOLE_S = 1.0, 8.0
"""What a part may hold the window up; and what is done to all entries at once. In the thread's own time."""


def memory_mib() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) >> 10


def entry(number: int) -> Entry:
    return Entry(f"file{number:07}.txt", EntryKind.FILE, number, 0o644, 0, 0, "root", "root", 1e9, 1e9, 1e9, 1, "")


def test_a_million_rows(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    model, before = window.browser.model, memory_mib()
    model.set_entries([entry(n) for n in range(150)])
    stalls = []
    for begin in range(150, MILLION, 1000):
        part = [entry(n) for n in range(begin, min(begin + 1000, MILLION))]
        stalls.append(timed(lambda part=part: model.add_entries(part)))
    model.flush()
    assert (model.rowCount(), model.total, model.is_cut) == (MOST_ROWS, MILLION, True)
    assert "50000 of 1000000 entries: the filter finds the others" in window.browser.status.text()
    rest = {
        "sort by size": lambda: model.sort(SIZE),
        "sort by name": lambda: model.sort(NAME),
        "filter": lambda: model.set_filter("file09999*"),
        "no filter": lambda: model.set_filter(""),
        "select all": window.browser.view.selectAll,
        "go to the end": window.browser.view.scrollToBottom,
    }
    took = {}
    for name, job in rest.items():
        took[name] = timed(job)
        print(f"{name}: {took[name]:.2f} s", flush=True)
    model.set_filter("file09999*")
    assert (model.rowCount(), model.is_cut) == (100, False)
    grown = memory_mib() - before
    print(f"a million rows: {grown} MiB; a part at most {max(stalls):.3f} s, all of them {sum(stalls):.1f} s;")
    print("  ".join(f"{name} {seconds:.2f} s" for name, seconds in took.items()))
    assert grown < MOST_MIB
    assert max(stalls) < PART_S
    assert max(took.values()) < WHOLE_S


def timed(job: Callable[[], object]) -> float:
    """Until the window has drawn it; less what the thread waited for a processor."""
    began = time.thread_time()
    job()
    QApplication.processEvents()
    return time.thread_time() - began
