# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of many guests at once: dry run, results, one undo, presets, the clipboard."""

import dataclasses

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from tests.operations.fakes import a_guest
from tests.ui_charts.rig import Rig
from vmconsole.inventory.deltas import GuestSeen, HostSeen
from vmconsole.inventory.errors import DomainBusy
from vmconsole.inventory.facts import GuestState
from vmconsole.inventory.limits import CpuCap, LimitRef, Limits
from vmconsole.quotas.bulk import Wish
from vmconsole.ui.limits.actions import LimitActions
from vmconsole.ui.limits.bulk_dialog import BulkDialog
from vmconsole.ui.limits.dry_run import AFTER, BEFORE, RESULT

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)  # the screenless platform has no size hints
CAP = LimitRef("guest_cap")
NAMES = ("web1", "db1", "off1")


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    for name in NAMES:
        guest = a_guest(name, state=GuestState.SHUT_OFF if name == "off1" else GuestState.RUNNING)
        made.verbs.guests[guest.id.uuid] = guest
        made.apply(GuestSeen(guest))
    made.apply(HostSeen(dataclasses.replace(made.host, cpus=8)))
    yield made
    made.close()


@pytest.fixture
def dialog(qtbot, rig):
    made = BulkDialog([a_guest(name).id for name in NAMES], rig.context)
    qtbot.addWidget(made)
    made.show()
    return made


def caps(rig):
    return {
        guest.name: (guest.live.guest_cap.cores if guest.live else None, guest.stored.guest_cap.cores)
        for guest in rig.verbs.guests.values() if guest.name in NAMES
    }  # fmt: skip


def line(dialog, place):
    item = dialog.table.topLevelItem(place)
    return [item.text(column) for column in range(item.columnCount())]


def test_nothing_is_written_before_apply_and_everything_is_shown(qtbot, rig, dialog):
    assert "nothing is written before Apply" in dialog.words.text()
    assert not dialog.apply_button.isEnabled()
    dialog.editor.limit.setCurrentIndex(dialog.editor.limit.findData("guest_cap"))
    qtbot.keyClicks(dialog.editor.text, "25 % of this host")
    qtbot.keyClick(dialog.editor.text, Qt.Key.Key_Return)
    assert dialog.apply_button.text() == "&Apply to 3 guests"
    assert line(dialog, 2)[BEFORE : AFTER + 1] == ["no cap", "2.00 cores (next boot)"]
    assert dialog.table.topLevelItem(0).childCount() == 2
    assert rig.verbs.written() == []


def test_all_at_once_and_one_undo(qtbot, rig, dialog):
    dialog.editor.take([Wish("guest_cap", "0.5")])
    dialog.apply_button.click()
    qtbot.waitUntil(lambda: dialog.words.text() == "All are done.")
    assert caps(rig) == {"web1": (0.5, 0.5), "db1": (0.5, 0.5), "off1": (None, 0.5)}
    dialog.undo_button.click()
    qtbot.waitUntil(lambda: caps(rig) == {"web1": (None, None), "db1": (None, None), "off1": (None, None)})


def test_a_refusal_of_one_is_in_its_line_and_the_others_are_done(qtbot, rig, dialog):
    write = rig.verbs.write_limits

    def refuse_one(uuid, wanted, *, stored):
        if uuid == "uuid-db1":
            raise DomainBusy("db1 is busy.")
        write(uuid, wanted, stored=stored)

    rig.verbs.write_limits = refuse_one
    dialog.editor.take([Wish("guest_cap", "0.5")])
    dialog.apply_button.click()
    qtbot.waitUntil(lambda: "1 were refused" in dialog.words.text())
    assert "db1 is busy." in dialog.table.result(1)
    assert caps(rig)["web1"] == (0.5, 0.5)
    assert caps(rig)["db1"] == (None, None)


def test_what_cannot_be_is_said_in_the_dry_run(rig, dialog):
    held = dataclasses.replace(a_guest("db1"), live=Limits.of(vcpu_cap=CpuCap(100_000, 80_000)))
    rig.apply(GuestSeen(held))
    dialog.editor.take([Wish("guest_cap", "0.5")])
    assert "more than the whole guest" in line(dialog, 1)[RESULT]
    assert dialog.apply_button.text() == "&Apply to 2 guests"
    dialog.live.setChecked(False)
    assert dialog.apply_button.text() == "&Apply to 3 guests"


def test_a_preset_is_taken_and_ones_own_is_kept(qtbot, rig, dialog):
    dialog._on_preset(dialog.presets.findText("Noisy neighbour"))
    assert {wish.key for wish in dialog.editor.wishes()} >= {"guest_cap", "cpu_weight"}
    dialog.save_button.click()
    assert "a name first" in dialog.words.text()
    dialog.title.setText("Our slow ones")
    dialog.save_button.click()
    again = BulkDialog([a_guest().id], rig.context)
    qtbot.addWidget(again)
    again._on_preset(again.presets.findText("Our slow ones"))
    assert again.editor.wishes() == dialog.editor.wishes()


def test_limits_are_copied_and_pasted(qtbot, rig):
    window, told = QWidget(), []
    qtbot.addWidget(window)
    rig.apply(GuestSeen(dataclasses.replace(a_guest("web1"), live=Limits.of(guest_cap=CpuCap(100_000, 70_000)))))
    chosen = [a_guest("web1").id]
    actions = LimitActions(rig.context, lambda: chosen, window, told=told.append)
    actions.copy_action.trigger()
    assert "1 limits of web1" in told[0]
    assert "global_quota=70000" in QGuiApplication.clipboard().text()
    chosen[:] = [a_guest("db1").id, a_guest("off1").id]
    actions.refresh()
    assert not actions.copy_action.isEnabled()
    actions.paste_action.trigger()
    pasted = window.findChild(BulkDialog)
    assert pasted.editor.wishes() == (Wish("guest_cap", "global_quota=70000 global_period=100000"),)
    QGuiApplication.clipboard().setText("no limits")
    actions.paste_action.trigger()
    assert "no preset of limits" in told[-1]
