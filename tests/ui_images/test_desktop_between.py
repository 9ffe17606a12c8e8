# SPDX-License-Identifier: GPL-3.0-or-later
"""Drags with a real mouse, copies and pastes with a real keyboard, between image windows of one program and of two.

The images are scripted, so that it is quick; what arrives in a real one is under test in ``test_desktop_between_real``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.ui_images.desktop import LOWER_PLACE, UPPER_PLACE, EditorProcess, drag, running_editor
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.display import Display

pytestmark = pytest.mark.window
ODD = ["<b>bold", "line\nbreak", "usr", "bin"]
"""In the order of the table's selection: a name of markup, one with a line break, a folder with files, a link."""


class Window:
    """One window of one of the programs."""

    def __init__(self, process: EditorProcess, number: int) -> None:
        self.process, self.number = process, number

    def ask(self, name: str, *words: str) -> Any:
        self.process.ask("use", str(self.number))
        return self.process.ask(name, *words)

    def until(self, condition: Any, what: str, *, deadline_s: float = 30) -> dict[str, Any]:
        self.process.ask("use", str(self.number))
        return self.process.until(condition, deadline_s=deadline_s, what=what)


@pytest.fixture(params=["one program", "two programs"])
def windows(request: pytest.FixtureRequest, display: Display, tmp_path: Path) -> Iterator[tuple[Window, Window]]:
    """The upper one and the lower one."""
    if request.param == "one program":
        places = (UPPER_PLACE, LOWER_PLACE)
        with running_editor(display, tmp_path, "--scripted", "2", deadline_s=60, places=places) as both:
            yield Window(both, 0), Window(both, 1)
        return
    with (
        running_editor(display, tmp_path, deadline_s=60, places=(UPPER_PLACE,), name="upper") as one,
        running_editor(display, tmp_path, deadline_s=60, places=(LOWER_PLACE,), name="lower") as two,
    ):
        yield Window(one, 0), Window(two, 0)


def click(display: Display, place: list[int], *keys: str) -> None:
    for key in keys:
        display.run("xdotool", "keydown", key)
    display.run("xdotool", "mousemove", *map(str, place), "click", "1")
    for key in keys:
        display.run("xdotool", "keyup", key)


def test_files_folders_and_links_go_from_window_to_window(display: Display, windows: tuple[Window, Window]) -> None:
    upper, lower = windows
    for number, name in enumerate(ODD):
        click(display, upper.ask("row", name), *(["ctrl"] if number else []))
    drag(display, upper.ask("row", "usr"), lower.ask("row", "srv"))
    state = lower.until(lambda s: len(s["changes"]) == len(ODD), "all of it is in the draft")
    assert {words.split(" added")[0] for words in state["changes"]} == {f"/srv/{name}" for name in ODD}
    state = lower.until(lambda s: s["idle"], "and that is all")
    assert "brought in" in state["note"]
    assert upper.until(lambda s: s["idle"], "it is done")["changes"] == []
    like = {name: lower.ask("node", f"/srv/{name}") for name in ODD}
    assert like == {name: upper.ask("node", f"/{name}") for name in ODD}

    # and what is there already is asked about; the answers are given by keyboard
    drag(display, upper.ask("row", "usr"), lower.ask("row", "srv"))
    wait_until(lambda: lower.ask("conflict"), within_s=20, what="it asks")
    assert "“" in lower.ask("conflict")["text"]
    display.run("xdotool", "key", "alt+o")
    wait_until(lambda: lower.ask("conflict")["is_for_all"], within_s=10, what="for all")
    display.run("xdotool", "key", "alt+b")
    lower.until(lambda s: len(s["changes"]) == 2 * len(ODD), "both are kept")
    assert lower.ask("node", "/srv/line\nbreak (2)") == like["line\nbreak"]


def test_copied_here_pasted_there(display: Display, windows: tuple[Window, Window]) -> None:
    upper, lower = windows
    click(display, upper.ask("row", "usr"))
    display.run("xdotool", "key", "ctrl+c")
    wait_until(lambda: lower.ask("clipboard_has_files"), within_s=20, what="it is on the clipboard")
    lower.ask("go", "/srv")
    lower.until(lambda s: s["folder"] == "/srv", "the folder")
    click(display, lower.ask("space"))
    display.run("xdotool", "key", "ctrl+v")
    state = lower.until(lambda s: s["names"] == ["usr"] and s["idle"], "it is pasted")
    assert len(state["changes"]) == 1
    assert lower.ask("node", "/srv/usr") == upper.ask("node", "/usr")
    # once more, and given up: nothing is read, nothing changes
    click(display, lower.ask("space"))
    display.run("xdotool", "key", "ctrl+v")
    wait_until(lambda: lower.ask("conflict"), within_s=20, what="it asks")
    display.run("xdotool", "key", "Escape")
    wait_until(lambda: not lower.ask("conflict"), within_s=20, what="the question is gone")
    assert lower.until(lambda s: s["idle"], "nothing more")["changes"] == state["changes"]
