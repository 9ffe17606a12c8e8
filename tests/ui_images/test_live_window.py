# SPDX-License-Identifier: GPL-3.0-or-later
"""Live Folders: the button on the disks' page, and the window over an agent that works on this machine's own files."""

from __future__ import annotations

import dataclasses
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
import shiboken6
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QPalette
from PySide6.QtWidgets import QMessageBox, QPushButton

from tests.images.local_agent import LocalAgent
from tests.ui_images.test_disks_tab import GUEST, FakeLink, see
from vmconsole.inventory.errors import DomainBusy
from vmconsole.inventory.facts import GuestState
from vmconsole.ui.disks_tab import DisksTab
from vmconsole.ui.image_editor.conflict_dialog import ConflictDialog
from vmconsole.ui.image_editor.live_window import FRAME, LiveWindow
from vmconsole.ui.image_editor.look import Tone, tone_colours

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytestqt.qtbot import QtBot

RUNNING = dataclasses.replace(GUEST, state=GuestState.RUNNING)


@pytest.fixture
def agent() -> LocalAgent:
    return LocalAgent()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "guest"
    found.mkdir()
    (found / "conf").write_text("old\n")
    (found / "<b>odd\nname").write_text("odd\n")
    return found


@pytest.fixture
def window(context: Any, qtbot: QtBot, agent: LocalAgent, place: Path) -> Iterator[LiveWindow]:
    made = LiveWindow(context, "web1", "kvm3", agent)
    made.show()
    made.open()
    qtbot.waitUntil(lambda: made.browser.model.total > 0 and made.desk.is_idle)
    go(qtbot, made, place)
    yield made
    if shiboken6.isValid(made):
        made.close_without_asking()
    qtbot.waitUntil(lambda: not [t for t in threading.enumerate() if t.name.startswith(("live", "staging"))])


def go(qtbot: QtBot, window: LiveWindow, place: Path) -> None:
    window.browser.open_folder(str(place))
    qtbot.waitUntil(lambda: window.browser.folder == str(place) and window.desk.is_idle)


def show(qtbot: QtBot, window: LiveWindow, name: str, text: str) -> None:
    window.browser.view.select_names({name}, current=name)
    qtbot.waitUntil(lambda: window.viewer.view.toPlainText() == text and window.desk.is_idle)


def type_over(window: LiveWindow, text: str) -> None:
    window.viewer.view.selectAll()
    window.viewer.view.insertPlainText(text)
    assert window.viewer.has_unsaved_text


def press(window: LiveWindow, text: str) -> None:
    box = window.findChild(QMessageBox)
    assert isinstance(box, QMessageBox)
    next(b for b in box.findChildren(QPushButton) if b.text().replace("&", "") == text).click()


