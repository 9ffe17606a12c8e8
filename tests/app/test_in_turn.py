# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings Qt is loaded in the window's thread, in small pieces."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import shiboken6
from PySide6.QtCore import QObject, QTimer

from vmconsole.app.in_turn import SLICE_S, WINDOW, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

MOST_OF_OURS = 12
"""Modules of the program in one piece; the worst of them take 2 ms."""
COUNT = """
import sys
from vmconsole.app import main
from vmconsole.app.warm_up import *
for name in (*HOSTS, *FIGURES, *PARTS):
    bring(name)
from vmconsole.app.in_turn import window_pieces
known = set(sys.modules)
for _ in window_pieces():
    new = set(sys.modules) - known
    known |= new
    if new:
        print(sum(name.startswith("vmconsole.") for name in new), sum(name.startswith("PySide6.") for name in new))
"""


def test_pieces_are_taken_with_events_in_between(qtbot: QtBot) -> None:
    taken: list[str] = []

    def pieces() -> Iterator[None]:
        for number in range(3):
            taken.append(f"piece {number}")
            QTimer.singleShot(0, parent, lambda number=number: taken.append(f"event {number}"))
            time.sleep(SLICE_S)
            yield

    parent = QObject()
    in_turn(parent, pieces(), then=lambda: taken.append("then"))
    assert taken == ["piece 0"]
    qtbot.waitUntil(lambda: "then" in taken)
    assert taken == ["piece 0", "event 0", "piece 1", "event 1", "piece 2", "event 2", "then"]


def test_nothing_more_is_loaded_for_a_window_that_is_gone(qtbot: QtBot) -> None:
    taken: list[int] = []

    def pieces() -> Iterator[None]:
        for number in range(3):
            taken.append(number)
            time.sleep(SLICE_S)
            yield

    parent = QObject()
    in_turn(parent, pieces(), then=lambda: taken.append(99))
    shiboken6.delete(parent)
    qtbot.wait(50)
    assert taken == [0]


@pytest.mark.parametrize("name", WINDOW)
def test_what_is_named_exists(name: str) -> None:
    __import__(name)


def test_no_piece_brings_much_of_the_program_and_none_more_of_pyside() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], check=True, capture_output=True, text=True)
    pieces = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(pieces) > 10
    assert max(ours for ours, _ in pieces) <= MOST_OF_OURS
    assert max(pyside for _, pyside in pieces) <= 1
