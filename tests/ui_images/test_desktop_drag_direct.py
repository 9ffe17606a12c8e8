# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and big files are fetched only when they are dropped, and may take longer than a drop waits (XDS), with a
real file manager over a scripted image: no appliance, so it is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ui_images.desktop import EMPTY_SPACE, FILES_PLACE, EditorProcess, FileManager, drag, running_editor
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.display import Display

pytestmark = pytest.mark.window
FETCH_S = "8"
"""Longer than the 5 s that Qt programs wait for the data of a drop."""


@pytest.fixture
def editor(display: Display, tmp_path: Path) -> Iterator[EditorProcess]:
    with running_editor(display, tmp_path, "--fetch-takes-s", FETCH_S, deadline_s=60) as process:
        yield process


def test_a_folder_is_fetched_after_the_drop_however_long_it_takes(
    display: Display, editor: EditorProcess, tmp_path: Path
) -> None:
    desk = tmp_path / "desk of <b>ünï"
    desk.mkdir()
    (desk / "note.txt").write_text("so that it shows something\n")
    manager = FileManager(display, desk, FILES_PLACE)
    try:
        drag(display, editor.ask("row", "etc"), [1400, 800])  # the bare screen takes no files
        assert editor.state["idle"], "nothing was fetched for a drop that did not come"
        drag(display, editor.ask("row", "etc"), EMPTY_SPACE)
        editor.until(lambda s: not s["idle"], deadline_s=10, what="it is being fetched")
        wait_until((desk / "etc" / "fstab").exists, within_s=30, what="the folder lands on the desktop")
        assert sorted(p.name for p in (desk / "etc").iterdir()) == ["fstab", "hosts", "ssh"]
        state = editor.until(lambda s: s["note"], deadline_s=10, what="it says so")
        assert "copied" in state["note"]
        assert state["problem"] == ""
    finally:
        manager.close()
