# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to which guests, why not to others, and what is asked before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QToolButton

from tests.ui.fakes import guest_id, host_id
from vmconsole.inventory.facts import GuestState, HostState

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.ui.fakes import Rig
    from vmconsole.ui.main_window import MainWindow

ALL = {"run", "pause", "resume", "shut-down", "reboot", "force-off"}


def enabled(window: MainWindow) -> set[str]:
    return {key for key, action in window.guest_actions.actions.items() if action.isEnabled()}


def question(window: MainWindow) -> QMessageBox:
    found = window.findChild(QMessageBox, "confirm")
    assert found is not None
    return found


def answer(window: MainWindow, text: str) -> None:
    box = question(window)
    next(button for button in box.buttons() if button.text().replace("&", "") == text).click()


@pytest.mark.parametrize(
    ("guest", "possible"),
    [
        ("web1", {"pause", "shut-down", "reboot", "force-off"}),
        ("web2", {"run"}),
        ("db", {"resume", "force-off"}),
    ],
)
def test_what_is_possible_depends_on_the_state(window: MainWindow, guest: str, possible: set[str]) -> None:
    window.select(guest_id("kvm1", guest))
    assert enabled(window) == possible


def test_with_nothing_selected_all_is_grey_and_says_so(window: MainWindow) -> None:
    assert enabled(window) == set()
    assert "no guest is selected" in window.guest_actions["run"].toolTip()


def test_a_grey_action_says_why(window: MainWindow) -> None:
    window.select(guest_id("kvm1", "web2"))
    assert "web2 is shut off" in window.guest_actions["pause"].toolTip()


def test_nothing_can_be_done_on_a_host_that_is_away(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    window.select(guest_id("kvm1", "web1"))
    rig.change_host("kvm1", state=HostState.NOT_ANSWERING)
    qtbot.waitUntil(lambda: enabled(window) == set())
    assert "kvm1 is not connected" in window.guest_actions["pause"].toolTip()


def test_the_state_of_the_selected_guest_is_followed(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    window.select(guest_id("kvm1", "web1"))
    rig.change_guest("kvm1", "web1", state=GuestState.SHUT_OFF)
    qtbot.waitUntil(lambda: enabled(window) == {"run"})


def test_an_act_runs_by_its_key_and_what_came_of_it_is_shown(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    window.select(guest_id("kvm1", "web1"))
    qtbot.keyClick(window, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: rig.store.guest(guest_id("kvm1", "web1")).state is GuestState.PAUSED)  # type: ignore[union-attr]  # it is there
    assert rig.links[host_id("kvm1")].asked == [("suspend", "uuid-of-web1")]
    model = window.tasks_dock.model
    assert [model.index(0, column).data() for column in (0, 2, 4)] == ["Pause web1", "done", "now paused"]


def test_one_act_on_many_guests_across_hosts_is_done_where_it_is_possible(
    rig: Rig, window: MainWindow, qtbot: QtBot
) -> None:
    window.tree.selectAll()
    assert "For 2 of the 4 selected guests" in window.guest_actions["pause"].toolTip()
    window.guest_actions["pause"].trigger()
    qtbot.waitUntil(lambda: window.undo_actions.undo.isEnabled())
    assert rig.links[host_id("kvm1")].asked == [("suspend", "uuid-of-web1")]
    assert rig.links[host_id("kvm2")].asked == [("suspend", "uuid-of-mail")]


def test_undo_takes_it_back_for_all_and_redo_does_it_again(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    window.tree.selectAll()
    window.guest_actions["pause"].trigger()
    qtbot.waitUntil(lambda: window.undo_actions.undo.isEnabled())
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.undo_actions.redo.isEnabled())
    assert rig.links[host_id("kvm2")].asked[-1] == ("resume", "uuid-of-mail")
    shift = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(window, Qt.Key.Key_Z, shift)
    qtbot.waitUntil(lambda: window.undo_actions.undo.isEnabled())
    assert rig.links[host_id("kvm2")].asked[-1] == ("suspend", "uuid-of-mail")


def test_force_off_asks_first_and_a_no_does_nothing(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    window.select(guest_id("kvm1", "web1"))
    window.guest_actions["force-off"].trigger()
    box = question(window)
    assert "Force web1 off?" in box.text()
    assert "lost" in box.informativeText()
    assert box.defaultButton().text().replace("&", "") == "Cancel"
    answer(window, "Cancel")
    assert rig.links[host_id("kvm1")].asked == []


def test_a_yes_does_it_and_dont_ask_again_is_kept(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    window.select(guest_id("kvm1", "web1"))
    window.guest_actions["force-off"].trigger()
    question(window).checkBox().setChecked(True)
    answer(window, "Force Off")
    qtbot.waitUntil(lambda: rig.links[host_id("kvm1")].asked == [("destroy", "uuid-of-web1")])
    window.select(guest_id("kvm2", "mail"))
    window.guest_actions["force-off"].trigger()
    qtbot.waitUntil(lambda: rig.links[host_id("kvm2")].asked == [("destroy", "uuid-of-mail")])
    window.ask_again()
    assert not rig.profile.flag("dont_ask.force_off")


def test_shutting_down_several_guests_names_them_first(rig: Rig, window: MainWindow) -> None:
    window.tree.selectAll()
    window.guest_actions["shut-down"].trigger()
    box = question(window)
    assert box.text() == "Shut down 2 guests?"
    assert "web1, mail, on 2 hosts" in box.informativeText()
    answer(window, "Shut Down")
    assert rig.links[host_id("kvm2")].asked == [("shutdown", "uuid-of-mail")]


def test_shutting_down_one_guest_is_not_asked_about(rig: Rig, window: MainWindow) -> None:
    window.select(guest_id("kvm1", "web1"))
    window.guest_actions["shut-down"].trigger()
    assert rig.links[host_id("kvm1")].asked == [("shutdown", "uuid-of-web1")]


def test_a_failure_comes_to_the_front_of_the_tasks_with_its_words(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    rig.links[host_id("kvm1")].stubborn.add("uuid-of-web1")
    window.select(guest_id("kvm1", "web1"))
    window.guest_actions["pause"].trigger()
    error = window.tasks_dock._details._error
    qtbot.waitUntil(error.isVisible)
    assert error.explanation is not None
    assert error.explanation.said == "cannot acquire"
    assert "virsh -c test://kvm1 suspend web1" in window.tasks_dock._details._virsh.toPlainText()
    assert "held by another job" in window.statusBar().currentMessage()
    assert not window.findChildren(QMessageBox), "a failure opens no window over the work"


def test_the_toolbar_stands_in_virt_managers_order_with_shut_down_as_a_split_button(window: MainWindow) -> None:
    bar = window.menus.toolbar
    words = [b.text().replace("&", "") for b in bar.findChildren(QToolButton) if b.text() and b.isVisible()]
    places = [words.index(word) for word in ("Run", "Pause", "Resume", "Shut Down")]
    assert places == sorted(places)
    split = next(b for b in bar.findChildren(QToolButton) if b.text().replace("&", "") == "Shut Down")
    assert split.popupMode() is QToolButton.ToolButtonPopupMode.MenuButtonPopup
    items = [a.text().replace("&", "") for a in split.menu().actions() if not a.isSeparator()]
    assert items == ["Reboot", "Shut Down", "Force Off"]


def test_every_act_has_a_key_of_its_own(window: MainWindow) -> None:
    keys = [action.shortcut().toString() for action in window.guest_actions.actions.values()]
    assert all(keys)
    assert len(set(keys)) == len(ALL)
