# SPDX-License-Identifier: GPL-3.0-or-later
"""Files dragged with a real mouse into and out of a running guest's window: with a file manager, and an image's window.

The agent works on this machine's own files; one inside a real guest is under test in ``test_live_on_lab``.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.ui_images.desktop import (
    EMPTY_SPACE,
    FILES_PLACE,
    FIRST_ICON,
    LOWER_PLACE,
    UPPER_PLACE,
    FileManager,
    drag,
    running_editor,
)
from tests.ui_images.test_desktop_between import Window
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.display import Display

pytestmark = pytest.mark.window
ODD = "odd\nnäme '\"$(reboot)`"


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """The folder of the guest that is shown."""
    found = tmp_path / "guest"
    (found / "sub").mkdir(parents=True)
    (found / ODD).write_text("odd\n")
    (found / "sub" / "inside").write_text("inside\n")
    return found


@pytest.fixture
def windows(display: Display, guest: Path, tmp_path: Path) -> Iterator[tuple[Window, Window]]:
    """The guest's, above, and an image's."""
    places = (UPPER_PLACE, LOWER_PLACE)
    with running_editor(display, tmp_path, "--live", deadline_s=60, places=places) as process:
        live = Window(process, 0)
        live.ask("go", str(guest))
        live.until(lambda s: ODD in s["names"] and s["idle"], "the guest's folder")
        yield live, Window(process, 1)


def test_with_a_file_manager_both_ways(
    display: Display, windows: tuple[Window, Window], guest: Path, tmp_path: Path
) -> None:
    live, _ = windows
    desk = tmp_path / "desk"
    desk.mkdir()
    (desk / "note.txt").write_text("from the desktop\n")
    (desk / "note.txt").chmod(0o640)
    manager = FileManager(display, desk, FILES_PLACE)
    try:
        drag(display, FIRST_ICON, live.ask("space"))
        live.until(lambda s: "note.txt" in s["names"] and s["idle"], "the drop is in the guest")
        assert (guest / "note.txt").read_text() == "from the desktop\n"
        assert stat.S_IMODE((guest / "note.txt").stat().st_mode) == 0o640

        (desk / "note.txt").write_text("newer, and dropped again\n")
        drag(display, FIRST_ICON, live.ask("space"))
        wait_until(lambda: live.ask("conflict"), within_s=20, what="it asks, as it cannot be undone")
        display.run("xdotool", "key", "alt+r")
        wait_until(lambda: (guest / "note.txt").read_text().startswith("newer"), within_s=20, what="it is replaced")
        live.until(lambda s: s["idle"], "that is all")

        drag(display, live.ask("row", ODD), EMPTY_SPACE)
        manager.copy_here(desk / ODD)
        wait_until(lambda: (desk / ODD).exists() and (desk / ODD).read_text() == "odd\n", within_s=30, what="it lands")
        drag(display, live.ask("row", "sub"), EMPTY_SPACE)
        wait_until((desk / "sub" / "inside").exists, within_s=30, what="the folder lands")
        assert sorted(os.listdir(guest)) == sorted([ODD, "note.txt", "sub"]), "what was dragged out is still there"
    finally:
        manager.close()
    assert live.until(lambda s: s["idle"], "idle")["problem"] == ""


def test_with_an_images_window_both_ways(display: Display, windows: tuple[Window, Window], guest: Path) -> None:
    live, image = windows
    drag(display, live.ask("row", ODD), image.ask("row", "srv"))
    state = image.until(lambda s: s["changes"] and s["idle"], "it is in the draft")
    assert [words.split(" added")[0] for words in state["changes"]] == [f"/srv/{ODD}"]
    assert "odd" in image.ask("node", f"/srv/{ODD}")
    drag(display, image.ask("row", "<b>bold"), live.ask("row", "sub"))
    wait_until((guest / "sub" / "<b>bold").exists, within_s=30, what="it is in the guest")
    wait_until(lambda: (guest / "sub" / "<b>bold").read_text() == "not rich\n", within_s=10, what="with its content")
    for window in windows:
        assert window.until(lambda s: s["idle"], "idle")["problem"] == ""
