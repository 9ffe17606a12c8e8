# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, snapshots, how full filesystems are, several disks: what the window asks and shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit

from vmconsole.images.messages import Device, Filesystem, ImageMode, ImageOverview, ImageSnapshot, ImageSource
from vmconsole.ui.image_editor.places import FREE, NAME, SHOWN_AT

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.ui_images.conftest import MakeEditor
    from vmconsole.ui.image_editor.window import ImageEditorWindow

KEY = "hunter2 «geheim»"


def row(window: ImageEditorWindow, device: str) -> list[str]:
    found = next(i for i in window.places._filesystem_items() if i.data(NAME, 0x0100).device == device)
    return [found.text(column) for column in range(5)]


def locked_editor(make_editor: MakeEditor, qtbot: QtBot) -> tuple[ImageEditorWindow, object]:
    window, session = make_editor(opened=False)
    session.key, session.is_locked = KEY, True
    window.open()
    qtbot.waitUntil(lambda: window.overview is not None and window.desk.is_idle)
    return window, session


def test_a_wrong_key_is_told_and_may_be_tried_again(make_editor: MakeEditor, qtbot: QtBot) -> None:
    window, _session = locked_editor(make_editor, qtbot)
    assert row(window, "/dev/sda3")[SHOWN_AT] == "locked"
    item = next(i for i in window.places._filesystem_items() if i.text(SHOWN_AT) == "locked")
    place = window.places.tree.visualItemRect(item).center()
    qtbot.mouseClick(window.places.tree.viewport(), Qt.MouseButton.LeftButton, pos=place)
    dialog = window.unlocking.dialog
    assert dialog is not None
    assert dialog.line.echoMode() is QLineEdit.EchoMode.Password
    assert not dialog.unlock.isEnabled()
    qtbot.keyClicks(dialog.line, "wrong")
    qtbot.keyClick(dialog.line, Qt.Key.Key_Return)
    qtbot.waitUntil(dialog.problem.isVisible)
    assert dialog.line.isEnabled()
    assert dialog.line.selectedText() == "wrong" or dialog.line.hasSelectedText()
    dialog.line.setText(KEY)
    dialog.unlock.click()
    qtbot.waitUntil(lambda: window.unlocking.dialog is None and window.desk.is_idle)
    assert row(window, "/dev/mapper/unlocked_sda3")[SHOWN_AT] == "/srv"
    assert all(KEY not in call for call in _session.calls)  # type: ignore[attr-defined]  # the scripted session


def test_the_dialog_given_up_leaves_all_as_it_was(make_editor: MakeEditor, qtbot: QtBot) -> None:
    window, session = locked_editor(make_editor, qtbot)
    window.places.unlock_wanted.emit(window.overview.filesystems[2])
    dialog = window.unlocking.dialog
    dialog.line.setText(KEY)
    dialog.reject()
    assert dialog.line.text() == ""
    qtbot.waitUntil(lambda: window.unlocking.dialog is None)
    assert not [c for c in session.calls if c.startswith("unlock")]  # type: ignore[attr-defined]  # as above


def test_how_full_filesystems_are_comes_after_the_overview(make_editor: MakeEditor, qtbot: QtBot) -> None:
    window, _ = make_editor()
    qtbot.waitUntil(lambda: row(window, "/dev/sda1")[FREE] != "")
    assert row(window, "/dev/sda1")[FREE].startswith("7")
    assert row(window, "/dev/sda2")[FREE] == ""


def test_a_snapshot_is_chosen_and_opens_beside(make_editor: MakeEditor, qtbot: QtBot) -> None:
    window, session = make_editor(opened=False)
    session.snapshots = (ImageSnapshot("1", "<b>before", 1.7e9), ImageSnapshot("2", "after", 1.71e9))
    wanted: list[ImageSource] = []
    window.other_wanted.connect(wanted.append)
    window.open()
    qtbot.waitUntil(lambda: window.overview is not None and window.desk.is_idle)
    states = window.places.states
    assert states.isVisible()
    assert [states.itemData(n) for n in range(states.count())] == ["", "1", "2"]
    assert "<b>before" in states.itemText(1)
    states.setCurrentIndex(2)
    states.activated.emit(2)
    assert [s.snapshot for s in wanted] == ["2"]
    assert states.currentIndex() == 0
    states.activated.emit(0)
    assert len(wanted) == 1


def test_an_image_without_snapshots_has_nothing_to_choose(make_editor: MakeEditor) -> None:
    window, _ = make_editor()
    assert not window.places.states.isVisible()


def test_what_lies_on_two_disks_stands_beside_them(make_editor: MakeEditor, qtbot: QtBot) -> None:
    window, _ = make_editor()
    devices = (Device("/dev/sda", 1 << 30, "/srv/a.qcow2", "vda"), Device("/dev/sdb", 2 << 30, "/srv/b.qcow2", "vdb"))
    window.places.show_overview(
        ImageOverview(
            ImageSource("/srv/a.qcow2"), ImageMode.DRAFT, None, "qcow2", 3 << 30, devices,
            (
                Filesystem("/dev/sda1", "ext4", mounted_at="/", disks=("/dev/sda",)),
                Filesystem("/dev/vg/span", "xfs", mounted_at="/data", disks=("/dev/sda", "/dev/sdb")),
                Filesystem("/dev/sdb3", "ext4", disks=("/dev/sdb",)),
            ),
            has_os_tree=True,
        )
    )  # fmt: skip
    tree = window.places.tree
    tops = [tree.topLevelItem(n) for n in range(tree.topLevelItemCount())]
    assert [t.text(NAME).split(" – ")[:2] for t in tops] == [["vda", "a.qcow2"], ["vdb", "b.qcow2"], ["vg/span"]]
    assert [tops[n].childCount() for n in range(3)] == [1, 1, 0]
    assert "fstab does not mount it" in tops[1].child(0).toolTip(NAME)
    assert "2 disks" in window.places.about.text()
