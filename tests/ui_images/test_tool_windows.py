# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties, new files and links, search and comparing, in the editor's window over a scripted session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QDialog, QDialogButtonBox, QLineEdit, QWidget

from tests.ui_images.fake_files import file, folder
from vmconsole.images.messages import ImageMode
from vmconsole.images.tool_values import ConfigNode, SearchIn
from vmconsole.ui.image_editor.compare_window import CompareWindow
from vmconsole.ui.image_editor.config_kinds import kind_of, other_switch
from vmconsole.ui.image_editor.link_dialog import LinkDialog
from vmconsole.ui.image_editor.properties import PropertiesDialog
from vmconsole.ui.image_editor.questions import NameDialog
from vmconsole.ui.image_editor.search_dialog import SearchDialog
from vmconsole.ui.image_editor.tool_actions import looks_like_hive
from vmconsole.ui.image_editor.xattr_table import bytes_of_text, text_of_bytes

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

T = TypeVar("T", bound=QDialog)


def opened(window: QWidget, qtbot: QtBot, kind: type[T]) -> T:
    """The dialog of a kind, when it is there."""
    qtbot.waitUntil(lambda: any(d.isVisible() for d in window.findChildren(kind)))
    return next(d for d in window.findChildren(kind) if d.isVisible())


def ok(dialog: Any) -> None:
    dialog.buttons.button(QDialogButtonBox.StandardButton.Ok).click()


def properties(make_editor: Any, qtbot: QtBot, names: set[str], **how: Any) -> tuple[Any, Any, PropertiesDialog]:
    window, session = make_editor(**how)
    window.browser.open_folder("/etc")
    qtbot.waitUntil(lambda: window.browser.folder == "/etc" and window.desk.is_idle)
    window.browser.view.select_names(names, current=min(names))
    window.tools.properties.trigger()
    return window, session, opened(window, qtbot, PropertiesDialog)


def test_boxes_and_octal_agree_and_ok_changes_the_draft(make_editor: Any, qtbot: QtBot) -> None:
    window, session, dialog = properties(make_editor, qtbot, {"fstab"})
    grid = dialog.grid
    assert (grid.octal.text(), grid.letters.text()) == ("0644", "-rw-r--r--")
    box = next(b for b in dialog.findChildren(QAbstractButton) if b.accessibleName() == "Group: Write")
    box.click()
    assert grid.octal.text() == "0664"
    grid.octal.clear()
    qtbot.keyClicks(grid.octal, "4750")
    assert grid.letters.text() == "-rwsr-x---"
    assert not box.isChecked()
    dialog.owner.setEditText("web")
    dialog.group.setEditText("33")
    ok(dialog)
    qtbot.waitUntil(lambda: bool(session.changes()) and window.desk.is_idle)
    node = session.tree.children["etc"].children["fstab"]
    assert (node.mode, node.uid, node.gid) == (0o4750, 33, 33)
    assert "attributes changed" in window.draft.list.item(0).text()


def test_several_files_keep_the_bits_in_which_they_differ(make_editor: Any, qtbot: QtBot) -> None:
    tree = folder(etc=folder(a=file(mode=0o600), b=file(mode=0o644)))
    window, session, dialog = properties(make_editor, qtbot, {"a", "b"}, tree=tree)
    assert dialog.grid.octal.text() == ""
    box = next(b for b in dialog.findChildren(QAbstractButton) if b.accessibleName() == "Owner: Execute")
    box.click()
    ok(dialog)
    qtbot.waitUntil(lambda: bool(session.changes()) and window.desk.is_idle)
    etc = session.tree.children["etc"].children
    assert (etc["a"].mode, etc["b"].mode) == (0o700, 0o744)


def test_an_unknown_account_and_a_refused_acl_keep_the_dialog_open(make_editor: Any, qtbot: QtBot) -> None:
    window, session, dialog = properties(make_editor, qtbot, {"fstab"})
    dialog.owner.setEditText("nobody-knows")
    ok(dialog)
    assert "no account" in dialog.note.headline.text()
    dialog.owner.setEditText("root")
    dialog.acl.setPlainText("nonsense")
    ok(dialog)
    qtbot.waitUntil(lambda: "not a valid ACL" in dialog.note.headline.text())
    assert dialog.isVisible()
    assert dialog.acl.toPlainText() == "nonsense"
    assert session.changes() == ()
    dialog.reject()
    assert window.isVisible()


