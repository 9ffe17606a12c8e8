# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit in the whole program: set by an assistive program, and dragged by the screen's own mouse."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until
from tests.window.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.display import Display

pytestmark = pytest.mark.window

GUEST = "desk-0009"
"""A guest of the demo with four vCPUs and a cap of two cores."""
BOX = {"role": "spin button", "name": "CPU limit in cores"}


@pytest.fixture
def console(display: Display, tmp_path: Path) -> Iterator[Console]:
    with Console(display, tmp_path / "profile", "--demo", "hosts=1,domains=12,seed=3", "--show", GUEST) as found:
        found.until("find", **BOX)
        wait_until(lambda: found.until("value", **BOX) == 2.0, within_s=20, what="the guest's cap is in the box")
        yield found


def says(console: Console, words: str) -> None:
    names = lambda: console.until("names", role="frame", name="")  # noqa: E731 - asked again and again
    wait_until(
        lambda: any(words in name for name in names()), within_s=15, what=f"the window says «{words}»", every_s=0.3
    )


def test_an_assistive_program_sets_the_limit(console):
    console.ask("set_value", value=1.25, **BOX)
    console.ask("press", role="push button", name="Apply")
    says(console, "1.25 cores now")
    console.ask("press", role="push button", name="Undo")
    # Asked with patience: the toast's buttons may go while the tree is walked.
    wait_until(lambda: console.until("value", **BOX) == 2.0, within_s=15, what="undo gives the cap back")


def test_the_mouse_drags_the_line(console):
    x, y, width, height = console.until("find", name="CPU limit line")["extents"]
    at, middle = x + width // 3, y + height // 2
    mouse = console.display.run
    mouse("xdotool", "mousemove", str(at), str(middle), "mousedown", "1")
    for step in range(1, 13):
        mouse("xdotool", "mousemove", str(at), str(middle + 2 * step))
        time.sleep(0.03)  # the pace of a hand
    assert 0.05 <= console.ask("value", **BOX) < 1.7, "the box goes along"
    mouse("xdotool", "mouseup", "1")
    cores = console.ask("value", **BOX)
    says(console, f"{cores:.2f} cores now")
