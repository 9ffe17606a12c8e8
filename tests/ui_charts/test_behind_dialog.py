# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes behind libvirt's back are offered only where the user wished it, and are marked."""

import dataclasses

import pytest

from tests.operations.fakes import HOST, a_guest
from tests.ui_charts.rig import Rig
from vmconsole.inventory.deltas import GuestSeen
from vmconsole.inventory.errors import OperationRefused
from vmconsole.inventory.facts import GuestState
from vmconsole.settings.connections import SavedConnection
from vmconsole.ui.limits.behind_dialog import BehindDialog
from vmconsole.ui.limits_tab import LimitsTab

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)  # the screenless platform has no size hints
REBOOT = ("on_reboot", "")


@pytest.fixture
def open_tab(qtbot, tmp_path):
    rigs = []

    def opened(*, allowed, guest=None):
        rig = Rig(tmp_path, guest)
        rig.context.profile.connections.put(SavedConnection(HOST, allows_behind=allowed))
        tab = LimitsTab(rig.context)
        qtbot.addWidget(tab)
        tab.show_guest(rig.guest.id)
        tab.show()
        rigs.append(rig)
        return tab, rig

    yield opened
    for rig in rigs:
        rig.close()


def test_it_is_off_by_default_and_for_guests_that_are_off(open_tab):
    assert not SavedConnection(HOST).allows_behind
    assert not open_tab(allowed=False)[0].behind_button.isVisible()
    assert not open_tab(allowed=True, guest=a_guest(state=GuestState.SHUT_OFF))[0].behind_button.isVisible()
    assert open_tab(allowed=True)[0].behind_button.isVisible()


def test_a_change_is_asked_for_marked_and_undone(qtbot, open_tab):
    tab, rig = open_tab(allowed=True)
    tab.behind_button.click()
    dialog = tab.findChild(BehindDialog)
    qtbot.waitUntil(lambda: REBOOT in dialog.lines)
    box, button = dialog.lines[REBOOT]
    assert not button.isEnabled()
    box.setCurrentText("shutdown")
    button.click()
    qtbot.waitUntil(lambda: "until the next boot" in dialog.words.text())
    assert ("change_behind", rig.guest.id.uuid, "on_reboot", "", "shutdown") in rig.verbs.calls
    qtbot.waitUntil(lambda: "custom monitor" in tab._reason.text())
    rig.runner.undo()
    qtbot.waitUntil(lambda: ("change_behind", rig.guest.id.uuid, "on_reboot", "", "reset") in rig.verbs.calls)


def test_a_refusal_is_said_and_can_be_tried_again(qtbot, open_tab):
    tab, rig = open_tab(allowed=True)
    rig.verbs.fail["behind"] = OperationRefused("QEMU refused it.")
    tab.show_behind()
    dialog = tab.findChild(BehindDialog)
    qtbot.waitUntil(lambda: REBOOT in dialog.lines)
    box, button = dialog.lines[REBOOT]
    box.setCurrentText("shutdown")
    button.click()
    qtbot.waitUntil(lambda: dialog.words.text() == "QEMU refused it.")
    assert button.isEnabled()


def test_taints_of_others_are_told_too(open_tab):
    tab, rig = open_tab(allowed=False)
    rig.apply(GuestSeen(dataclasses.replace(a_guest(), taints=("tainted: high privileges",))))
    assert "high privileges" in tab._reason.text()
