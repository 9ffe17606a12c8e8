# SPDX-License-Identifier: GPL-3.0-or-later
"""The same hostile names go through every place that shows or uses a name of a guest's: none is drawn as HTML, none has
a character that cannot be seen or turns the writing, and none is a word of a shell.

Whatever is on the screen is read back from the widgets (``reading``), so a place that is added later is read too.
"""

from __future__ import annotations

import ast
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

import vmconsole
from tests.ui_images.editor_fakes import SOURCE
from tests.ui_images.fake_files import Node, file, folder
from tests.ui_images.reading import Text, all_texts
from tests.ui_images.test_conflicts import asked
from tests.ui_images.test_tool_windows import opened
from tests.ui_images.test_transfers import drop, settled
from vmconsole.images.messages import EntryKind, Progressed
from vmconsole.images.tool_values import SearchIn
from vmconsole.inventory.errors import ImageUnreadable
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.compare_window import CompareWindow
from vmconsole.ui.image_editor.link_dialog import LinkDialog
from vmconsole.ui.image_editor.properties import PropertiesDialog
from vmconsole.ui.image_editor.questions import Question
from vmconsole.ui.image_editor.search_dialog import SearchDialog
from vmconsole.ui.image_editor.uri_list import uri_of

HOSTILE = (
    "<b>bold<b>", "<img src=x onerror=alert(1)>", "<a href='file:etc'>click<a>", "&lt;b&gt;&amp;",
    "tab\tbell\x07escape\x1b[31m", "nul-like\x01\x7f", "photo\u202egnp.exe", "zero\u200bwidth\u2066isolate",
    "two\nlines\r\n", "$(touch hacked)", "`touch hacked`", "; touch hacked #", "-rf", "--help", "%s%n%d {0} {name}",
    ".leading dot", "trailing dots...", "trailing spaces   ", "caf\udce9 not utf-8 \udcff\udcfe", "'quotes\"\\back",
    "*?[glob]", "~root", "n" * 255, "ü" * 127, "&Mnemonic && more", "C:\\con", "\u0301combining", "日本語",
)  # fmt: skip
MARK = "victim"
"""Is part of no text of ours."""


def name(hostile: str) -> str:
    """A name of at most 255 bytes, with the mark by which it is found on the screen."""
    room = 255 - len(MARK)
    return MARK + hostile.encode("utf-8", "surrogateescape")[:room].decode("utf-8", "surrogateescape")


OUR_TAGS = ("<p style='white-space:pre-wrap'>", "<p>", "</p>", "<code>", "</code>")
"""Of ``plain_tip`` and of the view of an error."""


def without_our_tags(text: str) -> str:
    for tag in OUR_TAGS:
        text = text.replace(tag, "")
    return text


def check_screen(told: list[Text] | None = None) -> int:
    """Of all texts with a hostile name. Returns how many there were."""
    count = 0
    for text in told if told is not None else all_texts():
        if MARK not in text.text:
            continue
        count += 1
        if text.drawn_as_html:
            assert "<" not in without_our_tags(text.text), text
        for character in text.drawn:
            is_odd = not character.isprintable() or unicodedata.category(character) == "Cf"
            assert not is_odd or character in "\n\t", (text, f"U+{ord(character):04X}")
    return count


@pytest.fixture
def editor(make_editor: Any, qtbot: QtBot, request: pytest.FixtureRequest) -> Any:
    hostile = name(request.param)
    inner = folder(**{f"{MARK}-plain": file("text\n"), hostile[:200] + "2": file("needle\n")})
    inner.children[f"{MARK}-link"] = Node(EntryKind.LINK, target=hostile)
    tree = folder(srv=folder())
    tree.children[hostile] = folder()
    tree.children[hostile].children = {hostile: file("needle\n"), **inner.children}
    other = folder(srv=folder())
    other.children[hostile] = folder()
    other.children[hostile].children = {hostile: file("other\n"), "gone": file("x")}
    window, session = make_editor(tree=tree, other_tree=other)
    window.browser.open_folder(f"/{hostile}")
    qtbot.waitUntil(lambda: window.browser.folder == f"/{hostile}" and window.desk.is_idle)
    return window, session, hostile


every_name = pytest.mark.parametrize("editor", HOSTILE, indirect=True, ids=lambda hostile: ascii(hostile)[:30])


