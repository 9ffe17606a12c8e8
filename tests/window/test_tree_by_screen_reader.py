# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree as a screen reader has it, with made-up hosts: every cell is text, states are words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until
from tests.window.console import Console

if TYPE_CHECKING:
    from pathlib import Path

    from tests.display import Display

pytestmark = pytest.mark.window
TREE = ("tree", "Hosts and guests")
COLUMNS = 6


def test_every_cell_can_be_read_and_the_filter_used(display: Display, tmp_path: Path) -> None:
    with Console(display, tmp_path / "profile", "--demo", "hosts=1,domains=6,seed=1") as console:
        console.until("find", role=TREE[0], name=TREE[1])
        wait_until(lambda: any("cores" in n for n in console.names(*TREE)), within_s=30, what="figures are read aloud")
        cells = console.names(*TREE)
        assert cells[:COLUMNS] == ["Name", "State", "CPU", "Memory", "Disk", "Network"]
        rows = [cells[at : at + COLUMNS] for at in range(COLUMNS, len(cells), COLUMNS)]
        assert len(rows) == 7
        assert all(len(row) == COLUMNS and all(row) for row in rows), rows
        assert {row[1] for row in rows[1:]} <= {"running", "shut off", "paused"}
        running = next(row for row in rows if row[1] == "running")
        assert running[2].endswith(" cores")
        assert running[3].endswith("iB")
        assert console.ask("find", role="", name="Demo data")["states"].count("showing") == 1
        console.ask("set_text", role="text", name="Filter", text=running[0])
        wait_until(lambda: len(console.names(*TREE)) == 3 * COLUMNS, within_s=5, what="one host and one guest are left")


def test_a_guest_is_paused_from_the_toolbar_and_resumed_by_undo(display: Display, tmp_path: Path) -> None:
    with Console(display, tmp_path / "profile", "--demo", "hosts=1,domains=6,seed=1") as console:
        console.until("find", role=TREE[0], name=TREE[1])
        wait_until(lambda: "running" in console.names(*TREE), within_s=30, what="guests are listed")
        cells = console.names(*TREE)
        name = cells[cells.index("running") - 1]

        def state() -> str:
            shown = console.names(*TREE)
            return shown[shown.index(name) + 1]

        x, y, width, height = console.ask("find", role="table cell", name=name)["extents"]
        console.display.run("xdotool", "mousemove", str(x + width // 2), str(y + height // 2), "click", "1")
        console.until("find", role="label", name=name)
        console.until("press", role="push button", name="Pause")
        wait_until(lambda: state() == "paused", within_s=10, what="the row says paused")
        console.until("press", role="push button", name="Undo the last change")
        wait_until(lambda: state() == "running", within_s=10, what="undo resumed it")
