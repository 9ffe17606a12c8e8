# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree's model over random histories: Qt's own model tester, a naive model, and persistent indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QAbstractItemModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester

from tests.store.test_outline import HOSTS, a_delta, a_filter, naive, naive_groups
from tests.ui.fakes import Rig, frame, guest_id, host_id
from vmconsole.inventory import deltas
from vmconsole.inventory.facts import Guest, GuestState, HostState
from vmconsole.inventory.ids import GroupId, GuestId
from vmconsole.store.store import Store
from vmconsole.ui.columns import CPU, DISK, MEMORY, NAME, NETWORK, STATE
from vmconsole.ui.fleet_model import FleetModel, Row
from vmconsole.ui.formats import Formats
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from vmconsole.metrics.delta import Delta

ROLE = Qt.ItemDataRole
NOW = 5000.0


def make(store: Store) -> FleetModel:
    return FleetModel(store, Theme(), Formats(now=lambda: NOW))


def rows_of(model: FleetModel) -> list[tuple[str, list[str]]]:
    """What a view sees, by Qt's own interface."""
    found = []
    for row in range(model.rowCount()):
        top = model.index(row, 0)
        below = _below(model, top)
        if isinstance(model.id_of(top), GroupId):
            found += [(f"{model.data(top)}/{model.data(host)}", _texts(model, _below(model, host))) for host in below]
        else:
            found.append((str(model.data(top)), _texts(model, below)))
    return found


def _below(model: FleetModel, top: QModelIndex) -> list[QModelIndex]:
    below = [model.index(place, 0, top) for place in range(model.rowCount(top))]
    assert all(model.parent(index) == top for index in below)
    return below


def _texts(model: FleetModel, rows: list[QModelIndex]) -> list[str]:
    return [str(model.data(index)) for index in rows]


a_frame = st.builds(
    lambda n, cores: frame(HOSTS[n], NOW, [f"u{i}" for i in range(5)], [cores] * 5),
    st.integers(0, 2), st.floats(0, 64),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.lists(st.one_of(a_delta, a_frame), max_size=4), a_filter, st.booleans()), max_size=10))
def test_any_history_shows_what_a_naive_model_shows(qapp: object, steps: list[list[Delta] | str | bool]) -> None:
    store, line, is_grouped = Store(), "", False
    model = make(store)
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Warning)
    kept: list[tuple[Row, GroupId | None, QPersistentModelIndex]] = []
    for step in steps:
        if isinstance(step, bool):
            is_grouped = step
            model.set_grouping(is_grouped=step)
        elif isinstance(step, str):
            line = step
            model.set_filter(line)
        else:
            model.apply_changes(store.apply(step))
        assert rows_of(model) == _wanted(store, line, is_grouped=is_grouped)
        for meant, heading, index in kept:
            stays = model.index_of(meant).isValid() and _heading(model, meant) == heading
            assert index.isValid() or not stays, "a persistent index was lost"
            assert not index.isValid() or model.id_of(index) == meant, "it points at another row than it was made for"
        listed = [(meant, index) for index in _all(model) if (meant := model.id_of(index)) is not None]
        assert [model.index_of(meant) for meant, _ in listed] == [index for _, index in listed] == _all(model)
        kept = [(meant, _heading(model, meant), QPersistentModelIndex(index)) for meant, index in listed]
    del tester


def _heading(model: FleetModel, row: Row) -> GroupId | None:
    return None if isinstance(row, GroupId) else model.outline.group_of(row.host if isinstance(row, GuestId) else row)


def _wanted(store: Store, line: str, *, is_grouped: bool) -> list[tuple[str, list[str]]]:
    rows = dict(naive(store, line))
    return [
        (_under(group, store.hosts[h].name), [_name(store, guest) for guest in rows[h]])
        for group, hosts in naive_groups(store, list(rows), is_grouped=is_grouped).items()
        for h in hosts
    ]


def _under(group: GroupId | None, name: str) -> str:
    return name if group is None else f"{group.name or 'No group'}/{name}"


def _name(store: Store, guest: GuestId) -> str:
    found = store.guest(guest)
    assert found is not None
    return found.name


def _all(model: FleetModel) -> list[QModelIndex]:
    found = [model.index(row, 0) for row in range(model.rowCount())]
    for index in found:  # it grows while it is gone through
        found += _below(model, index)
    return found


@pytest.fixture
def model(rig: Rig) -> FleetModel:
    model = make(rig.store)
    rig.bridge.store_changed.connect(model.apply_changes)
    rig.at = NOW - 1
    rig.add_host("kvm1", {"web1": GuestState.RUNNING, "web2": GuestState.SHUT_OFF})
    return model


def text(model: FleetModel, wanted: object, column: int, role: Qt.ItemDataRole = ROLE.DisplayRole) -> object:
    return model.data(model.index_of(wanted, column), int(role))  # type: ignore[arg-type]  # a HostId or GuestId


