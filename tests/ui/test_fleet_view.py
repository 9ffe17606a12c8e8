# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree on the screen: what stays when rows come and go, and how little a tick costs."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QAbstractItemModel, Qt
from PySide6.QtWidgets import QApplication

from tests.ui.fakes import Rig, frame, guest_id, host_id
from vmconsole.inventory import deltas
from vmconsole.inventory.facts import Guest, GuestState, Host, HostLook, HostState
from vmconsole.inventory.ids import GroupId, GuestId, HostId
from vmconsole.store.outline import Outline
from vmconsole.store.store import Store
from vmconsole.ui.columns import CPU, STATE
from vmconsole.ui.fleet_model import FleetModel
from vmconsole.ui.fleet_view import FleetView
from vmconsole.ui.formats import Formats
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from vmconsole.metrics.delta import Delta


@pytest.fixture
def tree(rig: Rig, qtbot: QtBot) -> Iterator[FleetView]:
    theme = Theme()
    model = FleetModel(rig.store, theme, Formats(now=lambda: rig.at))
    tree = FleetView(model, rig.store, theme)
    theme.setParent(tree)
    qtbot.addWidget(tree)
    rig.bridge.store_changed.connect(tree.apply_changes)
    tree.resize(700, 400)
    with qtbot.waitExposed(tree):
        tree.show()
    yield tree
    tree.close()


def many(rig: Rig, host: str, count: int) -> None:
    rig.add_host(host, {f"vm-{number:04}": GuestState.RUNNING for number in range(count)})


def test_new_hosts_open_by_themselves_and_a_closed_one_stays_closed(rig: Rig, tree: FleetView) -> None:
    rig.add_host("kvm1", {"a": GuestState.RUNNING})
    index = tree.model().index(0, 0)
    assert tree.isExpanded(index)
    tree.collapse(index)
    rig.add_host("kvm0", {"b": GuestState.RUNNING})
    assert tree.isExpanded(tree.model().index(0, 0))
    assert not tree.isExpanded(tree.model().index(1, 0))
    assert tree.closed_hosts == [host_id("kvm1")]


def test_a_filter_opens_what_it_finds_and_gives_back_what_was_chosen(rig: Rig, tree: FleetView) -> None:
    many(rig, "kvm1", 100)
    wanted = guest_id("kvm1", "vm-0050")
    tree.choose(wanted)
    tree.collapse(tree.model().index(0, 0))
    tree.set_filter("vm-0007")
    assert tree.isExpanded(tree.model().index(0, 0))
    assert tree.chosen() == []
    tree.set_filter("")
    assert tree.chosen() == [wanted]
    assert not tree.isExpanded(tree.model().index(0, 0))


def test_the_top_row_stays_where_it_is_when_rows_appear_above(rig: Rig, tree: FleetView) -> None:
    many(rig, "kvm1", 200)
    tree.choose(guest_id("kvm1", "vm-0150"))
    top = tree._fleet.id_of(tree.indexAt(tree.viewport().rect().topLeft()))
    before = tree.visualRect(tree._fleet.index_of(top)).top()  # type: ignore[arg-type]  # there is a row
    rig.add_host("kvm0", {f"x{number}": GuestState.RUNNING for number in range(30)})
    assert tree._fleet.id_of(tree.indexAt(tree.viewport().rect().topLeft())) == top
    assert tree.visualRect(tree._fleet.index_of(top)).top() == before  # type: ignore[arg-type]  # same
    assert tree.chosen() == [guest_id("kvm1", "vm-0150")]


def test_a_tick_announces_the_visible_rows_and_no_other(rig: Rig, tree: FleetView, qtbot: QtBot) -> None:
    many(rig, "kvm1", 500)
    rig.add_host("zzz", {"out-of-sight": GuestState.RUNNING})
    QApplication.processEvents()
    told: list[tuple[object, int, int]] = []
    model = tree._fleet
    model.dataChanged.connect(
        lambda first, last, *_: told.append((model.id_of(first.parent()), first.row(), last.row()))
    )
    rig.tick("kvm1", {f"vm-{number:04}": 0.5 for number in range(500)})
    rig.tick("zzz", {"out-of-sight": 0.5})
    guests = [rows for rows in told if rows[0] is not None]
    assert len(guests) == 1
    assert guests[0][0] == host_id("kvm1")
    assert guests[0][1] == 0
    assert 5 < guests[0][2] < 30


