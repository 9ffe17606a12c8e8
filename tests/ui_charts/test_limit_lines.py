# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits as lines in the charts of memory, disks and interfaces, with a real mouse and a real keyboard."""

from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from tests.operations.fakes import HOST, a_guest
from tests.ui_charts.rig import frame
from vmconsole.inventory.deltas import HostSeen
from vmconsole.inventory.facts import Disk, GuestState, Interface
from vmconsole.inventory.limits import CpuCap, LimitRef, Limits
from vmconsole.metrics.figures import Figure
from vmconsole.ui.charts.limit_line import GRAB_PX
from vmconsole.ui.charts.limit_lines import LimitLines
from vmconsole.ui.charts.limit_tag import LimitTag

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)  # the screenless platform has no size hints
MIB, MAC = 2**20, "52:54:00:00:00:01"
NOW, NEXT_BOOT = False, True
HARD, BALLOON = LimitRef("memory_hard"), LimitRef("memory_balloon")
TOTAL, READ, WRITE = (LimitRef(f"disk_{way}_bytes", "vda") for way in ("total", "read", "write"))
IN, OUT = (LimitRef(f"nic_{way}_average", MAC) for way in ("in", "out"))
MEMORY = {BALLOON: 2 * MIB, HARD: 3 * MIB}
"""In KiB: 2 and 3 GiB."""


def a_whole_guest(live: dict, stored: dict | None = None, *, disks: str = "vda"):
    return dataclasses.replace(
        a_guest(),
        live=Limits({BALLOON: 2 * MIB} | live),
        stored=Limits({BALLOON: 2 * MIB} | (live if stored is None else stored)),
        memory_max_kib=2 * MIB,
        disks=tuple(Disk(target, "/x", "qcow2") for target in disks.split()),
        interfaces=(Interface(MAC, "network", "default", tap="vnet0"),),
    )


def keys(page, line, *which):
    line.setFocus(Qt.FocusReason.TabFocusReason)
    for key in which:
        QTest.keyClick(page.tab.focusWidget(), key)


CASES = [
    ("memory", 0, MEMORY, 2.5 * 2**30, HARD),
    ("memory", 1, MEMORY, 1.5 * 2**30, BALLOON),
    ("disk", 0, {TOTAL: 40 * MIB}, 20.0 * MIB, TOTAL),
    ("disk", 1, {READ: 40 * MIB, WRITE: 60 * MIB}, 20.0 * MIB, READ),
    ("disk", 2, {READ: 10 * MIB, WRITE: 60 * MIB}, 30.0 * MIB, WRITE),
    ("iops", 0, {LimitRef("disk_total_iops", "vda"): 8000}, 4000.0, LimitRef("disk_total_iops", "vda")),
    ("network", 0, {IN: 3000}, 2e6, IN),
    ("network", 1, {OUT: 3000}, 2e6, OUT),
]


@pytest.mark.parametrize(("chart", "index", "live", "number", "ref"), CASES, ids=[str(case[4]) for case in CASES])
def test_a_drag_sets_the_limit_under_the_mouse_once_it_is_let_go(open_page, chart, index, live, number, ref):
    page = open_page(a_whole_guest(live))
    editor, line = page.limit(chart, index)
    before = editor.number
    page.take_to(chart, index, number, let_go=False)
    assert page.asked() == []
    pixel = page.card(chart).plot.top / page.card(chart).plot.area().height()
    assert editor.proposed == pytest.approx(number, abs=2 * editor.subject.scale.round_step(pixel))
    assert editor.proposed % editor.subject.scale.round_step(pixel) == 0
    words = line.tag.text
    assert words.endswith(("KiB", str(editor.subject.value(editor.proposed)))), "people's words, then the raw value"
    value = editor.subject.value(editor.proposed)
    page.release(page.grip(chart, index))
    page.settled()
    assert (str(ref), value, NOW) in page.asked()
    assert page.rig.verbs.guests[page.rig.guest.id.uuid].live[ref] == value
    page.rig.runner.undo()
    page.qtbot.waitUntil(lambda: editor.number == before)


