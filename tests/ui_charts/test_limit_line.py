# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit line with a real mouse and a real keyboard: events go to the window, and Qt finds the widget."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from tests.operations.fakes import a_guest
from tests.ui_charts.rig import capped
from vmconsole.inventory.deltas import GuestSeen, HostSeen
from vmconsole.inventory.errors import DomainBusy, LinkLost
from vmconsole.inventory.facts import GuestState, Host, HostState
from vmconsole.inventory.limits import CpuCap

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)  # the screenless platform has no size hints
ONE_AND_A_HALF = CpuCap(100_000, 150_000)
NOW, NEXT_BOOT = False, True


@pytest.fixture
def page(open_page):
    return open_page(capped(a_guest(), live=ONE_AND_A_HALF))


def key(page, which, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(page.tab.focusWidget(), which, modifier)


def test_a_drag_asks_the_host_once_on_release_with_the_cores_under_the_mouse(page):
    page.drag(page.at(1.5), page.at(2.5), let_go=False)
    assert page.asked() == [], "nothing is applied while the mouse is down"
    assert page.editor.proposed == 2.5
    assert page.line.tag.text == "2.50 cores · quota 250000/100000 µs"
    page.release(page.at(2.5))
    page.settled()
    assert page.asked() == [("guest_cap", CpuCap(100_000, 250_000), NOW)]


def test_the_line_then_stands_where_the_host_says_and_not_where_it_was_dropped(page):
    page.rig.verbs.quota_step_us = 40_000
    page.drag(page.at(1.5), page.at(2.5))
    page.settled()
    assert page.editor.number == 2.4
    middle = page.line.mapTo(page.tab, page.line.rect().center()).y()
    assert abs(middle - page.at(2.4).y()) <= 1
    assert "2.40 cores" in page.tab.toast.text


def test_while_the_host_is_asked_the_line_says_so(page):
    page.rig.link.gate.clear()
    page.drag(page.at(1.5), page.at(2.5))
    assert page.editor.is_waiting
    assert "asking the host" in page.line.tag.text
    page.rig.link.gate.set()
    page.settled()


def test_escape_in_the_middle_of_a_drag_takes_it_back(page):
    page.drag(page.at(1.5), page.at(3.0), let_go=False)
    key(page, Qt.Key.Key_Escape)
    assert page.editor.number == 1.5
    page.move(page.at(3.2))
    page.release(page.at(3.2))
    assert page.editor.proposed is None
    assert page.asked() == []


def test_a_press_without_a_move_changes_nothing(page):
    page.press(page.at(1.5))
    page.release(page.at(1.5))
    assert page.asked() == []


def test_dragged_above_the_top_there_is_no_cap(page):
    page.drag(page.at(1.5), page.top_edge())
    page.settled()
    assert page.asked() == [("guest_cap", None, NOW)]


def test_without_a_cap_the_line_waits_at_the_top_edge(open_page):
    page = open_page(capped(a_guest()))
    assert page.line.width() < page.plot.area().width() / 2, "a handle, not a line"
    page.drag(page.top_edge(), page.at(2.0))
    page.settled()
    assert page.asked() == [("guest_cap", CpuCap(100_000, 200_000), NOW)]


def test_the_guests_own_period_is_kept(open_page):
    page = open_page(capped(a_guest(), live=CpuCap(50_000, 75_000)))
    page.drag(page.at(1.5), page.at(2.5))
    page.settled()
    assert page.asked() == [("guest_cap", CpuCap(50_000, 125_000), NOW)]


def test_also_for_the_next_boot(page):
    page.tab.cpu.controls._also.click()
    page.drag(page.at(1.5), page.at(2.5))
    page.settled()
    cap = CpuCap(100_000, 250_000)
    assert page.asked() == [("guest_cap", cap, NOW), ("guest_cap", cap, NEXT_BOOT)]


def test_the_toast_offers_undo_and_the_next_boot(page):
    page.drag(page.at(1.5), page.at(2.5))
    page.settled()
    words = [button.text() for button in page.tab.toast._buttons]
    assert words == ["Undo", "Also at the next boot"]
    page.tab.toast._buttons[0].click()
    page.qtbot.waitUntil(lambda: page.editor.number == 1.5)
    assert page.asked()[-1] == ("guest_cap", ONE_AND_A_HALF, NOW)


def test_next_boot_too_from_the_toast(page):
    page.drag(page.at(1.5), page.at(2.5))
    page.settled()
    page.tab.toast._buttons[1].click()
    page.settled()
    assert page.asked()[-1] == ("guest_cap", CpuCap(100_000, 250_000), NEXT_BOOT)
    assert page.editor.subject.stored == CpuCap(100_000, 250_000)


def test_a_dashed_line_shows_the_stored_cap_only_where_it_differs(page, open_page):
    assert "stored_guest_cap" not in page.plot._levels, "the next boot has no cap, which is no height"
    other = open_page(capped(a_guest(), live=ONE_AND_A_HALF, stored=CpuCap(100_000, 300_000)))
    level = other.plot._levels["stored_guest_cap"]
    assert (level.value, level.pen.style()) == (3.0, Qt.PenStyle.DashLine)


def test_the_vcpus_caps_together_are_a_line_of_their_own(open_page):
    page = open_page(capped(a_guest(), live=ONE_AND_A_HALF, vcpu=CpuCap(100_000, 60_000)), layout="v2")
    editor, line = page.limit("cpu", 1)
    assert editor.number == pytest.approx(2.4)
    assert line.tag.text.startswith("vCPUs together 4 × 0.60 cores")
    page.take_to("cpu", 1, 1.2)
    page.settled()
    assert page.asked() == [("vcpu_cap", CpuCap(100_000, 30_000), NOW)]


def test_on_v1_the_line_stops_at_what_one_vcpu_may_use(open_page):
    page = open_page(capped(a_guest(), live=CpuCap(100_000, 200_000), vcpu=CpuCap(100_000, 80_000)), layout="v1")
    page.drag(page.at(2.0), page.at(0.3), let_go=False)
    assert page.editor.proposed == 0.8
    assert "CPU cap, each vCPU of 0.80 cores is more than" in page.line.tag.more
    page.release(page.at(0.3))


def test_a_refusal_puts_the_line_back_and_says_why(page):
    page.rig.verbs.fail["set_live"] = DomainBusy("web1 is busy.", advice="Try again.")
    page.drag(page.at(1.5), page.at(2.5))
    page.settled()
    assert page.editor.number == 1.5
    assert "web1 is busy. Try again." in page.tab.toast.text


def test_a_lost_link_does_not_pass_for_success(page):
    page.rig.verbs.fail["set_live"] = LinkLost("The link to node1 broke.")
    page.drag(page.at(1.5), page.at(2.5))
    page.settled()
    assert page.editor.number == 1.5
    assert "broke" in page.tab.toast.text


def test_someone_elses_change_does_not_pull_the_line_from_the_hand(page):
    page.drag(page.at(1.5), page.at(2.5), let_go=False)
    page.rig.apply(GuestSeen(capped(a_guest(), live=CpuCap(100_000, 50_000))))
    assert page.editor.number == 2.5
    page.release(page.at(2.5))
    page.settled()
    assert page.asked() == [("guest_cap", CpuCap(100_000, 250_000), NOW)]


def test_the_keyboard(page):
    page.line.setFocus(Qt.FocusReason.TabFocusReason)
    shift = Qt.KeyboardModifier.ShiftModifier
    steps = [
        (Qt.Key.Key_Up, Qt.KeyboardModifier.NoModifier, 1.55),
        (Qt.Key.Key_Down, Qt.KeyboardModifier.NoModifier, 1.5),
        (Qt.Key.Key_Down, shift, 1.0),
        (Qt.Key.Key_Up, shift, 1.5),
        (Qt.Key.Key_Home, Qt.KeyboardModifier.NoModifier, 0.05),
        (Qt.Key.Key_End, Qt.KeyboardModifier.NoModifier, 4.0),
        (Qt.Key.Key_Up, Qt.KeyboardModifier.NoModifier, float("inf")),
        (Qt.Key.Key_Down, Qt.KeyboardModifier.NoModifier, 4.0),
    ]
    for which, modifier, cores in steps:
        key(page, which, modifier)
        assert page.editor.number == cores
    assert page.asked() == []
    key(page, Qt.Key.Key_Escape)
    assert page.editor.number == 1.5
    key(page, Qt.Key.Key_Up)
    key(page, Qt.Key.Key_Return)
    page.settled()
    assert page.asked() == [("guest_cap", CpuCap(100_000, 155_000), NOW)]


def test_the_line_is_reached_by_tab(page):
    page.tab.activateWindow()
    page.tab.bar.setFocus()
    seen = set()
    for _ in range(60):
        widget = page.tab.focusWidget()
        seen.add(widget)
        if widget is page.line:
            break
        QTest.keyClick(widget, Qt.Key.Key_Tab)
    assert page.line in seen


def test_the_box_and_the_line_are_in_step(page):
    box = page.tab.cpu.controls._box
    assert box.value() == 1.5
    page.drag(page.at(1.5), page.at(2.5), let_go=False)
    assert box.value() == 2.5
    key(page, Qt.Key.Key_Escape)
    page.release(page.at(2.5))
    box.setValue(3.0)
    assert page.editor.proposed == 3.0
    assert page.asked() == []
    page.tab.cpu.controls._apply.click()
    page.settled()
    assert page.asked() == [("guest_cap", CpuCap(100_000, 300_000), NOW)]


def test_the_last_step_of_the_box_is_no_cap(page):
    box = page.tab.cpu.controls._box
    box.setValue(box.maximum())
    assert box.text() == "no cap"
    page.tab.cpu.controls._apply.click()
    page.settled()
    assert page.asked() == [("guest_cap", None, NOW)]


def test_a_guest_that_is_off_has_its_next_boot_to_set(open_page):
    page = open_page(capped(a_guest(state=GuestState.SHUT_OFF), stored=ONE_AND_A_HALF))
    assert "next boot" in page.line.tag.text
    assert not page.tab.cpu.controls._also.isVisible()
    page.drag(page.at(1.5), page.at(2.5))
    page.settled()
    assert page.asked() == [("guest_cap", CpuCap(100_000, 250_000), NEXT_BOOT)]


def test_without_a_connection_nothing_can_be_changed_and_it_says_why(page):
    page.rig.apply(HostSeen(Host(page.rig.host.id, "node1", HostState.NOT_ANSWERING, cgroup_layout="v1")))
    assert not page.line.isEnabled()
    assert "node1 is not connected" in page.line.toolTip()
    assert "node1 is not connected" in page.tab.cpu.controls._words.text()
    page.drag(page.at(1.5), page.at(2.5))
    assert page.asked() == []


def test_another_guest_drops_what_was_proposed(page):
    page.tab.cpu.controls._box.setValue(3.0)
    page.tab.show_guest(None)
    assert page.editor.proposed is None
    assert not page.line.isVisible()