def test_xattrs_and_the_label_are_edited_as_text_or_bytes(make_editor: Any, qtbot: QtBot) -> None:
    window, session, dialog = properties(make_editor, qtbot, {"fstab"})
    dialog.label.setEditText("system_u:object_r:etc_t:s0")
    dialog.xattrs.add.click()
    dialog.xattrs.table.item(0, 0).setText("user.odd")
    dialog.xattrs.table.item(0, 1).setText("0x ff 00")
    ok(dialog)
    qtbot.waitUntil(lambda: bool(session.changes()) and window.desk.is_idle)
    node = session.tree.children["etc"].children["fstab"]
    assert node.xattrs == {"user.odd": b"\xff\0", "security.selinux": b"system_u:object_r:etc_t:s0\0"}
    assert text_of_bytes(b"\xff\0") == "0x ff 00"
    assert bytes_of_text(text_of_bytes("grün".encode())) == "grün".encode()


def test_look_only_properties_cannot_be_changed(make_editor: Any, qtbot: QtBot) -> None:
    _, _, dialog = properties(make_editor, qtbot, {"fstab"}, mode=ImageMode.LOOK_ONLY)
    assert not dialog.buttons.button(QDialogButtonBox.StandardButton.Ok).isEnabled()
    assert "running" in dialog.note.text.text()
    assert not dialog.owner.isEnabled()


