# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in and out of the editor: what is dropped, what is asked, and what another program is given."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragMoveEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QFileDialog

from tests.ui_images.fake_files import folder
from tests.ui_images.test_editor_window import select
from vmconsole.images.messages import ImageMode, Ownership
from vmconsole.inventory.errors import ImageUnreadable
from vmconsole.ui.image_editor import transfers
from vmconsole.ui.image_editor.fetch import GNOME_FILES, URI_LIST, Fetch, PromisedFiles
from vmconsole.ui.image_editor.progress_strip import Rate
from vmconsole.ui.image_editor.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from vmconsole.ui.image_editor.window import ImageEditorWindow


@pytest.fixture
def local(tmp_path: Path) -> Path:
    place = tmp_path / "desk"
    place.mkdir()
    for name in ("note.txt", "hosts"):
        (place / name).write_text(f"local {name}\n")
    return place


def urls(*paths: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(p)) for p in paths])
    return data


def drop(window: ImageEditorWindow, data: QMimeData, row: str = "") -> QDropEvent:
    """Let something fall on a row, or on the space below all rows."""
    view, model = window.browser.view, window.browser.model
    place = (
        view.visualRect(model.index(model.row_of(row), 0)).center() if row else QPoint(20, view.viewport().height() - 5)
    )
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    view.dragMoveEvent(QDragMoveEvent(place, *how))
    event = QDropEvent(QPointF(place), *how)
    event.ignore()
    view.dropEvent(event)
    return event


def settled(window: ImageEditorWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.desk.is_idle)


# -- in ------------------------------------------------------------------------------------------------------------


def test_a_drop_on_the_space_goes_into_the_shown_folder(make_editor: Any, qtbot: QtBot, local: Path) -> None:
    window, session = make_editor()
    event = drop(window, urls(local / "note.txt"))
    assert event.isAccepted()
    assert event.dropAction() == Qt.DropAction.CopyAction
    qtbot.waitUntil(lambda: "note.txt" in window.browser.model.names and window.desk.is_idle)
    assert session.tree.children["note.txt"].data == b"local note.txt\n"
    assert [e.name for e in window.browser.view.selected()] == ["note.txt"]
    assert (local / "note.txt").exists()


def test_a_drop_on_a_folder_row_goes_into_that_folder(make_editor: Any, qtbot: QtBot, local: Path) -> None:
    window, session = make_editor()
    drop(window, urls(local / "note.txt"), "srv")
    qtbot.waitUntil(lambda: "note.txt" in session.tree.children["srv"].children)
    settled(window, qtbot)
    assert "note.txt" not in window.browser.model.names


def test_a_drop_on_a_file_row_goes_into_the_shown_folder(make_editor: Any, qtbot: QtBot, local: Path) -> None:
    window, session = make_editor()
    drop(window, urls(local / "note.txt"), "<b>bold")
    qtbot.waitUntil(lambda: "note.txt" in session.tree.children)
    settled(window, qtbot)


def test_while_dragging_it_says_where_it_would_land(make_editor: Any, local: Path) -> None:
    window, _ = make_editor()
    data = urls(local / "note.txt")
    view, model = window.browser.view, window.browser.model
    place = view.visualRect(model.index(model.row_of("srv"), 0)).center()
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    view.dragMoveEvent(QDragMoveEvent(place, *how))
    assert window.browser.status.text() == "Drop into /srv"


def test_nothing_can_be_dropped_to_look_only(make_editor: Any, qtbot: QtBot, local: Path) -> None:
    window, session = make_editor(mode=ImageMode.LOOK_ONLY)
    assert not drop(window, urls(local / "note.txt")).isAccepted()
    settled(window, qtbot)
    assert not [call for call in session.calls if call.startswith("import")]


def test_text_is_no_file(make_editor: Any) -> None:
    window, _ = make_editor()
    data = QMimeData()
    data.setText("only words")
    assert not drop(window, data).isAccepted()


