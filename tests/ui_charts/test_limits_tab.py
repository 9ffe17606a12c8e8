# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from tests.operations.fakes import a_guest
from tests.ui_charts.rig import Rig, capped
from vmconsole.inventory.deltas import GuestSeen
from vmconsole.inventory.errors import DomainBusy
from vmconsole.inventory.facts import GuestState
from vmconsole.inventory.limits import CpuCap
from vmconsole.quotas.table import TABLE
from vmconsole.ui.limits_tab import LimitsTab

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)  # the screenless platform has no size hints
NOW_CAP, BOOT_CAP = CpuCap(100_000, 150_000), CpuCap(50_000, 125_000)


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


def applied(qtbot, tab, rig):
    tab.form.apply_button.click()
    qtbot.waitUntil(lambda: tab.form._task is None)
    return [call[2:] for call in rig.verbs.written()]


def test_both_definitions_side_by_side_with_their_raw_values(open_tab):
    tab, _ = open_tab()
    assert (tab.form.live.box.value(), tab.form.stored.box.value()) == (1.5, 2.5)
    assert tab.form.live.raw.text() == "quota 150000 / period 100000 µs"
    assert tab.form.stored.raw.text() == "quota 125000 / period 50000 µs"
    assert not tab.form.apply_button.isEnabled()
    assert tab.form.preview.toPlainText() == ""


def test_only_what_was_changed_is_written_and_shown_beforehand(qtbot, open_tab):
    tab, rig = open_tab()
    tab.form.stored.box.setValue(1.0)
    assert "--config global_period=50000 global_quota=50000" in tab.form.preview.toPlainText()
    assert "--live" not in tab.form.preview.toPlainText()
    assert applied(qtbot, tab, rig) == [(CpuCap(50_000, 50_000), False, True)]
    assert tab.form.words.text() == "cap is 1.00 cores (quota 50000 of 50000 µs) at the next boot"
    assert not tab.form.apply_button.isEnabled()


def test_both_at_once_each_its_own(qtbot, open_tab):
    tab, rig = open_tab()
    tab.form.live.box.setValue(3.0)
    tab.form.stored.box.setValue(tab.form.stored.box.maximum())
    assert tab.form.preview.toPlainText().count("schedinfo") == 2
    assert applied(qtbot, tab, rig) == [(CpuCap(100_000, 300_000), True, False), (CpuCap(50_000, None), False, True)]


def test_next_boot_as_now(qtbot, open_tab):
    tab, rig = open_tab()
    tab.form.same.click()
    assert tab.form.stored.box.value() == 1.5
    assert applied(qtbot, tab, rig) == [(CpuCap(50_000, 75_000), False, True)]


def test_revert(open_tab):
    tab, _ = open_tab()
    tab.form.live.box.setValue(3.0)
    tab.form.revert_button.click()
    assert tab.form.live.box.value() == 1.5
    assert not tab.form.apply_button.isEnabled()


def test_what_is_typed_survives_news_of_the_guest(open_tab):
    tab, rig = open_tab()
    tab.form.live.box.setValue(3.0)
    rig.apply(GuestSeen(capped(a_guest(), live=CpuCap(100_000, 50_000), stored=BOOT_CAP)))
    assert tab.form.live.box.value() == 3.0
    tab.form.revert_button.click()
    assert tab.form.live.box.value() == 0.5


def test_what_the_host_would_refuse_is_said_before_it_is_asked(open_tab):
    tab, _ = open_tab(capped(a_guest(), live=NOW_CAP, vcpu=CpuCap(100_000, 80_000)))
    tab.form.live.box.setValue(0.5)
    assert "Choose 0.8 cores or more" in tab.form.words.text()
    assert not tab.form.apply_button.isEnabled()
    tab.form.live.box.setValue(0.8)
    assert tab.form.apply_button.isEnabled()


def test_a_refusal_is_said_and_what_was_typed_stays(qtbot, open_tab):
    tab, rig = open_tab()
    rig.verbs.fail["set_live"] = DomainBusy("web1 is busy.")
    tab.form.live.box.setValue(3.0)
    applied(qtbot, tab, rig)
    assert tab.form.words.text() == "web1 is busy."
    assert tab.form.live.box.value() == 3.0


def test_a_guest_that_is_off_has_only_its_next_boot(open_tab):
    tab, _ = open_tab(capped(a_guest(state=GuestState.SHUT_OFF), stored=BOOT_CAP))
    assert not tab.form.live.box.isEnabled()
    assert tab.form.stored.box.isEnabled()
    assert "next boot" in tab._reason.text()


def test_the_table_shows_every_limit_with_its_meaning(open_tab):
    tab, _ = open_tab()
    assert tab.table.rowCount() == len(TABLE)
    for row, limit in enumerate(TABLE):
        assert tab.table.item(row, 0).text() == f"{limit.title}\n{limit.meaning}"
        assert limit.parameter in tab.table.item(row, 0).toolTip()
    assert tab.table.item(0, 1).text() == "1.50 cores"
    assert tab.table.item(0, 2).text() == "2.50 cores"