def select(window: Any, qtbot: QtBot, hostile: str) -> None:
    window.browser.view.select_names({hostile}, current=hostile)
    qtbot.waitUntil(lambda: window.desk.is_idle)


@every_name
def test_the_window(editor: Any, qtbot: QtBot, tmp_path: Path) -> None:
    """Files, path bar, viewer, draft, progress, questions, problems."""
    window, session, hostile = editor
    assert check_screen() >= 4, "rows, their tooltips and the path bar"
    select(window, qtbot, hostile)
    qtbot.waitUntil(lambda: MARK in window.viewer.title.text())
    check_screen()
    session._on_event(Progressed(f"Exporting {hostile}", 5, 10))
    session.gate.clear()
    window.desk.ask(session.write_file(f"/{hostile}/{hostile[:250]}new", b"x"))
    qtbot.wait(20)
    check_screen()
    session.gate.set()
    qtbot.waitUntil(lambda: window.desk.is_idle)
    window.desk.ask(session.rename(f"/{hostile}/{hostile}", f"/{hostile}/{MARK}x"))
    qtbot.waitUntil(lambda: any(MARK in window.draft.list.item(n).text() for n in range(window.draft.list.count())))
    assert check_screen() >= 4
    session.fail_next = ImageUnreadable(
        f"{hostile} cannot be read.", cause=f"Of {hostile}.", advice=f"Look at `{hostile}`.", where=f"/{hostile}",
        said=f"read: {hostile}: failed",
    )  # fmt: skip
    window.browser.open_folder(f"/{hostile}/again")
    qtbot.waitUntil(window.problem.isVisible)
    assert check_screen() >= 8


@every_name
def test_deleting_and_dropping_ask(editor: Any, qtbot: QtBot, tmp_path: Path) -> None:
    window, session, hostile = editor
    select(window, qtbot, hostile)
    window.actions_on_files.delete.trigger()
    question = next(q for q in window.findChildren(Question) if q.isVisible())
    assert MARK in question.text() + question.informativeText()
    check_screen()
    question.reject()
    if not hostile.isprintable() and any("\udc80" <= c <= "\udcff" for c in hostile):
        return  # in one process Qt hands URLs on as text; between programs such names are dropped in test_desktop_drag
    local = tmp_path / hostile
    local.write_text("mine\n")
    dropped = QMimeData()  # as other programs do; QUrl cannot hold every name
    dropped.setData("text/uri-list", uri_of(str(local)) + b"\r\n")
    drop(window, dropped)
    dialog = asked(window, qtbot)
    assert MARK in dialog.headline.text()
    check_screen()
    dialog.both.click()
    settled(window, qtbot)
    qtbot.waitUntil(lambda: bool(session.changes()))
    check_screen()


@every_name
def test_the_tools(editor: Any, qtbot: QtBot) -> None:
    window, _, hostile = editor
    select(window, qtbot, hostile)
    window.tools.properties.trigger()
    properties = opened(window, qtbot, PropertiesDialog)
    qtbot.waitUntil(lambda: window.desk.is_idle)
    assert MARK in properties.windowTitle()
    check_screen()
    properties.reject()
    window.tools.link.trigger()
    link = opened(window, qtbot, LinkDialog)
    assert link.target == f"/{hostile}/{hostile}", "what is shown is not what is meant"
    check_screen()
    link.reject()
    window.tools.search.trigger()
    search = opened(window, qtbot, SearchDialog)
    search.where.setCurrentIndex(search.where.findData(SearchIn.CONTENT))
    search.words.setText("needle")
    search.go.click()
    qtbot.waitUntil(lambda: "found." in search.status.text(), timeout=20_000)
    assert search.found.topLevelItemCount() >= 2
    assert check_screen() >= 2
    search.close()
    window.tools.compare.trigger()
    compare = opened(window, qtbot, CompareWindow)
    compare.go.click()
    qtbot.waitUntil(lambda: compare.list.topLevelItemCount() >= 1 and window.desk.is_idle)
    check_screen()
    compare.close()


