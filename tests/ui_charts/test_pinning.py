# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid of pinning by mouse and keyboard."""

import dataclasses

import pytest
from PySide6.QtCore import Qt

from tests.operations.fakes import a_guest
from tests.ui_charts.rig import Rig
from vmconsole.inventory.deltas import GuestSeen, HostSeen
from vmconsole.inventory.limits import LimitRef, Limits
from vmconsole.links.memory_resources import scripted_resources
from vmconsole.quotas.rows import Place
from vmconsole.ui.limits.pin_dialog import PinDialog
from vmconsole.ui.limits.pin_model import ALLOWED_ROLE
from vmconsole.ui.limits_tab import LimitsTab

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)  # the screenless platform has no size hints
FIRST, SECOND = LimitRef("vcpu_pin", "0"), LimitRef("vcpu_pin", "1")


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path, dataclasses.replace(a_guest(vcpus=2), live=Limits(), stored=Limits()))
    made.apply(HostSeen(dataclasses.replace(made.host, cpus=16, resources=scripted_resources(16, 64))))
    yield made
    made.close()


@pytest.fixture
def dialog(qtbot, rig):
    tab = LimitsTab(rig.context)
    qtbot.addWidget(tab)
    tab.show_guest(rig.guest.id)
    tab.show_pinning()
    found = tab.findChild(PinDialog)
    qtbot.waitExposed(found)
    found.tab = tab
    return found


def drag(qtbot, view, start, end):
    port = view.viewport()
    qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=view.cell_centre(*start))
    qtbot.mouseMove(port, view.cell_centre(*end))
    qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=view.cell_centre(*end))


def test_siblings_are_neighbours_and_nodes_follow_each_other(dialog):
    assert [cpu.number for cpu in dialog.model.cpus[:4]] == [0, 8, 1, 9]
    assert [cpu.node for cpu in dialog.model.cpus] == [0] * 8 + [1] * 8


def test_a_drag_over_cells_pins_and_a_second_one_takes_it_back(qtbot, dialog):
    drag(qtbot, dialog.view, (0, 0), (1, 3))
    assert dialog.tab.draft.value(Place.LIVE, FIRST) == dialog.tab.draft.value(Place.LIVE, SECOND) == "0-1,8-9"
    drag(qtbot, dialog.view, (0, 0), (0, 1))
    assert dialog.tab.draft.value(Place.LIVE, FIRST) == "1,9"
    assert dialog.tab.draft.value(Place.LIVE, SECOND) == "0-1,8-9"


def test_by_keyboard(qtbot, dialog):
    dialog.view.setCurrentIndex(dialog.model.index(1, 2))
    qtbot.keyClick(dialog.view, Qt.Key.Key_Space)
    assert dialog.tab.draft.value(Place.LIVE, SECOND) == "1"
    assert dialog.model.index(1, 2).data(ALLOWED_ROLE) is True
    assert dialog.model.index(1, 3).data(ALLOWED_ROLE) is False
    assert "vCPU 1 may not run on CPU 9" in dialog.model.index(1, 3).data(Qt.ItemDataRole.AccessibleTextRole)


def test_applied_from_the_grid_and_undone(qtbot, rig, dialog):
    drag(qtbot, dialog.view, (0, 4), (0, 4))
    dialog.apply_button.click()
    uuid = rig.guest.id.uuid
    qtbot.waitUntil(lambda: rig.verbs.guests[uuid].live[FIRST] == "2")
    qtbot.waitUntil(lambda: not dialog.tab.draft.is_waiting)
    rig.runner.undo()
    qtbot.waitUntil(lambda: rig.verbs.guests[uuid].live[FIRST] is None)


def test_the_last_row_tells_who_else_is_there(rig, dialog):
    other = dataclasses.replace(a_guest("db"), live=Limits({FIRST: "3"}))
    rig.apply(GuestSeen(other))
    column = [cpu.number for cpu in dialog.model.cpus].index(3)
    cell = dialog.model.index(dialog.model.rowCount() - 1, column)
    assert cell.data() == "1"
    assert "db" in cell.data(Qt.ItemDataRole.ToolTipRole)


def test_any_cpu_takes_all_pinning_away(qtbot, dialog):
    drag(qtbot, dialog.view, (0, 0), (1, 1))
    dialog.any_button.click()
    assert dialog.tab.draft.planned() == ()
