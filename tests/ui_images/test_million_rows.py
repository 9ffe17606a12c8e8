# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of a million entries in the editor: how much memory, and how long nothing moves. The million is slow.

The parts come as the child sends them: sorted, a thousand at a time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from vmconsole.images.messages import Entry, EntryKind
from vmconsole.ui.image_editor.file_model import MOST_ROWS, NAME, SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

LEFT = Qt.MouseButton.LeftButton
SELECTING = ("select all", "select none", "Ctrl+A", "one less", "Shift+End")
MILLION = 1_000_000
MOST_MIB = 1200
PART_S, WHOLE_S = 1.0, 8.0
"""What a part may hold the window up; and what is done to all entries at once. In the thread's own time."""
SELECT_S = 0.05


def memory_mib() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) >> 10


def entry(number: int) -> Entry:
    return Entry(f"file{number:07}.txt", EntryKind.FILE, number, 0o644, 0, 0, "root", "root", 1e9, 1e9, 1e9, 1, "")


@pytest.mark.slow
def test_a_million_rows(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    view, model, before = window.browser.view, window.browser.model, memory_mib()
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
        "select all": view.selectAll,
        "select none": view.clearSelection,
        "Ctrl+A": lambda: QTest.keyClick(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier),
        "one less": lambda: QTest.mouseClick(
            view.viewport(), LEFT, Qt.KeyboardModifier.ControlModifier, QPoint(20, 30)
        ),
        "Home": lambda: QTest.keyClick(view, Qt.Key.Key_Home),
        "Shift+End": lambda: QTest.keyClick(view, Qt.Key.Key_End, Qt.KeyboardModifier.ShiftModifier),
        "every other row": lambda: view.select_names({entry(n).name for n in range(0, MOST_ROWS, 2)}),
        "go to the end": window.browser.view.scrollToBottom,
    }
    took, held = {}, {}
    for name, job in rest.items():
        took[name] = timed(job, held=held.setdefault(name, []))
        print(f"{name}: {took[name]:.2f} s", flush=True)
    model.set_filter("file09999*")
    assert (model.rowCount(), model.is_cut) == (100, False)
    grown = memory_mib() - before
    print(f"a million rows: {grown} MiB; a part at most {max(stalls):.3f} s, all of them {sum(stalls):.1f} s;")
    print("  ".join(f"{name} {seconds:.2f} s" for name, seconds in took.items()))
    assert grown < MOST_MIB
    assert max(stalls) < PART_S
    assert max(took.values()) < WHOLE_S
    slow = {name: max(held[name]) for name in SELECTING if max(held[name]) > SELECT_S}
    assert not slow


def timed(job: Callable[[], object], *, held: list[float] | None = None) -> float:
    """Until the window has drawn it; less what the thread waited for a processor. ``held`` gets the slices."""
    slices = []
    for one in (job, QApplication.processEvents):
        began = time.thread_time()
        one()
        slices.append(time.thread_time() - began)
    if held is not None:
        held += slices
    return sum(slices)


def test_selecting_all_rows_does_not_hold_the_window(make_editor: Any, qtbot: QtBot) -> None:
    """As many rows as are shown at most; all in one way, and one by one in another."""
    window, _ = make_editor()
    view, model = window.browser.view, window.browser.model
    model.set_entries([entry(n) for n in range(MOST_ROWS)])
    QApplication.processEvents()
    chosen: list[object] = []
    view.single_selected.connect(chosen.append)
    for _ in range(3):
        held: list[float] = []
        timed(view.selectAll, held=held)
        assert len(view.selected()) == MOST_ROWS
        assert chosen[-1] is None
        timed(view.clearSelection, held=held)
        if max(held) < SELECT_S:
            break
    else:
        pytest.fail(f"held for {max(held):.3f} s")
    QTest.mouseClick(view.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, view.visualRect(model.index(3, 0)).center())
    assert (len(view.selected()), chosen[-1]) == (1, model.entry(model.index(3, 0)))
    to = view.visualRect(model.index(6, 2)).center()
    QTest.mouseClick(view.viewport(), LEFT, Qt.KeyboardModifier.ShiftModifier, to)
    assert [e.size_bytes for e in view.selected()] == [3, 4, 5, 6]
    QTest.mouseClick(
        view.viewport(), LEFT, Qt.KeyboardModifier.ControlModifier, view.visualRect(model.index(5, 0)).center()
    )
    assert ([e.size_bytes for e in view.selected()], chosen[-1]) == ([3, 4, 6], None)
    QTest.mouseClick(view.viewport(), LEFT, Qt.KeyboardModifier.ControlModifier, to)
    view.select_names({entry(n).name for n in (1, 2, 3, 9)}, current=entry(2).name)
    assert [e.size_bytes for e in view.selected()] == [1, 2, 3, 9]
    QTest.keyClick(view, Qt.Key.Key_Up)
    assert ([e.size_bytes for e in view.selected()], chosen[-1]) == ([1], model.entry(model.index(1, 0)))
    QTest.keyClick(view, Qt.Key.Key_End, Qt.KeyboardModifier.ShiftModifier)
    assert len(view.selected()) == MOST_ROWS - 1
    window.browser.view.clearSelection()
    assert (view.selected(), chosen[-1]) == ([], None)