def test_what_a_guest_says_of_itself(make_editor: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels, identifiers and names of systems are the guest's own words, too."""
    from dataclasses import replace

    from tests.ui_images.editor_fakes import FakeSession
    from vmconsole.images.messages import ImageSnapshot
    from vmconsole.inventory.errors import Explanation

    for hostile in HOSTILE:
        said = name(hostile)
        plain = FakeSession._overview

        def overview(self: FakeSession, said: str = said, plain: Any = plain) -> Any:
            found = plain(self)
            first, second = found.filesystems[:2]
            filesystems = (
                replace(first, label=said, uuid=said, type=said, device=f"/dev/{said}"),
                replace(second, label=said, problem=f"No: {said}"),
            )
            devices = tuple(replace(d, path=f"/{said}", target=said) for d in found.devices)
            return replace(
                found, filesystems=filesystems, os_name=said, devices=devices, speed_note=said, confinement_note=said,
                snapshots=(ImageSnapshot("1", said, 1e9),), mode_reason=Explanation(said, cause=said, where=said),
                unfinished_apply=said,
            )  # fmt: skip

        monkeypatch.setattr(FakeSession, "_overview", overview)
        source = replace(SOURCE, path=f"/{said}", guest_name=said, where=said)
        window, _ = make_editor(source=source)
        assert check_screen() >= 5, hostile
        window.close_keeping_draft()
        window.deleteLater()
        monkeypatch.undo()


def test_a_text_that_is_drawn_is_noticed() -> None:
    """This test's own eyes."""
    bad = (
        Text("label", f"{MARK}<b>x</b>", may_be_rich=True), Text("label", f"{MARK}<b>x</b>", is_rich=True),
        Text("label", f"{MARK}\u202e"), Text("label", f"{MARK}\x07"), Text("label", f"{MARK}\udcff"),
    )  # fmt: skip
    for text in bad:
        with pytest.raises(AssertionError):
            check_screen([text])
    good = (Text("tip", f"<p>{MARK}&lt;b&gt;x</p>", may_be_rich=True), Text("label", f"{MARK}<b>"))
    for text in good:
        check_screen([text])


# -- the code --------------------------------------------------------------------------------------------------------

EDITOR = Path(vmconsole.__file__).parent / "ui" / "image_editor"
DRAWN_IN_HTML = {"setToolTip", "setWhatsThis"}
OWN_LABELS = {
    "conflict_dialog.py": 1,  # an icon
}


def is_ours(node: ast.expr) -> bool:
    """A text that holds nothing of a guest's: a literal, a translation of one, or made harmless."""
    match node:
        case ast.Constant():
            return True
        case ast.Call(func=ast.Attribute(attr="tr")):
            return True
        case ast.Call(func=ast.Name(id="plain_tip")):
            return True
        case ast.IfExp(body=body, orelse=orelse):
            return is_ours(body) and is_ours(orelse)
    return False


@pytest.mark.parametrize("path", sorted(EDITOR.glob("*.py")), ids=lambda p: p.name)
def test_no_place_hands_a_raw_name_to_qt(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr in DRAWN_IN_HTML:
            assert is_ours(call.args[-1]), f"{path.name}:{call.lineno}: a tooltip goes through plain_tip()"
    labels = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "QLabel"]
    assert len(labels) == OWN_LABELS.get(path.name, 0), f"{path.name}: a label is made by plain_label()"
    boxes = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "QMessageBox"]
    assert not boxes, f"{path.name}: a question is a Question()"
    text = path.read_text("utf-8")
    assert "setHtml" not in text
    assert "RichText" not in text
    for word in ("QProcess", "os.system", "subprocess", "shell=True", "openUrl"):
        assert word not in text, f"{path.name}: nothing is run from here"


def test_a_raw_tooltip_is_found() -> None:
    assert not is_ours(ast.parse("f'{name}'", mode="eval").body)
    assert not is_ours(ast.parse("text", mode="eval").body)
    assert is_ours(ast.parse("plain_tip(text)", mode="eval").body)


def test_the_shown_name_has_nothing_odd() -> None:
    for hostile in HOSTILE:
        text = names.shown(name(hostile))
        assert text.isprintable(), ascii(text)
        assert not [c for c in text if unicodedata.category(c) == "Cf"]
        text.encode()


@pytest.fixture(autouse=True)
def no_windows_of_others(qapp: QApplication) -> None:
    for widget in QApplication.topLevelWidgets():
        assert not widget.isVisible() or MARK not in widget.windowTitle()
