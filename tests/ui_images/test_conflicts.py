# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are taken: asked about one by one, or once for all; both sides are shown, and a cancel changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from tests.ui_images.fake_files import file, folder
from tests.ui_images.test_transfers import drop, promise, settled, urls
from vmconsole.images.messages import Conflict, Entry, EntryKind
from vmconsole.ui.image_editor.conflict_dialog import ConflictDialog
from vmconsole.ui.image_editor.conflicts import answers, taken_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmconsole.ui.image_editor.window import ImageEditorWindow


@pytest.fixture
def local(tmp_path: Path) -> list[Path]:
    """Three names that are taken in /etc of the scripted image, and one that is free."""
    place = tmp_path / "desk"
    place.mkdir()
    for name in ("hosts", "fstab", "passwd", "new"):
        (place / name).write_text(f"local {name}\n")
    return [place / name for name in ("hosts", "fstab", "passwd", "new")]


def asked(window: ImageEditorWindow, qtbot: QtBot) -> ConflictDialog:
    def shown() -> list[ConflictDialog]:
        return [d for d in window.findChildren(ConflictDialog) if d.isVisible()]

    qtbot.waitUntil(lambda: bool(shown()))
    return shown()[0]


def tree() -> Any:
    etc = folder(hosts=file("old hosts"), fstab=file("old fstab"), passwd=file("old passwd"))
    return folder(etc=etc, srv=folder(www=folder(a=file("a"))))


def test_each_name_has_its_own_answer(make_editor: Any, qtbot: QtBot, local: list[Path]) -> None:
    window, session = make_editor(tree=tree())
    drop(window, urls(*local), "etc")
    dialog = asked(window, qtbot)
    assert "“hosts” is already in /etc" in dialog.headline.text()
    assert dialog.count.text() == "Name 1 of 3 that are taken"
    assert "all 2 others" in dialog.for_all.text().replace("&", "")
    dialog.replace.click()
    assert "“fstab”" in dialog.headline.text()
    dialog.both.click()
    assert not dialog.for_all.isVisible(), "it is the last one"
    assert session.changes() == (), "nothing is done before all is answered"
    dialog.skip.click()
    settled(window, qtbot)
    qtbot.waitUntil(lambda: len(session.changes()) == 3)
    etc = {name: node.data for name, node in session.tree.children["etc"].children.items()}
    assert etc == {
        "hosts": b"local hosts\n", "fstab": b"old fstab", "fstab (2)": b"local fstab\n", "passwd": b"old passwd",
        "new": b"local new\n",
    }  # fmt: skip
    assert "import REPLACE KEEP_BOTH SKIP REFUSE" in session.calls


@pytest.mark.parametrize(("button", "answer"), [("replace", "REPLACE"), ("both", "KEEP_BOTH"), ("skip", "SKIP")])
def test_one_answer_for_all(make_editor: Any, qtbot: QtBot, local: list[Path], button: str, answer: str) -> None:
    window, session = make_editor(tree=tree())
    drop(window, urls(*local), "etc")
    dialog = asked(window, qtbot)
    dialog.for_all.setChecked(True)
    getattr(dialog, button).click()
    qtbot.waitUntil(lambda: f"import {answer} {answer} {answer} REFUSE" in session.calls and window.desk.is_idle)


def test_from_the_second_on_the_same(make_editor: Any, qtbot: QtBot, local: list[Path]) -> None:
    window, session = make_editor(tree=tree())
    drop(window, urls(*local), "etc")
    dialog = asked(window, qtbot)
    dialog.skip.click()
    assert "the other one" in dialog.for_all.text().replace("&", "")
    dialog.for_all.setChecked(True)
    dialog.replace.click()
    qtbot.waitUntil(lambda: "import SKIP REPLACE REPLACE REFUSE" in session.calls and window.desk.is_idle)


def test_a_cancel_leaves_everything_as_it_was(make_editor: Any, qtbot: QtBot, local: list[Path]) -> None:
    window, session = make_editor(tree=tree())
    drop(window, urls(*local), "etc")
    dialog = asked(window, qtbot)
    dialog.replace.click()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not window.findChildren(ConflictDialog))
    settled(window, qtbot)
    assert not [call for call in session.calls if call.startswith("import")]
    assert session.changes() == ()


def test_both_sides_are_shown(make_editor: Any, qtbot: QtBot, local: list[Path]) -> None:
    window, _ = make_editor(tree=tree())
    local[0].write_text("much longer than what is there now\n")
    drop(window, urls(local[0]), "etc")
    dialog = asked(window, qtbot)
    assert dialog.there.title.text() == "In the folder now"
    assert dialog.coming.title.text() == "Coming from this computer"
    assert "File · 9 B · smaller" in dialog.there.size_line.text()
    assert "File · 35 B · larger" in dialog.coming.size_line.text()
    assert "newer" in dialog.coming.time_line.text()
    assert "newer" not in dialog.there.time_line.text()
    assert "2023-11-14" in dialog.there.time_line.text()
    assert "before Apply" in dialog.replace.description()
    assert "“hosts (2)”" in dialog.both.description()
    assert not dialog.count.isVisible()


def test_folders_merge_and_that_is_said(make_editor: Any, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "hosts").mkdir()
    window, session = make_editor(tree=tree())
    drop(window, urls(tmp_path / "www"), "srv")
    dialog = asked(window, qtbot)
    assert dialog.replace.text() == "&Merge the folders"
    assert "all other files of both stay" in dialog.replace.description()
    dialog.reject()
    drop(window, urls(tmp_path / "hosts"), "etc")
    qtbot.waitUntil(lambda: len([d for d in window.findChildren(ConflictDialog) if d.isVisible()]) == 1)
    dialog = asked(window, qtbot)
    assert not dialog.replace.isEnabled()
    assert "cannot replace" in dialog.replace.description()
    dialog.both.click()
    qtbot.waitUntil(lambda: "import KEEP_BOTH" in session.calls)


