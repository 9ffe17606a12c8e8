# SPDX-License-Identifier: GPL-3.0-or-later
"""Adding hosts in the window: the field and the form, hosts found here, and the check; without a real host."""

from __future__ import annotations

import dataclasses
import socket
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QToolButton, QWidget
from shiboken6 import isValid

from tests.ui.fakes import Rig, host_id
from vmconsole.inventory.facts import HostLook
from vmconsole.links.check_steps import HERE, Cure, Step, StepState, failed, passed, warning
from vmconsole.links.discovery import Places
from vmconsole.links.uri import parse_uri
from vmconsole.settings.connections import SavedConnection
from vmconsole.ui.add_host.check_dialog import CheckDialog
from vmconsole.ui.add_host.dialog import AddHostDialog
from vmconsole.ui.add_host.step_row import StepRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmconsole.ui.main_window import MainWindow


class ScriptedCheck:
    """A check whose steps the test posts."""

    def __init__(self, uri: object, *, post: Callable[[Step], None], ended: Callable[[], None], shell: object) -> None:
        self.uri, self.post, self.ended, self.shell = uri, post, ended, shell
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def checks() -> list[ScriptedCheck]:
    return []


@pytest.fixture
def places(tmp_path: Path) -> Places:
    config = tmp_path / "ssh_config"
    config.write_text("Host kvm8 kvm9\n  User root\n")
    environment = {"PATH": "", "XDG_CONFIG_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    return Places(
        home=tmp_path, ssh_config=config, ssh_program="/usr/bin/ssh", environment=environment,
        system_libvirt=tmp_path / "none", run_dir=tmp_path,
    )  # fmt: skip


@pytest.fixture
def dialog(
    rig: Rig, window: MainWindow, qtbot: QtBot, checks: list[ScriptedCheck], places: Places
) -> Iterator[AddHostDialog]:
    def diagnose(uri: object, **calls: object) -> ScriptedCheck:
        checks.append(ScriptedCheck(uri, **calls))  # type: ignore[arg-type]  # as Diagnosis is called
        return checks[-1]

    rig.profile.connections.put(SavedConnection("test://old", group="production"))
    context = dataclasses.replace(rig.context, diagnose=diagnose)
    dialog = AddHostDialog(context, window, places=places)
    dialog.show()
    yield dialog
    if isValid(dialog):  # it deletes itself when it is closed
        dialog.done(0)


def saved(rig: Rig) -> dict[str, SavedConnection]:
    return {one.uri: one for one in rig.profile.connections.all}


def rows(dialog: QWidget) -> dict[str, StepRow]:
    return {row.step.key: row for row in dialog.findChildren(StepRow)}


# ---- field and form


def test_field_and_form_follow_each_other(dialog: AddHostDialog) -> None:
    dialog.field.line.setText("admin@kvm5:2222")
    form = dialog.form
    assert (form.host.text(), form.user.text(), form.port.value()) == ("kvm5", "admin", 2222)
    form.port.setValue(0)
    form.jump.setText("root@bastion")
    form.jump.textEdited.emit("root@bastion")
    form.read_only.setChecked(True)
    text = dialog.field.line.text()
    assert text == "qemu+ssh://admin@kvm5/system?vmconsole_jump=root@bastion&vmconsole_readonly=1"
    assert parse_uri(text).jump == "root@bastion"
    form.transport.setCurrentIndex(form.transport.findData("tls"))
    form.transport.activated.emit(0)
    assert dialog.field.line.text() == "qemu+tls://admin@kvm5/system?vmconsole_readonly=1"
    assert not form.jump.isEnabled()
    assert "Only SSH" in form.jump.toolTip()


def test_what_the_form_has_no_field_for_is_kept(dialog: AddHostDialog) -> None:
    dialog.field.line.setText("qemu+ssh://kvm5/session?command=/opt/ssh&mode=direct")
    dialog.form.user.setText("me")
    dialog.form.user.textEdited.emit("me")
    assert dialog.field.line.text() == "qemu+ssh://me@kvm5/session?command=/opt/ssh&mode=direct"