def test_nothing_is_announced_while_the_tree_is_hidden(rig: Rig, tree: FleetView, qtbot: QtBot) -> None:
    many(rig, "kvm1", 20)
    tree.hide()
    with qtbot.assertNotEmitted(tree._fleet.dataChanged):
        rig.tick("kvm1", {"vm-0001": 0.5})


class CountingModel(FleetModel):
    calls = 0

    def data(self, index: object, role: int = 0) -> object:
        type(self).calls += 1
        return super().data(index, role)  # type: ignore[arg-type]  # counted, and passed on as it is


def test_a_tick_asks_for_as_little_among_ten_thousand_as_among_a_hundred(rig: Rig, qtbot: QtBot) -> None:
    """Counts are the same on every machine where milliseconds are not."""
    asked = [_asked_in_a_tick(qtbot, count) for count in (100, 10_000)]
    assert asked[1] <= asked[0] * 1.2
    assert asked[1] < 400


def _asked_in_a_tick(qtbot: QtBot, count: int) -> int:
    from vmconsole.store.store import Store

    store, theme = Store(), Theme()
    model = CountingModel(store, theme, Formats(now=lambda: 1.0))
    tree = FleetView(model, store, theme)
    qtbot.addWidget(tree)
    tree.resize(700, 600)
    per_host = count // 20
    hosts = [HostId(f"test://h{number:02}") for number in range(20)]
    for host in hosts:
        guests = [
            Guest(id=GuestId(host, f"u{n}"), name=f"g{n}", state=GuestState.RUNNING, vcpus=1) for n in range(per_host)
        ]
        facts = Host(id=host, name=str(host), state=HostState.CONNECTED)
        tree.apply_changes(store.apply([deltas.HostSeen(facts), deltas.GuestsListed(host, tuple(guests))]))
    with qtbot.waitExposed(tree):
        tree.show()
    QApplication.processEvents()
    CountingModel.calls = 0
    uuids = [f"u{n}" for n in range(per_host)]
    tree.apply_changes(store.apply([frame(host, 1.0, uuids, [0.5] * per_host) for host in hosts]))
    tree.viewport().repaint()
    QApplication.processEvents()
    return CountingModel.calls


def test_a_host_that_is_away_says_why_over_its_whole_row(rig: Rig, tree: FleetView) -> None:
    rig.add_host("kvm1", {"a": GuestState.RUNNING})
    assert not tree.isFirstColumnSpanned(0, tree.rootIndex())
    rig.change_host("kvm1", state=HostState.NOT_ANSWERING)
    assert tree.isFirstColumnSpanned(0, tree.rootIndex())
    rig.change_host("kvm1", state=HostState.CONNECTED)
    assert not tree.isFirstColumnSpanned(0, tree.rootIndex())


def test_sorting_by_cpu_puts_the_busiest_first_and_back_by_name(rig: Rig, tree: FleetView) -> None:
    rig.add_host("kvm1", {"a": GuestState.RUNNING, "b": GuestState.RUNNING})
    rig.tick("kvm1", {"a": 0.1, "b": 2.0})
    model: QAbstractItemModel = tree.model()
    tree.sortByColumn(CPU, Qt.SortOrder.DescendingOrder)
    assert model.index(0, 0, model.index(0, 0)).data() == "b"
    tree.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert model.index(0, 0, model.index(0, 0)).data() == "a"
    rig.change_guest("kvm1", "a", state=GuestState.SHUT_OFF)
    tree.sortByColumn(STATE, Qt.SortOrder.AscendingOrder)
    assert model.index(0, 0, model.index(0, 0)).data() == "b"
    tree.sortByColumn(STATE, Qt.SortOrder.DescendingOrder)
    assert model.index(0, 0, model.index(0, 0)).data() == "a"