def test_it_is_answered_by_keyboard(make_editor: Any, qtbot: QtBot, local: list[Path]) -> None:
    window, session = make_editor(tree=tree())
    drop(window, urls(*local), "etc")
    dialog = asked(window, qtbot)
    qtbot.waitUntil(lambda: QApplication.focusWidget() is dialog.skip)
    qtbot.keyClick(dialog.skip, Qt.Key.Key_Tab)
    qtbot.keyClick(dialog.for_all, Qt.Key.Key_Space)
    assert dialog.for_all.isChecked()
    qtbot.keyClick(dialog.for_all, Qt.Key.Key_Backtab)
    qtbot.keyClick(dialog.skip, Qt.Key.Key_Backtab)
    assert QApplication.focusWidget() is dialog.both
    qtbot.keyClick(dialog.both, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "import KEEP_BOTH KEEP_BOTH KEEP_BOTH REFUSE" in session.calls)
    settled(window, qtbot)


def test_a_name_is_never_rich_text(make_editor: Any, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "<b>x\n").write_text("")
    window, _ = make_editor(tree=folder(**{"<b>x\n": file("there")}))
    drop(window, urls(tmp_path / "<b>x\n"))
    dialog = asked(window, qtbot)
    assert "“<b>x\\x0a” is already" in dialog.headline.text()
    assert dialog.headline.textFormat() is Qt.TextFormat.PlainText
    assert "<b>x\\x0a (2)" in dialog.both.description()


def test_between_two_images_it_is_asked_as_well(make_editor: Any, qtbot: QtBot) -> None:
    one, giver = make_editor()
    two, taker = make_editor(tree=folder(srv=file("in the way"), **{"<b>bold": file("old")}))
    drop(two, promise(one, "srv", "<b>bold"))
    dialog = asked(two, qtbot)
    assert dialog.coming.title.text() == "Coming from web1"
    assert "carry out" not in giver.calls, "nothing is read before that is clear"
    while dialog.isVisible():
        name = dialog.headline.text().split("”")[0][1:]
        (dialog.replace if name == "<b>bold" else dialog.both).click()
    qtbot.waitUntil(lambda: len(taker.changes()) == 2)
    assert taker.tree.children["<b>bold"].data == b"not rich\n"
    assert taker.tree.children["srv"].data == b"in the way"
    assert taker.tree.children["srv (2)"].kind is EntryKind.FOLDER
    settled(two, qtbot)


def test_a_cancel_between_two_images_reads_nothing(make_editor: Any, qtbot: QtBot) -> None:
    one, giver = make_editor()
    two, taker = make_editor(tree=folder(**{"<b>bold": file("old")}))
    drop(two, promise(one, "<b>bold"))
    asked(two, qtbot).reject()
    qtbot.waitUntil(lambda: not two.findChildren(ConflictDialog))
    settled(two, qtbot)
    assert "carry out" not in giver.calls
    assert taker.changes() == ()


def test_two_that_would_get_the_same_new_name_do_not() -> None:
    there = {name: Entry(name, EntryKind.FILE) for name in ("a", "a (2)")}
    coming = tuple(Entry(name, EntryKind.FILE) for name in ("a", "a (2)", "a (3)", "free"))
    found = taken_of(coming, there)
    assert [(t.coming.name, t.new_name) for t in found] == [("a", "a (4)"), ("a (2)", "a (2) (2)")]
    assert answers(coming, {"a": Conflict.SKIP}) == (Conflict.SKIP, *[Conflict.REFUSE] * 3)


def test_what_is_moved_within_the_image_is_asked_about_too(make_editor: Any, qtbot: QtBot) -> None:
    inner = folder(a=file("old a"), b=file("old b"), c=file("old c"), d=folder())
    there = folder(sub=inner, a=file("new a"), b=file("new b"), c=file("new c"), d=folder(x=file("x")), free=file("f"))
    window, session = make_editor(tree=there)
    view = window.browser.view
    view.moved_inside.emit([e for e in window.browser.model.entries() if e.name != "sub"], "sub")
    dialog = asked(window, qtbot)
    assert session.changes() == ()
    for answer in ("both", "both", "replace", "skip"):  # d, which is first as a folder, then a, b, c
        if answer == "both" and "“d”" in dialog.headline.text():
            assert not dialog.replace.isEnabled()
            assert "not merged by moving" in dialog.replace.description()
        getattr(dialog, answer).click()
    qtbot.waitUntil(lambda: len(session.changes()) == 5 and window.desk.is_idle)
    found = {name: node.data for name, node in session.tree.children["sub"].children.items()}
    assert found == {
        "d": b"", "d (2)": b"", "a": b"old a", "a (2)": b"new a", "b": b"new b", "c": b"old c", "free": b"f"
    }  # fmt: skip
    assert set(session.tree.children) == {"sub", "c"}, "what was skipped stays where it was"


def test_a_cut_that_is_pasted_over_a_taken_name_is_asked_about(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor(tree=folder(sub=folder(a=file("old")), a=file("new")))
    window.browser.view.select_names({"a"}, current="a")
    window.transfers.cut()
    window.browser.open_folder("/sub")
    qtbot.waitUntil(lambda: window.browser.folder == "/sub" and window.desk.is_idle)
    window.transfers.paste()
    asked(window, qtbot).replace.click()
    qtbot.waitUntil(lambda: len(session.changes()) == 2 and window.desk.is_idle)
    assert session.tree.children["sub"].children["a"].data == b"new"
    assert set(session.tree.children) == {"sub"}
    QApplication.clipboard().clear()
