# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands inside a guest's files is as hostile as its names: keys and values of the registry, entries of
configuration files, lines of a difference, changes of a draft. All of it is shown as it is, character by character, and
an edit changes what was edited alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QDialog

from tests.ui_images.fake_files import file, folder
from tests.ui_images.reading import all_texts
from tests.ui_images.test_hostile_names import HOSTILE, MARK, check_screen, name
from tests.ui_images.test_tool_windows import ok, opened
from vmconsole.images.messages import ChangeVerb
from vmconsole.images.registry_values import is_plain, text_of
from vmconsole.images.tool_values import ConfigNode, ConfigTree, ConfigVerb, RegistryKey, RegistryValue, RegistryVerb
from vmconsole.inventory.errors import ImageUnreadable
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.compare_window import CompareWindow
from vmconsole.ui.image_editor.config_window import VALUE, ConfigWindow, NewEntryDialog
from vmconsole.ui.image_editor.diff_view import DiffView
from vmconsole.ui.image_editor.properties import PropertiesDialog
from vmconsole.ui.image_editor.questions import NAMED_MAX, NameDialog, Question
from vmconsole.ui.image_editor.registry_value_dialog import RegistryValueDialog
from vmconsole.ui.image_editor.registry_window import EDITED_BYTES_MAX, RegistryWindow
from vmconsole.ui.image_editor.text_diff import DiffLine, LineKind, text_diff
from vmconsole.ui.image_editor.text_file import LINE_MAX

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

HIVE = "/Windows/System32/config/SOFTWARE"
SPARED = (
    *HOSTILE,
    "Run\0hidden",
    "half \ud800 of a pair",
    "no-break\u00a0space\u2028line\u2029paragraph",
    "\ufeffmark",
)
SAID = [MARK + hostile for hostile in SPARED]
HELD_S = 0.25
"""What an idle machine does in a tenth of it; before the bounds, it was seconds to minutes."""


def sz(text: str) -> bytes:
    return (text + "\0").encode("utf-16-le", "surrogatepass")


def registry(make_editor: Any, qtbot: QtBot, *values: RegistryValue) -> tuple[Any, Any, RegistryWindow]:
    window, session = make_editor()
    session.tools.keys = {(): RegistryKey(HIVE, (), tuple(SAID), values, 1.6e9)}
    session.tools.keys |= {(said,): RegistryKey(HIVE, (said,), (said,), values, 1.6e9) for said in SAID}
    dialog = RegistryWindow(window.desk, HIVE, "", window)
    dialog.show()
    dialog.load()
    qtbot.waitUntil(lambda: dialog.keys.topLevelItem(0).childCount() == len(SAID) and window.desk.is_idle)
    return window, session, dialog


def rejected(dialog: Any, kind: type[QDialog], qtbot: QtBot) -> None:
    for one in dialog.findChildren(kind):
        one.reject()
    qtbot.waitUntil(lambda: not dialog.findChildren(kind))


def test_the_registry(make_editor: Any, qtbot: QtBot) -> None:
    values = [RegistryValue(said, 1, sz(said)) for said in SAID]
    odd = (
        RegistryValue(f"{MARK} list", 7, sz("\0".join(SAID[:9])) + b"\0\0"), RegistryValue(f"{MARK} bytes", 3, b"<b>"),
        RegistryValue(f"{MARK} long", 1, b"", left_out_bytes=5 << 20), RegistryValue("", 77, sz(MARK)),
    )  # fmt: skip
    *_, dialog = registry(make_editor, qtbot, *values, *odd)
    assert check_screen() >= 3 * len(SAID), "keys, names and data"
    items = [dialog.values.topLevelItem(row) for row in range(dialog.values.topLevelItemCount())]
    for item in items:
        value = item.data(0, Qt.ItemDataRole.UserRole)
        dialog.values.setCurrentItem(item)
        dialog._on_edit_value()
        if value.left_out_bytes:
            assert not dialog.findChildren(RegistryValueDialog)
            continue
        editor = opened(dialog, qtbot, RegistryValueDialog)
        assert editor.value == value, "it was only looked at"
        if value.type == 1 and is_plain(value):
            editor.text.setPlainText(f"{editor.text.toPlainText()}!")
            assert text_of(editor.value) == f"{value.name}!"
        check_screen([text for text in all_texts() if "Dialog" in text.where or "QPlainTextEdit" in text.where])
        rejected(dialog, RegistryValueDialog, qtbot)