def test_several_rows_on_several_hosts_are_chosen_from_top_to_bottom(rig: Rig, tree: FleetView) -> None:
    rig.add_host("kvm2", {"b": GuestState.RUNNING})
    rig.add_host("kvm1", {"a": GuestState.RUNNING})
    tree.selectAll()
    assert tree.chosen() == [host_id("kvm1"), guest_id("kvm1", "a"), host_id("kvm2"), guest_id("kvm2", "b")]
    assert tree.chosen_guests() == [guest_id("kvm1", "a"), guest_id("kvm2", "b")]


# ---- groups


def three_in_two_groups(rig: Rig) -> None:
    for name, group in (("kvm1", "west"), ("kvm2", "east"), ("kvm3", "")):
        rig.add_host(name, {"a": GuestState.RUNNING, "b": GuestState.SHUT_OFF}, look=HostLook(group=group))


def tops(tree: FleetView) -> list[str]:
    return [str(tree.model().index(row, 0).data()) for row in range(tree.model().rowCount())]


def test_hosts_stand_under_their_groups_and_a_heading_stands_for_its_hosts(rig: Rig, tree: FleetView) -> None:
    three_in_two_groups(rig)
    assert tops(tree) == ["kvm1", "kvm2", "kvm3"]
    tree.set_grouping(is_grouped=True)
    assert tops(tree) == ["east", "west", "No group"]
    east = tree.model().index(0, 0)
    assert tree.isExpanded(east)
    assert tree.isFirstColumnSpanned(0, tree.rootIndex())
    assert tree._fleet.cells.remark(GroupId("east")) == "one host, 1 of 2 guests running"
    tree.setCurrentIndex(east)
    assert tree.chosen() == [host_id("kvm2")]
    tree.selectAll()
    assert [wanted for wanted in tree.chosen() if not isinstance(wanted, GuestId)] == [
        host_id("kvm2"), host_id("kvm1"), host_id("kvm3"),
    ]  # fmt: skip
    assert len(tree.chosen()) == 9


def test_a_host_that_comes_to_another_group_keeps_its_selection_and_what_was_closed(rig: Rig, tree: FleetView) -> None:
    three_in_two_groups(rig)
    tree.set_grouping(is_grouped=True)
    tree.collapse(tree._fleet.index_of(host_id("kvm1")))
    tree.choose(guest_id("kvm3", "a"))
    rig.change_host("kvm3", look=HostLook(group="west"))
    assert tops(tree) == ["east", "west"]
    assert tree.chosen() == [guest_id("kvm3", "a")]
    assert not tree.isExpanded(tree._fleet.index_of(host_id("kvm1")))
    tree.set_grouping(is_grouped=False)
    assert tops(tree) == ["kvm1", "kvm2", "kvm3"]
    assert tree.chosen() == [guest_id("kvm3", "a")]
    assert not tree.isExpanded(tree._fleet.index_of(host_id("kvm1")))


def test_a_closed_group_stays_closed_and_opens_for_what_is_shown(rig: Rig, tree: FleetView) -> None:
    three_in_two_groups(rig)
    tree.set_grouping(is_grouped=True)
    tree.collapse(tree._fleet.index_of(GroupId("west")))
    assert tree.closed_groups == ["west"]
    rig.change_host("kvm3", look=HostLook(group="east"))
    assert not tree.isExpanded(tree._fleet.index_of(GroupId("west")))
    tree.choose(guest_id("kvm1", "a"))
    assert tree.isExpanded(tree._fleet.index_of(GroupId("west")))


def test_a_filter_picks_a_group(rig: Rig, tree: FleetView) -> None:
    three_in_two_groups(rig)
    tree.set_grouping(is_grouped=True)
    tree.set_filter("group:east")
    assert tops(tree) == ["east"]
    tree.set_filter("-group:east a")
    assert tops(tree) == ["west", "No group"]
    tree.set_filter("group:nowhere")
    assert tops(tree) == []