def test_the_colour_and_the_words_say_that_it_is_live(window: LiveWindow) -> None:
    assert window.banner.headline.text() == "Live in the running guest: changes happen at once."
    assert "no draft and no undo" in window.banner.text.text()
    back, front = tone_colours(Tone.LIVE, dark=False)
    assert window.banner.palette().color(QPalette.ColorRole.Window).name() == back
    edge = window.grab().toImage().pixelColor(FRAME // 2, window.height() // 2)
    assert edge.name() == front
    others = [tone_colours(tone, dark=dark) for tone in Tone if tone is not Tone.LIVE for dark in (True, False)]
    assert back not in {colour for pair in others for colour in pair}


def test_text_is_saved_into_the_guest_at_once(qtbot: QtBot, window: LiveWindow, place: Path, agent: LocalAgent) -> None:
    show(qtbot, window, "conf", "old\n")
    type_over(window, "new\n")
    window.viewer.save.click()
    qtbot.waitUntil(lambda: not window.viewer.has_unsaved_text and window.desk.is_idle)
    assert (place / "conf").read_text() == "new\n"
    assert agent.threads == {"live folders"}


def test_a_text_that_changed_meanwhile_is_kept_on_the_screen(qtbot: QtBot, window: LiveWindow, place: Path) -> None:
    show(qtbot, window, "conf", "old\n")
    (place / "conf").write_text("other\n")
    type_over(window, "mine\n")
    window.viewer.save.click()
    qtbot.waitUntil(lambda: "changed in the guest" in window.viewer.note.headline.text())
    assert (window.viewer.view.toPlainText(), window.viewer.has_unsaved_text) == ("mine\n", True)
    assert (place / "conf").read_text() == "other\n"


def test_deleting_asks_first_and_says_that_it_is_for_good(qtbot: QtBot, window: LiveWindow, place: Path) -> None:
    window.browser.view.select_names({"conf"}, current="conf")
    window.actions_on_files.delete.trigger()
    box = window.findChild(QMessageBox)
    assert isinstance(box, QMessageBox)
    assert "no undo" in box.informativeText()
    press(window, "Cancel")
    qtbot.waitUntil(lambda: window.desk.is_idle)
    assert (place / "conf").exists()
    qtbot.waitUntil(lambda: window.findChild(QMessageBox) is None)
    window.actions_on_files.delete.trigger()
    press(window, "Delete at Once")
    qtbot.waitUntil(lambda: window.browser.model.row_of("conf") is None and window.desk.is_idle)
    assert not (place / "conf").exists()


def test_files_are_dropped_in_and_copied_out(
    qtbot: QtBot, window: LiveWindow, place: Path, tmp_path: Path, agent: LocalAgent
) -> None:
    source = tmp_path / "from desktop\n€"
    source.write_bytes(os.urandom(100_000))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(source))])
    window.browser.view.files_dropped.emit(data, "")
    qtbot.waitUntil(lambda: window.browser.model.row_of(source.name) is not None and window.desk.is_idle)
    assert (place / source.name).read_bytes() == source.read_bytes()
    window.browser.view.select_names({source.name}, current=source.name)
    qtbot.waitUntil(lambda: window.desk.is_idle)
    window.actions_on_files.copy.trigger()
    copied = window.transfers._drag.wait()
    (url,) = copied
    with open(url.toLocalFile(), "rb") as file:
        assert file.read() == source.read_bytes()
    assert not agent.open
    QGuiApplication.clipboard().clear()  # what it holds is a Python object, which must not outlive Python


def test_new_folder_and_rename(qtbot: QtBot, window: LiveWindow, place: Path) -> None:
    window.actions_on_files._make_folder(str(place), "made")
    qtbot.waitUntil(lambda: window.browser.model.row_of("made") is not None and window.desk.is_idle)
    row = window.browser.model.row_of("<b>odd\nname")
    assert row is not None
    window.browser.model.setData(window.browser.model.index(row, 0), "plain", Qt.ItemDataRole.EditRole)
    qtbot.waitUntil(lambda: (place / "plain").exists() and window.desk.is_idle)
    assert (place / "made").is_dir()


def test_the_mode_is_changed(qtbot: QtBot, window: LiveWindow, place: Path) -> None:
    window.actions_on_files.set_mode(str(place / "conf"), "9x")
    assert window.problem.explanation is not None
    window.actions_on_files.set_mode(str(place / "conf"), "4750")
    qtbot.waitUntil(lambda: window.desk.is_idle)
    assert (place / "conf").stat().st_mode & 0o7777 == 0o4750


def test_an_agent_that_goes_away_is_told_and_the_window_stays(
    qtbot: QtBot, window: LiveWindow, agent: LocalAgent, place: Path
) -> None:
    show(qtbot, window, "conf", "old\n")

    def dead(_command: str, _arguments: Mapping[str, object]) -> None:
        raise DomainBusy("The agent inside the guest does not answer.", entry="agent-silent")

    alive, agent.before = agent.before, dead
    window.browser.reload()
    qtbot.waitUntil(lambda: window.problem.explanation is not None and window.desk.is_idle)
    assert "does not answer" in window.problem.explanation.what  # type: ignore[union-attr] # waited for above
    assert (window.again.isVisible(), window.browser.model.total) == (True, 2)
    assert window.viewer.view.toPlainText() == "old\n"
    agent.before = alive
    window.again.click()
    qtbot.waitUntil(lambda: window.problem.explanation is None and window.desk.is_idle and not window.again.isVisible())
    assert window.browser.folder == str(place)


