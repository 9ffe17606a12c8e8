# SPDX-License-Identifier: GPL-3.0-or-later
"""A slow fetch and the clipboard, with a real file manager over a scripted image: no appliance, so it is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ui_images.desktop import (
    EMPTY_SPACE,
    FILES_PLACE,
    FIRST_ICON,
    EditorProcess,
    FileManager,
    drag,
    running_editor,
)
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.display import Display

pytestmark = pytest.mark.window
FETCH_S = "2.5"
"""Longer than the drag takes, shorter than the 5 s after which Qt programs give up."""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    place = tmp_path / "desk"
    place.mkdir()
    (place / "note.txt").write_text("from the desktop\n")
    return place


@pytest.fixture
def manager(display: Display, editor: EditorProcess, desk: Path) -> Iterator[FileManager]:
    found = FileManager(display, desk, FILES_PLACE)
    yield found
    found.close()


@pytest.fixture
def editor(display: Display, tmp_path: Path) -> Iterator[EditorProcess]:
    with running_editor(display, tmp_path, "--fetch-takes-s", FETCH_S, deadline_s=60) as process:
        yield process


def test_a_file_manager_that_has_to_wait_gets_the_file(
    display: Display, editor: EditorProcess, manager: FileManager, desk: Path
) -> None:
    drag(display, editor.ask("row", "<b>bold"), EMPTY_SPACE, rest_s=0.2)
    manager.copy_here(desk / "<b>bold")
    assert editor.state["names"], "the editor answers while the other program waits"
    wait_until((desk / "<b>bold").exists, within_s=30, what="the file lands on the desktop")
    wait_until(lambda: (desk / "<b>bold").read_text() == "not rich\n", within_s=10, what="with its content")


def test_copied_in_the_editor_pasted_on_the_desktop(
    display: Display, editor: EditorProcess, manager: FileManager, desk: Path
) -> None:
    click(display, editor.ask("row", "<b>bold"))
    display.run("xdotool", "key", "ctrl+c")
    click(display, EMPTY_SPACE)
    display.run("xdotool", "key", "ctrl+v")
    wait_until((desk / "<b>bold").exists, within_s=30, what="the file is pasted")
    wait_until(lambda: (desk / "<b>bold").read_text() == "not rich\n", within_s=10, what="with its content")


def test_copied_on_the_desktop_pasted_in_the_editor(
    display: Display, editor: EditorProcess, manager: FileManager
) -> None:
    def copied() -> bool:  # the file manager may still be reading its folder at first
        click(display, FIRST_ICON)
        display.run("xdotool", "key", "ctrl+c")
        return bool(editor.ask("clipboard_has_files"))

    wait_until(copied, within_s=30, what="the file manager copies the file", every_s=0.5)
    click(display, editor.ask("space"))
    display.run("xdotool", "key", "ctrl+v")
    state = editor.until(lambda s: "note.txt" in s["names"], deadline_s=30, what="the file is in the draft")
    assert state["changes"] == ["/note.txt added"]


def test_a_drag_that_is_given_up_leaves_nothing(
    display: Display, editor: EditorProcess, manager: FileManager, desk: Path
) -> None:
    start = editor.ask("row", "<b>bold")
    drag(display, start, [1400, 800], rest_s=0.2)  # the bare screen takes no files
    editor.until(lambda s: s["idle"], deadline_s=10, what="the fetch is cancelled")
    assert [p.name for p in desk.iterdir()] == ["note.txt"]
    assert editor.state["problem"] == ""


def test_a_drag_inside_the_table_moves(display: Display, editor: EditorProcess) -> None:
    drag(display, editor.ask("row", "<b>bold"), editor.ask("row", "srv"))
    state = editor.until(lambda s: s["changes"], deadline_s=10, what="the move is in the draft")
    assert state["changes"] == ["/<b>bold renamed to /srv/<b>bold"]


def click(display: Display, place: list[int]) -> None:
    display.run("xdotool", "mousemove", *map(str, place), "click", "1")
