# SPDX-License-Identifier: GPL-3.0-or-later
"""Files dragged between a file manager and the image editor, with a real mouse, a real image and a real appliance.

The image is looked at from outside by guestfish, which knows nothing of vmconsole.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.display import wait_for
from tests.ui_images.desktop import EditorProcess, FileManager, drag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.display import Display

pytestmark = [pytest.mark.window, pytest.mark.appliance, pytest.mark.timeout(900)]

OPEN_S = 240.0
"""An emulated appliance on a busy machine."""
EDITOR_PLACE = ("0", "30", "1000", "900")
FILES_PLACE = (1015, 30, 570, 500)
FIRST_ICON = [1205, 190]
"""Where pcmanfm-qt paints the only icon of a folder in a window placed so (its side pane is 130 pixels wide)."""
EMPTY_SPACE = [1450, 420]


def make_image(path: Path) -> None:
    """An ext4 disk with a few files, made without an appliance."""
    tree = path.parent / "tree"
    for folder in ("etc", "srv"):
        (tree / folder).mkdir(parents=True)
    (tree / "etc" / "motd").write_text("inside the image\n")
    (tree / "etc" / "fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    raw = path.with_suffix(".raw")
    run("mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(raw), "64M")
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(path))
    raw.unlink()


def run(*argv: str) -> str:
    env = {**os.environ, "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}  # KVM may look as though it worked
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def in_image(image: Path, *commands: str) -> str:
    """What guestfish says about the image, opened read-only."""
    words = [word for command in commands for word in (":", *command.split(" "))]
    return run("guestfish", "--ro", "--format=qcow2", "-a", str(image), "run", ":", "mount-ro", "/dev/sda", "/", *words)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk" / "web1.qcow2"
    path.parent.mkdir()
    make_image(path)
    return path


@pytest.fixture
def editor(display: Display, image: Path, tmp_path: Path) -> Iterator[EditorProcess]:
    process = EditorProcess(display, tmp_path / "profile", "--image", str(image), log=tmp_path / "editor.log")
    try:
        process.until(lambda state: state["names"] or state["problem"], deadline_s=OPEN_S, what="the image's files")
        process.ask("place", *EDITOR_PLACE)
        yield process
    finally:
        process.close()
        assert not [line for line in (tmp_path / "editor.log").read_text().splitlines() if "Traceback" in line]


def test_files_go_both_ways(display: Display, editor: EditorProcess, image: Path, tmp_path: Path) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    (desk / "note.txt").write_bytes(b"from the desktop\n" * 1000)
    before = hashlib.sha256(image.read_bytes()).hexdigest()
    manager = FileManager(display, desk, FILES_PLACE)
    try:
        drag(display, FIRST_ICON, editor.ask("row", "srv"))
        state = editor.until(lambda s: s["changes"], deadline_s=30, what="the drop is in the draft")
        assert state["changes"] == ["/srv/note.txt added"]
        drag(display, FIRST_ICON, editor.ask("space"))
        editor.until(lambda s: "note.txt" in s["names"], deadline_s=30, what="the drop is in the shown folder")
        assert hashlib.sha256(image.read_bytes()).hexdigest() == before, "the image was written before Apply"

        (desk / "note.txt").unlink()
        drag(display, editor.ask("row", "note.txt"), EMPTY_SPACE)
        manager.copy_here()
        wait_for(lambda: (desk / "note.txt").exists(), deadline_s=30, what="the file lands on the desktop")
        wait_for(lambda: (desk / "note.txt").stat().st_size == 17000, deadline_s=30, what="all of it")
        assert (desk / "note.txt").read_bytes() == b"from the desktop\n" * 1000
    finally:
        manager.close()

    apply_by_keyboard(display, editor)
    wanted = hashlib.sha256(b"from the desktop\n" * 1000).hexdigest()
    found = in_image(image, "checksum sha256 /srv/note.txt", "checksum sha256 /note.txt", "cat /etc/motd")
    assert found.split() == [wanted, wanted, "inside", "the", "image"]


def apply_by_keyboard(display: Display, editor: EditorProcess) -> None:
    editor.ask("place", *EDITOR_PLACE)
    display.run("xdotool", "mousemove", "600", "45", "click", "1")
    display.run("xdotool", "key", "ctrl+Return")
    editor.until(lambda s: s["question"], deadline_s=20, what="it asks before it writes")
    display.run("xdotool", "key", "alt+a")
    state = editor.until(lambda s: s["session"] in {"applied", "lost"} or s["problem"], deadline_s=120, what="applied")
    state = editor.state
    assert state["session"] == "applied", state
    assert "on the disk" in editor.state["headline"]
