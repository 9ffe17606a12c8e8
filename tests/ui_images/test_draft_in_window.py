# SPDX-License-Identifier: GPL-3.0-or-later
"""The draft in the window: undo and redo, an Apply and its way back, and drafts that are offered at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication

from vmconsole.images.draft import Draft
from vmconsole.images.facts import look_at
from vmconsole.images.messages import ChangeVerb, ImageMode, ImageSource
from vmconsole.links.ssh import LocalShell
from vmconsole.ui.image_editor.editors import ImageEditors
from vmconsole.ui.image_editor.kept_dialog import KeptDialog
from vmconsole.ui.image_editor.questions import Question

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmconsole.ui.context import Context


def click(qtbot: QtBot, button: QAbstractButton) -> None:
    assert button.isVisible()
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def answer(qtbot: QtBot, text: str) -> None:
    """Click a button of the question that is open."""

    def found() -> list[QAbstractButton]:
        boxes = [w for w in QApplication.topLevelWidgets() if isinstance(w, Question) and w.isVisible()]
        return [b for box in boxes for b in box.buttons() if b.text().replace("&", "") == text]

    qtbot.waitUntil(lambda: bool(found()))
    click(qtbot, found()[0])


def rows(window: Any) -> list[str]:
    return [window.draft.list.item(row).text()[7:] for row in range(window.draft.list.count())]


def edit(window: Any, qtbot: QtBot, count: int) -> None:
    for number in range(count):
        window.desk.ask(window.desk.session.write_file(f"/etc/new{number}", b"x"))
    qtbot.waitUntil(lambda: len(rows(window)) == count)
    qtbot.waitUntil(lambda: window.desk.is_idle)


def test_steps_are_undone_and_redone_by_button_and_key(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    assert not window.draft.undo.isVisible()
    edit(window, qtbot, 3)
    assert not window.draft.redo.isEnabled()
    click(qtbot, window.draft.undo)
    qtbot.waitUntil(lambda: len(session.changes()) == 2 and window.desk.is_idle)
    qtbot.waitUntil(lambda: rows(window)[-1] == "/etc/new2 added · 1 B (undone)")
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(session.changes()) == 1 and window.desk.is_idle)
    click(qtbot, window.draft.redo)
    qtbot.waitUntil(lambda: len(session.changes()) == 2 and window.desk.is_idle)
    assert "2 changes" in window.draft.title.text()
    assert window.browser.isVisible(), "the files are not shown after a step"


def test_an_apply_is_taken_back_from_its_last_page_and_later(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    edit(window, qtbot, 1)
    click(qtbot, window.draft.apply)
    answer(qtbot, "Apply")
    qtbot.waitUntil(window.opening.take_back.isVisible)
    assert "68.4 KiB" in window.opening.way_back.text(), "the space that it takes is not shown"
    click(qtbot, window.opening.take_back)
    answer(qtbot, "Take Back")
    qtbot.waitUntil(lambda: "taken back" in window.opening.headline.text())
    click(qtbot, window.opening.again)
    qtbot.waitUntil(window.draft.take_back.isVisible)
    click(qtbot, window.draft.take_back)
    answer(qtbot, "Take Back")
    qtbot.waitUntil(lambda: session.calls.count("take back") == 2)
    qtbot.waitUntil(window.opening.forget_way_back.isVisible)
    click(qtbot, window.opening.forget_way_back)
    qtbot.waitUntil(lambda: not window.opening.take_back.isVisible())
    assert session.back is None


def test_kept_drafts_are_offered_opened_and_discarded(context: Context, qtbot: QtBot, tmp_path: Path) -> None:
    work, shell = context.profile.drafts_dir, LocalShell()
    (tmp_path / "d.raw").write_bytes(bytes(1 << 20))
    source = ImageSource(
        str(tmp_path / "d.raw"), "raw", where="kvm<b>", guest_name="web1", host_uri="qemu+ssh://gone/system"
    )
    draft = Draft(work, source)
    draft.begin(look_at(shell, source), tmp_path / "socket")
    draft.add(ChangeVerb.WRITTEN, "/etc/fstab")
    draft.close()
    shell.close()
    dialog = KeptDialog(context, ImageEditors(context))
    qtbot.addWidget(dialog)
    dialog.look()
    qtbot.waitUntil(dialog.isVisible)
    item = dialog.tree.topLevelItem(0)
    assert [item.text(column) for column in range(3)] == [f"{source.path} on kvm<b>", "web1", "1 change"]
    click(qtbot, dialog.open_button)
    qtbot.waitUntil(dialog.problem.isVisible)
    assert dialog.isVisible(), "a draft whose host is not connected closed the dialog"
    click(qtbot, dialog.discard_button)
    answer(qtbot, "Discard")
    qtbot.waitUntil(lambda: dialog.tree.topLevelItemCount() == 0)
    assert list(work.iterdir()) == []
    dialog.close_down()


def test_nothing_kept_asks_for_no_attention(context: Context, qtbot: QtBot) -> None:
    dialog = KeptDialog(context, ImageEditors(context))
    qtbot.addWidget(dialog)
    with qtbot.waitSignal(dialog.looked):
        dialog.look()
    assert not dialog.isVisible()
    dialog.close_down()


def test_a_draft_that_nobody_can_tell_of_is_no_dead_end(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor(mode=ImageMode.LOOK_ONLY)
    buttons = (window.look_button, window.trust_button, window.leave_button)

    def shown() -> list[bool]:
        return [not button.isHidden() for button in buttons]

    assert shown() == [False, False, False]
    session.old_draft = "unfit"
    window.open()
    qtbot.waitUntil(lambda: shown() == [True, False, False])
    session.old_draft = "untold"
    window.open()
    qtbot.waitUntil(lambda: shown() == [True, True, False])
    window.look_button.click()
    qtbot.waitUntil(lambda: shown() == [False, False, True] and window.desk.is_idle)
    window.leave_button.click()
    qtbot.waitUntil(lambda: shown() == [True, True, False] and window.desk.is_idle)
    window.trust_button.click()
    question = next(q for q in window.findChildren(Question) if q.isVisible())
    assert "Was nothing written to web1.qcow2 on kvm3" in question.text()
    assert question.defaultButton().text() == "Cancel"
    question.reject()
    assert session.mode is ImageMode.LOOK_ONLY
    window.trust_button.click()
    question = next(q for q in window.findChildren(Question) if q.isVisible())
    next(b for b in question.buttons() if "Go On" in b.text()).click()
    qtbot.waitUntil(lambda: shown() == [False, False, False] and window.desk.is_idle)
    assert window.draft.isVisible()
    assert session.calls.count("open again trusted") == 1
