# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of all limits: typed in the tree or the panel, checked before Apply, applied as one plan."""

import dataclasses

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit

from tests.operations.fakes import a_guest
from tests.ui_charts.rig import Rig, capped
from vmconsole.inventory.deltas import GuestSeen, HostSeen
from vmconsole.inventory.errors import DomainBusy
from vmconsole.inventory.facts import GuestState
from vmconsole.inventory.limits import CpuCap, LimitRef, Limits
from vmconsole.quotas.rows import Place
from vmconsole.ui.limits.model import LIMIT, LIVE, MARK, STORED
from vmconsole.ui.limits_tab import LimitsTab

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)  # the screenless platform has no size hints
NOW_CAP, BOOT_CAP = CpuCap(100_000, 150_000), CpuCap(50_000, 125_000)
CAP, WEIGHT, HARD = LimitRef("guest_cap"), LimitRef("cpu_weight"), LimitRef("memory_hard")


@pytest.fixture
def open_tab(qtbot, tmp_path):
    rigs = []

    def opened(guest=None, *, layout="v1"):
        rig = Rig(tmp_path, guest or capped(a_guest(), live=NOW_CAP, stored=BOOT_CAP), layout=layout)
        tab = LimitsTab(rig.context)
        tab.show_guest(rig.guest.id)
        tab.show()
        qtbot.addWidget(tab)
        rigs.append(rig)
        return tab, rig

    yield opened
    for rig in rigs:
        rig.close()


def cell(tab, ref, column):
    index = tab.filter.mapFromSource(tab.model.index_of(ref))
    return index.siblingAtColumn(column)


def text(tab, ref, column):
    return cell(tab, ref, column).data()


def typed(tab, ref, column, words):
    return tab.filter.setData(cell(tab, ref, column), words, Qt.ItemDataRole.EditRole)


def applied(qtbot, tab, rig):
    tab.changes.apply_button.click()
    qtbot.waitUntil(lambda: not tab.draft.is_waiting)
    return rig.verbs.guests[rig.guest.id.uuid]


def test_both_definitions_side_by_side_and_where_they_differ(open_tab):
    tab, _ = open_tab()
    assert [text(tab, CAP, column) for column in (LIMIT, LIVE, MARK, STORED)] == [
        "CPU cap, whole guest", "1.50 cores", "≠", "2.50 cores",
    ]  # fmt: skip
    assert text(tab, WEIGHT, MARK) is None
    assert not tab.changes.isVisible()


def test_what_is_typed_is_listed_before_it_is_written(qtbot, open_tab):
    tab, rig = open_tab()
    assert typed(tab, CAP, STORED, "25 % of a core")
    assert rig.verbs.written() == []
    item = tab.changes.list.topLevelItem(0)
    assert [item.text(column) for column in range(4)] == [
        "CPU cap, whole guest",
        "next boot",
        "2.50 cores",
        "0.25 cores",
    ]
    assert "--config" in tab.draft.preview()
    assert "--live" not in tab.draft.preview()
    guest = applied(qtbot, tab, rig)
    assert (guest.live.guest_cap, guest.stored.guest_cap) == (NOW_CAP, CpuCap(100_000, 25_000))
    assert tab.draft.planned() == ()


def test_one_plan_of_many_and_one_undo(qtbot, open_tab):
    limits = Limits.of(guest_cap=NOW_CAP, cpu_weight=1024)  # a running guest always has some weight
    tab, rig = open_tab(dataclasses.replace(a_guest(), live=limits, stored=Limits()))
    before = rig.verbs.guests[rig.guest.id.uuid]
    typed(tab, CAP, LIVE, "0.5")
    typed(tab, WEIGHT, LIVE, "2x")
    typed(tab, WEIGHT, STORED, "2048")
    guest = applied(qtbot, tab, rig)
    assert (guest.live.guest_cap.cores, guest.live[WEIGHT], guest.stored[WEIGHT]) == (0.5, 2048, 2048)
    rig.runner.undo()
    qtbot.waitUntil(lambda: rig.verbs.guests[rig.guest.id.uuid] == before)


def test_levelled_either_way(open_tab):
    tab, _ = open_tab()
    tab.level_button.click()
    assert tab.draft.value(Place.STORED, CAP) == NOW_CAP
    tab.draft.revert()
    tab.show_limit(CAP)
    tab.panel.to_live.click()
    assert tab.draft.value(Place.LIVE, CAP) == BOOT_CAP
    assert text(tab, CAP, MARK) is None


def test_people_s_units_and_raw_values_are_in_step(qtbot, open_tab):
    tab, _ = open_tab()
    tab.show_limit(CAP)
    now = tab.panel.sides[0]
    assert (now.value.text(), now.raw.text()) == ("1.50 cores", "global_quota=150000 global_period=100000")
    now.raw.selectAll()
    qtbot.keyClicks(now.raw, "20000/50000")
    qtbot.keyClick(now.raw, Qt.Key.Key_Return)
    assert now.value.text() == "0.40 cores"
    assert text(tab, CAP, LIVE) == "0.40 cores"


