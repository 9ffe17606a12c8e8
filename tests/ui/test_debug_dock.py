# SPDX-License-Identifier: GPL-3.0-or-later
"""The dock of ``--debug``: what it shows of the links, when it asks them, and the stalls of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from tests.ui.fakes import Rig, host_id
from vmconsole.links.base import CallDebug, LaneDebug, LinkDebug, SamplerDebug
from vmconsole.ui.debug_dock import AGE, LAST_CALL, LEFT_BEHIND, NAME, RUNNING, SAMPLER, TOOK, WAITING, DebugDock
from vmconsole.ui.main_window import MainWindow
from vmconsole.ui.watchdog import Stall

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

STUCK = LinkDebug(
    host_id("kvm1"),
    (LaneDebug("observe kvm1", 0, None, 0), LaneDebug("command kvm1", 3, 12.34, 2)),
    CallDebug("read statistics", 7.0, 0.015),
    (CallDebug("start the guest", 12.34, None),),
    SamplerDebug(cpu_s=0.5, memory_kib=12 * 1024, frames=100, garbled=1, received_bytes=2048),
)


@pytest.fixture
def stalls() -> list[Stall]:
    return []


@pytest.fixture
def dock(window: MainWindow, stalls: list[Stall], qtbot: QtBot) -> DebugDock:
    window.show_inside(lambda: stalls)
    dock = window.findChild(DebugDock)
    assert dock is not None
    return dock


def in_front(dock: DebugDock, qtbot: QtBot) -> None:
    def is_looking() -> bool:
        dock.raise_()  # its tab is made by the event loop
        return dock.is_looking

    qtbot.waitUntil(is_looking)


def texts(dock: DebugDock, row: int, part: int | None = None) -> list[str]:
    item = dock.tree.topLevelItem(row)
    assert item is not None
    shown = item if part is None else item.child(part)
    assert shown is not None
    return [shown.text(column) for column in range(dock.tree.columnCount())]


def test_lanes_calls_and_the_sampler_of_each_host(rig: Rig, dock: DebugDock, qtbot: QtBot) -> None:
    rig.links[host_id("kvm1")].inside = STUCK
    in_front(dock, qtbot)
    host = texts(dock, 0)
    assert (host[NAME], host[WAITING], host[RUNNING], host[LEFT_BEHIND]) == ("kvm1", "3", "12.3 s", "2")
    assert (host[LAST_CALL], host[TOOK], host[AGE]) == ("read statistics", "15 ms", "7.0 s")
    assert host[SAMPLER] == "100 × 5.0 ms, 12 MiB, 2 KiB, 1 garbled"
    assert texts(dock, 0, 1)[: LEFT_BEHIND + 1] == ["command kvm1", "3", "12.3 s", "2"]
    call = texts(dock, 0, 2)
    assert (call[RUNNING], call[LAST_CALL]) == ("12.3 s", "start the guest")
    assert texts(dock, 1)[LAST_CALL] == "none yet"


def test_what_ended_goes_and_so_does_a_host(rig: Rig, dock: DebugDock, qtbot: QtBot) -> None:
    rig.links[host_id("kvm1")].inside = STUCK
    in_front(dock, qtbot)
    rig.links[host_id("kvm1")].inside = LinkDebug(host_id("kvm1"), STUCK.lanes[:1])
    qtbot.waitUntil(lambda: texts(dock, 0)[WAITING] == "0", timeout=3000)  # asked again by itself
    first = dock.tree.topLevelItem(0)
    assert first is not None
    assert first.childCount() == 1
    rig.fleet.remove(host_id("kvm1"))
    dock.refresh()
    assert dock.tree.topLevelItemCount() == 1
    assert texts(dock, 0)[NAME] == "kvm2"


def test_the_lane_of_an_agent_is_named_after_its_guest(rig: Rig, dock: DebugDock, qtbot: QtBot) -> None:
    known = next(iter(rig.context.store.guests_of(host_id("kvm1")).values()))
    lanes = (LaneDebug("agent kvm1", 1, 3.0, 0, guest=known.id.uuid), LaneDebug("agent kvm1", 0, None, 0, guest="gone"))
    rig.links[host_id("kvm1")].inside = LinkDebug(host_id("kvm1"), lanes)
    in_front(dock, qtbot)
    assert texts(dock, 0, 0)[: LEFT_BEHIND + 1] == [f"agent of {known.name}", "1", "3.0 s", "0"]
    assert texts(dock, 0, 1)[NAME] == "agent of gone"


def test_it_asks_nobody_while_it_cannot_be_seen(rig: Rig, dock: DebugDock, qtbot: QtBot) -> None:
    in_front(dock, qtbot)
    dock.toggleViewAction().trigger()
    qtbot.waitUntil(lambda: not dock.is_looking)


def test_hosts_are_sorted_by_number_and_their_lanes_stay_in_order(rig: Rig, dock: DebugDock, qtbot: QtBot) -> None:
    rig.links[host_id("kvm1")].inside = STUCK
    rig.links[host_id("kvm2")].inside = LinkDebug(host_id("kvm2"), (LaneDebug("observe kvm2", 12, None, 0),))
    in_front(dock, qtbot)
    dock.refresh()
    for order, names in (
        (Qt.SortOrder.AscendingOrder, ["kvm1", "kvm2"]),
        (Qt.SortOrder.DescendingOrder, ["kvm2", "kvm1"]),
    ):
        dock.tree.sortByColumn(WAITING, order)  # as text, 12 would come before 3
        dock.refresh()
        assert [texts(dock, row)[NAME] for row in range(2)] == names
        at = names.index("kvm1")
        assert [texts(dock, at, part)[NAME] for part in range(3)] == ["observe kvm1", "command kvm1", "call"]


def test_rows_and_stalls_are_copied_as_text(rig: Rig, dock: DebugDock, stalls: list[Stall], qtbot: QtBot) -> None:
    rig.links[host_id("kvm1")].inside = STUCK
    in_front(dock, qtbot)
    stalls.append(Stall(0.08, "", 1000.0))
    dock.refresh()
    dock.copy_all.trigger()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].startswith("Host and lane\tWaiting\t")
    assert lines[1] == "kvm1\t3\t12.3 s\t2\tread statistics\t15 ms\t7.0 s\t100 × 5.0 ms, 12 MiB, 2 KiB, 1 garbled"
    assert lines[3] == "  command kvm1\t3\t12.3 s\t2"
    assert lines[-1].endswith("80 ms")
    second = dock.tree.topLevelItem(1)
    assert second is not None
    second.setSelected(True)
    dock.copy_rows.trigger()
    assert QGuiApplication.clipboard().text().splitlines() == ["kvm2\t0\t\t0\tnone yet\t\t\tnone"]


def test_the_stalls_are_listed_with_their_place_the_latest_first(
    dock: DebugDock, stalls: list[Stall], qtbot: QtBot
) -> None:
    in_front(dock, qtbot)
    assert dock.stall_text.toPlainText() == ""
    slow = (
        '  File "/x/vmconsole/main.py", line 9 in run\n  File "/x/vmconsole/ui/tree.py", line 5 in paint\n(The lock.)\n'
    )
    stalls += [Stall(0.08, "", 1000.0), Stall(0.25, slow, 2000.0)]
    qtbot.waitUntil(lambda: bool(dock.stall_text.toPlainText()), timeout=3000)
    first, *more, last = dock.stall_text.toPlainText().splitlines()
    assert first.endswith("  250 ms  paint (tree.py:5)")
    assert more == ["    run (main.py:9)", "    (The lock.)"]
    assert last.endswith("  80 ms")


def test_without_debug_there_is_no_such_dock(window: MainWindow) -> None:
    assert window.findChild(DebugDock) is None
