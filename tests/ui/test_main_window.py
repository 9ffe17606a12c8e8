# SPDX-License-Identifier: GPL-3.0-or-later
"""The window as a whole: what it shows, what it remembers, and what a screen reader finds."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QTabWidget, QWidget

from tests.ui.fakes import Rig, guest_id, host_id
from vmconsole.inventory.deltas import EventSeen, GuestGone, TaskSeen
from vmconsole.inventory.errors import Explanation
from vmconsole.inventory.facts import GuestState, HostState
from vmconsole.inventory.tasks import Task, TaskState
from vmconsole.links.address import full_address
from vmconsole.settings.connections import SavedConnection
from vmconsole.ui.add_host.dialog import AddHostDialog
from vmconsole.ui.guest_page import GuestPage, TabPlan
from vmconsole.ui.limits.bulk_dialog import BulkDialog
from vmconsole.ui.main_window import MainWindow

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmconsole.inventory.ids import GuestId
    from vmconsole.ui.context import Context

REASON = Explanation(
    what="kvm1 stopped answering.",
    cause="The network is down.",
    advice="Look with `ping kvm1`.",
    said="<b>Broken</b> pipe",
)


def front(window: MainWindow) -> QWidget:
    return window.pages.currentWidget()


def test_a_screen_reader_finds_the_parts_by_name(window: MainWindow) -> None:
    assert window.accessibleName() == "vmconsole"
    assert window.windowTitle() == "vmconsole"
    assert window.tree.accessibleName() == "Hosts and guests"
    assert window.filter_field.accessibleName() == "Filter"
    tabs = window.guest_page.findChild(QTabWidget)
    assert tabs is not None
    assert [tabs.tabText(place) for place in range(tabs.count())] == ["Overview", "Limits", "Disks"]


def test_with_no_host_the_window_says_how_to_add_one(rig: Rig, qtbot: QtBot) -> None:
    window = MainWindow(rig.context)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: front(window) is window.empty_page)
    assert window.empty_page._title.text() == "No host yet"
    window.empty_page._add.click()
    assert window.findChild(AddHostDialog) is not None
    window.close()


def test_the_status_bar_sums_up(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.status.summary.text() == "2 of 2 hosts connected · 2 of 4 guests running")
    assert window.status.problems.text() == "No problems"
    rig.change_host("kvm1", state=HostState.FAILED, reason=REASON)
    qtbot.waitUntil(lambda: window.status.problems.text() == "1 problem")
    window.status.problems.click()
    assert window.tree.chosen() == [host_id("kvm1")]


def test_with_nothing_selected_the_window_tells_what_needs_a_look(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    rig.change_host("kvm1", state=HostState.FAILED, reason=REASON)
    rig.change_guest("kvm2", "mail", state=GuestState.CRASHED)
    wanted = "kvm1 stopped answering.\nmail on kvm2: crashed"
    qtbot.waitUntil(lambda: window.empty_page._names.text() == wanted)
    assert window.empty_page._names.isVisible()


def test_demo_data_is_never_shown_as_real(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    assert not window.menus.demo_label.isVisible()
    rig.change_host("kvm1", is_demo=True)
    qtbot.waitUntil(window.menus.demo_label.isVisible)
    assert window.menus.demo_label.text() == "Demo data"


def test_a_selected_host_shows_its_reason_in_words_and_can_be_tried_now(
    rig: Rig, window: MainWindow, qtbot: QtBot
) -> None:
    rig.change_host("kvm1", state=HostState.NOT_ANSWERING, since=time.time(), retry_at=time.time() + 60, reason=REASON)
    window.tree.choose(host_id("kvm1"))
    page = window.host_page
    qtbot.waitUntil(lambda: front(window) is window.host_tabs)
    assert "trying again in" in page._state.text()
    error = page._reason
    assert error.isVisible()
    assert "<code>ping kvm1</code>" in error._advice.text()
    assert not error._said.isVisible()
    error._details.click()
    assert error._said.toPlainText() == "<b>Broken</b> pipe"
    error._copy.click()
    assert "Original words: <b>Broken</b> pipe" in QApplication.clipboard().text()
    page._try.click()
    assert rig.links[host_id("kvm1")].calls == ["start", "connect"]


def test_a_connected_host_can_be_disconnected_and_a_disconnected_one_connected(
    rig: Rig, window: MainWindow, qtbot: QtBot
) -> None:
    window.tree.choose(host_id("kvm1"))
    qtbot.waitUntil(lambda: front(window) is window.host_tabs)
    window.host_page._disconnect.click()
    rig.change_host("kvm1", state=HostState.DISCONNECTED)
    qtbot.waitUntil(window.host_actions.connect_action.isEnabled)
    window.host_actions.connect_action.trigger()
    assert rig.links[host_id("kvm1")].calls == ["start", "disconnect", "connect"]


class FakeTab(QWidget):
    def __init__(self, context: Context) -> None:
        super().__init__()
        self.shown: list[GuestId | None] = []

    def show_guest(self, guest: GuestId | None) -> None:
        self.shown.append(guest)


class BrokenTab(QWidget):
    def __init__(self, context: Context) -> None:
        raise ImportError("libfoo.so.1: cannot open shared object file")


def guest_page(window: MainWindow, qtbot: QtBot) -> GuestPage:
    tabs = [
        TabPlan(name, name, __name__, cls) for name, cls in (("a", "FakeTab"), ("b", "FakeTab"), ("c", "BrokenTab"))
    ]
    page = GuestPage(window.context, window._formats, tabs=tabs)
    qtbot.addWidget(page)
    page.show()
    return page


def test_a_tab_is_made_when_first_shown_and_only_the_front_one_follows(window: MainWindow, qtbot: QtBot) -> None:
    page = guest_page(window, qtbot)
    page.show_guest(guest_id("kvm1", "web1"))
    qtbot.waitUntil(lambda: len(page.findChildren(FakeTab)) == 1)
    first = page.findChildren(FakeTab)[0]
    assert first.shown == [guest_id("kvm1", "web1")]
    page.set_tab("b")
    second = next(tab for tab in page.findChildren(FakeTab) if tab is not first)
    page.show_guest(guest_id("kvm2", "mail"))
    qtbot.waitUntil(lambda: second.shown[-1] == guest_id("kvm2", "mail"))
    assert first.shown == [guest_id("kvm1", "web1")]
    page.set_tab("a")
    assert first.shown[-1] == guest_id("kvm2", "mail")
    page.show_guest(None)
    assert first.shown[-1] is None
    assert second.shown[-1] is None


def test_a_tab_whose_library_is_missing_says_so_and_the_others_work(
    window: MainWindow, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    page = guest_page(window, qtbot)
    page.show_guest(guest_id("kvm1", "web1"))
    page.set_tab("c")
    from vmconsole.ui.error_view import ErrorView

    shown = [view for view in page.findChildren(ErrorView) if view.explanation is not None]
    assert "libfoo.so.1" in shown[0].explanation.said  # type: ignore[union-attr]  # filtered one line above
    page.set_tab("b")
    assert page.findChildren(FakeTab)


def test_the_links_are_told_which_guest_is_looked_at(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    kvm1, kvm2 = rig.links[host_id("kvm1")], rig.links[host_id("kvm2")]
    window.select(guest_id("kvm1", "web1"))
    qtbot.waitUntil(lambda: kvm1.watched == [frozenset({"uuid-of-web1"})])
    window.select(guest_id("kvm2", "mail"))
    qtbot.waitUntil(lambda: kvm2.watched == [frozenset({"uuid-of-mail"})])
    assert kvm1.watched[-1] == frozenset()


def test_a_guest_can_be_wanted_before_it_is_there(rig: Rig, window: MainWindow) -> None:
    window.show_guest_named("late")
    rig.add_host("kvm3", {"late": GuestState.RUNNING})
    assert window.tree.chosen() == [guest_id("kvm3", "late")]


def test_a_selected_guest_that_goes_away_leaves_a_quiet_window(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    window.select(guest_id("kvm2", "mail"))
    rig.apply(GuestGone(guest_id("kvm2", "mail")))
    qtbot.waitUntil(lambda: front(window) is window.empty_page)
    assert window.tree.chosen() == []


def test_the_filter_filters_while_one_types_and_counts(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(window.filter_field.hasFocus)
    qtbot.keyClicks(window.filter_field, "state:run")
    qtbot.waitUntil(lambda: window.filter_field._count.text() == "2 of 4")
    qtbot.keyClick(window.filter_field, Qt.Key.Key_Down)
    assert window.tree.chosen() == [guest_id("kvm1", "web1")]
    qtbot.keyClick(window.filter_field, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not window.filter_field._count.isVisible())
    assert window.tree.chosen() == [guest_id("kvm1", "web1")]


def test_a_filter_without_hits_says_so(window: MainWindow, qtbot: QtBot) -> None:
    window.filter_field.setText("zzz")
    qtbot.waitUntil(lambda: window.tree._empty_text == "No guest matches «zzz».")
    assert window.model.rowCount() == 0


def test_several_guests_are_summed_up(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    rig.tick("kvm1", {"web1": 1.5})
    rig.tick("kvm2", {"mail": 0.5})
    window.tree.selectAll()
    qtbot.waitUntil(lambda: window.empty_page._title.text() == "4 guests selected, on 2 hosts")
    window.empty_page._limits.click()
    dialog = window.findChild(BulkDialog)
    assert dialog.windowTitle().startswith("Limits of 4 guests")
    dialog.close()
    assert window.empty_page._values[0].text() == "2.00 cores"
    assert window.empty_page._values[2].text() == "–"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("root@kvm1", "qemu+ssh://root@kvm1/system"),
        (" kvm1 ", "qemu+ssh://kvm1/system"),
        ("root@kvm1:2222", "qemu+ssh://root@kvm1:2222/system"),
        ("kvm1/session", "qemu+ssh://kvm1/session"),
        ("qemu:///system", "qemu:///system"),
        ("", ""),
    ],
)
def test_a_host_as_for_ssh_is_an_address(given: str, meant: str) -> None:
    assert full_address(given) == meant


def open_dialog(window: MainWindow) -> AddHostDialog:
    window.add_connection()
    found = window.findChild(AddHostDialog)
    assert found is not None
    return found


def test_a_connection_is_added_remembered_and_selected(rig: Rig, window: MainWindow) -> None:
    dialog = open_dialog(window)
    dialog.field.line.setText("root@kvm9")
    assert dialog.field._meaning.text() == "→ qemu+ssh://root@kvm9/system"
    dialog._on_accepted()
    assert rig.links[dialog._context.fleet.hosts[-1]].calls == ["start"]
    assert [saved.uri for saved in rig.profile.connections.all] == ["qemu+ssh://root@kvm9/system"]


def test_a_wrong_address_is_told_in_words_and_nothing_is_started(rig: Rig, window: MainWindow) -> None:
    dialog = open_dialog(window)
    before = rig.fleet.hosts
    dialog.field.line.setText("foo://kvm9/system")
    dialog._on_accepted()
    assert dialog.isVisible()
    assert dialog.field.error.explanation is not None
    assert "driver" in dialog.field.error.explanation.what
    assert rig.fleet.hosts == before
    assert rig.profile.connections.all == ()
    dialog.field.line.setText("foo")
    assert not dialog.field.error.isVisible(), "the message goes when the address is changed"


def test_a_removed_connection_is_forgotten(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    rig.profile.connections.put(SavedConnection("test://kvm2"))
    window.tree.choose(host_id("kvm2"))
    window.host_actions._remove([rig.store.hosts[host_id("kvm2")]], forget=False)
    qtbot.waitUntil(lambda: host_id("kvm2") not in rig.store.hosts)
    assert rig.profile.connections.all == ()
    assert window.model.rowCount() == 1


def test_the_layout_is_remembered(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    window.resize(780, 600)
    window.tree.setColumnHidden(3, True)
    window.tree.collapse(window.tree.model().index(0, 0))
    window.close()
    again = MainWindow(rig.context)
    qtbot.addWidget(again)
    again.show()
    rig.change_host("kvm1", cpus=9)
    assert (again.width(), again.height()) == (780, 600)
    assert again.tree.isColumnHidden(3)
    assert again.tree.closed_hosts == [host_id("kvm1")]
    again.close()


def test_a_column_is_shown_and_hidden_from_the_menu(window: MainWindow) -> None:
    menu = window.columns_menu
    state = menu.actions()[0]
    menu.aboutToShow.emit()
    assert [action.isChecked() for action in menu.actions()] == [False, True, True, True, True]
    state.trigger()
    assert not window.tree.isColumnHidden(1)
    state.trigger()
    assert window.tree.isColumnHidden(1)


def test_a_task_can_be_cancelled_and_shows_its_progress(rig: Rig, window: MainWindow) -> None:
    task = Task(
        id=7, title="Copy a disk", where="kvm1", state=TaskState.RUNNING, began_at=1.0, progress=0.42, virsh="virsh x"
    )
    rig.apply(TaskSeen(task))
    window.tasks_dock.choose(7)
    assert window.tasks_dock.model.index(0, 2).data() == "42 %"
    details = window.tasks_dock._details
    assert details._cancel.isVisible()
    details._copy.click()
    assert QApplication.clipboard().text() == "virsh x"


def test_events_are_listed_newest_first_and_lead_to_their_guest(rig: Rig, window: MainWindow) -> None:
    rig.apply(EventSeen(1.0, host_id("kvm1"), "web1 started", guest_id("kvm1", "web1")))
    rig.apply(EventSeen(2.0, host_id("kvm2"), "mail crashed", guest_id("kvm2", "mail"), is_problem=True))
    model = window.events_dock.model
    assert [model.index(row, 2).data() for row in range(2)] == ["mail crashed", "web1 started"]
    assert model.index(0, 1).data() == "kvm2 · mail"
    window.events_dock._on_activated(model.index(0, 0))
    assert window.tree.chosen() == [guest_id("kvm2", "mail")]


def test_diagnostics_are_written_and_a_full_disk_is_told(
    rig: Rig, window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window.set_dump_maker(lambda: {"hosts": 2})
    window.diagnostics.save(tmp_path / "d.json")
    qtbot.waitUntil(lambda: "saved in" in window.statusBar().currentMessage())
    assert json.loads((tmp_path / "d.json").read_text()) == {"hosts": 2}
    window.diagnostics.save(tmp_path / "no" / "d.json")
    qtbot.waitUntil(lambda: "could not be written" in window.statusBar().currentMessage())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_chosen_and_stay(rig: Rig, window: MainWindow, qtbot: QtBot, scheme: str) -> None:
    window.schemes.actions[scheme].trigger()
    qtbot.waitUntil(lambda: window._theme.is_dark is (scheme == "dark"))
    assert rig.profile.get("colours") == scheme
    window.schemes.actions["desktop"].trigger()
