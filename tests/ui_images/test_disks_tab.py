# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's disks: what is shown, what can be opened, and why the rest cannot."""

from __future__ import annotations

import dataclasses
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt

from tests.ui_images.editor_fakes import FakeSession
from vmconsole.images.messages import ImageSource
from vmconsole.inventory.deltas import GuestGone, GuestSeen, HostSeen
from vmconsole.inventory.errors import ConsoleError, HostNotAnswering, LinkLost, OperationRefused, Unsupported
from vmconsole.inventory.facts import Disk, Guest, GuestState, Host, HostState, Volume
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.links.ssh import LocalShell
from vmconsole.ui.disks_tab import DisksTab
from vmconsole.ui.image_editor.editors import ImageEditors
from vmconsole.ui.image_editor.volume_dialog import VolumeDialog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytestqt.qtbot import QtBot

HOST = HostId("qemu+ssh://root@kvm3/system")
DISKS = (
    Disk("vda", "/srv/images/web1.qcow2", "qcow2", bus="virtio"),
    Disk("vdb", "/dev/vg/data", "raw", bus="virtio", kind="block"),
    Disk("sda", "", "raw", device="cdrom", bus="sata", read_only=True),
    Disk("vdc", "rbd/pool", "raw", kind="network"),
    Disk("vdd", "pool/volume", "qcow2", kind="volume"),
)
GUEST = Guest(GuestId(HOST, "u1"), "web1", GuestState.SHUT_OFF, described=True, disks=DISKS)


def no_agent(_command: str, _arguments: Mapping[str, object]) -> object:
    raise Unsupported("The guest has no channel for its agent.", advice="Add one.", entry="agent-not-configured")


class FakeLink:
    """Answers ``describe_guest`` and ``image_users``; ``problem`` is raised instead."""

    host_id = HOST

    def __init__(self) -> None:
        self.has_shell = True
        self.problem: Exception | None = None
        self.pools_problem: ConsoleError | None = None
        self.asked = 0
        self.guest_agent: Callable[[str, Mapping[str, object]], object] = no_agent

    def submit(self, job: Callable[[Any], Any], *, deadline_s: float) -> Future[Any]:
        self.asked += 1
        future: Future[Any] = Future()
        if self.problem is not None:
            future.set_exception(self.problem)
        else:
            try:
                future.set_result(job(self))
            except ConsoleError as error:
                future.set_exception(error)
        return future

    def submit_agent(self, uuid: str, job: Callable[[Any], Any], *, deadline_s: float) -> Future[Any]:
        del uuid
        return self.submit(job, deadline_s=deadline_s)

    def submit_shell(self, job: Callable[[Any], Any], *, deadline_s: float) -> Future[Any]:
        future: Future[Any] = Future()
        shell = LocalShell()
        future.set_result(job(shell))
        shell.close()
        return future

    def describe_guest(self, uuid: str) -> Guest:
        assert uuid == "u1"
        return GUEST

    def agent(self, uuid: str, command: str, arguments: Mapping[str, object]) -> object:
        assert uuid == "u1"
        return self.guest_agent(command, arguments)

    def image_users(self, path: str) -> tuple[str, ...]:
        return ("db1",) if path == DISKS[0].source else ()

    def volume_path(self, pool: str, volume: str) -> str:
        if volume == "gone":
            raise OperationRefused("There is no such volume.")
        return f"/var/lib/{pool}/{volume}"

    def pool_folders(self) -> tuple[str, ...]:
        return ("/srv/images",)

    def pool_volumes(self) -> tuple[Volume, ...]:
        if self.pools_problem is not None:
            raise self.pools_problem
        return (
            Volume("fast", "<b>x.qcow2", "/srv/fast/x.qcow2", "qcow2", 5 << 30),
            Volume("cds", "debian.iso", "/srv/cds/debian.iso", "iso", 700 << 20),
            Volume("rbd", "nowhere", "", "raw"),
        )

    def shell(self) -> Any:
        return object() if self.has_shell else None

    def start(self, *, connect: bool = True) -> None:
        pass

    def close(self) -> None:
        pass


