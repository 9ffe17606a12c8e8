# SPDX-License-Identifier: GPL-3.0-or-later
"""Files dragged between a file manager and the image editor, with a real mouse, a real image and a real appliance.

The image is looked at from outside by guestfish, which knows nothing of vmconsole.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.images.disks import guestfish, run
from tests.ui_images.desktop import (
    EMPTY_SPACE,
    FILES_PLACE,
    FIRST_ICON,
    EditorProcess,
    FileManager,
    apply_by_keyboard,
    drag,
    running_editor,
)
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.display import Display

pytestmark = [pytest.mark.window, pytest.mark.appliance, pytest.mark.timeout(900)]

OPEN_S = 240.0
"""An emulated appliance on a busy machine."""


def make_image(path: Path, *, size: str = "64M") -> None:
    """An ext4 disk with a few files, made without an appliance."""
    tree = path.parent / "tree"
    for folder in ("etc", "srv"):
        (tree / folder).mkdir(parents=True)
    (tree / "etc" / "motd").write_text("inside the image\n")
    (tree / "etc" / "fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    raw = path.with_suffix(".raw")
    run("mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(raw), size)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(path))
    raw.unlink()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk" / "web1.qcow2"
    path.parent.mkdir()
    make_image(path)
    return path


@pytest.fixture
def editor(display: Display, image: Path, tmp_path: Path) -> Iterator[EditorProcess]:
    with running_editor(display, tmp_path, "--image", str(image), deadline_s=OPEN_S) as process:
        yield process


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
        manager.copy_here(desk / "note.txt")
        wait_until(lambda: (desk / "note.txt").exists(), within_s=30, what="the file lands on the desktop")
        wait_until(lambda: (desk / "note.txt").stat().st_size == 17000, within_s=30, what="all of it")
        assert (desk / "note.txt").read_bytes() == b"from the desktop\n" * 1000
    finally:
        manager.close()

    apply_by_keyboard(display, editor)
    wanted = hashlib.sha256(b"from the desktop\n" * 1000).hexdigest()
    found = guestfish(image, "checksum sha256 /srv/note.txt", "checksum sha256 /note.txt", "cat /etc/motd")
    assert found.split() == [wanted, wanted, "inside", "the", "image"]
