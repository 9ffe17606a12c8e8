# SPDX-License-Identifier: GPL-3.0-or-later
"""The editor window over a scripted image: opening, walking about, and what is said on the way."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)

from tests.ui_images.editor_fakes import SOURCE, FakeSession
from tests.ui_images.fake_files import Node, file, folder
from vmconsole.images.messages import EntryKind, ImageMode, Progressed, SessionState, StateChanged
from vmconsole.inventory.errors import Explanation, ImageInUse
from vmconsole.ui.error_view import ErrorView
from vmconsole.ui.image_editor.look import Look, Tone, tone_colours
from vmconsole.ui.image_editor.opening_page import OpeningPage
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from vmconsole.ui.image_editor.window import ImageEditorWindow


def shown_names(window: ImageEditorWindow) -> list[str]:
    model = window.browser.model
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def press(qtbot: QtBot, window: ImageEditorWindow, key: Qt.Key, how: Qt.KeyboardModifier | None = None) -> None:
    qtbot.keyClick(window.browser.view, key, how if how is not None else Qt.KeyboardModifier.NoModifier)
    qtbot.waitUntil(lambda: window.desk.is_idle)


def select(window: ImageEditorWindow, name: str) -> None:
    window.browser.view.select_names({name}, current=name)


def test_it_opens_and_says_what_is_safe(make_editor: Any) -> None:
    window, _ = make_editor()
    assert "nothing is written" in window.banner.headline.text()
    assert "Debian" in window.places.os_name.text()
    assert shown_names(window)[:3] == ["etc", "srv", "usr"]
    assert "web1" in window.windowTitle()
    assert "kvm3" in window.windowTitle()


def test_in_a_narrow_window_the_names_stay(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    view = window.browser.view
    for width, shown in ((1800, 6), (1000, 4), (1800, 6)):
        window.resize(width, 600)
        qtbot.waitUntil(lambda want=width: window.width() == want)  # type: ignore[misc] # mypy knows no default there
        qtbot.waitUntil(lambda: view.columnWidth(0) >= 20 * view.fontMetrics().averageCharWidth())
        visible = [c for c in range(6) if not view.isColumnHidden(c)]
        assert visible == list(range(len(visible)))
        assert (len(visible) == 6) == (shown == 6), (width, visible)


def test_steps_and_cancel_while_it_opens(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor(opened=False)
    session.gate.clear()
    window.open()
    assert window.opening.isVisible()
    assert not window.banner.isVisible()
    window.desk.state_changed.emit(StateChanged(SessionState.OPENING, "looking at the image"))
    window.desk.state_changed.emit(StateChanged(SessionState.OPENING, "starting the appliance"))
    assert window.opening.steps.text() == "✓ looking at the image\n▸ starting the appliance"
    qtbot.mouseClick(window.opening.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(window.opening.again.isVisible)
    assert "cancel" in session.calls
    qtbot.mouseClick(window.opening.again, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.browser.model.total > 0)


def test_what_cannot_be_opened_says_why_and_can_be_tried_again(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor(opened=False)
    session.fail_next = ImageInUse("db1 uses the image.", advice="Shut db1 down.", said="Failed to get write lock")
    window.open()
    qtbot.waitUntil(window.opening.again.isVisible)
    assert window.opening.error.explanation.what == "db1 uses the image."
    assert not window.browser.isVisible()
    qtbot.mouseClick(window.opening.again, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.browser.model.total > 0)


def test_a_lost_link_is_said_and_the_image_can_be_opened_again(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    session.state = SessionState.LOST
    problem = Explanation("The link to kvm3 broke.")
    window.desk.state_changed.emit(StateChanged(SessionState.LOST, problem.what, problem))
    assert window.opening.isVisible()
    assert "draft is kept" in window.opening.headline.text()
    qtbot.mouseClick(window.opening.again, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(window.browser.isVisible)


def test_a_running_guest_is_to_look_only(make_editor: Any) -> None:
    window, session = make_editor(mode=ImageMode.LOOK_ONLY)
    assert "look only" in window.banner.headline.text().lower()
    assert "web1 is running" in window.banner.text.text()
    assert not window.draft.isVisible()
    assert not window.browser.view.accepts_drops
    for action in (window.actions_on_files.new_folder, window.actions_on_files.import_files):
        assert not action.isEnabled()
        assert "web1 is running" in action.toolTip()
    select(window, "etc")
    assert window.actions_on_files.copy_to.isEnabled()
    assert not window.actions_on_files.delete.isEnabled()
    assert session.changes() == ()


def test_walking_by_keyboard(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    select(window, "etc")
    press(qtbot, window, Qt.Key.Key_Return)
    assert window.browser.folder == "/etc"
    assert shown_names(window) == ["ssh", "fstab", "hosts"]
    window.browser.go_up()
    qtbot.waitUntil(lambda: window.browser.folder == "/")
    assert [e.name for e in window.browser.view.selected()] == ["etc"]
    window.browser.go_back()
    qtbot.waitUntil(lambda: window.browser.folder == "/etc")
    window.browser.go_forward()
    qtbot.waitUntil(lambda: window.browser.folder == "/")
    assert not window.browser.forward_action.isEnabled()


def test_a_link_to_a_folder_opens_it(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    assert "bin → usr/bin" in shown_names(window)
    select(window, "bin")
    press(qtbot, window, Qt.Key.Key_Return)
    assert shown_names(window) == ["true"]
    assert window.browser.model.index(0, 3).data() == "-rwsr-xr-x"


def test_a_typed_path_and_the_breadcrumbs(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    bar = window.browser.path_bar
    bar.begin_typing()
    line = bar.findChild(QLineEdit)
    line.setText("usr/bin")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.browser.folder == "/usr/bin")
    crumb = next(b for b in bar.findChildren(QAbstractButton) if b.accessibleName() == "Go to /usr")
    qtbot.mouseClick(crumb, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.browser.folder == "/usr")


def test_a_folder_that_is_gone_is_said_and_nothing_else_changes(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    window.browser.open_folder("/no/such")
    qtbot.waitUntil(window.problem.isVisible)
    assert window.problem.explanation.what == "/no/such is not there."
    assert window.browser.folder == "/"
    assert window.browser.model.total > 0


def test_filter_and_sort(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    window.browser.open_folder("/etc")
    qtbot.waitUntil(lambda: window.browser.folder == "/etc")
    window.browser.view.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    assert shown_names(window) == ["ssh", "hosts", "fstab"], "folders stay first"
    select(window, "fstab")
    window.browser.view.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert shown_names(window) == ["ssh", "hosts", "fstab"]
    assert [e.name for e in window.browser.view.selected()] == ["fstab"]
    window.browser.filter.setText("*TAB")
    assert shown_names(window) == ["fstab"]
    assert window.browser.status.text() == "1 of 3 entries"
    window.browser.filter.setText("nothing like it")
    assert window.browser.empty.isVisible()
    qtbot.keyClick(window.browser.filter, Qt.Key.Key_Escape)
    assert len(shown_names(window)) == 3


def test_hostile_names_are_escaped_and_never_rich_text(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor()
    shown = shown_names(window)
    assert "line\\x0abreak" in shown
    assert "<b>bold" in shown
    select(window, "<b>bold")
    qtbot.waitUntil(lambda: window.viewer.title.text() == "<b>bold")
    error_labels = {id(label) for view in window.findChildren(ErrorView) for label in view.findChildren(QLabel)}
    for label in window.findChildren(QLabel):
        assert id(label) in error_labels or label.textFormat() == Qt.TextFormat.PlainText, label.text()
    index = window.browser.model.index(shown.index("<b>bold"), 0)
    assert "&lt;b&gt;bold" in window.browser.model.data(index, Qt.ItemDataRole.ToolTipRole)


def test_a_name_that_is_not_utf8_is_like_any_other(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    select(window, "bad-\udcff")
    assert window.browser.selected_paths() == ["/bad-\udcff"]
    row = window.browser.model.row_of("bad-\udcff")
    index = window.browser.model.index(row, 0)
    assert index.data() == "bad-\\xff"
    assert "not UTF-8" in index.data(Qt.ItemDataRole.ToolTipRole)
    qtbot.waitUntil(lambda: "read /bad-\udcff" in session.calls)
    window.browser.model.setData(index, "good")
    qtbot.waitUntil(lambda: "rename /bad-\udcff /good" in session.calls)


def test_everything_has_a_name_for_a_screen_reader(make_editor: Any) -> None:
    window, _ = make_editor()
    kinds = (QAbstractButton, QAbstractItemView, QLineEdit, QPlainTextEdit, QLabel)
    inner = {"qt_", "Scroll"}
    for widget in (w for kind in kinds for w in window.findChildren(kind)):
        if any(mark in widget.objectName() or mark in type(widget.parent()).__name__ for mark in inner):
            continue
        named = widget.accessibleName() or getattr(widget, "text", str)()
        assert named or widget.parent() is None or isinstance(widget.parent().parent(), ErrorView) or not (
            widget.isVisibleTo(window)
        ), widget  # fmt: skip


def test_the_window_stays_alive_while_the_image_does_not_answer(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    session.gate.clear()
    window.browser.open_folder("/etc")
    qtbot.waitUntil(window.progress.isVisible, timeout=3000)
    window.browser.filter.setText("srv")
    assert shown_names(window) == ["srv"]
    window.desk.progressed.emit(Progressed("copying", 5 << 20, 10 << 20))
    assert "5.00 / 10.0 MiB" in window.progress.figures.text()
    qtbot.mouseClick(window.progress.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.desk.is_idle)
    assert not window.progress.isVisible()
    assert window.browser.folder == "/"


def test_after_closing_nothing_arrives_any_more(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    seen: list[object] = []
    slow: Future[str] = Future()
    window.desk.ask(slow, seen.append)
    window.desk.state_changed.connect(seen.append)
    window.desk.close()
    assert session.closed_with is True
    slow.set_result("too late")
    session._on_event(StateChanged(SessionState.LOST, "too late as well"))
    for _ in range(20):
        QApplication.processEvents()
    assert seen == []


def test_an_answer_that_comes_late_does_not_replace_a_newer_one(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    session.gate.clear()
    shown: list[str] = []
    window.browser.folder_shown.connect(shown.append)
    window.browser.open_folder("/etc")
    window.browser.open_folder("/srv")
    session.gate.set()
    qtbot.waitUntil(lambda: window.desk.is_idle)
    assert shown == ["/srv"]
    assert window.browser.empty.isVisible()


def test_ten_thousand_files(make_editor: Any, qtbot: QtBot) -> None:
    tree = folder(big=folder(**{f"file{n:05d}": file(b"x" * (n % 50)) for n in range(10_000)}))
    window, _ = make_editor(tree=tree)
    calls = 0
    whole = type(window.browser.model).data

    def counted(self: Any, *args: Any) -> Any:
        nonlocal calls
        calls += 1
        return whole(self, *args)

    type(window.browser.model).data = counted
    try:
        window.browser.open_folder("/big")
        qtbot.waitUntil(lambda: window.browser.model.total == 10_000)
        window.browser.view.sortByColumn(1, Qt.SortOrder.AscendingOrder)
        QApplication.processEvents()
    finally:
        type(window.browser.model).data = whole
    assert calls < 6_000, "only what is seen may be asked for"
    assert window.browser.model.entries()[0].size_bytes == 0


@pytest.mark.parametrize("tone", list(Tone))
@pytest.mark.parametrize("dark", [False, True])
def test_the_strips_can_be_read(tone: Tone, dark: bool) -> None:
    back, front = (_luminance(colour) for colour in tone_colours(tone, dark=dark))
    assert (max(back, front) + 0.05) / (min(back, front) + 0.05) > 6


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_device_node_is_not_read(make_editor: Any, qtbot: QtBot) -> None:
    tree = folder(null=Node(EntryKind.CHARACTER_DEVICE, mode=0o666))
    window, session = make_editor(tree=tree)
    select(window, "null")
    qtbot.waitUntil(lambda: "device node" in window.viewer.note.headline.text())
    assert not [call for call in session.calls if call.startswith("read")]


def test_the_fake_keeps_the_real_surface() -> None:
    """A test over a fake proves something only if the fake has the real session's methods."""
    import inspect

    from vmconsole.images.session import ImageSession

    surface = [name for name in vars(ImageSession) if not name.startswith("_")]
    assert "open" in surface
    for name in (n for n in surface if callable(getattr(ImageSession, n)) and n != "inspect"):
        real, ours = (inspect.signature(getattr(kind, name)) for kind in (ImageSession, FakeSession))
        assert list(real.parameters) == list(ours.parameters), name
    assert SOURCE.path