@pytest.mark.parametrize(("chart", "index", "live", "number", "ref"), CASES, ids=[str(case[4]) for case in CASES])
def test_the_keyboard_moves_it_step_by_step(open_page, chart, index, live, number, ref):
    page = open_page(a_whole_guest(live))
    editor, line = page.limit(chart, index)
    before = editor.number
    keys(page, line, Qt.Key.Key_Down)
    small = before - editor.number
    assert small > 0
    keys(page, line, Qt.Key.Key_PageDown)
    assert before - editor.number > 4 * small
    assert page.asked() == []
    keys(page, line, Qt.Key.Key_Escape)
    assert editor.number == before
    keys(page, line, Qt.Key.Key_Down, Qt.Key.Key_Return)
    page.settled()
    assert (str(ref), editor.subject.value(before - small), NOW) in page.asked()


HANDLES = [("memory", 0, HARD), ("disk", 0, TOTAL), ("disk", 2, WRITE), ("network", 0, IN), ("network", 1, OUT)]


@pytest.mark.parametrize(("chart", "index", "ref"), HANDLES, ids=[str(case[2]) for case in HANDLES])
def test_a_handle_at_the_top_makes_a_limit_and_dragging_it_out_takes_it_away(open_page, chart, index, ref):
    page = open_page(a_whole_guest({}))
    _, line = page.limit(chart, index)
    assert line.is_none
    assert line.width() < page.card(chart).plot.area().width() / 2
    page.take_to(chart, index, page.card(chart).plot.top * 0.6)
    page.settled()
    (name, _, place), *_ = [call for call in page.asked() if call[1] is not None]
    assert (name, place) == (str(ref), NOW)
    assert not line.is_none
    page.tab.refresh()
    page.drawn()
    page.take_to(chart, index, float("inf"))
    page.settled()
    assert page.rig.verbs.guests[page.rig.guest.id.uuid].live[ref] is None
    assert line.is_none


def test_the_delete_key_takes_a_limit_away(open_page):
    page = open_page(a_whole_guest({IN: 3000}))
    _, line = page.limit("network", 0)
    keys(page, line, Qt.Key.Key_Delete, Qt.Key.Key_Return)
    page.settled()
    assert (str(IN), None, NOW) in page.asked()


def test_a_hard_limit_is_held_above_what_is_in_use_while_it_is_dragged(open_page):
    page = open_page(a_whole_guest({HARD: 3 * MIB}))
    editor, line = page.limit("memory", 0)
    used = page.rig.store.figures(page.rig.host.id).row(page.rig.guest.id.uuid)[5]
    page.take_to("memory", 0, used * 0.5, let_go=False)
    assert editor.proposed >= max(used * 1.1, 2 * 2**30)
    assert "The guest holds" in line.tag.more
    assert "is too little" in line.tag.more
    page.release(page.grip("memory", 0))
    page.settled()
    for name, value, _ in page.asked():
        assert name == "memory_hard"
        assert value * 1024 >= max(used * 1.1, 2 * 2**30)


def test_a_warning_is_said_at_the_line_and_does_not_hold_it(open_page):
    page = open_page(a_whole_guest({HARD: 3 * MIB}))
    editor, line = page.limit("memory", 0)
    page.take_to("memory", 0, 2.2 * 2**30, let_go=False)
    assert editor.proposed == pytest.approx(2.2 * 2**30, rel=0.03)
    assert "leaves QEMU little" in line.tag.more.replace("\n", " ")
    QTest.keyClick(page.tab.focusWidget(), Qt.Key.Key_Escape)


def test_a_balloon_goes_no_higher_than_the_guests_maximum_and_cannot_be_taken_away(open_page):
    page = open_page(a_whole_guest({BALLOON: 1 * MIB, HARD: 3 * MIB}))
    editor, _ = page.limit("memory", 1)
    page.take_to("memory", 1, float("inf"), let_go=False)
    assert editor.proposed <= 2 * 2**30
    page.release(page.grip("memory", 1))


