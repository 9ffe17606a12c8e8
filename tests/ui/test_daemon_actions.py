# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt hangs and SSH works: what the row says, and that log and restart are offered, shown, asked and done."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QMessageBox, QPlainTextEdit, QPushButton

from tests.ui.fakes import guest_id, host_id
from tests.ui.test_actions import answer, question
from vmconsole.inventory.errors import ConsoleError
from vmconsole.inventory.facts import HostState
from vmconsole.links.base import Completed
from vmconsole.links.host_facts import daemon_silent
from vmconsole.ui.error_dialog import ErrorDialog

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from tests.ui.fakes import Rig
    from vmconsole.ui.main_window import MainWindow

FROZEN = b"libvirtd\n12\nnone\n0\nT\n/usr/sbin/libvirtd\n-d\n"
WELL = b"libvirtd\n77\nnone\n0\nS\n/usr/sbin/libvirtd\n-d\n"


class FakeShell:
    """Answers a command by the first word that is found in it."""

    where = "kvm1"
    is_local = False

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.daemon = FROZEN
        self.log = Completed(0, b"/var/log/libvirt/libvirtd.log\nstarted\n\x1b[31mall is well\n", b"")

    def run(self, command: str, *, deadline_s: float, feed: bytes = b"") -> Completed:
        self.asked.append(command)
        if "log" in command:
            return self.log
        if command.startswith("kill -TERM"):
            self.daemon = WELL
            return Completed(0, b"", b"")
        return Completed(0, self.daemon, b"") if self.daemon else Completed(3, b"", b"")


@pytest.fixture
def shell(rig: Rig, window: MainWindow) -> FakeShell:
    """kvm1 with a libvirtd that hangs."""
    shell = FakeShell()

    def submit_shell(job: Callable[[FakeShell], object], *, deadline_s: float) -> Future[object]:
        future: Future[object] = Future()
        try:
            future.set_result(job(shell))
        except ConsoleError as error:
            future.set_exception(error)
        return future

    rig.links[host_id("kvm1")].submit_shell = submit_shell  # type: ignore[attr-defined]  # what only this test needs
    rig.change_host(
        "kvm1", state=HostState.NOT_ANSWERING, has_shell=True, since=1000.0,
        reason=daemon_silent("kvm1", "kvm1").explanation,
    )  # fmt: skip
    window.tree.choose(host_id("kvm1"))
    return shell


def opened(window: MainWindow) -> QDialog | None:
    return window.findChild(QDialog, "daemon-log")


def test_the_row_says_which_part_does_not_answer(window: MainWindow, shell: FakeShell) -> None:
    assert window.model.cells.remark(host_id("kvm1")).startswith("libvirtd does not answer; SSH does (since ")


def test_guests_actions_say_why_nothing_can_be_done(window: MainWindow, shell: FakeShell, qtbot: QtBot) -> None:
    window.select(guest_id("kvm1", "web1"))
    qtbot.waitUntil(lambda: "kvm1: libvirtd does not answer; SSH does." in window.guest_actions["pause"].toolTip())


def test_the_log_is_shown_as_plain_text_and_read_again(window: MainWindow, shell: FakeShell, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.host_page._log.isVisibleTo(window.host_page))
    window.host_page._log.click()
    qtbot.waitUntil(lambda: opened(window) is not None)
    log = opened(window)
    assert log is not None
    text = log.findChild(QPlainTextEdit, "")
    qtbot.waitUntil(lambda: "all is well" in log.findChildren(QPlainTextEdit)[-1].toPlainText())
    assert text is not None
    assert "\x1b" not in log.findChildren(QPlainTextEdit)[-1].toPlainText()
    assert any(label.text() == "/var/log/libvirt/libvirtd.log" for label in log.findChildren(QLabel))
    shell.log = Completed(3, b"", b"")
    next(b for b in log.findChildren(QPushButton) if b.text() == "Read Again").click()
    qtbot.waitUntil(lambda: any(label.text() == "The log could not be read." for label in log.findChildren(QLabel)))
    assert any("No log of libvirtd was found" in label.text() for label in log.findChildren(QLabel))


def test_a_restart_shows_its_command_asks_and_is_a_task(
    rig: Rig, window: MainWindow, shell: FakeShell, qtbot: QtBot
) -> None:
    qtbot.waitUntil(window.host_actions.restart_action.isEnabled)
    window.host_actions.restart_action.trigger()
    qtbot.waitUntil(lambda: window.findChild(QMessageBox, "confirm") is not None)
    box = question(window)
    assert box.text() == "Restart libvirtd on kvm1?"
    command = box.informativeText().splitlines()[-1]
    assert command.startswith("kill -TERM 12; kill -CONT 12; ")
    assert command.endswith("/usr/sbin/libvirtd -d")
    assert not any(asked.startswith("kill") for asked in shell.asked)
    answer(window, "Restart")
    qtbot.waitUntil(lambda: command in shell.asked)
    model = window.tasks_dock.model
    qtbot.waitUntil(lambda: model.rowCount() == 1 and model.index(0, 2).data() == "done")
    assert model.index(0, 4).data() == "libvirtd runs again, as process 77"
    assert not rig.runner.can_undo


def test_a_no_restarts_nothing(window: MainWindow, shell: FakeShell, qtbot: QtBot) -> None:
    qtbot.waitUntil(window.host_actions.restart_action.isEnabled)
    window.host_actions.restart_action.trigger()
    qtbot.waitUntil(lambda: window.findChild(QMessageBox, "confirm") is not None)
    answer(window, "Cancel")
    assert not any(asked.startswith("kill") for asked in shell.asked)


def test_where_no_daemon_is_found_that_is_said(window: MainWindow, shell: FakeShell, qtbot: QtBot) -> None:
    shell.daemon = b""
    qtbot.waitUntil(window.host_actions.restart_action.isEnabled)
    window.host_actions.restart_action.trigger()
    qtbot.waitUntil(lambda: window.findChild(ErrorDialog) is not None)
    box = window.findChild(ErrorDialog)
    assert isinstance(box, ErrorDialog)
    assert box.view.explanation is not None
    assert box.view.explanation.what == "No daemon of libvirt's was found there."
    box.view._copy.click()
    assert "Version of vmconsole" in QApplication.clipboard().text()
    box.close()


def test_the_failure_itself_has_the_button(window: MainWindow, shell: FakeShell, qtbot: QtBot) -> None:
    reason = window.host_page._reason
    qtbot.waitUntil(lambda: reason._do.isVisibleTo(reason))
    assert reason._do.text() == "Restart libvirtd…"
    reason._do.click()
    qtbot.waitUntil(lambda: window.findChild(QMessageBox, "confirm") is not None)
    answer(window, "Cancel")


def test_without_a_way_to_the_host_both_are_grey_and_say_why(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    rig.change_host("kvm1", state=HostState.NOT_ANSWERING, has_shell=False)
    window.tree.choose(host_id("kvm1"))
    actions = window.host_actions
    qtbot.waitUntil(lambda: "SSH does not reach the host" in actions.restart_action.toolTip())
    assert not actions.restart_action.isEnabled()
    assert not actions.log_action.isEnabled()