def test_a_host_is_kept_with_name_group_colour_and_whether_it_is_connected_at_start(
    rig: Rig, dialog: AddHostDialog
) -> None:
    assert [dialog.form.group.itemText(row) for row in range(dialog.form.group.count())] == ["", "production"]
    dialog.field.line.setText("kvm5")
    dialog.form.name.setText("Big one")
    dialog.form.group.setCurrentText("production")
    dialog.form.colour.setCurrentIndex(1)
    dialog.form.at_start.setChecked(False)
    dialog._on_accepted()
    kept = saved(rig)["qemu+ssh://kvm5/system"]
    assert (kept.name, kept.group, kept.connect_at_start) == ("Big one", "production", False)
    assert kept.colour.startswith("#")
    assert rig.links[dialog._context.fleet.hosts[-1]].calls == ["start"], "it is connected now"


def test_every_field_has_a_name_for_a_screen_reader(dialog: AddHostDialog) -> None:
    form = dialog.form
    fields = (form.transport, form.daemon, form.host, form.user, form.port, form.key, form.jump, form.name, form.group,
              form.colour)  # fmt: skip
    assert all(field.accessibleName() for field in fields)
    assert dialog.field.line.accessibleName() == "Host"


# ---- found on this computer


def test_hosts_of_the_ssh_configuration_are_offered_and_none_is_connected_unasked(
    rig: Rig, dialog: AddHostDialog, qtbot: QtBot
) -> None:
    known = len(rig.fleet.hosts)
    found = dialog.found.list
    qtbot.waitUntil(lambda: found.findItems("kvm9", Qt.MatchFlag.MatchExactly) != [], timeout=20_000)
    items = [found.topLevelItem(row) for row in range(found.topLevelItemCount())]
    assert all(item.checkState(0) is Qt.CheckState.Unchecked for item in items)
    assert len(rig.fleet.hosts) == known
    assert not dialog._connect.isEnabled()
    for name in ("kvm8", "kvm9"):
        found.findItems(name, Qt.MatchFlag.MatchExactly)[0].setCheckState(0, Qt.CheckState.Checked)
    assert dialog._connect.text() == "Connect 2 Hosts"
    dialog._on_accepted()
    assert {"qemu+ssh://kvm8/system", "qemu+ssh://kvm9/system"} <= saved(rig).keys()
    assert len(rig.fleet.hosts) == known + 2


def test_a_host_that_is_in_the_console_is_not_offered_again(
    rig: Rig, window: MainWindow, qtbot: QtBot, places: Places
) -> None:
    rig.fleet.add("qemu+ssh://kvm8/system")
    dialog = AddHostDialog(rig.context, window, places=places)
    qtbot.waitUntil(lambda: "already" in dialog.found._note.text(), timeout=20_000)
    texts = [dialog.found.list.topLevelItem(row).text(0) for row in range(dialog.found.list.topLevelItemCount())]
    assert "kvm9" in texts
    assert "kvm8" not in texts
    dialog.done(0)


# ---- the check


