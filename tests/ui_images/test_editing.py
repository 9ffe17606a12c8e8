# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing things in the editor: text, names, folders, and what becomes of the draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QMessageBox

from tests.ui_images.fake_files import file, folder
from vmconsole.images.messages import ImageMode, ImageOverview, SessionState
from vmconsole.inventory.errors import Explanation, ImageInUse, ImageNoSpace
from vmconsole.ui.image_editor.questions import NameDialog, Question

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from vmconsole.ui.image_editor.window import ImageEditorWindow


def question(window: ImageEditorWindow) -> Question:
    return next(box for box in window.findChildren(Question) if box.isVisible())


def answer(window: ImageEditorWindow, text: str) -> None:
    """Press the button with these words."""
    box = question(window)
    next(b for b in box.buttons() if b.text().replace("&", "") == text).click()


def open_file(window: ImageEditorWindow, qtbot: QtBot, folder_path: str, name: str) -> None:
    window.browser.open_folder(folder_path, select=frozenset({name}))
    path = f"{folder_path.rstrip('/')}/{name}"
    qtbot.waitUntil(lambda: window.viewer.path == path and window.desk.is_idle and not window.viewer.panes.isHidden())


def type_text(window: ImageEditorWindow, qtbot: QtBot, text: str) -> None:
    window.viewer.view.insertPlainText(text)
    assert window.viewer.has_unsaved_text


# -- text ----------------------------------------------------------------------------------------------------------