def test_the_keys_find_their_row_again_when_a_filter_gives_it_back(rig: Rig, tree: FleetView) -> None:
    three_in_two_groups(rig)
    many(rig, "kvm4", 100)
    tree.choose(guest_id("kvm3", "b"))
    tree.set_filter("vm-00")
    assert tree._fleet.id_of(tree.currentIndex()) != guest_id("kvm3", "b")
    tree.clearSelection()
    tree.set_filter("")
    assert tree._fleet.id_of(tree.currentIndex()) == guest_id("kvm3", "b")
    tree.set_grouping(is_grouped=True)
    assert tree._fleet.id_of(tree.currentIndex()) == guest_id("kvm3", "b")


def calls_of(work: Callable[[], object]) -> int:
    """How many functions of Python run meanwhile."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


@dataclass
class Crowd:
    """A tree over ``hosts`` in ten groups with 20 guests each."""

    store: Store
    model: FleetModel
    tree: FleetView
    hosts: list[Host]

    def take(self, *told: Delta) -> tuple[int, int]:
        """Calls until the model and the view know it, and until it is laid out and painted."""
        taken = calls_of(lambda: self.tree.apply_changes(self.store.apply(told)))
        return taken, calls_of(QApplication.processEvents)

    def guest(self, host: int, number: int, state: GuestState = GuestState.RUNNING) -> Guest:
        return Guest(id=GuestId(self.hosts[host].id, f"u{number}"), name=f"g{number}", state=state)


def crowd_of(qtbot: QtBot, hosts: int) -> Crowd:
    store, theme = Store(), Theme()
    model = FleetModel(store, theme, Formats(now=lambda: 1.0))
    tree = FleetView(model, store, theme)
    theme.setParent(tree)
    qtbot.addWidget(tree)
    tree.resize(700, 600)
    tree.set_grouping(is_grouped=True)
    facts = [
        Host(id=host_id(f"h{n:03}"), name=f"h{n:03}", state=HostState.CONNECTED, look=HostLook(group=f"g{n % 10}"))
        for n in range(hosts)
    ]
    crowd = Crowd(store, model, tree, facts)
    listed = [deltas.GuestsListed(h.id, tuple(crowd.guest(n, g) for g in range(20))) for n, h in enumerate(facts)]
    tree.apply_changes(store.apply([*map(deltas.HostSeen, facts), *listed]))
    with qtbot.waitExposed(tree):
        tree.show()
    QApplication.processEvents()
    return crowd


def test_a_row_that_comes_or_goes_is_laid_out_by_qt_alone(qtbot: QtBot) -> None:
    """4,000 open rows cost Python no more calls than 400 do: counts, which are the same on every machine."""
    few, many_rows = crowd_of(qtbot, 20), crowd_of(qtbot, 200)
    for crowd in (few, many_rows):
        crowd.take(deltas.GuestSeen(crowd.guest(7, 98)))  # the first time brings fonts and pixmaps
    for told in (
        lambda crowd: deltas.GuestSeen(crowd.guest(7, 99)),
        lambda crowd: deltas.GuestGone(crowd.guest(7, 99).id),
    ):
        (_, drawn_few), (taken, drawn) = few.take(told(few)), many_rows.take(told(many_rows))
        assert drawn < drawn_few + 200, "a question for each row"
        assert taken < 10_000


def test_one_change_among_four_thousand_guests_in_groups_makes_little_anew(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = crowd_of(qtbot, 200)
    host = crowd.hosts[7]
    sorted_hosts: list[HostId] = []
    sort = Outline._sort_guests
    monkeypatch.setattr(Outline, "_sort_guests", lambda self, host: (sorted_hosts.append(host), sort(self, host))[1])
    taken, drawn = crowd.take(deltas.GuestSeen(crowd.guest(7, 3, GuestState.PAUSED)))
    assert sorted_hosts == [host.id]
    assert taken + drawn < 2_000, "a guest's state lays no rows out anew"
    sorted_hosts.clear()
    crowd.take(deltas.HostSeen(replace(host, look=HostLook(group="g3"))))
    assert sorted_hosts == [host.id]
    assert crowd.model.outline.group_of(host.id) == GroupId("g3")