def test_the_steps_appear_as_they_pass(dialog: AddHostDialog, qtbot: QtBot, checks: list[ScriptedCheck]) -> None:
    dialog.field.line.setText("kvm5")
    dialog._check.click()
    (check,) = checks
    assert check.calls == ["start"]
    assert dialog._check.text() == "Stop Check"
    check.post(Step("name"))
    check.post(Step("tcp", StepState.RUNNING))
    check.post(passed("name", "kvm5 is 10.0.0.5."))
    qtbot.waitUntil(lambda: len(rows(dialog)) == 2)
    assert rows(dialog)["name"].accessibleName() == "Name: passed"
    assert dialog.panel._summary.text() == "Checking: Network (TCP)…"
    check.post(
        failed(
            "tcp",
            "check-refused",
            Cure("kvm5", "sudo systemctl start ssh"),
            said="refused",
            place="<b>",
            service="sshd",
        )
    )
    check.ended()
    qtbot.waitUntil(lambda: not dialog.panel.is_running)
    row = rows(dialog)["tcp"]
    assert row.accessibleName() == "Network (TCP): failed"
    assert "on kvm5: sudo systemctl start ssh" in row.accessibleDescription()
    assert "&lt;b&gt; refuses" in row._finding.text(), "a host's words are no markup"
    assert "does not work yet" in dialog.panel._summary.text()
    row.findChild(QToolButton).click()
    assert QApplication.clipboard().text() == "sudo systemctl start ssh"
    dialog.panel._copy.click()
    assert "Network (TCP): failed" in QApplication.clipboard().text()
    assert dialog._check.text() == "Check"


def test_a_check_that_is_stopped_is_closed_and_heard_no_more(
    dialog: AddHostDialog, qtbot: QtBot, checks: list[ScriptedCheck]
) -> None:
    dialog.field.line.setText("kvm5")
    dialog._check.click()
    checks[0].post(Step("name", StepState.RUNNING))
    qtbot.waitUntil(lambda: len(rows(dialog)) == 1)
    dialog._check.click()
    assert checks[0].calls == ["start", "close"]
    assert dialog.panel._summary.text() == "The check was stopped."
    checks[0].post(passed("tcp", "late"))
    checks[0].ended()
    dialog._check.click()
    checks[1].post(warning("kvm", "check-no-kvm-cpu", Cure(HERE, "true")))
    checks[1].ended()
    qtbot.waitUntil(lambda: not dialog.panel.is_running)
    assert {key for key, row in rows(dialog).items() if row.isVisibleTo(dialog)} == {"kvm"}
    assert "The connection works" in dialog.panel._summary.text()


def test_closing_the_dialog_ends_its_check(dialog: AddHostDialog, checks: list[ScriptedCheck]) -> None:
    dialog.field.line.setText("kvm5")
    dialog._check.click()
    dialog.reject()
    assert checks[0].calls == ["start", "close"]


def test_another_address_leaves_the_check_of_the_first(dialog: AddHostDialog, checks: list[ScriptedCheck]) -> None:
    dialog.field.line.setText("kvm5")
    dialog._check.click()
    assert dialog.panel.isVisible()
    dialog.field.line.setText("kvm6")
    assert checks[0].calls == ["start", "close"]
    assert not dialog.panel.isVisible()


def test_a_wrong_address_is_not_checked(dialog: AddHostDialog, checks: list[ScriptedCheck]) -> None:
    dialog.field.line.setText("foo://x")
    dialog._check.click()
    assert checks == []
    assert dialog.field.error.explanation is not None