def test_saving_text_goes_into_the_draft_and_keeps_the_line_ends(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor(tree=folder(**{"dos.ini": file(b"[a]\r\nb=1\r\n")}))
    open_file(window, qtbot, "/", "dos.ini")
    assert "UTF-8 · CRLF · " in window.viewer.text_pane.status.text()
    type_text(window, qtbot, "; new\n")
    qtbot.mouseClick(window.viewer.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.viewer.has_unsaved_text)
    assert session.tree.children["dos.ini"].data == b"; new\r\n[a]\r\nb=1\r\n"
    assert "dos.ini changed" in window.draft.list.item(0).text()
    assert "1 change" in window.draft.title.text()
    window.viewer.view.undo()
    assert window.viewer.has_unsaved_text, "undo goes back behind the save"


def test_unsaved_text_stays_on_the_screen_whatever_is_selected(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    open_file(window, qtbot, "/etc", "fstab")
    type_text(window, qtbot, "# mine\n")
    window.browser.view.select_names({"hosts"}, current="hosts")
    assert window.viewer.path == "/etc/fstab"
    assert "fstab" in window.viewer.note.headline.text()
    qtbot.mouseClick(window.viewer.revert, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.viewer.path == "/etc/hosts")
    assert session.changes() == ()


def test_text_typed_right_after_another_file_was_selected_is_not_lost(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    open_file(window, qtbot, "/etc", "fstab")
    window.browser.view.select_names({"hosts"}, current="hosts")
    type_text(window, qtbot, "# mine\n")
    qtbot.waitUntil(lambda: not window.viewer.is_about_to_load)
    assert window.viewer.path == "/etc/fstab"
    assert window.viewer.view.exact_text().startswith("# mine")


def test_a_save_that_fails_keeps_the_text(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    open_file(window, qtbot, "/etc", "fstab")
    type_text(window, qtbot, "# mine\n")
    session.fail_next = ImageNoSpace("The filesystem is full.", advice="Delete something first.")
    window.viewer.save_text()
    qtbot.waitUntil(lambda: "full" in window.viewer.note.headline.text())
    assert window.viewer.has_unsaved_text
    assert window.viewer.save.isEnabled()
    assert window.viewer.view.exact_text().startswith("# mine")


def test_a_binary_file_is_shown_as_bytes(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    open_file(window, qtbot, "/usr/bin", "true")
    pane = window.viewer.hex_pane
    qtbot.waitUntil(lambda: pane.view.row_text(0).startswith("00000000  7f 45 4c 46 02 01 01 00"))
    assert pane.isVisible()
    assert not window.viewer.save.isVisible()


def test_a_long_file_is_shown_in_part_and_cannot_be_edited(make_editor: Any, qtbot: QtBot) -> None:
    text = ("\u00e9" * 127 + "\n") * 5000  # two bytes each: the limit cuts one in half
    window, _ = make_editor(tree=folder(log=file("x" + text)))
    open_file(window, qtbot, "/", "log")
    assert "Only the first 1.00 MiB" in window.viewer.note.headline.text()
    assert window.viewer.view.isReadOnly()
    assert window.viewer.view.exact_text()[:3] == "x\u00e9\u00e9"


def test_no_break_spaces_survive(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor(tree=folder(a=file("one\u00a0two\n")))
    open_file(window, qtbot, "/", "a")
    type_text(window, qtbot, "zero ")
    window.viewer.save_text()
    qtbot.waitUntil(lambda: not window.viewer.has_unsaved_text)
    assert session.tree.children["a"].data == "zero one\u00a0two\n".encode()


def test_what_the_editor_would_change_is_to_look_only(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor(tree=folder(a=file("one\u2029two\n")))
    open_file(window, qtbot, "/", "a")
    assert window.viewer.view.isReadOnly()
    assert "look only" in window.viewer.note.headline.text()


def test_an_empty_file_can_be_written(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor(tree=folder(a=file("")))
    open_file(window, qtbot, "/", "a")
    type_text(window, qtbot, "first\n")
    window.viewer.save_text()
    qtbot.waitUntil(lambda: not window.viewer.has_unsaved_text)
    assert session.tree.children["a"].data == b"first\n"


# -- names and folders -----------------------------------------------------------------------------------------------


def test_renaming_in_the_row(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    window.browser.open_folder("/etc", select=frozenset({"hosts"}))
    qtbot.waitUntil(lambda: window.browser.folder == "/etc")
    model = window.browser.model
    model.setData(model.index(model.row_of("hosts"), 0), "hosts.old")
    qtbot.waitUntil(lambda: model.row_of("hosts.old") is not None)
    assert [e.name for e in window.browser.view.selected()] == ["hosts.old"]
    for bad in ("a/b", "..", "", "fstab", "n" * 256):
        model.setData(model.index(model.row_of("hosts.old"), 0), bad)
        assert "was not renamed" in window.problem.explanation.what
    assert sorted(session.tree.children["etc"].children) == ["fstab", "hosts.old", "ssh"]


def test_a_new_folder_asks_for_a_possible_name(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    window.actions_on_files.new_folder.trigger()
    dialog = window.findChild(NameDialog)
    ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
    for bad, good in (("etc", False), ("a/b", False), ("", False), ("new one", True)):
        dialog.line.setText(bad)
        assert ok.isEnabled() is good
    ok.click()
    qtbot.waitUntil(lambda: "new one" in session.tree.children and window.desk.is_idle)
    assert [e.name for e in window.browser.view.selected()] == ["new one"]


def test_deleting_asks_and_cancel_deletes_nothing(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    window.browser.view.select_names({"etc", "srv"})
    window.actions_on_files.delete.trigger()
    assert "Delete 2 things" in question(window).text()
    assert question(window).textFormat() == Qt.TextFormat.PlainText
    answer(window, "Cancel")
    assert not session.changes()
    window.actions_on_files.delete.trigger()
    answer(window, "Delete")
    qtbot.waitUntil(lambda: len(session.changes()) == 2 and window.desk.is_idle)
    assert "etc" not in window.browser.model.names


def test_moving_rows_onto_a_folder_row(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    entries = [e for e in window.browser.model.entries() if e.name in {"<b>bold", "usr"}]
    window.browser.view.moved_inside.emit(entries, "srv")
    qtbot.waitUntil(lambda: len(session.changes()) == 2 and window.desk.is_idle)
    assert sorted(session.tree.children["srv"].children) == ["<b>bold", "usr"]


# -- the draft -------------------------------------------------------------------------------------------------------


def change_something(window: ImageEditorWindow, qtbot: QtBot) -> None:
    window.desk.ask(window.desk.session.write_file("/etc/motd", b"hello\n"))
    qtbot.waitUntil(lambda: window.draft.list.count() == 1 and window.desk.is_idle)


def test_apply_asks_writes_and_lets_go(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    assert not window.draft.apply.isEnabled()
    change_something(window, qtbot)
    window.draft.apply.click()
    assert "1 change" in question(window).text()
    assert "apply" not in session.calls
    answer(window, "Apply")
    qtbot.waitUntil(lambda: session.state is SessionState.APPLIED and window.opening.again.isVisible())
    assert "on the disk" in window.opening.headline.text()
    assert "4.00 KiB" in window.opening.steps.text()
    assert "web1 may be started" in window.opening.steps.text()
    window.opening.again.click()
    qtbot.waitUntil(window.browser.isVisible)


def test_an_apply_that_is_refused_keeps_the_draft_in_sight(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    change_something(window, qtbot)
    window.draft.apply.click()
    session.fail_next = ImageInUse("web1 was started.", advice="Shut it down.")
    answer(window, "Apply")
    qtbot.waitUntil(window.problem.isVisible)
    assert window.problem.explanation.what == "web1 was started."
    assert window.browser.isVisible()
    assert window.draft.list.count() == 1


def test_unsaved_text_is_asked_about_before_apply(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    change_something(window, qtbot)
    open_file(window, qtbot, "/etc", "fstab")
    type_text(window, qtbot, "# mine\n")
    window.draft.apply.click()
    assert "not saved" in question(window).text()
    answer(window, "Drop the Text")
    assert "Write 1 change" in question(window).text()
    assert not window.viewer.has_unsaved_text


def test_discard_names_what_is_lost(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    change_something(window, qtbot)
    window.draft.discard.click()
    assert "/etc/motd added" in question(window).informativeText()
    answer(window, "Discard the Draft")
    qtbot.waitUntil(lambda: session.changes() == () and window.browser.isVisible() and window.desk.is_idle)
    assert "discarded" in window.note.headline.text()


def test_an_apply_that_was_cut_off_can_be_finished(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor(mode=ImageMode.LOOK_ONLY)
    why = Explanation("An earlier Apply of 3 changes was cut off.", advice="Apply finishes it.")
    assert not window.finish_button.isVisible()
    overview = window.overview
    window.show_overview(
        ImageOverview(overview.source, ImageMode.LOOK_ONLY, why, "qcow2", 1 << 30, unfinished_apply=why.what)
    )
    assert "cut off" in window.banner.text.text()
    assert window.finish_button.isVisible()
    assert window.drop_button.isVisible()
    window.finish_button.click()
    qtbot.waitUntil(lambda: "apply" in session.calls and window.opening.again.isVisible())


# -- closing ---------------------------------------------------------------------------------------------------------


def is_gone(window: ImageEditorWindow) -> bool:
    return not shiboken6.isValid(window) or not window.isVisible()


def test_closing_without_changes_asks_nothing(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    window.close()
    assert is_gone(window)
    assert session.closed_with is True


def test_closing_over_a_draft_asks_and_cancel_keeps_the_window(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    change_something(window, qtbot)
    window.close()
    assert window.isVisible()
    assert {b.text().replace("&", "") for b in question(window).buttons()} == {
        "Apply…", "Keep the Draft", "Discard", "Cancel"
    }  # fmt: skip
    answer(window, "Cancel")
    assert window.isVisible()
    assert session.closed_with is None
    window.close()
    answer(window, "Keep the Draft")
    assert is_gone(window)
    assert session.closed_with is True


def test_closing_can_discard(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    change_something(window, qtbot)
    window.close()
    answer(window, "Discard")
    assert is_gone(window)
    assert session.closed_with is False


def test_closing_can_apply_first(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    change_something(window, qtbot)
    window.close()
    answer(window, "Apply…")
    qtbot.waitUntil(lambda: is_gone(window))
    assert "apply" in session.calls


def test_closing_over_unsaved_text_asks_first(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    open_file(window, qtbot, "/etc", "fstab")
    type_text(window, qtbot, "# mine\n")
    window.close()
    assert "not saved" in question(window).text()
    answer(window, "Save into the Draft")
    qtbot.waitUntil(lambda: len(session.changes()) == 1)
    assert window.isVisible()


def test_the_window_is_not_closed_while_it_writes(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    change_something(window, qtbot)
    session.state = SessionState.APPLYING
    window.close()
    assert window.isVisible()
    assert "being written" in window.note.headline.text()
    assert not [box for box in window.findChildren(QMessageBox) if box.isVisible()]
    session.state = SessionState.READY


def test_the_geometry_is_kept(make_editor: Any, qtbot: QtBot, context: Any) -> None:
    window, _ = make_editor()
    window.resize(780, 555)
    window.close()
    again, _ = make_editor()
    assert (again.width(), again.height()) == (780, 555)
