# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver or a connection for looking only cannot do is greyed, with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ui.fakes import Rig, guest_id
from vmconsole.inventory.facts import HostState
from vmconsole.inventory.limits import LimitRef, Limits
from vmconsole.links.drivers import DRIVERS, GUEST_CAP, IMAGES, LIFECYCLE, not_encrypted
from vmconsole.quotas.rows import Place
from vmconsole.ui.actions import verbs
from vmconsole.ui.charts.limit_subject import subject_of
from vmconsole.ui.disks_tab import DisksTab
from vmconsole.ui.error_view import ErrorView
from vmconsole.ui.limits_tab import LimitsTab
from vmconsole.ui.main_window import MainWindow

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

WEB1 = guest_id("kvm1", "web1")
NOT_ENCRYPTED = not_encrypted()
WHY = "This made-up driver cannot pause."


def visible_text(window: MainWindow) -> str:
    views = window.host_page.findChildren(ErrorView)
    return "\n".join(view.explanation.what for view in views if view.isVisible() and view.explanation is not None)


def test_the_names_of_acts_are_those_of_the_actions() -> None:
    assert {verb.key for verb in verbs()} == LIFECYCLE


def test_an_act_that_the_driver_lacks_is_greyed_with_its_reason(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    window.select(WEB1)
    qtbot.waitUntil(lambda: window.guest_actions["pause"].isEnabled())
    rig.change_host("kvm1", lacks={"pause": WHY})
    qtbot.waitUntil(lambda: not window.guest_actions["pause"].isEnabled())
    assert WHY in window.guest_actions["pause"].toolTip()
    assert window.guest_actions["shut-down"].isEnabled()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"lacks": DRIVERS["xen"].lacks}, DRIVERS["xen"].lacks[GUEST_CAP]),
        ({"is_read_only": True}, "kvm1 is opened for looking only, so limits cannot be changed."),
        ({}, ""),
    ],
)
def test_the_cap_cannot_be_moved_and_the_reason_is_said(
    rig: Rig, window: MainWindow, facts: dict[str, object], words: str
) -> None:
    rig.change_guest("kvm1", "web1", described=True, live=Limits(), stored=Limits())
    rig.change_host("kvm1", **facts)
    subject = subject_of(rig.store, WEB1)
    assert subject is not None
    assert subject.blocked == words
    window.guest_page.show_guest(WEB1)
    window.show_tab("limits")
    tab = window.guest_page.findChild(LimitsTab)
    assert tab is not None
    assert bool(tab.draft.why_not(Place.LIVE, LimitRef("guest_cap"))) is bool(words)


def test_a_container_is_capped_by_its_own_parameter(rig: Rig, window: MainWindow) -> None:
    rig.change_guest("kvm1", "web1", described=True, live=Limits(), stored=Limits())
    rig.change_host("kvm1", lacks=DRIVERS["lxc"].lacks, cap_parameter=DRIVERS["lxc"].cap_parameter)
    subject = subject_of(rig.store, WEB1)
    assert subject is not None
    assert subject.blocked == ""
    assert "vcpu_period=100000 vcpu_quota=50000" in subject.change(0.5, also_stored=True).virsh()


def test_a_container_has_no_images(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    rig.change_guest("kvm1", "web1", described=True)
    rig.change_host("kvm1", lacks=DRIVERS["lxc"].lacks)
    window.select(WEB1)
    window.show_tab("disks")
    qtbot.waitUntil(lambda: window.guest_page.findChild(DisksTab) is not None)
    tab = window.guest_page.findChild(DisksTab)
    assert tab is not None
    qtbot.waitUntil(lambda: tab.message.text() == DRIVERS["lxc"].lacks[IMAGES])


def test_a_connection_that_is_not_encrypted_says_so_while_it_is_open(
    rig: Rig, window: MainWindow, qtbot: QtBot
) -> None:
    rig.change_host("kvm1", caution=NOT_ENCRYPTED)
    window.tree.choose(WEB1.host)
    qtbot.waitUntil(lambda: NOT_ENCRYPTED.what in visible_text(window))
    rig.change_host("kvm1", state=HostState.DISCONNECTED)
    qtbot.waitUntil(lambda: NOT_ENCRYPTED.what not in visible_text(window))