def test_a_real_check_of_a_port_that_nobody_serves(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    """The program's own check, through the bridge, on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    dialog = CheckDialog(rig.context, host_id("nobody"), parse_uri(f"qemu+tcp://127.0.0.1:{port}/system"), window)
    dialog.show()
    qtbot.waitUntil(lambda: not dialog.panel.is_running, timeout=20_000)
    assert {step.key: step.state for step in dialog.panel.steps} == {
        "name": StepState.PASSED, "tcp": StepState.FAILED, "libvirt": StepState.SKIPPED,
    }  # fmt: skip
    dialog.done(0)


# ---- hosts that are in the list


def test_a_host_in_the_list_is_checked_from_its_menu(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    rig.fleet.add("test:///default")
    rig.add_host("kvm3", {}, is_demo=True)
    window.tree.choose(host_id("kvm3"))
    window.host_actions.refresh()
    assert not window.host_actions.check_action.isEnabled()
    assert "made up" in window.host_actions.check_action.toolTip()


def test_a_removed_host_whose_address_was_wrong_goes_from_the_tree(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    del rig.fleet._links[host_id("kvm2")]
    window.host_actions._remove([rig.store.hosts[host_id("kvm2")]], forget=False)
    qtbot.waitUntil(lambda: host_id("kvm2") not in rig.store.hosts)


def test_a_hosts_colour_is_seen_in_its_row(rig: Rig, window: MainWindow) -> None:
    def colours() -> set[str]:
        tree = window.tree
        box = tree.visualRect(tree.model().index(0, 0))
        image = tree.viewport().grab(box.adjusted(-8, 0, 0, 0)).toImage()
        return {image.pixelColor(x, image.height() // 2).name() for x in range(12)}

    assert "#d0342c" not in colours()
    rig.change_host("kvm1", look=HostLook(colour="#d0342c"))
    assert "#d0342c" in colours()


def test_a_host_for_looking_only_greys_the_acts_with_the_reason(rig: Rig, window: MainWindow) -> None:
    window.tree.choose_first_guest()
    rig.change_host("kvm1", is_read_only=True)
    window.guest_actions.refresh()
    assert not any(action.isEnabled() for action in window.guest_actions.actions.values())
    assert "looking only" in window.guest_actions["force-off"].toolTip()


# ---- what is said while one types


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("qemu+tcp://kvm5/system", "Not encrypted"),
        ("qemu+tls://kvm5/system", "certificates"),
        ("qemu+libssh2://kvm5/system", "your ssh configuration and jump hosts do not count"),
        ("qemu+ext://kvm5/system?command=/opt/way", "program of yours"),
        ("kvm5", ""),
        ("qemu:///system", ""),
    ],
)
def test_a_transport_is_explained_at_once(dialog: AddHostDialog, text: str, words: str) -> None:
    dialog.field.line.setText(text)
    assert words in dialog.field.note.text()
    assert dialog.field.note.isVisible() is bool(words)
    assert dialog.field._icon.isVisible() is text.startswith("qemu+tcp")


def test_choosing_tcp_in_the_form_says_at_once_that_it_is_not_encrypted(dialog: AddHostDialog) -> None:
    dialog.field.line.setText("kvm5")
    dialog.form.transport.setCurrentIndex(dialog.form.transport.findData("tcp"))
    dialog.form.transport.activated.emit(0)
    assert "Not encrypted" in dialog.field.note.text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("foo://x", "«foo» is no libvirt driver."),
        ("qemu+shh://x/system", "«shh» is no libvirt transport."),
        ("qemu+ssh://kvm5/sytem", "After the host stands «/sytem»"),
        ("qemu+ssh://kvm5:99999/system", "Port out of range"),
        ("qemu+ssh://root:secret@kvm5/system", "holds a password"),
        ("qemu+ext://kvm5/system", "none is named"),
    ],
)
def test_a_wrong_address_is_told_exactly_at_the_field_after_a_pause(
    dialog: AddHostDialog, qtbot: QtBot, text: str, words: str
) -> None:
    dialog.field.line.setText(text)
    assert not dialog.field.note.isVisible(), "it may not be finished"
    qtbot.waitUntil(lambda: words in dialog.field.note.text())
    assert dialog.field._icon.isVisible()
    dialog.field.line.setText("kvm5")
    assert not dialog.field.note.isVisible()


def test_a_program_is_a_field_of_its_own_and_not_taken_for_ssh(dialog: AddHostDialog) -> None:
    dialog._more.setChecked(True)
    dialog.field.line.setText("qemu+ext://kvm5/system?command=/opt/way")
    assert dialog.form.program.isVisible()
    assert dialog.form.program.text() == "/opt/way"
    dialog.form.program.setText("/opt/other")
    dialog.form.program.textEdited.emit("/opt/other")
    assert dialog.field.text == "qemu+ext://kvm5/system?command=/opt/other"
    dialog.form.transport.setCurrentIndex(dialog.form.transport.findData("ssh"))
    dialog.form.transport.activated.emit(0)
    assert dialog.field.text == "qemu+ssh://kvm5/system"
    assert not dialog.form.program.isVisible()
