# SPDX-License-Identifier: GPL-3.0-or-later
"""The error view in the window: reports with what helps and without what must not leave, and buttons that do it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QApplication

from tests.ui.fakes import guest_id, host_id
from vmconsole.inventory.errors import NOT_IN_CATALOGUE, Explanation
from vmconsole.inventory.facts import HostState
from vmconsole.links.libvirt_errors import translate
from vmconsole.operations.lifecycle import StartGuest
from vmconsole.ui.error_help import ErrorHelp
from vmconsole.ui.error_view import ErrorView
from vmconsole.ui.remedies import Subject
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tests.ui.fakes import Rig
    from vmconsole.inventory.ids import GuestId
    from vmconsole.ui.main_window import MainWindow

NOT_RUNNING = translate(
    code=55, domain=10, message="Requested operation is not valid: domain is not running", where="web2 on kvm1"
).explanation
PASSWORD = Explanation("It did not work.", where="kvm1", said="qemu+tcp://root:hunter2@kvm1/system: web1, mail")


@pytest.fixture
def asked() -> list[GuestId]:
    return []


@pytest.fixture
def view(rig: Rig, window: MainWindow, qtbot: QtBot, asked: list[GuestId]) -> ErrorView:
    view = ErrorView(Theme(window), helped_by=ErrorHelp(rig.context, show_limits=asked.append))
    qtbot.addWidget(view)
    qtbot.waitUntil(lambda: rig.context.store.guest(guest_id("kvm2", "mail")) is not None)
    return view


def copied(view: ErrorView, *, masked: bool = False) -> str:
    view._masks.setChecked(masked)
    view._copy.click()
    return QApplication.clipboard().text()


def test_the_report_has_call_time_versions_and_host_and_never_a_password(rig: Rig, view: ErrorView) -> None:
    rig.change_host("kvm1", versions={"libvirt": "9.0.0", "qemu": "7.2.0"})
    at = time.mktime((2026, 11, 23, 13, 0, 0, 0, 0, -1))
    view.show_explanation(PASSWORD, Subject(host_id("kvm1"), call="virsh start web1", at=at))
    report = copied(view)
    for words in ("vmconsole", "Version of libvirt: 9.0.0", "virsh start web1", "2026-11-23 13:00:00", "test://kvm1"):
        assert words in report
    assert "hunter2" not in report
    assert "root:" in report
    assert "web1" in report


def test_names_of_all_hosts_and_guests_are_hidden_on_request(view: ErrorView) -> None:
    view.show_explanation(PASSWORD, Subject(host_id("kvm1"), guest_id("kvm1", "web1"), call="virsh start web1"))
    report = copied(view, masked=True)
    for name in ("kvm1", "web1", "mail", "hunter2"):
        assert name not in report
    assert "Call: virsh start guest-1" in report
    assert "host-1" in report


def test_without_a_window_around_it_the_place_is_still_hidden(window: MainWindow, qtbot: QtBot) -> None:
    view = ErrorView(Theme(window))
    qtbot.addWidget(view)
    view.show_explanation(
        Explanation("It is locked.", where="kvm1: /images/web1.qcow2", said="/images/web1.qcow2: lock")
    )
    assert "kvm1: /images/web1.qcow2" in copied(view)
    report = copied(view, masked=True)
    assert "kvm1" not in report
    assert "web1" not in report
    assert not view._do.isVisibleTo(view)


def test_a_guest_that_is_not_running_can_be_started_from_the_failure(rig: Rig, view: ErrorView, qtbot: QtBot) -> None:
    view.show_explanation(NOT_RUNNING, Subject(host_id("kvm1"), guest_id("kvm1", "web2")))
    assert view._do.isVisibleTo(view)
    assert view._do.text() == "Run web2"
    view._do.click()
    qtbot.waitUntil(lambda: ("start", "uuid-of-web2") in rig.links[host_id("kvm1")].asked)


def test_the_button_goes_when_it_cannot_be_done_any_more(rig: Rig, view: ErrorView, qtbot: QtBot) -> None:
    """The running guest needs no start; a guest that nobody knows cannot be started."""
    for guest in (guest_id("kvm1", "web1"), guest_id("kvm1", "nobody"), None):
        view.show_explanation(NOT_RUNNING, Subject(host_id("kvm1"), guest))
        assert not view._do.isVisibleTo(view)


def test_a_host_that_is_away_can_be_tried_now(rig: Rig, view: ErrorView, qtbot: QtBot) -> None:
    lost = translate(code=38, domain=7, message="End of file while reading data", where="kvm1").explanation
    about = Subject(host_id("kvm1"))
    view.show_explanation(lost, about)
    assert not view._do.isVisibleTo(view)
    rig.change_host("kvm1", state=HostState.NOT_ANSWERING)
    view.show_explanation(lost, about)
    assert view._do.text() == "Try Now"
    view._do.click()
    assert rig.links[host_id("kvm1")].calls[-1] == "connect"


def test_limits_are_shown_where_a_limit_is_wrong(view: ErrorView, asked: list[GuestId]) -> None:
    wrong = translate(code=8, domain=54, message="shares '1' must be in range [2, 262144]").explanation
    view.show_explanation(wrong, Subject(host_id("kvm1"), guest_id("kvm1", "web1")))
    view._do.click()
    assert asked == [guest_id("kvm1", "web1")]


def test_the_window_brings_a_guests_limits_to_the_front(window: MainWindow, qtbot: QtBot) -> None:
    window.show_limits(guest_id("kvm1", "web1"))
    qtbot.waitUntil(lambda: window.guest_page.guest == guest_id("kvm1", "web1"))
    assert window.tree.chosen() == [guest_id("kvm1", "web1")]


def test_an_action_that_the_console_cannot_do_yet_is_no_button(view: ErrorView) -> None:
    off = translate(code=55, domain=19, message="network 'lan' is not active").explanation
    assert off.action == "start-network"
    view.show_explanation(off, Subject(host_id("kvm1"), guest_id("kvm1", "web1")))
    assert not view._do.isVisibleTo(view)
    assert "virsh net-start lan" in view._advice.text()


def test_an_error_that_nobody_knows_says_so(view: ErrorView) -> None:
    unknown = translate(code=4711, domain=99, message="the flux is out of phase").explanation
    assert unknown.entry == NOT_IN_CATALOGUE
    view.show_explanation(unknown)
    assert "not in the catalogue yet" in view._advice.text()
    view._details.click()
    assert view._said.toPlainText() == "the flux is out of phase"
    assert "Catalogue entry: not-in-catalogue" in copied(view)


def test_a_failed_task_of_a_guest_offers_what_helps(
    window: MainWindow, rig: Rig, view: ErrorView, qtbot: QtBot
) -> None:
    rig.links[host_id("kvm1")].stubborn.add("uuid-of-web2")
    rig.context.runner.run([StartGuest(guest_id("kvm1", "web2"), "web2")])
    qtbot.waitUntil(lambda: any(task.problem is not None for task in rig.context.store.tasks.values()))
    failed = next(task for task in rig.context.store.tasks.values() if task.problem is not None)
    details = window.tasks_dock._details
    details.show_task(replace(failed, problem=NOT_RUNNING))
    assert details._error._do.isVisibleTo(details)
    assert details._error._do.text() == "Run web2"
    details._error._copy.click()
    assert "virsh" in QApplication.clipboard().text()


def test_the_hosts_page_has_one_button_for_trying_again(window: MainWindow, rig: Rig, qtbot: QtBot) -> None:
    lost = translate(code=38, domain=7, message="End of file while reading data", where="kvm1").explanation
    rig.change_host("kvm1", state=HostState.NOT_ANSWERING, reason=lost)
    window.tree.choose(host_id("kvm1"))
    page = window.host_page
    qtbot.waitUntil(lambda: page._reason.explanation == lost)
    assert page._try.isVisibleTo(page)
    assert not page._reason._do.isVisibleTo(page)
