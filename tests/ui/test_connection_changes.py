# SPDX-License-Identifier: GPL-3.0-or-later
"""Editing and removing a saved connection in the window, and taking it back; without a real host."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from tests.ui.fakes import Rig, host_id
from vmconsole.inventory import deltas
from vmconsole.inventory.facts import GuestState, Host, HostLook, HostState
from vmconsole.inventory.ids import HostId
from vmconsole.settings.connections import SavedConnection
from vmconsole.ui.add_host.edit_dialog import EditHostDialog
from vmconsole.ui.context import Context
from vmconsole.ui.main_window import MainWindow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

OLD, NEW = "qemu+ssh://kvm5/system", "qemu+ssh://root@kvm5:2222/system"


class Secrets:
    """Of ``KeyringSecrets`` what the window calls."""

    def __init__(self) -> None:
        self.may_know = True
        self.calls: list[tuple[str, ...]] = []

    def move(self, old: str, new: str) -> None:
        self.calls.append(("move", old, new))

    def forget(self, host: str) -> Future[int]:
        self.calls.append(("forget", host))
        done: Future[int] = Future()
        done.set_result(1)
        return done


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
def window(rig: Rig, qtbot: QtBot, secrets: Secrets) -> Iterator[MainWindow]:
    rig.context = Context(
        store=rig.store, bridge=rig.bridge, fleet=rig.fleet, runner=rig.runner, profile=rig.profile,
        theme=rig.context.theme, secrets=secrets,  # type: ignore[arg-type]  # what the window calls of it
    )  # fmt: skip
    window = MainWindow(rig.context)
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    for uri in ("qemu+ssh://kvm4/system", OLD, "qemu+ssh://kvm6/system"):
        rig.profile.connections.put(SavedConnection(uri, group="west"))
    rig.fleet.add(OLD)
    see(rig, OLD)
    window.tree.choose(HostId(OLD))
    window.host_actions.refresh()
    yield window
    window.close()


def see(rig: Rig, uri: str, **facts: object) -> None:
    given = {"name": "kvm5", "state": HostState.CONNECTED, **facts}
    rig.apply(deltas.HostSeen(Host(id=HostId(uri), **given)))  # type: ignore[arg-type]  # fields of Host, by name


def open_dialog(window: MainWindow) -> EditHostDialog:
    window.host_actions.edit_action.trigger()
    (dialog,) = window.findChildren(EditHostDialog)
    return dialog


def order(rig: Rig) -> list[str]:
    return [saved.uri for saved in rig.profile.connections.all]


def test_f2_opens_the_form_with_what_is_saved(window: MainWindow, qtbot: QtBot) -> None:
    window.activateWindow()
    qtbot.keyClick(window, Qt.Key.Key_F2)
    qtbot.waitUntil(lambda: len(window.findChildren(EditHostDialog)) == 1)
    dialog = window.findChildren(EditHostDialog)[0]
    assert dialog.field.line.text() == OLD
    assert dialog.form.host.text() == "kvm5"
    assert dialog.form.group.currentText() == "west"
    assert dialog.form.at_start.isChecked()
    assert not dialog._anew.isVisible()
    dialog.reject()


def test_another_name_colour_or_group_leaves_the_connection_alone(rig: Rig, window: MainWindow) -> None:
    link = rig.links[HostId(OLD)]
    dialog = open_dialog(window)
    dialog.form.name.setText("Big one")
    dialog.form.group.setCurrentText("east")
    dialog.form.at_start.setChecked(False)
    dialog._on_accepted()
    assert link.looks == [HostLook("Big one", "", "east")]
    assert link.calls == ["start"]
    saved = rig.profile.connections.find(OLD)
    assert saved == SavedConnection(OLD, "Big one", "", "east", connect_at_start=False)
    rig.runner.undo()
    assert rig.profile.connections.find(OLD) == SavedConnection(OLD, group="west")
    assert link.looks[-1] == HostLook("", "", "west")


def test_another_address_connects_anew_in_the_same_place_with_the_same_logins(
    rig: Rig, window: MainWindow, qtbot: QtBot, secrets: Secrets
) -> None:
    before = order(rig)
    dialog = open_dialog(window)
    dialog.field.line.setText("root@kvm5:2222")
    assert dialog._anew.isVisible()
    dialog._on_accepted()
    qtbot.waitUntil(lambda: HostId(OLD) not in rig.store.hosts)
    assert rig.links[HostId(OLD)].calls == ["start", "close"]
    assert rig.links[HostId(NEW)].calls == ["start"]
    assert order(rig) == [NEW if uri == OLD else uri for uri in before]
    assert secrets.calls == [("move", OLD, NEW)]
    assert rig.runner.undo_text == "Edit the connection to kvm5"
    rig.runner.undo()
    assert order(rig) == before
    assert rig.fleet.link(HostId(OLD)) is not None
    assert rig.fleet.link(HostId(NEW)) is None


def test_a_host_that_was_disconnected_stays_so_at_its_new_address(rig: Rig, window: MainWindow) -> None:
    see(rig, OLD, state=HostState.DISCONNECTED)
    dialog = open_dialog(window)
    dialog.field.line.setText("root@kvm5:2222")
    dialog._on_accepted()
    assert rig.links[HostId(NEW)].calls == ["start idle"]


@pytest.mark.parametrize(
    ("text", "words"), [("foo://x/", "no libvirt driver"), ("qemu+ssh://kvm6/system", "in the list already")]
)
def test_an_address_that_cannot_be_is_refused_at_the_field(rig: Rig, window: MainWindow, text: str, words: str) -> None:
    rig.fleet.add("qemu+ssh://kvm6/system")
    dialog = open_dialog(window)
    dialog.field.line.setText(text)
    dialog._on_accepted()
    assert dialog.isVisible()
    assert dialog.field.error.explanation is not None
    assert words in dialog.field.error.explanation.what
    assert rig.links[HostId(OLD)].calls == ["start"]
    dialog.reject()


def test_the_name_of_a_host_whose_address_is_wrong_can_be_edited(rig: Rig, window: MainWindow) -> None:
    rig.profile.connections.put(SavedConnection("foo://x"))
    assert rig.fleet.add_or_show("foo://x") == "foo://x"
    see(rig, "foo://x", state=HostState.FAILED)
    window.tree.choose(HostId("foo://x"))
    window.host_actions.refresh()
    dialog = open_dialog(window)
    dialog.form.name.setText("wrong one")
    dialog._on_accepted()
    saved = rig.profile.connections.find("foo://x")
    assert saved is not None
    assert saved.name == "wrong one"


def test_a_made_up_host_is_not_edited(rig: Rig, window: MainWindow) -> None:
    rig.add_host("demo", {}, is_demo=True)
    window.tree.choose(host_id("demo"))
    window.host_actions.refresh()
    assert not window.host_actions.edit_action.isEnabled()
    assert "made up" in window.host_actions.edit_action.toolTip()


# ---- removing


def question(window: MainWindow) -> QMessageBox:
    (box,) = [box for box in window.findChildren(QMessageBox) if box.isVisible()]
    return box


def remove(window: MainWindow, *, forget: bool | None = None) -> None:
    window.host_actions.remove_action.trigger()
    box = question(window)
    if forget is not None:
        box.checkBox().setChecked(forget)
    next(button for button in box.buttons() if button.text() == "Remove").click()


def test_removing_forgets_the_login_unless_it_is_not_wished_and_can_be_undone(
    rig: Rig, window: MainWindow, qtbot: QtBot, secrets: Secrets
) -> None:
    before = rig.profile.connections.all
    remove(window)
    qtbot.waitUntil(lambda: HostId(OLD) not in rig.store.hosts)
    assert secrets.calls == [("forget", OLD)], "forgetting is the default"
    assert OLD not in order(rig)
    assert window.undo_actions.undo.isEnabled()
    rig.runner.undo()
    assert rig.fleet.link(HostId(OLD)) is not None
    assert set(rig.profile.connections.all) == set(before)
    see(rig, OLD)
    window.tree.choose(HostId(OLD))
    remove(window, forget=False)
    assert secrets.calls == [("forget", OLD)]
    assert OLD not in order(rig)


def test_a_removal_is_taken_back_while_the_old_link_still_closes(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    remove(window)
    rig.runner.undo()
    see(rig, OLD)
    qtbot.waitUntil(lambda: not any(closing.is_alive() for closing in rig.fleet._closing))
    assert HostId(OLD) in rig.store.hosts


def test_nobody_is_asked_of_a_login_where_none_was_ever_remembered(
    rig: Rig, window: MainWindow, secrets: Secrets
) -> None:
    secrets.may_know = False
    window.host_actions.remove_action.trigger()
    assert question(window).checkBox() is None
    question(window).reject()
    assert OLD in order(rig)
    remove(window)
    assert OLD not in order(rig)
    assert secrets.calls == []


def test_what_the_command_line_brought_is_not_kept_by_undo(rig: Rig, window: MainWindow) -> None:
    rig.profile.connections.remove(OLD)
    remove(window)
    rig.runner.undo()
    assert rig.fleet.link(HostId(OLD)) is not None
    assert OLD not in order(rig)


def test_several_are_one_step(rig: Rig, window: MainWindow, qtbot: QtBot) -> None:
    rig.add_host("other", {"a": GuestState.RUNNING})
    window.tree.selectAll()
    remove(window)
    qtbot.waitUntil(lambda: not rig.store.hosts)
    rig.runner.undo()
    assert set(rig.fleet.hosts) == {HostId(OLD), host_id("other")}
    assert not rig.runner.can_undo


def test_the_grouping_is_chosen_in_the_menu_and_remembered(
    rig: Rig, window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    see(rig, OLD, look=HostLook(group="west"))
    assert window.model.index(0, 0).data() == "west"
    assert window.grouping.actions["group"].isChecked()
    window.grouping.actions["none"].trigger()
    assert window.model.index(0, 0).data() == "kvm5"
    again = MainWindow(rig.context)
    qtbot.addWidget(again)
    assert again.grouping.actions["none"].isChecked()