def test_an_apply_tells_its_rate_and_the_time_left(qtbot: QtBot) -> None:
    """Where the whole page says what is under way: the bar stands for the step, and another step begins anew."""
    now = [100.0]
    frame = QWidget()
    qtbot.addWidget(frame)
    page = OpeningPage(Look.make(Theme()), frame, clock=lambda: now[0])
    page.begin("Writing the draft")
    page.add_step("Carrying the draft to the host")
    for position in (0, 2 << 20, 4 << 20):
        page.take(Progressed("Carrying the draft to the host", position, 10 << 20))
        now[0] += 1.0
    assert page.bar.maximum() > 0
    assert page.bar.value() == page.bar.maximum() * 4 // 10
    assert page.elapsed.text().endswith("· 4.00 / 10.0 MiB · 2.00 MiB/s · 3 s left"), page.elapsed.text()
    page.take(Progressed("Writing the image", 0, 10 << 20))
    assert page.steps.text().splitlines() == ["✓ Carrying the draft to the host", "▸ Writing the image"]
    assert "/s" not in page.elapsed.text(), "the rate of another step"
    page.add_step("Looking again")
    assert page.bar.maximum() == 0
    page.show_end("Done", "")
    page.take(Progressed("late", 1, 2))
    assert "late" not in page.steps.text()


def test_tab_goes_as_the_eye_does(make_editor: Any, qtbot: QtBot) -> None:
    window, session = make_editor()
    window.browser.open_folder("/etc")
    qtbot.waitUntil(lambda: window.browser.folder == "/etc" and window.desk.is_idle)
    window.desk.ask(session.write_file("/etc/x", b"1"))
    qtbot.waitUntil(lambda: window.draft.list.count() == 1)
    window.draft.list.setCurrentRow(0)
    found, part = [], window.nextInFocusChain()
    while part is not window:
        if part.focusPolicy() & Qt.FocusPolicy.TabFocus and part.isVisibleTo(window) and part.isEnabled():
            found.append(part.accessibleName())
        part = part.nextInFocusChain()
    for order in (
        ["Back", "Up", "Reload", "Go to /", "Go to /etc", "Filter the names", "Files"],
        ["Changes of the draft", "Show Difference", "Undo", "Apply", "Discard"],
    ):
        at = [found.index(name) for name in order]
        assert at == list(range(at[0], at[0] + len(order))), found
