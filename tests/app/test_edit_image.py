# SPDX-License-Identifier: GPL-3.0-or-later
"""``vmconsole --edit-image`` as a program: what cannot be opened is told on stderr, with exit status 1."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from vmconsole.app.edit_image import LookingDialog

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

NO_IMAGE = b"QFI\xfb\0\0\0\3" + bytes(200)


def run(profile: Path, what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vmconsole", "--profile", str(profile), "--edit-image", what],
        capture_output=True, text=True, check=False, timeout=100, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )  # fmt: skip


def test_what_is_no_image_is_said_and_no_window_stays(tmp_path: Path) -> None:
    file = tmp_path / "disk.qcow2"
    file.write_bytes(NO_IMAGE)
    done = run(tmp_path / "profile", str(file))
    assert done.returncode == 1
    assert "cannot be opened" in done.stderr
    assert str(file) in done.stderr
    assert file.read_bytes() == NO_IMAGE


@pytest.mark.parametrize("what", ["ssh://root@127.0.0.1:1/disk.qcow2", "qemu+ssh://root@127.0.0.1:1/system#web1/vda"])
def test_a_host_that_cannot_be_reached_is_said(tmp_path: Path, what: str) -> None:
    done = run(tmp_path / "profile", what)
    assert done.returncode == 1
    assert "refuses SSH" in done.stderr


def test_a_wrong_word_ends_before_any_window(tmp_path: Path) -> None:
    done = run(tmp_path / "profile", str(tmp_path / "nothing.qcow2"))
    assert done.returncode == 2
    assert "No such file" in done.stderr


def test_the_word_that_it_looks_at_the_disk_does_not_come_back(qtbot: QtBot) -> None:
    dialog = LookingDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.hide()
    other = LookingDialog()  # of a disk that is open before it was shown at all
    qtbot.addWidget(other)
    qtbot.wait(4500)  # Qt's own patience is 4 s
    assert not dialog.isVisible()
    assert not other.isVisible()