class Recorder:
    """Makes scripted sessions and keeps what the editor was given."""

    def __init__(self) -> None:
        self.sources: list[ImageSource] = []
        self.users: list[tuple[str, ...]] = []

    def __call__(self, source: ImageSource, shell: Any, *, image_users: Any, on_event: Any, **_: Any) -> Any:
        self.sources.append(source)
        self.users.append(image_users())
        return FakeSession(on_event, source=source)


@pytest.fixture
def link(context: Any) -> FakeLink:
    found = FakeLink()
    context.fleet.adopt(found)
    return found


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def tab(context: Any, qtbot: QtBot, link: FakeLink, recorder: Recorder) -> Iterator[DisksTab]:
    see(context, qtbot, GUEST)
    editors = ImageEditors(context, session_maker=recorder)
    widget = DisksTab(context, editors=editors)
    qtbot.addWidget(widget)
    widget.show()
    yield widget
    editors.close_all()


def see(context: Any, qtbot: QtBot, guest: Guest, **host: Any) -> None:
    context.bridge.post(HostSeen(Host(HOST, "kvm3", **{"state": HostState.CONNECTED, "has_shell": True, **host})))
    context.bridge.post(GuestSeen(guest))
    qtbot.waitUntil(lambda: context.store.guest(guest.id) == guest)


def choose(tab: DisksTab, row: int) -> None:
    tab.tree.setCurrentItem(tab.tree.topLevelItem(row))


def test_it_shows_the_disks(tab: DisksTab) -> None:
    tab.show_guest(GUEST.id)
    rows = [[tab.tree.topLevelItem(r).text(c) for c in range(4)] for r in range(tab.tree.topLevelItemCount())]
    assert rows[0] == ["vda", "/srv/images/web1.qcow2", "qcow2", "virtio"]
    assert len(rows) == 5
    assert tab.open_button.isEnabled()
    tab.show_guest(None)
    assert tab.tree.topLevelItemCount() == 0
    assert not tab.open_button.isEnabled()


@pytest.mark.parametrize(("row", "word"), [(2, "empty"), (3, "network")])
def test_what_cannot_be_opened_says_why(tab: DisksTab, row: int, word: str) -> None:
    tab.show_guest(GUEST.id)
    choose(tab, row)
    assert not tab.open_button.isEnabled()
    assert word in tab.open_button.toolTip()
    assert tab.message.text() == tab.open_button.toolTip()
    tab.open_current()
    assert tab.editors.windows == ()


def test_a_host_that_is_away_or_a_demo_or_without_shell(
    tab: DisksTab, context: Any, qtbot: QtBot, link: FakeLink
) -> None:
    tab.show_guest(GUEST.id)
    for how, word in (({"state": HostState.NOT_ANSWERING}, "not connected"), ({"is_demo": True}, "demo")):
        see(context, qtbot, GUEST, **how)
        qtbot.waitUntil(lambda word=word: word in tab.open_button.toolTip())
        assert not tab.open_button.isEnabled()
    link.has_shell = False
    see(context, qtbot, GUEST)
    qtbot.waitUntil(lambda: "SSH" in tab.open_button.toolTip())
    with pytest.raises(HostNotAnswering):
        tab.editors.open_on_host(HOST, a_source())


def a_source() -> ImageSource:
    return ImageSource("/srv/images/web1.qcow2", where="kvm3")