def test_the_questions_of_the_registry(make_editor: Any, qtbot: QtBot) -> None:
    window, session, dialog = registry(make_editor, qtbot)
    for number, said in enumerate(SAID):
        top = dialog.keys.topLevelItem(0)
        child = next(top.child(n) for n in range(len(SAID)) if top.child(n).text(0) == names.shown(said))
        dialog.keys.setCurrentItem(child)
        qtbot.waitUntil(lambda said=said: dialog._key is not None and dialog._key.path == (said,))
        dialog.delete_key.click()
        question = next(q for q in dialog.findChildren(Question) if q.isVisible())
        assert MARK in question.informativeText()
        dialog.add_key.click()
        assert opened(dialog, qtbot, NameDialog)
        assert check_screen() >= 4, number
        for kind in (Question, NameDialog):
            rejected(dialog, kind, qtbot)
    assert not session.tools.edits
    session.fail_next = ImageUnreadable(f"{SAID[4]}", cause=SAID[6], advice=SAID[8], said=SAID[9])
    dialog._read(dialog.keys.topLevelItem(0))
    qtbot.waitUntil(lambda: dialog.note.isVisible() and window.desk.is_idle)
    check_screen()


def test_a_value_is_given_back_to_the_byte(make_editor: Any, qtbot: QtBot) -> None:
    """Qt's editors turn CR LF, no-break spaces and paragraph marks into others."""
    text = "one\r\ntwo\u00a0three\u2029four\ttab"
    value = RegistryValue("v", 1, sz(text))
    window, session, dialog = registry(make_editor, qtbot, value)
    dialog.values.setCurrentItem(dialog.values.topLevelItem(0))
    dialog.edit_value.click()
    editor = opened(dialog, qtbot, RegistryValueDialog)
    editor.text.moveCursor(editor.text.textCursor().MoveOperation.Start)
    qtbot.keyClicks(editor.text, ">")
    ok(editor)
    qtbot.waitUntil(lambda: bool(session.tools.edits) and window.desk.is_idle)
    assert session.tools.edits[0].verb is RegistryVerb.SET_VALUE
    assert session.tools.edits[0].value == RegistryValue("v", 1, sz(f">{text}"))
    dialog.reject()