def test_a_folder_says_how_much_is_in_it(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    window.browser.view.select_names({"etc"}, current="etc")
    window.tools.properties.trigger()
    dialog = opened(window, qtbot, PropertiesDialog)
    qtbot.waitUntil(lambda: "3 files, 1 folders" in dialog.size_fact.text())
    assert not dialog.recursive.isHidden()


def test_new_file_and_new_link(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    window.browser.open_folder("/etc")
    qtbot.waitUntil(lambda: window.browser.folder == "/etc" and window.desk.is_idle)
    window.tools.new_file.trigger()
    dialog = opened(window, qtbot, NameDialog)
    dialog.line.setText("motd")
    ok(dialog)
    qtbot.waitUntil(lambda: "motd" in window.browser.model.names)
    window.browser.view.select_names({"motd"}, current="motd")
    window.tools.link.trigger()
    link = opened(window, qtbot, LinkDialog)
    assert link.target == "/etc/motd"
    link.line.setText("fstab")
    assert "taken" in link.problem.text()
    link.line.setText("motd.link")
    ok(link)
    qtbot.waitUntil(lambda: "motd.link" in window.browser.model.names)
    assert session.tree.children["etc"].children["motd.link"].target == "/etc/motd"


def test_finds_are_listed_while_they_come_and_the_search_can_be_stopped(make_editor: Any, qtbot: QtBot) -> None:
    tree = folder(**{f"d{n}": folder(**{f"hit{n}.conf": file("needle\n")}) for n in range(60)})
    window, session = make_editor(tree=tree)
    window.tools.search.trigger()
    dialog = opened(window, qtbot, SearchDialog)
    qtbot.keyClicks(dialog.words, "hit*")
    qtbot.keyClick(dialog.words, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dialog.found.topLevelItemCount() > 3)
    assert "now in" in dialog.status.text(), "finds are shown before the search is over"
    dialog.stop.click()
    count = dialog.found.topLevelItemCount()
    assert count < 60
    assert "Stopped" in dialog.status.text()
    qtbot.waitUntil(lambda: window.desk.is_idle and not session.tools.running)
    assert dialog.found.topLevelItemCount() == count
    dialog.where.setCurrentIndex(dialog.where.findData(SearchIn.CONTENT))
    dialog.words.setText("needle")
    dialog.go.click()
    qtbot.waitUntil(lambda: dialog.status.text() == "60 found.", timeout=20_000)
    dialog.found.itemActivated.emit(dialog.found.topLevelItem(5), 0)
    qtbot.waitUntil(lambda: window.browser.folder == "/d5")
    assert [e.name for e in window.browser.view.selected()] == ["hit5.conf"]


def test_a_search_that_finds_nothing_says_so(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    window.tools.search.trigger()
    dialog = opened(window, qtbot, SearchDialog)
    dialog.go.click()
    assert "Type a name" in dialog.status.text()
    dialog.words.setText("zzz")
    dialog.go.click()
    qtbot.waitUntil(lambda: dialog.status.text() == "Nothing was found.")


def test_the_draft_is_compared_with_the_disk(make_editor: Any, qtbot: QtBot) -> None:
    disk = folder(etc=folder(fstab=file("one\ntwo\n"), gone=file("x")))
    tree = folder(etc=folder(fstab=file("one\n2\n"), new=file("y")))
    window, _ = make_editor(tree=tree, other_tree=disk)
    window.tools.compare.trigger()
    dialog = opened(window, qtbot, CompareWindow)
    assert (dialog.first.currentText(), dialog.second.currentText()) == ("The disk as it is", "The draft")
    dialog.go.click()
    qtbot.waitUntil(lambda: "3 differences" in dialog.status.text())
    found = {d.path: d.verdict.value for d in dialog.list.differences()}
    assert found == {"/etc/fstab": "changed", "/etc/gone": "removed", "/etc/new": "added"}
    row = next(r for r in range(3) if dialog.list.topLevelItem(r).text(0) == "/etc/fstab")
    dialog.list.setCurrentItem(dialog.list.topLevelItem(row))
    qtbot.waitUntil(lambda: "+ 2" in dialog.diff.toPlainText() and "- two" in dialog.diff.toPlainText())
    assert "SHA-256" in dialog.about.text()
    assert dialog.back[0].isEnabled()
    assert not dialog.back[1].isEnabled(), "the draft's own version need not be brought into it"
    side = dialog._sides[0].desk.session
    dialog.reject()
    qtbot.waitUntil(lambda: side.closed_with is not None)


def test_closing_the_window_ends_a_comparison(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor(other_tree=folder(a=file("1")))
    window.tools.compare.trigger()
    dialog = opened(window, qtbot, CompareWindow)
    dialog.go.click()
    qtbot.waitUntil(lambda: bool(dialog._sides))
    side = dialog._sides[0].desk.session
    window.close_keeping_draft()
    qtbot.waitUntil(lambda: side.closed_with is not None)


def test_every_part_of_the_dialogs_has_a_name(make_editor: Any, qtbot: QtBot) -> None:
    window, _, dialog = properties(make_editor, qtbot, {"fstab"})
    window.tools.ask_search()
    window.tools.ask_compare()
    for shown in (dialog, opened(window, qtbot, SearchDialog), opened(window, qtbot, CompareWindow)):
        for kind in (QAbstractButton, QLineEdit):
            for part in shown.findChildren(kind):
                inner = part.objectName().startswith("qt_") or "ComboBox" in type(part.parent()).__name__
                text = part.text() if isinstance(part, QAbstractButton) else ""
                assert inner or part.accessibleName() or text, (shown.windowTitle(), part)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("yes", "switch"), ("022", "number"), ("/var", "path"), ("10.0.0.1/24", "address"), ("fe80::1", "address"),
     ("words", "text"), (None, "section")],
)  # fmt: skip
def test_the_kind_of_a_value_is_told(value: str | None, kind: str) -> None:
    assert kind_of(ConfigNode("a", "a", value, 0)) == kind
    assert kind_of(ConfigNode("#comment", "#comment", value, 0)) == "comment"


def test_switches_and_hives() -> None:
    assert [other_switch(v) for v in ("yes", "No", "TRUE", "maybe")] == ["no", "Yes", "FALSE", "maybe"]
    assert looks_like_hive("/Windows/System32/config/SOFTWARE")
    assert looks_like_hive("/Users/me/NTUSER.DAT")
    assert not looks_like_hive("/home/me/software")


def test_the_difference_of_one_change_is_shown(make_editor: Any, qtbot: QtBot) -> None:
    disk = folder(etc=folder(fstab=file("one\ntwo\n"), other=file("x"), old=file("o")))
    tree = folder(etc=folder(fstab=file("one\ntwo\n"), other=file("changed too"), old=file("o")))
    window, session = make_editor(tree=tree, other_tree=disk)
    panel = window.draft
    for asked in (
        session.write_file("/etc/fstab", b"one\n2\n"),
        session.rename("/etc/old", "/etc/new"),
        session.make_folder("/srv"),
        session.write_file("/srv/inside", b"new\n"),
    ):
        window.desk.ask(asked)
    qtbot.waitUntil(lambda: panel.list.count() == 4)
    assert not panel.difference.isEnabled()
    assert "Select a change" in panel.difference.toolTip()

    def shown(row: int, count: str) -> CompareWindow:
        panel.list.setCurrentRow(row)
        panel.difference.click()
        dialog = opened(window, qtbot, CompareWindow)
        qtbot.waitUntil(lambda: dialog.status.text().startswith(f"{count} difference"))
        return dialog

    dialog = shown(0, "1")
    assert [d.path for d in dialog.list.differences()] == ["/etc/fstab"]
    qtbot.waitUntil(lambda: "+ 2" in dialog.diff.toPlainText() and "- two" in dialog.diff.toPlainText())
    side = dialog._sides[0].desk.session
    again = shown(1, "2")
    assert again is dialog
    assert dialog._sides[0].desk.session is side, "the disk stays open for the next one"
    assert {d.path: d.verdict.value for d in dialog.list.differences()} == {"/etc/old": "removed", "/etc/new": "added"}
    shown(3, "1")
    assert [(d.path, d.verdict.value) for d in dialog.list.differences()] == [("/srv", "added")], (
        "it is in a new folder"
    )
    dialog.go.click()
    qtbot.waitUntil(lambda: dialog.status.text().startswith("5 difference"))
    dialog.reject()
    qtbot.waitUntil(lambda: side.closed_with is not None and not window.findChildren(CompareWindow))
    assert shown(0, "1") is not None