def test_what_is_not_understood_is_said_where_it_was_typed(qtbot, open_tab):
    tab, _ = open_tab()
    tab.show_limit(CAP)
    now = tab.panel.sides[0]
    now.value.selectAll()
    qtbot.keyClicks(now.value, "much")
    qtbot.keyClick(now.value, Qt.Key.Key_Return)
    assert "1.5 cores, 25 % of this host" in now.why.text()
    assert now.value.text() == "much"
    assert tab.draft.planned() == ()


def test_what_is_typed_survives_news_of_the_guest(open_tab):
    tab, rig = open_tab()
    typed(tab, CAP, LIVE, "3")
    rig.apply(GuestSeen(capped(a_guest(), live=CpuCap(100_000, 50_000), stored=BOOT_CAP)))
    assert text(tab, CAP, LIVE) == "3.00 cores"
    tab.changes.revert_button.click()
    assert text(tab, CAP, LIVE) == "0.50 cores"


def test_what_the_host_would_refuse_is_said_before_it_is_asked(open_tab):
    tab, _ = open_tab(capped(a_guest(), live=NOW_CAP, vcpu=CpuCap(100_000, 80_000)))
    typed(tab, CAP, LIVE, "0.5")
    assert not tab.changes.apply_button.isEnabled()
    assert "Lower it to 0.50 cores or less" in tab.changes.words.text()
    typed(tab, CAP, LIVE, "0.8")
    assert tab.changes.apply_button.isEnabled()


def test_a_refusal_is_said_and_what_was_typed_stays(qtbot, open_tab):
    tab, rig = open_tab()
    rig.verbs.fail["set_live"] = DomainBusy("web1 is busy.")
    typed(tab, CAP, LIVE, "3")
    guest = applied(qtbot, tab, rig)
    assert guest.live.guest_cap == NOW_CAP
    assert tab.changes.words.text().startswith("web1 is busy.")
    qtbot.waitUntil(lambda: text(tab, CAP, LIVE) == "3.00 cores")


def test_a_guest_that_is_off_has_only_its_next_boot(open_tab):
    tab, _ = open_tab(capped(a_guest(state=GuestState.SHUT_OFF), stored=BOOT_CAP))
    assert text(tab, CAP, LIVE) == "–"
    assert not cell(tab, CAP, LIVE).flags() & Qt.ItemFlag.ItemIsEditable
    assert cell(tab, CAP, STORED).flags() & Qt.ItemFlag.ItemIsEditable
    assert "shut off" in cell(tab, CAP, LIVE).data(Qt.ItemDataRole.ToolTipRole)


def test_a_limit_is_found_by_what_it_is_about(open_tab):
    tab, _ = open_tab()
    tab.search.setText("balloon")
    titles = [
        tab.filter.index(row, 0, tab.filter.index(0, 0)).data()
        for row in range(tab.filter.rowCount(tab.filter.index(0, 0)))
    ]
    assert "Memory for the guest" in titles
    assert tab.filter.rowCount() == 1


def test_only_what_is_set(open_tab):
    tab, _ = open_tab()
    tab.only_set.setChecked(True)
    assert text(tab, CAP, LIVE) == "1.50 cores"
    assert not tab.filter.mapFromSource(tab.model.index_of(HARD)).isValid()


def test_memory_that_the_host_has_not_is_warned_of_and_not_forbidden(open_tab):
    tab, rig = open_tab(
        dataclasses.replace(a_guest(), live=Limits.of(memory_balloon=2**20), stored=Limits(), memory_max_kib=2**24)
    )
    rig.apply(HostSeen(dataclasses.replace(rig.host, memory_bytes=4 * 2**30)))
    typed(tab, LimitRef("memory_balloon"), LIVE, "8 GiB")
    assert "the host has 3.50 GiB for them" in tab.changes.list.topLevelItem(0).text(4)
    assert tab.changes.apply_button.isEnabled()


def test_a_limit_is_chosen_from_the_start_and_stays_for_the_next_guest(open_tab):
    tab, rig = open_tab()
    assert tab.panel.title.text() == "CPU cap, whole guest"
    tab.show_limit(WEIGHT)
    other = dataclasses.replace(a_guest(), id=dataclasses.replace(rig.guest.id, uuid="other"), name="other")
    rig.apply(GuestSeen(other))
    tab.show_guest(other.id)
    assert (tab.panel.isEnabled(), tab.panel.title.text()) == (True, "CPU weight")


def test_typing_on_the_name_of_a_limit_sets_its_value(qtbot, open_tab):
    tab, _ = open_tab()
    tab.show_limit(CAP)
    tab.tree.setFocus()
    qtbot.keyClicks(tab.tree, "3")
    editor = tab.tree.findChild(QLineEdit)
    assert editor.text() == "3"
    qtbot.keyClicks(editor, " cores")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: text(tab, CAP, LIVE) == "3.00 cores")
    assert tab.tree.currentIndex().column() == LIVE