def test_long_registry_data_do_not_hold_the_window(make_editor: Any, qtbot: QtBot) -> None:
    most = EDITED_BYTES_MAX
    values = (
        RegistryValue("a", 1, sz("ü" * (most // 2 - 1))), RegistryValue("b", 3, bytes(most)),
        RegistryValue("c", 1, sz("日" * (1 << 18))), *(RegistryValue(f"d{n}", 1, sz("日" * 9999)) for n in range(1000)),
    )  # fmt: skip
    window, _, dialog = registry(make_editor, qtbot)
    begun = time.perf_counter()
    dialog._show_values(RegistryKey(HIVE, (), (), values, 0))
    QApplication.processEvents()
    assert time.perf_counter() - begun < HELD_S
    for row in (0, 1):
        dialog.values.setCurrentItem(dialog.values.topLevelItem(row))
        assert dialog.edit_value.isEnabled()
        begun = time.perf_counter()
        dialog.edit_value.click()
        QApplication.processEvents()
        assert time.perf_counter() - begun < HELD_S, row
        editor = opened(dialog, qtbot, RegistryValueDialog)
        assert editor.value == values[row]
        editor.reject()
        qtbot.waitUntil(lambda: not dialog.findChildren(RegistryValueDialog))
    dialog.values.setCurrentItem(dialog.values.topLevelItem(2))
    assert not dialog.edit_value.isEnabled()
    assert "copy the hive out" in dialog.edit_value.toolTip()
    dialog.values.itemActivated.emit(dialog.values.topLevelItem(2), 0)
    assert not dialog.findChildren(RegistryValueDialog)
    dialog.reject()
    assert window.isVisible()


def config(make_editor: Any, qtbot: QtBot, *nodes: ConfigNode) -> tuple[Any, Any, ConfigWindow]:
    window, session = make_editor()
    session.tools.config = ConfigTree("/etc/hosts", "Hosts.lns", nodes)
    dialog = ConfigWindow(window.desk, "/etc/hosts", "", window)
    dialog.show()
    dialog.load()
    qtbot.waitUntil(lambda: dialog.tree.topLevelItemCount() > 0 and window.desk.is_idle)
    return window, session, dialog


def test_a_configuration_file(make_editor: Any, qtbot: QtBot) -> None:
    nodes = [ConfigNode("1", "1", None, 0)]
    nodes += [ConfigNode(f"1/{n}", "#comment", said, 1) for n, said in enumerate(SAID)]
    nodes += [ConfigNode(f"c{n}", said, f"{said} {said}", 0) for n, said in enumerate(SAID)]
    window, session, dialog = config(make_editor, qtbot, *nodes)
    assert check_screen() >= 3 * len(SAID)
    for number, said in enumerate(SAID):
        item = dialog.tree.topLevelItem(1 + number)
        dialog.tree.setCurrentItem(item)
        item.setText(VALUE, item.text(VALUE))
        assert not session.tools.edits
        dialog.add_after.click()
        entry = opened(dialog, qtbot, NewEntryDialog)
        assert entry.wanted_label == said
        check_screen([text for text in all_texts() if "QLineEdit" in text.where])
        rejected(dialog, NewEntryDialog, qtbot)
        item.setText(VALUE, f"{item.text(VALUE)}!")
        qtbot.waitUntil(lambda: bool(session.tools.edits) and window.desk.is_idle)
        edit = session.tools.edits.pop()
        assert (edit.verb, edit.path, edit.value) == (ConfigVerb.SET, f"c{number}", f"{said} {said}!")
    session.fail_next = ImageUnreadable(f"{SAID[4]}", cause=SAID[6], advice=SAID[8], said=SAID[9])
    dialog.load()
    qtbot.waitUntil(dialog.note.isVisible)
    check_screen()


def test_the_changes_of_a_draft(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    for number, said in enumerate(SAID):
        session._note(list(ChangeVerb)[number % len(ChangeVerb)], f"/{said}", detail=f"to /{said}")
    qtbot.waitUntil(lambda: window.draft.list.count() == len(SAID))
    assert check_screen() >= len(SAID)
    for first in range(0, len(SAID), NAMED_MAX):  # a question names so many
        del session._changes[: NAMED_MAX if first else 0]
        for ask in (window.draft_actions.ask_apply, window.draft_actions.ask_discard):
            ask()
            question = next(q for q in window.findChildren(Question) if q.isVisible())
            assert MARK in question.informativeText()
            check_screen([text for text in all_texts() if "Question" in text.where or "QLabel" in text.where])
            rejected(window, Question, qtbot)


def test_lines_of_a_difference(qtbot: QtBot) -> None:
    view = DiffView()
    qtbot.addWidget(view)
    view.show()
    view.show_lines([DiffLine(kind, said, 1, 1) for kind in LineKind for said in SAID])
    assert check_screen() == 1
    for line, said in zip(view.toPlainText().split("\n"), SAID, strict=False):
        assert line.endswith(" " + "\t".join(map(names.shown, said.split("\t"))))


def test_a_literal_escape_in_a_text_stays_one(qtbot: QtBot) -> None:
    view = DiffView()
    qtbot.addWidget(view)
    view.show_lines([DiffLine(LineKind.SAME, "a\\x00b", 1, 1)])
    assert view.toPlainText().endswith("a\\x00b")


def test_a_difference_in_one_endless_line(qtbot: QtBot) -> None:
    view = DiffView()
    qtbot.addWidget(view)
    view.show()
    lines = text_diff(b"x" * (1 << 20), b"x" * (1 << 20) + b"y")
    begun = time.perf_counter()
    view.show_lines(lines)
    QApplication.processEvents()
    assert time.perf_counter() - begun < HELD_S
    assert "more characters)" in view.toPlainText()


def test_both_sides_of_a_comparison(make_editor: Any, qtbot: QtBot) -> None:
    tree, other = folder(srv=folder()), folder(srv=folder())
    for hostile in HOSTILE:
        contents = f"{MARK}{hostile}\n".encode("utf-8", "replace")
        tree.children[name(hostile)], other.children[name(hostile)] = file(contents), file("old\n")
    window, _ = make_editor(tree=tree, other_tree=other)
    window.tools.compare.trigger()
    compare = opened(window, qtbot, CompareWindow)
    compare.go.click()
    qtbot.waitUntil(lambda: compare.list.topLevelItemCount() == len(HOSTILE) and window.desk.is_idle)
    for row in range(len(HOSTILE)):
        compare.diff.clear()
        compare.list.setCurrentItem(compare.list.topLevelItem(row))
        qtbot.waitUntil(lambda: "old" in compare.diff.toPlainText() or "not text" in compare.diff.toPlainText())
    assert check_screen() >= 2 * len(HOSTILE)
    compare.reject()


def test_an_odd_attribute_keeps_its_name(make_editor: Any, qtbot: QtBot) -> None:
    tree = folder(etc=folder(fstab=file("x")))
    odd = "user.\u202eodd\x07"
    tree.children["etc"].children["fstab"].xattrs = {odd: b"1"}
    window, session = make_editor(tree=tree)
    window.browser.open_folder("/etc")
    qtbot.waitUntil(lambda: window.browser.folder == "/etc" and window.desk.is_idle)
    window.browser.view.select_names({"fstab"}, current="fstab")
    window.tools.properties.trigger()
    dialog = opened(window, qtbot, PropertiesDialog)
    qtbot.waitUntil(lambda: dialog.xattrs.table.rowCount() == 1)
    dialog.grid.octal.clear()
    qtbot.keyClicks(dialog.grid.octal, "0600")
    ok(dialog)
    qtbot.waitUntil(lambda: bool(session.changes()) and window.desk.is_idle)
    assert tree.children["etc"].children["fstab"].xattrs == {odd: b"1"}


def test_a_rename_keeps_what_was_not_touched(make_editor: Any, qtbot: QtBot) -> None:
    tree = folder(srv=folder())
    tree.children["old\x07\udce9.txt"] = file("x")
    window, session = make_editor(tree=tree)
    model = window.browser.model
    row = next(r for r in range(model.rowCount()) if model.entry(model.index(r, 0)).name.startswith("old"))
    index = model.index(row, 0)
    shown = index.data(Qt.ItemDataRole.EditRole)
    assert shown == "old\\x07\\xe9.txt"
    model.setData(index, shown.replace("old", "new"))
    qtbot.waitUntil(lambda: "new\x07\udce9.txt" in session.tree.children)


@pytest.mark.parametrize(
    ("original", "text", "meant"),
    [
        ("a\x07b", "a\\x07b", "a\x07b"), ("a\x07b", "a\\x07c", "a\x07c"),
        ("a\x07b\x07c", "1\\x07b\\x072", "1\x07b\x072"),
        ("a\x07b", "ab", "ab"), ("plain", "C:\\x07", "C:\\x07"), ("\\x07\x07", "\\x07\\x07", "\\x07\x07"),
        ("\\x07\x07", "\\x07\\x07!", "\\x07\x07!"), ("", "new", "new"), ("aaa", "aa", "aa"), ("abc", "", ""),
    ],
)  # fmt: skip
def test_what_was_typed_over_escapes(original: str, text: str, meant: str) -> None:
    assert names.typed(text, original) == meant


def test_a_file_of_one_endless_line_is_shown_as_bytes(make_editor: Any, qtbot: QtBot) -> None:
    tree = folder(
        **{"min.js": file("x" * (1 << 19)), "trap.conf": file("a\nb \u202e c\n"), "plain": file("y" * LINE_MAX)}
    )
    window, _ = make_editor(tree=tree)
    for which, words in (
        ("min.js", "a line of 524288 characters"),
        ("trap.conf", "Line 2 has a character that cannot be"),
    ):
        window.browser.view.select_names({which}, current=which)
        qtbot.waitUntil(
            lambda words=words: window.viewer.note.isVisible() and words in window.viewer.note.headline.text()
        )
        assert (window.viewer.panes.currentWidget() is window.viewer.hex_pane) == (which == "min.js")
        assert "\u202e" not in window.viewer.note.headline.text()
    assert not window.viewer.as_bytes.isChecked()
    window.browser.view.select_names({"plain"}, current="plain")
    qtbot.waitUntil(lambda: window.viewer.title.text() == "plain" and not window.viewer.note.isVisible())
    assert window.viewer.panes.currentWidget() is window.viewer.text_pane