@pytest.mark.parametrize("how", ["button", "enter", "double click"])
def test_it_opens_one_editor_for_one_image(tab: DisksTab, qtbot: QtBot, recorder: Recorder, how: str) -> None:
    tab.show_guest(GUEST.id)
    for _ in range(2):
        if how == "button":
            tab.open_button.click()
        elif how == "enter":
            qtbot.keyClick(tab.tree, Qt.Key.Key_Return)
        else:
            place = tab.tree.visualItemRect(tab.tree.topLevelItem(0)).center()
            qtbot.mouseClick(tab.tree.viewport(), Qt.MouseButton.LeftButton, pos=place)
            qtbot.mouseDClick(tab.tree.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.waitUntil(lambda: len(tab.editors.windows) == 1)
    assert len(tab.editors.windows) == 1
    (source,) = recorder.sources
    assert (source.path, source.format_hint, source.where) == ("/srv/images/web1.qcow2", "qcow2", "kvm3")
    assert source.guest_name == "web1"
    assert not source.guest_is_running
    assert recorder.users == [("db1",)]
    qtbot.waitUntil(lambda: tab.editors.windows[0].browser.model.total > 0)
    tab.editors.windows[0].close()
    assert tab.editors.windows == ()


def test_a_running_guest_opens_to_look_only(tab: DisksTab, context: Any, qtbot: QtBot, recorder: Recorder) -> None:
    see(context, qtbot, dataclasses.replace(GUEST, state=GuestState.RUNNING))
    tab.show_guest(GUEST.id)
    assert "look only" in tab.message.text()
    tab.open_current()
    qtbot.waitUntil(lambda: bool(recorder.sources))
    assert recorder.sources[0].guest_is_running


def test_a_volume_opens_where_the_host_says_it_is(tab: DisksTab, qtbot: QtBot, recorder: Recorder) -> None:
    tab.show_guest(GUEST.id)
    choose(tab, 4)
    assert tab.open_button.isEnabled()
    tab.open_current()
    qtbot.waitUntil(lambda: bool(recorder.sources))
    (source,) = recorder.sources
    assert (source.path, source.format_hint, source.target) == ("/var/lib/pool/volume", "qcow2", "vdd")
    assert source.backing_folders == ("/srv/images",)


def test_a_volume_that_is_gone_is_explained(tab: DisksTab, context: Any, qtbot: QtBot) -> None:
    gone = dataclasses.replace(GUEST, disks=(Disk("vda", "pool/gone", "qcow2", kind="volume"),))
    see(context, qtbot, gone)
    tab.show_guest(GUEST.id)
    tab.open_current()
    qtbot.waitUntil(tab.problem.isVisible)
    assert tab.problem.explanation.what == "There is no such volume."
    assert tab.editors.windows == ()


def other_images(tab: DisksTab) -> VolumeDialog:
    tab.show_guest(GUEST.id)
    tab.other_button.click()
    return tab.findChild(VolumeDialog)


@pytest.mark.parametrize(("row", "kind", "read_only"), [(0, "raw", True), (1, "qcow2", False)])
def test_a_volume_of_a_pool_is_chosen(
    tab: DisksTab, qtbot: QtBot, recorder: Recorder, row: int, kind: str, read_only: bool
) -> None:
    dialog = other_images(tab)
    qtbot.waitUntil(lambda: dialog.tree.topLevelItemCount() == 2)
    item = dialog.tree.topLevelItem(row)
    assert [dialog.tree.topLevelItem(n).text(0) for n in (0, 1)] == ["debian.iso", "<b>x.qcow2"]
    item.setSelected(True)
    qtbot.mouseClick(dialog.open_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(recorder.sources))
    (source,) = recorder.sources
    assert (source.format_hint, source.is_read_only, source.where) == (kind, read_only, "kvm3")
    assert source.path == ("/srv/cds/debian.iso" if row == 0 else "/srv/fast/x.qcow2")
    assert source.backing_folders == ("/srv/images",)


def test_any_path_of_the_host_may_be_given_also_when_its_pools_cannot_be_read(
    tab: DisksTab, qtbot: QtBot, recorder: Recorder, link: FakeLink
) -> None:
    link.pools_problem = OperationRefused("The pools cannot be listed.")
    dialog = other_images(tab)
    qtbot.waitUntil(dialog.problem.isVisible)
    assert not dialog.open_button.isEnabled()
    dialog.path.setText("relative.img")
    assert not dialog.open_button.isEnabled()
    dialog.path.setText("/backups/phone")
    dialog.open_button.click()
    qtbot.waitUntil(lambda: bool(recorder.sources))
    assert (recorder.sources[0].path, recorder.sources[0].format_hint) == ("/backups/phone", "")


def test_all_disks_open_together_in_one_window(tab: DisksTab, qtbot: QtBot, recorder: Recorder) -> None:
    tab.show_guest(GUEST.id)
    assert tab.open_all_button.isVisible()
    assert "vda, vdb, vdd" in tab.open_all_button.toolTip()
    tab.open_all_button.click()
    qtbot.waitUntil(lambda: bool(recorder.sources))
    (source,) = recorder.sources
    assert [d.path for d in source.disks] == ["/srv/images/web1.qcow2", "/dev/vg/data", "/var/lib/pool/volume"]
    assert [d.target for d in source.disks] == ["vda", "vdb", "vdd"]
    assert all(d.backing_folders == ("/srv/images",) for d in source.disks)
    assert recorder.users == [("db1",)]


def test_disks_that_are_not_known_yet_are_asked_for_once(
    tab: DisksTab, context: Any, qtbot: QtBot, link: FakeLink
) -> None:
    context.bridge.post(GuestGone(GUEST.id))
    context.bridge.post(GuestSeen(dataclasses.replace(GUEST, described=False, disks=())))
    qtbot.waitUntil(lambda: not context.store.guest(GUEST.id).described)
    tab.show_guest(GUEST.id)
    qtbot.waitUntil(lambda: tab.tree.topLevelItemCount() == 5)
    tab.show_guest(GUEST.id)
    assert link.asked == 1


def test_a_description_that_fails_is_explained(tab: DisksTab, context: Any, qtbot: QtBot, link: FakeLink) -> None:
    link.problem = LinkLost("The link to kvm3 broke.", advice="Connect again.")
    context.bridge.post(GuestGone(GUEST.id))
    context.bridge.post(GuestSeen(dataclasses.replace(GUEST, described=False, disks=())))
    qtbot.waitUntil(lambda: not context.store.guest(GUEST.id).described)
    tab.show_guest(GUEST.id)
    qtbot.waitUntil(tab.problem.isVisible)
    assert tab.problem.explanation.what == "The link to kvm3 broke."


def test_hostile_paths_are_shown_as_text(tab: DisksTab, context: Any, qtbot: QtBot) -> None:
    hostile = dataclasses.replace(GUEST, disks=(Disk("vda", "/srv/<img src=x>\nq.qcow2", "qcow2"),))
    see(context, qtbot, hostile)
    tab.show_guest(GUEST.id)
    assert tab.tree.topLevelItem(0).text(1) == "/srv/<img src=x>\\x0aq.qcow2"
    assert "&lt;img" in tab.tree.topLevelItem(0).toolTip(1)


def test_all_editors_close_without_a_question_and_keep_their_drafts(
    tab: DisksTab, qtbot: QtBot, recorder: Recorder
) -> None:
    tab.show_guest(GUEST.id)
    tab.open_current()
    qtbot.waitUntil(lambda: len(tab.editors.windows) == 1)
    (window,) = tab.editors.windows
    qtbot.waitUntil(lambda: window.browser.model.total > 0 and window.desk.is_idle)
    session = window.desk.session
    window.desk.ask(session.write_file("/new", b"x"))
    qtbot.waitUntil(lambda: len(session.changes()) == 1)
    tab.editors.close_all()
    assert tab.editors.windows == ()
    assert session.closed_with is True  # type: ignore[attr-defined] # the scripted session remembers