def test_a_click_that_trembles_changes_nothing(open_page):
    page = open_page(a_whole_guest({READ: 40 * MIB + 12345, WRITE: 60 * MIB}))
    page.tab_scrolls_to("disk")
    at = page.grip("disk", 1)
    page.press(at)
    at.setY(at.y() + 1)
    page.move(at)
    page.release(at)
    page.qtbot.wait(0)
    assert page.asked() == []


def test_the_next_boots_value_is_dashed_where_it_differs_and_can_be_levelled(open_page):
    page = open_page(a_whole_guest({HARD: 3 * MIB}, {HARD: 2 * MIB + MIB // 2}))
    plot = page.card("memory").plot
    level = plot._levels["stored_memory_hard"]
    expected = (2.5 * 2**30, Qt.PenStyle.DashLine, "next boot 2.50 GiB")
    assert (level.value, level.pen.style(), level.label) == expected
    page.take_to("memory", 0, 2.75 * 2**30)
    page.settled()
    value = page.limit("memory", 0)[0].subject.live
    assert value != 3 * MIB
    assert [button.text() for button in page.tab.toast._buttons] == ["Undo", "Also at the next boot"]
    page.tab.toast._buttons[1].click()
    page.settled()
    assert page.rig.verbs.guests[page.rig.guest.id.uuid].stored[HARD] == value
    assert "stored_memory_hard" not in plot._levels


def test_several_disks_have_no_line_until_one_is_chosen(open_page):
    page = open_page(a_whole_guest({READ: 40 * MIB}, disks="vda vdb"))
    card = page.card("disk")
    assert not any(slot.line.isVisible() for slot in card.limits.slots)
    assert "choose one" in card.limits._hint.text()
    assert card.limits._hint.isVisible()


def test_where_it_is_not_available_the_handle_is_greyed_with_the_reason(open_page):
    page = open_page(a_whole_guest({}))
    resources = dataclasses.replace(page.rig.host.resources, shaper_missing="the kernel has no sch_htb")
    page.rig.apply(HostSeen(dataclasses.replace(page.rig.host, resources=resources)))
    page.tab.refresh()
    page.drawn()
    _, line = page.limit("network", 0)
    assert line.isVisible()
    assert not line.isEnabled()
    assert "the kernel has no sch_htb" in line.toolTip()


def test_new_facts_arrange_each_chart_once(open_page, monkeypatch):
    page = open_page(a_whole_guest({READ: 10 * MIB, WRITE: 20 * MIB}))
    placed = []
    monkeypatch.setattr(LimitLines, "_put_tags", lambda lines: placed.append(lines))
    page.rig.apply(HostSeen(dataclasses.replace(page.rig.host, versions={"libvirt": "9.9.9"})))
    assert sorted(map(id, placed)) == sorted(id(card.limits) for card in page.tab.cards)


def test_the_past_above_the_line_is_told_and_tinted(open_page):
    page = open_page(a_whole_guest({READ: 10 * MIB}))
    _, line = page.limit("disk", 1)
    figures = page.rig.store.figures(page.rig.host.id)
    _, values = figures.series(page.rig.guest.id.uuid, 9, 3600)
    share = round((values > 10 * MIB).mean() * 100)
    assert share > 0
    assert f"{share} % " in line.tag.text
    assert "disk_read_bytes" in page.card("disk").plot._patches
    keys(page, line, Qt.Key.Key_End)
    assert "disk_read_bytes" not in page.card("disk").plot._patches, "no limit, nothing above it"


def test_an_assistive_program_reads_and_moves_a_line_as_a_slider(open_page):
    page = open_page(a_whole_guest({READ: 40 * MIB}))
    editor, line = page.limit("disk", 1)
    told = QAccessible.queryAccessibleInterface(line)
    assert told.role() == QAccessible.Role.Slider
    assert told.text(QAccessible.Text.Name) == "Disk read limit line"
    assert "read limit 40.0 MiB/s" in told.text(QAccessible.Text.Description)
    assert told.valueInterface().currentValue() == 40 * 1024
    told.valueInterface().setCurrentValue(20 * 1024)
    assert editor.proposed == 20 * MIB
    assert page.asked() == []


def test_a_line_far_above_the_curve_waits_at_the_top(open_page):
    page = open_page(a_whole_guest({HARD: 64 * MIB}))
    _, line = page.limit("memory", 0)
    plot = page.card("memory").plot
    assert plot.top < 4 * 2**30
    assert line.tag.text == "hard limit 64.0 GiB ↑"
    page.take_to("memory", 0, 32.0 * 2**30)
    page.settled()
    (name, value, _), *_ = page.asked()
    assert name == "memory_hard"
    assert value * 1024 == pytest.approx(32 * 2**30, rel=0.05)


def an_idle_guest(limits: dict):
    guest = dataclasses.replace(a_whole_guest({}), state=GuestState.SHUT_OFF, live=None)
    return dataclasses.replace(guest, stored=Limits({BALLOON: 2 * MIB} | limits))


@pytest.mark.parametrize("hard", [3 * MIB, 64 * MIB])
def test_without_a_curve_the_axis_has_room_for_every_limit(open_page, hard):
    page = open_page(an_idle_guest({HARD: hard}), past_s=0)
    plot = page.card("memory").plot
    assert hard * 1024 < plot.top <= 1.5 * hard * 1024
    for index, kib in enumerate((hard, 2 * MIB)):
        line = page.limit("memory", index)[1]
        assert line.y() + GRAB_PX == pytest.approx(plot.y_of(kib * 1024), abs=1)


def test_a_guest_that_is_off_keeps_the_scale_of_its_past(open_page):
    page = open_page(an_idle_guest({HARD: 64 * MIB}))
    page.rig.clock += 1
    page.rig.apply(frame(page.rig.clock, ()))  # the host goes on without it
    assert page.rig.store.figures(HOST).reading(page.rig.guest.id.uuid, Figure.MEMORY_BYTES).value is None
    page.tab.refresh()
    page.drawn()
    assert page.card("memory").plot.top < 4 * 2**30


def test_of_two_lines_at_one_height_the_mouse_gets_the_one_whose_knob_is_near(open_page):
    page = open_page(a_whole_guest({BALLOON: 2 * MIB, HARD: 2 * MIB}))
    for index in (0, 1):
        _, line = page.limit("memory", index)
        at = line.mapTo(page.tab, QPoint(round(line.width() * (index + 1) / 3), GRAB_PX))
        page.move(at)
        page.press(at)
        assert line.is_dragged
        QTest.keyClick(page.tab.focusWidget(), Qt.Key.Key_Escape)
        page.release(at)
    assert page.asked() == []


def test_a_guests_cpu_cap_is_not_touched_by_the_others(open_page):
    page = open_page(a_whole_guest({LimitRef("guest_cap"): CpuCap(100_000, 150_000), IN: 3000}))
    page.take_to("network", 0, 2e6)
    page.settled()
    assert page.rig.verbs.guests[page.rig.guest.id.uuid].live.guest_cap == CpuCap(100_000, 150_000)


@pytest.mark.parametrize(("line", "neighbour", "side"), [(50, 150, "above"), (50, 38, "below"), (50, 62, "above")])
def test_a_limits_words_stand_where_no_other_line_crosses_them(qtbot, line, neighbour, side):
    plot = QWidget()
    qtbot.addWidget(plot)
    tag = LimitTag(plot)
    tag.resize(80, 18)
    assert tag.put(QRectF(0, 0, 200, 200), line, lines=(neighbour,))
    assert side == ("above" if tag.y() < line else "below")
    assert not tag.y() < neighbour < tag.y() + tag.height()
