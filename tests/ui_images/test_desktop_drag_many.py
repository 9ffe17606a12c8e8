# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of files, odd names and big files, dragged with a real mouse between a file manager and the image editor.

A real image and a real appliance, one for the module; guestfish, which knows nothing of vmconsole, looks at the end.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.images.disks import guestfish
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
from tests.ui_images.test_desktop_drag import OPEN_S, make_image
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.display import Display

pytestmark = [pytest.mark.window, pytest.mark.appliance, pytest.mark.slow, pytest.mark.timeout(1200)]
FILES = 2000
BIG_BYTES = 80 << 20
ODD = (b"new\nline", b"'quo\"te`$(x)", b"a b", b"\xff\xfe", b"caf\xe9.txt", "ünï.txt".encode())


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk" / "web1.qcow2"
    path.parent.mkdir()
    make_image(path, size="600M")
    return path


@pytest.fixture
def editor(display: Display, image: Path, tmp_path: Path) -> Iterator[EditorProcess]:
    with running_editor(display, tmp_path, "--image", str(image), deadline_s=OPEN_S) as process:
        yield process


def test_a_folder_of_thousands_a_big_file_and_odd_names(
    display: Display, editor: EditorProcess, image: Path, tmp_path: Path
) -> None:
    desk, out = tmp_path / "desk", tmp_path / "out"
    everything = desk / "everything"
    (everything / "many").mkdir(parents=True)
    out.mkdir()
    for number in range(FILES):
        (everything / f"many/f{number:04}").write_bytes(b"%d\n" % number)
    (everything / "big.bin").write_bytes(os.urandom(BIG_BYTES))
    for name in ODD:
        (everything / os.fsdecode(name)).write_bytes(name)
    wanted = tree_of(everything)

    manager = FileManager(display, desk, FILES_PLACE)
    try:
        drag(display, FIRST_ICON, editor.ask("row", "srv"))
        state = editor.until(lambda s: s["changes"] and s["idle"], deadline_s=300, what="the drop is in the draft")
        assert state["changes"][0].startswith("/srv/everything added")
    finally:
        manager.close()

    shutil.rmtree(everything)
    editor.ask("go", "/srv")
    editor.until(lambda s: s["folder"] == "/srv" and "everything" in s["names"], deadline_s=30, what="the folder")
    manager = FileManager(display, out, FILES_PLACE)
    try:
        drag(display, editor.ask("row", "everything"), EMPTY_SPACE)
        wait_until((out / "everything" / "big.bin").exists, within_s=300, what="the folder lands on the desktop")
        wait_until(lambda: tree_of(out / "everything") == wanted, within_s=300, what="all of it", every_s=1.0)
        assert not [name for name in os.listdir(out) if name != "everything"], "nothing half-done is left"
    finally:
        manager.close()

    apply_by_keyboard(display, editor)
    answers = guestfish(
        image, "checksum sha256 /srv/everything/big.bin", "checksum sha256 /srv/everything/many/f1999",
        f"find0 /srv/everything {tmp_path}/found",
    ).split()  # fmt: skip
    assert answers == [wanted[b"big.bin"], wanted[b"many/f1999"]]
    found = set((tmp_path / "found").read_bytes().split(b"\0")) - {b""}
    assert {name.lstrip(b"/") for name in found} == {b"many", *wanted}


def tree_of(top: Path) -> dict[bytes, str]:
    """Names as bytes, and digests, of all files below."""
    return {
        os.fsencode(path.relative_to(top)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in top.rglob("*")
        if path.is_file()
    }