def test_what_is_on_another_machine_is_said_to_be(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    data = QMimeData()
    data.setUrls([QUrl("sftp://elsewhere/etc/passwd")])
    drop(window, data)
    qtbot.waitUntil(window.problem.isVisible)
    assert "sftp://elsewhere" in window.problem.explanation.cause
    assert not [call for call in session.calls if call.startswith("import")]


def test_an_import_that_fails_is_explained(make_editor: Any, qtbot: QtBot, local: Path) -> None:
    from vmconsole.inventory.errors import ImageNoSpace

    window, session = make_editor()
    session.fail_next = ImageNoSpace("The filesystem has no room for it.", where="/")
    drop(window, urls(local / "note.txt"))
    qtbot.waitUntil(window.problem.isVisible)
    assert window.problem.explanation.what == "The filesystem has no room for it."


def test_a_huge_import_shows_bytes_and_can_be_cancelled(make_editor: Any, qtbot: QtBot, local: Path) -> None:
    window, session = make_editor()
    session.gate.clear()
    drop(window, urls(local / "note.txt"))
    qtbot.waitUntil(window.progress.isVisible, timeout=3000)
    qtbot.mouseClick(window.progress.cancel, Qt.MouseButton.LeftButton)
    settled(window, qtbot)
    assert session.changes() == ()
    assert not window.problem.isVisible()


# -- out -----------------------------------------------------------------------------------------------------------


def promise(window: ImageEditorWindow, *names: str) -> PromisedFiles:
    entries = [e for e in window.browser.model.entries() if e.name in names]
    data = window.browser.view.make_drag_data(entries)
    assert isinstance(data, PromisedFiles)
    return data


def test_a_promise_fetches_only_when_somebody_wants_the_files(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    data = promise(window, "etc", "<b>bold")
    assert data.hasUrls()
    assert "export" not in session.calls, "a drag inside the table must fetch nothing"
    found = [Path(url.toLocalFile()) for url in data.urls()]
    assert sorted(p.name for p in found) == ["<b>bold", "etc"]
    assert (found[0].parent / "<b>bold").read_text() == "not rich\n"
    assert (found[0].parent / "etc" / "fstab").read_text().startswith("/dev/vda1")
    assert stat.S_IMODE(found[0].parent.stat().st_mode) == 0o700


def test_small_files_are_fetched_while_the_drag_is_on_its_way(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    data = promise(window, "<b>bold")
    window.browser.view.drag_left.emit()
    qtbot.waitUntil(lambda: "export" in session.calls and window.desk.is_idle)
    session.gate.clear()
    assert data.hasUrls()
    assert [url.fileName() for url in data.urls()] == ["<b>bold"]
    session.gate.set()


def test_the_window_lives_on_while_another_program_waits(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    data = promise(window, "<b>bold")
    session.gate.clear()
    beats: list[int] = []
    timer = QTimer(interval=20)
    timer.timeout.connect(lambda: (beats.append(1), session.gate.set() if len(beats) > 10 else None))
    timer.start()
    uris = bytes(data.data(URI_LIST).data()).decode()
    timer.stop()
    assert uris.startswith("file:///")
    assert uris.endswith("%3Cb%3Ebold\r\n")
    assert len(beats) > 10


def test_pasting_in_gnome_programs(make_editor: Any) -> None:
    window, _ = make_editor()
    text = bytes(promise(window, "<b>bold").data(GNOME_FILES).data()).decode()
    assert text.startswith("copy\nfile:///")


def test_a_fetch_that_fails_promises_nothing_and_is_explained(make_editor: Any, qtbot: QtBot) -> None:
    from vmconsole.inventory.errors import ImageNoSpace

    window, session = make_editor()
    data = promise(window, "<b>bold")
    session.fail_next = ImageNoSpace("This machine's disk is full.")
    assert data.urls() == []
    assert window.problem.explanation.what == "This machine's disk is full."


def test_a_drag_that_comes_to_nothing_is_cancelled(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    session.gate.clear()
    promise(window, "etc")
    window.browser.view.drag_left.emit()
    window.browser.view.drag_ended.emit(Qt.DropAction.IgnoreAction)
    settled(window, qtbot)
    assert "cancel" in session.calls


def test_a_drag_that_was_taken_is_not_cancelled(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    promise(window, "etc")
    window.browser.view.drag_left.emit()
    window.browser.view.drag_ended.emit(Qt.DropAction.CopyAction)
    settled(window, qtbot)
    assert "cancel" not in session.calls


def test_the_same_files_again_are_there_at_once_until_something_changes(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    first = promise(window, "<b>bold").urls()
    assert promise(window, "<b>bold").urls() == first
    assert session.calls.count("export") == 1
    window.desk.ask(session.write_file("/<b>bold", b"new\n"))
    settled(window, qtbot)
    again = promise(window, "<b>bold").urls()
    assert Path(again[0].toLocalFile()).read_text() == "new\n"


def test_who_waited_long_is_told_that_it_is_ready(make_editor: Any, qtbot: QtBot, monkeypatch: Any) -> None:
    monkeypatch.setattr(transfers, "PATIENCE_S", 0.05)
    window, _ = make_editor(export_takes_s=0.3)
    promise(window, "<b>bold").urls()
    assert "ready now" in window.note.headline.text()


def test_copy_and_paste_inside_the_image(make_editor: Any, qtbot: QtBot, clean_clipboard: None) -> None:
    window, session = make_editor()
    window.browser.view.select_names({"<b>bold"}, current="<b>bold")
    window.actions_on_files.copy.trigger()
    assert QGuiApplication.clipboard().mimeData().hasUrls()
    window.browser.open_folder("/srv")
    qtbot.waitUntil(lambda: window.browser.folder == "/srv" and window.actions_on_files.paste.isEnabled())
    window.actions_on_files.paste.trigger()
    qtbot.waitUntil(lambda: "<b>bold" in session.tree.children["srv"].children)
    settled(window, qtbot)


def test_pasting_what_is_no_file_says_so(make_editor: Any, clean_clipboard: None) -> None:
    window, session = make_editor()
    QGuiApplication.clipboard().setText("only words")
    window.actions_on_files.paste.trigger()
    assert "no files" in window.note.headline.text()
    assert session.changes() == ()


def test_from_one_image_to_another(make_editor: Any, qtbot: QtBot, context: Any) -> None:
    first, session = make_editor()
    second, other = make_editor(tree=folder(inbox=folder()))
    drop(second, promise(first, "<b>bold"), "inbox")
    inbox = other.tree.children["inbox"].children
    qtbot.waitUntil(lambda: "<b>bold" in inbox)
    settled(second, qtbot)
    assert inbox["<b>bold"].data == b"not rich\n"
    assert "export" not in session.calls, "no copy that belongs to this user was made"
    assert "as they were in the other image" in second.note.text.text()
    staged = context.profile.cache_dir / "dragged-out"
    qtbot.waitUntil(lambda: not list(staged.glob("*/bundle")))  # it does not stay to fill the disk


def test_what_it_is_goes_to_the_other_image_with_it(make_editor: Any, qtbot: QtBot) -> None:
    first, session = make_editor()
    (node := session.tree.children["usr"].children["bin"].children["true"]).xattrs["user.x"] = b"\0\xff"
    node.uid, node.gid = 33, 34
    second, other = make_editor(tree=folder(inbox=folder()))
    drop(second, promise(first, "usr", "bin"), "inbox")
    inbox = other.tree.children["inbox"].children
    qtbot.waitUntil(lambda: {"usr", "bin"} <= set(inbox))
    settled(second, qtbot)
    assert inbox["usr"].children["bin"].children["true"] == node
    assert inbox["bin"].target == "usr/bin"


def test_a_reading_that_fails_is_told_in_both_windows(make_editor: Any, qtbot: QtBot) -> None:
    first, session = make_editor()
    second, other = make_editor(tree=folder(inbox=folder()))
    data = promise(first, "<b>bold")
    session.fail_next = ImageUnreadable("The disk below it is failing.", where="/<b>bold")
    drop(second, data, "inbox")
    qtbot.waitUntil(lambda: second.problem.isVisible() and first.problem.isVisible())
    assert second.problem.explanation.what == "The disk below it is failing."
    assert second.note.headline.text() == "Nothing was brought in."
    assert other.changes() == ()


def test_a_window_that_closes_under_it_is_told(make_editor: Any, qtbot: QtBot) -> None:
    first, session = make_editor()
    second, other = make_editor(tree=folder(inbox=folder()))
    session.gate.clear()
    drop(second, promise(first, "<b>bold"), "inbox")
    qtbot.waitUntil(lambda: "carry out" in session.calls)
    first.close_keeping_draft()
    qtbot.waitUntil(second.problem.isVisible)
    assert "closed" in second.problem.explanation.cause
    assert other.changes() == ()


def test_who_stops_it_there_stops_it_here(make_editor: Any, qtbot: QtBot) -> None:
    first, session = make_editor()
    second, other = make_editor(tree=folder(inbox=folder()))
    session.gate.clear()
    drop(second, promise(first, "<b>bold"), "inbox")
    qtbot.waitUntil(lambda: "carry out" in session.calls)
    assert "web1" in second.note.headline.text()
    first.desk.session.cancel()
    qtbot.waitUntil(lambda: second.note.headline.text() == "Nothing was brought in.")
    assert not second.problem.isVisible()
    assert other.changes() == ()


def test_copy_to_a_folder(make_editor: Any, qtbot: QtBot, local: Path) -> None:
    window, _ = make_editor()
    window.browser.view.select_names({"etc"}, current="etc")
    window.actions_on_files.copy_to.trigger()
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    assert dialog.fileMode() == QFileDialog.FileMode.Directory
    dialog.filesSelected.emit([str(local)])
    dialog.close()
    qtbot.waitUntil(lambda: (local / "etc" / "hosts").exists() and window.desk.is_idle)
    assert "copied" in window.note.headline.text()
    assert window.note.text.text() == str(local)


def test_closing_takes_the_staged_files_away(make_editor: Any, qtbot: QtBot, context: Any) -> None:
    window, _ = make_editor()
    staged = Path(promise(window, "etc").urls()[0].toLocalFile())
    assert staged.exists()
    window.close()
    qtbot.waitUntil(lambda: not staged.parent.exists())
    assert list((context.profile.cache_dir / "dragged-out").iterdir()) == []


def test_old_staged_files_go_when_new_ones_come(tmp_path: Path, qtbot: QtBot, monkeypatch: Any) -> None:
    staging = Staging(tmp_path / "s")
    old = staging.new_folder()
    now = staging.new_folder()
    assert old.exists()
    monkeypatch.setattr("vmconsole.ui.image_editor.staging.KEPT_S", 0.0)
    staging.hold(held := staging.new_folder())
    qtbot.waitUntil(lambda: not old.exists() and not now.exists())
    last = staging.new_folder()
    assert held.exists(), "it is in use"
    staging.drop(tmp_path)
    staging.let_go(held)
    staging.new_folder()
    qtbot.waitUntil(lambda: not held.exists() and not last.exists())
    staging.close()


def test_no_room_for_a_staging_folder_is_explained(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()

    def full() -> Path:
        raise OSError(28, "No space left on device", "/cache")

    fetch = Fetch(window.desk, ["/etc"], full)
    assert fetch.wait() == []
    assert fetch.problem is not None
    assert "private folder" in fetch.problem.what
    assert fetch.problem.where == "/cache"


def test_rate_is_of_the_last_seconds() -> None:
    now = 0.0
    rate = Rate(lambda: now)
    assert rate.bytes_per_s is None
    for second in range(10):
        now = float(second)
        rate.take(second * (1000 if second < 5 else 3000))
    assert rate.bytes_per_s == pytest.approx(3000)
    rate.take(0)
    assert rate.bytes_per_s is None


@pytest.fixture
def clean_clipboard(qapp: Any) -> Iterator[None]:
    yield
    QGuiApplication.clipboard().clear()


def test_cut_and_pasted_in_another_folder_is_moved(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    select(window, "<b>bold")
    window.transfers.cut()
    window.browser.open_folder("/srv")
    qtbot.waitUntil(lambda: window.browser.folder == "/srv" and window.desk.is_idle)
    window.transfers.paste()
    qtbot.waitUntil(lambda: "<b>bold" in window.browser.model.names)
    assert [c.words for c in session.changes()] == ["/<b>bold renamed to /srv/<b>bold"]
    window.transfers.paste()
    qtbot.waitUntil(lambda: window.desk.is_idle)
    assert len(session.changes()) <= 2, "a cut moves once; after that it is a copy"
    window.browser.clearFocus()


def test_whom_new_files_belong_to_is_chosen_and_remembered(make_editor: Any, qtbot: QtBot, tmp_path: Path) -> None:
    window, session = make_editor()
    (tmp_path / "new.txt").write_text("x")
    window.transfers.bringing.bring_in([tmp_path / "new.txt"], "/srv")
    qtbot.waitUntil(lambda: bool(session.changes()))
    assert session.ownership is Ownership.FOLDER
    box = window.transfers.ownership.box
    box.setCurrentIndex(box.findText("As in the source"))
    window.transfers.bringing.bring_in([tmp_path / "new.txt"], "/etc")
    qtbot.waitUntil(lambda: len(session.changes()) == 2)
    assert session.ownership is Ownership.AS_IS
    again, _ = make_editor()
    assert again.transfers.ownership.chosen is Ownership.AS_IS