def test_figures_are_text_with_units_for_a_screen_reader(rig: Rig, model: FleetModel) -> None:
    rig.tick("kvm1", {"web1": 1.5})
    web1 = guest_id("kvm1", "web1")
    assert text(model, web1, CPU) == "1.50"
    assert text(model, web1, CPU, ROLE.AccessibleTextRole) == "1.50 cores"
    assert text(model, web1, MEMORY) == "1.00 GiB"
    assert text(model, web1, DISK, ROLE.AccessibleTextRole) == "Disk unknown"
    assert text(model, web1, NAME, ROLE.AccessibleDescriptionRole) == "running"
    assert text(model, web1, STATE, ROLE.AccessibleTextRole) == "running"


def test_the_unknown_is_a_dash_and_never_zero(rig: Rig, model: FleetModel) -> None:
    rig.tick("kvm1", {"web1": 1.5})
    assert [text(model, guest_id("kvm1", "web2"), column) for column in range(CPU, NETWORK + 1)] == ["–"] * 4
    assert text(model, guest_id("kvm1", "web1"), DISK) == "–"


def test_a_host_shows_the_sum_of_its_guests_out_of_what_it_has(rig: Rig, model: FleetModel) -> None:
    rig.tick("kvm1", {"web1": 1.5, "web2": 0.25})
    assert text(model, host_id("kvm1"), CPU) == "1.75 / 8"
    assert text(model, host_id("kvm1"), MEMORY) == "2.00 / 32.0 GiB"


def test_a_lost_host_keeps_last_values_with_their_age(rig: Rig, model: FleetModel) -> None:
    rig.tick("kvm1", {"web1": 1.5})
    rig.change_host("kvm1", state=HostState.NOT_ANSWERING, since=NOW - 70, retry_at=NOW + 8)
    web1 = guest_id("kvm1", "web1")
    assert text(model, web1, CPU) == "1.50"
    model._formats.now = lambda: NOW + 40
    assert model.cells.remark(web1) == "40 s ago"
    assert model.cells.is_faded(web1)
    remark = model.cells.remark(host_id("kvm1"))
    assert remark.startswith("not answering since ")
    assert remark.endswith(", trying again now")


def test_a_tick_changes_no_row_and_asks_nothing_twice(rig: Rig, model: FleetModel, qtbot: QtBot) -> None:
    rig.tick("kvm1", {"web1": 1.5})
    with qtbot.assertNotEmitted(model.layoutChanged), qtbot.assertNotEmitted(model.modelReset):
        rig.tick("kvm1", {"web1": 1.6})
    kept = model.cells.of(guest_id("kvm1", "web1"))
    assert kept[CPU] == "1.60"
    assert model.cells.of(guest_id("kvm1", "web1")) is kept, "a text is made once per change, not per paint"


def test_a_changed_guest_is_announced_by_its_row_alone(rig: Rig, model: FleetModel, qtbot: QtBot) -> None:
    rig.add_host("kvm2", {f"g{number:03}": GuestState.RUNNING for number in range(50)})
    with qtbot.waitSignal(model.dataChanged) as told:
        rig.change_guest("kvm2", "g007", state=GuestState.PAUSED)
    first, last, _ = told.args
    assert (first.row(), last.row()) == (7, 7)


def test_what_points_at_a_row_follows_it(rig: Rig, model: FleetModel) -> None:
    """Selection and open rows are kept by such indexes; the last row must not be cut off before it has moved."""
    kvm1, kvm2 = host_id("kvm1"), host_id("kvm2")
    rig.add_host("kvm2", {"b": GuestState.RUNNING, "d": GuestState.RUNNING, "f": GuestState.RUNNING})
    marks = {row: QPersistentModelIndex(model.index_of(row)) for row in (kvm1, kvm2, *model.outline.guests_of(kvm2))}

    def seen() -> list[tuple[str, int]]:
        return [(str(model.data(mark)), mark.row()) for mark in marks.values() if mark.isValid()]

    rig.apply(deltas.GuestSeen(Guest(id=guest_id("kvm2", "c"), name="c", state=GuestState.RUNNING)))
    assert seen() == [("kvm1", 0), ("kvm2", 1), ("b", 0), ("d", 2), ("f", 3)]
    rig.apply(deltas.GuestGone(guest_id("kvm2", "b")))
    assert seen() == [("kvm1", 0), ("kvm2", 1), ("d", 1), ("f", 2)]
    model.sort(0, Qt.SortOrder.DescendingOrder)
    assert seen() == [("kvm1", 0), ("kvm2", 1), ("d", 1), ("f", 0)]
    rig.add_host("kvm0", {"z": GuestState.RUNNING})
    assert seen() == [("kvm1", 1), ("kvm2", 2), ("d", 1), ("f", 0)]


def test_the_header_names_every_column(model: FleetModel) -> None:
    across = Qt.Orientation.Horizontal
    assert [model.headerData(c, across) for c in range(6)] == ["Name", "State", "CPU", "Memory", "Disk", "Network"]
    assert isinstance(model, QAbstractItemModel)
