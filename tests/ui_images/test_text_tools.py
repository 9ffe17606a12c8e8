# SPDX-License-Identifier: GPL-3.0-or-later
"""The text editor's find, replace, colours and place, and the view of bytes, in the editor's window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QTextCursor

from tests.ui_images.fake_files import file, folder
from tests.ui_images.test_editing import open_file
from vmconsole.ui.image_editor.colours import COLOURED_CHARACTERS_MAX, Kind, language_of, spans_of
from vmconsole.ui.image_editor.hex_view import PAGE_BYTES
from vmconsole.ui.image_editor.text_diff import LineKind, text_diff

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

POEM = "Rose is a rose\nis a ROSE \U0001f339 is a rose\n"


def test_find_counts_walks_and_goes_round(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor(tree=folder(poem=file(POEM)))
    open_file(window, qtbot, "/", "poem")
    view, bar = window.viewer.view, window.viewer.text_pane.find_bar
    bar.show_find()
    qtbot.keyClicks(bar.wanted, "rose")
    assert bar.count.text() == "1 of 4"
    assert view.textCursor().selectedText() == "Rose"
    for wanted in ("2 of 4", "3 of 4", "4 of 4", "1 of 4"):
        qtbot.keyClick(bar.wanted, Qt.Key.Key_Return)
        assert bar.count.text() == wanted
        assert view.textCursor().selectedText().lower() == "rose"
    bar.find_previous()
    assert bar.count.text() == "4 of 4"
    bar.case.setChecked(True)
    assert bar.count.text().endswith("of 2")
    bar.wanted.setText("thorn")
    assert bar.count.text() == "not found"
    qtbot.keyClick(bar.wanted, Qt.Key.Key_Escape)
    assert not bar.isVisible()
    assert view.extraSelections() == []


def test_replace_all_is_one_step_of_undo(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor(tree=folder(poem=file(POEM)))
    open_file(window, qtbot, "/", "poem")
    view, bar = window.viewer.view, window.viewer.text_pane.find_bar
    bar.show_replace()
    bar.wanted.setText("is a")
    bar.replace.setText(r"\1 was")
    bar.replace_all.click()
    assert view.exact_text() == POEM.replace("is a", r"\1 was")
    assert bar.count.text() == "3 replaced"
    view.undo()
    assert view.exact_text() == POEM
    bar.wanted.setText("Rose")
    bar.replace.setText("Lily")
    bar.replace_one.click()
    assert view.exact_text().startswith("Lily is a rose")
    window.viewer.save_text()
    qtbot.waitUntil(lambda: not window.viewer.has_unsaved_text)
    assert session.tree.children["poem"].data.startswith(b"Lily")


def test_go_to_line_and_the_words_on_the_place(make_editor: Any, qtbot: QtBot) -> None:
    text = "".join(f"line {n}\n" for n in range(1, 500)).encode("utf-16-le")
    window, _ = make_editor(tree=folder(**{"a.conf": file(text)}))
    open_file(window, qtbot, "/", "a.conf")
    pane = window.viewer.text_pane
    pane.find_bar.show_go_to()
    pane.find_bar.go_to.setText("321")
    qtbot.keyClick(pane.find_bar.go_to, Qt.Key.Key_Return)
    assert pane.view.textCursor().block().text() == "line 321"
    assert pane.status.text() == "UTF-16-LE · LF · Configuration · line 321, column 1"


def test_colours_come_and_follow_what_is_typed(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor(tree=folder(**{"run.sh": file("#!/bin/sh\n# note\necho 'text'\n")}))
    open_file(window, qtbot, "/", "run.sh")
    pane = window.viewer.text_pane
    document = pane.view.document()

    def formats(line: int) -> list[Any]:
        return document.findBlockByNumber(line).layout().formats()

    qtbot.waitUntil(lambda: pane.colouring.has_colours and bool(formats(1)))
    assert formats(1)[0].format.fontItalic()
    cursor = QTextCursor(document)
    cursor.insertText("# first\n")
    qtbot.waitUntil(lambda: pane.colouring.is_settled and bool(formats(0)) and formats(0)[0].length == 7)
    assert formats(2)[0].format.fontItalic()
    assert not document.isModified() or window.viewer.has_unsaved_text


def test_spans_are_told_in_qts_units() -> None:
    line = "# \U0001f339 rose"
    ((start, length, kind),) = spans_of(f"a = 1\n{line}\n", "/etc/x.conf")[1]
    assert (start, length, kind) == (0, len(line) + 1, Kind.COMMENT)
    assert spans_of("#" * (COLOURED_CHARACTERS_MAX + 1), "/etc/x.conf") == []
    assert spans_of("plain words", "notes.unknown-kind") == []


@pytest.mark.parametrize(
    ("name", "beginning", "language"),
    [
        ("/etc/fstab", "", "Configuration"), ("/srv/a.py", "", "Python"), ("/x", "#!/usr/bin/env python3\n", "Python"),
        ("/lib/systemd/system/a.service", "", "INI"), ("/srv/a.json", "", "JSON"), ("/srv/a.bin", "", ""),
    ],
)  # fmt: skip
def test_the_kind_of_text_is_told(name: str, beginning: str, language: str) -> None:
    assert language_of(name, beginning) == language


def test_bytes_are_fetched_only_where_one_looks(make_editor: Any, qtbot: QtBot) -> None:
    data = bytearray(40 * PAGE_BYTES)
    data[30 * PAGE_BYTES + 5 : 30 * PAGE_BYTES + 9] = b"\xde\xad\xbe\xef"
    window, session = make_editor(tree=folder(disk=file(bytes(data))))
    open_file(window, qtbot, "/", "disk")
    pane = window.viewer.hex_pane
    qtbot.waitUntil(lambda: pane.view.row_text(0).startswith("00000000  00 00"))
    pane.wanted.setText("0x dead beef")
    pane.find_next()
    place = 30 * PAGE_BYTES + 5
    qtbot.waitUntil(lambda: pane.view.cursor_offset == place and window.desk.is_idle)
    qtbot.waitUntil(lambda: "de ad be" in pane.view.row_text(place // pane.view.bytes_in_row))
    assert len([call for call in session.calls if call.startswith("window")]) <= 4
    pane.find_next()
    qtbot.waitUntil(lambda: "Not found" in pane.status.text())
    pane.offset.setText("0x10")
    qtbot.keyClick(pane.offset, Qt.Key.Key_Return)
    qtbot.keyClick(pane.view, Qt.Key.Key_Down)
    below = 0x10 + pane.view.bytes_in_row
    assert pane.view.cursor_offset == below
    assert f"0x{below:x}" in pane.status.text()
    assert pane.view.accessibleDescription().startswith(f"{below:08x}")
    window.resize(2200, 700)
    qtbot.waitUntil(lambda: pane.view.bytes_in_row == 16)
    assert pane.view.horizontalScrollBar().maximum() == 0


def test_a_text_can_be_seen_as_bytes_and_back(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    open_file(window, qtbot, "/etc", "fstab")
    window.viewer.as_bytes.click()
    qtbot.waitUntil(lambda: "2f 64 65 76" in window.viewer.hex_pane.view.row_text(0))
    window.viewer.as_bytes.click()
    assert window.viewer.view.isVisible()
    assert window.viewer.view.exact_text().startswith("/dev/vda1")


def test_a_text_difference_says_lines_form_and_bytes() -> None:
    found = text_diff(b"one\ntwo\nthree\n", b"one\n2\nthree\nfour\n")
    assert [(line.kind, line.text) for line in found if line.kind in {LineKind.ADDED, LineKind.REMOVED}] == [
        (LineKind.REMOVED, "two"), (LineKind.ADDED, "2"), (LineKind.ADDED, "four"),
    ]  # fmt: skip
    assert [(line.first, line.second) for line in found if line.text == "three"] == [(3, 3)]
    assert "line end changed" in text_diff(b"a\n", b"a\r\n")[0].text
    assert text_diff(b"same", b"same")[0].text == "The contents are the same."
    assert "from byte 3" in text_diff(b"\0\1\2\3", b"\0\1\2\4")[0].text
    assert [line.text for line in text_diff(None, b"new\n") if line.kind is LineKind.ADDED] == ["new", ""]
