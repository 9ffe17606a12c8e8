# SPDX-License-Identifier: GPL-3.0-or-later
"""What the window says about a group whose heading is selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ui.fakes import Rig, guest_id, host_id
from vmconsole.inventory.errors import Explanation
from vmconsole.inventory.facts import GuestState, HostLook, HostState
from vmconsole.inventory.ids import GroupId
from vmconsole.ui.main_window import MainWindow

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from vmconsole.ui.group_page import GroupPage

EAST = HostLook(group="east")


@pytest.fixture
def page(rig: Rig, window: MainWindow, qtbot: QtBot) -> GroupPage:
    """kvm1, kvm2 (both without a group), and in the group «east» a1 with web (running) and db (off), b1 with mail."""
    rig.add_host("a1", {"web": GuestState.RUNNING, "db": GuestState.SHUT_OFF}, look=EAST)
    rig.add_host("b1", {"mail": GuestState.RUNNING}, look=EAST)
    window.tree.setCurrentIndex(window.model.index_of(GroupId("east")))
    qtbot.waitUntil(lambda: window.pages.currentWidget() is window.group_page)
    return window.group_page


def told(page: GroupPage) -> dict[str, str]:
    return {key: label.text() for key, label in page._fields.items()}


def test_it_adds_up_what_the_group_has_and_uses(rig: Rig, page: GroupPage) -> None:
    rig.tick("a1", {"web": 1.5})
    rig.tick("b1", {"mail": 0.25})
    page.refresh()
    assert (page._name.text(), page._state.text()) == ("east", "2 hosts")
    assert told(page) == {
        "running": "2 of 3", "cpu": "1.75 / 16", "memory": "2.00 / 64.0 GiB", "disk": "–", "network": "–",
        "connected": "2 of 2", "away": "–", "cpus": "16", "total": "64.0 GiB",
    }  # fmt: skip
    assert page._problem_box.isHidden()
    assert page._note.isHidden()


def test_a_host_that_is_away_is_named_and_left_out_of_the_sums(rig: Rig, page: GroupPage) -> None:
    rig.tick("a1", {"web": 1.5})
    rig.tick("b1", {"mail": 0.25})
    why = Explanation("The host <b1> does not answer.")
    rig.change_host("b1", state=HostState.NOT_ANSWERING, reason=why)
    page.refresh()
    assert told(page) | {"cpu": "1.50 / 8", "connected": "1 of 2", "away": "b1", "running": "1 of 2"} == told(page)
    assert page._note.text() == "One host is not connected; the sums are without it."
    assert "The host &lt;b1&gt; does not answer." in page._problems.text()


def test_a_problem_leads_to_its_row_and_other_groups_have_their_own(
    rig: Rig, window: MainWindow, page: GroupPage, qtbot: QtBot
) -> None:
    rig.change_guest("a1", "web", state=GuestState.CRASHED)
    rig.change_host("kvm2", state=HostState.FAILED)
    page.refresh()
    assert not page._problem_box.isHidden()
    assert "kvm2" not in page._problems.text()
    page._problems.linkActivated.emit("0")
    assert window.tree.chosen() == [guest_id("a1", "web")]
    qtbot.waitUntil(lambda: window.pages.currentWidget() is window.guest_page)


def test_without_a_host_that_is_there_nothing_is_made_up(rig: Rig, page: GroupPage) -> None:
    for name in ("a1", "b1"):
        rig.change_host(name, state=HostState.DISCONNECTED)
    page.refresh()
    assert {told(page)[key] for key in ("running", "cpu", "memory", "cpus", "total")} == {"–"}
    assert page._note.text().startswith("None of its hosts is connected")
    assert page._problem_box.isHidden()


def test_the_group_of_one_host_has_a_page_as_well_and_the_host_its_own(
    rig: Rig, window: MainWindow, qtbot: QtBot
) -> None:
    rig.add_host("c1", {}, look=HostLook(group="west"))
    window.tree.setCurrentIndex(window.model.index_of(GroupId("west")))
    qtbot.waitUntil(lambda: window.group_page._state.text() == "One host")
    assert window.pages.currentWidget() is window.group_page
    window.tree.choose(host_id("c1"))
    qtbot.waitUntil(lambda: window.pages.currentWidget() is window.host_tabs)
    window.tree.setCurrentIndex(window.model.index_of(GroupId("")))
    qtbot.waitUntil(lambda: window.group_page._name.text() == "No group")
    assert told(window.group_page)["connected"] == "2 of 2"