def test_without_programs_a_file_opens_by_its_path(context: Any, qtbot: QtBot, place: Path) -> None:
    window = LiveWindow(context, "web1", "kvm3", LocalAgent(off=frozenset({"guest-exec"})))
    window.show()
    window.open()
    qtbot.waitUntil(lambda: "by their path" in window.banner.text.text() and window.desk.is_idle)
    assert not window.actions_on_files.delete.isEnabled()
    window.open_file(str(place / "conf"))
    qtbot.waitUntil(lambda: window.viewer.view.toPlainText() == "old\n" and window.desk.is_idle)
    window.close_without_asking()
    qtbot.waitUntil(lambda: not [t for t in threading.enumerate() if t.name.startswith("live")])


def test_closing_over_unsaved_text_asks(qtbot: QtBot, window: LiveWindow) -> None:
    show(qtbot, window, "conf", "old\n")
    type_over(window, "new\n")
    window.close()
    assert window.isVisible()
    with qtbot.waitSignal(window.closed):
        press(window, "Drop the Text")


# -- the button ------------------------------------------------------------------------------------------------


@pytest.fixture
def tab(context: Any, qtbot: QtBot) -> Iterator[tuple[DisksTab, FakeLink]]:
    link = FakeLink()
    context.fleet.adopt(link)
    widget = DisksTab(context)
    qtbot.addWidget(widget)
    widget.show()
    yield widget, link
    widget.live_button.folders.close_all()
    qtbot.waitUntil(lambda: not [t for t in threading.enumerate() if t.name.startswith("live")])


def test_the_button_is_greyed_with_the_reason(context: Any, qtbot: QtBot, tab: tuple[DisksTab, FakeLink]) -> None:
    widget, link = tab
    button = widget.live_button
    see(context, qtbot, GUEST)
    widget.show_guest(GUEST.id)
    assert (button.isEnabled(), "not running" in button.toolTip()) == (False, True)
    see(context, qtbot, RUNNING)
    qtbot.waitUntil(lambda: "no channel for its agent" in button.toolTip())
    assert not button.isEnabled()
    see(context, qtbot, RUNNING, is_read_only=True)
    qtbot.waitUntil(lambda: context.store.hosts[GUEST.id.host].is_read_only)
    widget.show_guest(GUEST.id)
    assert (button.isEnabled(), "read-only" in button.toolTip()) == (False, True)
    assert link.asked == 1


def test_the_button_opens_one_window_for_a_guest(context: Any, qtbot: QtBot, tab: tuple[DisksTab, FakeLink]) -> None:
    widget, link = tab
    link.guest_agent = LocalAgent()
    see(context, qtbot, RUNNING)
    widget.show_guest(GUEST.id)
    qtbot.waitUntil(widget.live_button.isEnabled)
    widget.live_button.click()
    widget.live_button.click()
    (window,) = widget.live_button.folders.windows
    qtbot.waitUntil(lambda: window.browser.model.total > 0 and window.desk.is_idle)
    assert "web1 on kvm3" in window.windowTitle()


def test_what_nobody_expected_promises_no_draft(qtbot: QtBot, window: LiveWindow, agent: LocalAgent) -> None:
    def fail(_command: str, _arguments: Mapping[str, object]) -> None:
        raise RuntimeError("nobody thought of that")

    agent.before = fail
    window.browser.reload()
    qtbot.waitUntil(window.problem.isVisible)
    told = window.problem.explanation
    assert "did not expect" in told.what
    assert "draft" not in told.advice
    assert "look whether" in told.advice
    assert "nobody thought of that" in told.said
    agent.before = lambda _command, _arguments: None


def test_a_move_replaces_nothing_in_a_running_guest(qtbot: QtBot, window: LiveWindow, place: Path) -> None:
    (place / "sub").mkdir()
    (place / "sub" / "conf").write_text("there\n")
    window.browser.reload()
    qtbot.waitUntil(lambda: "sub" in window.browser.model.names and window.desk.is_idle)
    entry = next(e for e in window.browser.model.entries() if e.name == "conf")
    window.browser.view.moved_inside.emit([entry], "sub")
    qtbot.waitUntil(lambda: bool(window.findChildren(ConflictDialog)))
    (dialog,) = window.findChildren(ConflictDialog)
    assert not dialog.replace.isEnabled()
    assert "Delete it first" in dialog.replace.description()
    dialog.both.click()
    qtbot.waitUntil(lambda: (place / "sub" / "conf (2)").exists() and window.desk.is_idle)
    assert (place / "sub" / "conf").read_text() == "there\n"
