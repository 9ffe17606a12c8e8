# SPDX-License-Identifier: GPL-3.0-or-later
"""Live Folders in a real guest that runs: through the disks' page, the console's own link, libvirt and QEMU's agent.

The guest's own shell looks at what came of it. Its programs are busybox's; GNU's are in ``test_live_session``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vmconsole.app.hosts import LinkMaker
from vmconsole.images.messages import Conflict
from vmconsole.inventory.errors import ConsoleError
from vmconsole.inventory.facts import GuestState
from vmconsole.links.fleet import Fleet
from vmconsole.settings.profile import Profile
from vmconsole.store.store import Store
from vmconsole.ui.bridge import Bridge
from vmconsole.ui.context import Context
from vmconsole.ui.disks_tab import DisksTab
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from tests.lab.vmlab import LabHost
    from vmconsole.inventory.facts import Guest
    from vmconsole.ui.image_editor.live_window import LiveWindow

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]
WAIT_MS = 60_000
ODD = "odd\n'\"$(reboot)`-é"
IN_SHELL = "/tmp/live/odd*"
TOLD_S = 12.0
"""libvirt gives an agent that hangs 10 s; one that is gone is told at once."""
AGENT = "qemu-ga -d -t /run -f /run/qga.pid -p /dev/virtio-ports/org.qemu.guest_agent.0"


class Desk:
    """The disks' page of one running guest, all parts as the program puts them together."""

    def __init__(self, qtbot: QtBot, profile: Path, host: LabHost) -> None:
        self.qtbot, self.host, self.name = qtbot, host, host.guests[0]
        self._run_dir = Path(tempfile.mkdtemp(prefix="vmc-"))
        self.store = Store()
        self.bridge = Bridge(self.store)
        settings = Profile(profile)
        self._links = LinkMaker(self.bridge.post, run_dir=self._run_dir, profile=settings)
        self.fleet = Fleet(self._links.make, self.bridge.post)
        context = Context(self.store, self.bridge, self.fleet, None, settings, Theme())  # type: ignore[arg-type] # no operations
        self.tab = DisksTab(context)
        self.tab.show()
        self.fleet.add(host.uri)
        self.wait(lambda: self.guest is not None and self.guest.state is GuestState.RUNNING)
        assert self.guest is not None
        self.tab.show_guest(self.guest.id)

    @property
    def guest(self) -> Guest | None:
        known = [guest for host in list(self.store.hosts) for guest in self.store.guests_of(host).values()]
        return next((guest for guest in known if guest.name == self.name), None)

    def wait(self, holds: object) -> None:
        self.qtbot.waitUntil(holds, timeout=WAIT_MS)

    def inside(self, command: str) -> str:
        return self.host.guest(self.name, command)

    def close(self) -> None:
        self.tab.live_button.folders.close_all()
        self.tab.close()
        self.fleet.close()
        self._links.close()
        self.bridge.close()
        shutil.rmtree(self._run_dir, ignore_errors=True)


@pytest.fixture
def desk(qtbot: QtBot, lab_host: LabHost, tmp_path: Path) -> Iterator[Desk]:
    lab_host.wait_for_agent(lab_host.guests[0])
    made = Desk(qtbot, tmp_path / "profile", lab_host)
    made.inside("rm -rf /tmp/live; mkdir /tmp/live")
    yield made
    made.close()
    qtbot.waitUntil(lambda: not [t for t in threading.enumerate() if t.name.startswith("live")], timeout=30_000)


@pytest.fixture
def window(desk: Desk) -> LiveWindow:
    desk.wait(desk.tab.live_button.isEnabled)
    desk.tab.live_button.click()
    (made,) = desk.tab.live_button.folders.windows
    desk.wait(lambda: made.browser.model.total > 0 and made.desk.is_idle)
    made.browser.open_folder("/tmp/live")
    desk.wait(lambda: made.browser.folder == "/tmp/live" and made.desk.is_idle)
    return made


def test_files_in_a_running_guest(desk: Desk, window: LiveWindow, tmp_path: Path) -> None:
    local = tmp_path / ODD
    local.write_text("first\n")
    local.chmod(0o640)
    window.transfers.bringing.bring_in([local], "/tmp/live")
    desk.wait(lambda: window.browser.model.names == {ODD} and window.desk.is_idle)
    assert desk.inside(f"cat {IN_SHELL}; stat -c '%a %u:%g' {IN_SHELL}") == "first\n640 0:0\n"
    desk.inside(f"chown 12:34 {IN_SHELL}; chmod 4751 {IN_SHELL}")

    window.browser.view.select_names({ODD}, current=ODD)
    desk.wait(lambda: window.viewer.view.toPlainText() == "first\n" and window.desk.is_idle)
    window.viewer.view.selectAll()
    window.viewer.view.insertPlainText("second\n")
    window.viewer.save.click()
    desk.wait(lambda: not window.viewer.has_unsaved_text and window.desk.is_idle)
    assert desk.inside(f"cat {IN_SHELL}; stat -c '%a %u:%g' {IN_SHELL}") == "second\n4751 12:34\n"

    row = window.browser.model.row_of(ODD)
    assert row is not None
    window.browser.model.setData(window.browser.model.index(row, 0), "plain")
    desk.wait(lambda: window.browser.model.names == {"plain"} and window.desk.is_idle)
    assert desk.inside("ls -A /tmp/live") == "plain\n"
    window.actions_on_files._delete(["/tmp/live/plain"])
    desk.wait(lambda: window.browser.model.total == 0 and window.desk.is_idle)
    assert desk.inside("ls -A /tmp/live") == ""


def test_a_big_file_there_and_back(desk: Desk, window: LiveWindow, tmp_path: Path) -> None:
    data = os.urandom(2 << 20)
    local, back = tmp_path / "big", tmp_path / "back"
    local.write_bytes(data)
    back.mkdir()
    began = time.monotonic()
    bringing = window.session.import_paths([local], "/tmp/live", conflict=Conflict.REFUSE)
    desk.wait(bringing.done)
    in_s = time.monotonic() - began
    assert bringing.result().bytes == len(data)
    assert desk.inside("sha256sum < /tmp/live/big").split()[0] == hashlib.sha256(data).hexdigest()
    began = time.monotonic()
    fetching = window.session.export_paths(["/tmp/live/big"], back)
    desk.wait(fetching.done)
    out_s = time.monotonic() - began
    assert (back / "big").read_bytes() == data
    print(f"live folders: {2048 / in_s:.0f} KiB/s in, {2048 / out_s:.0f} KiB/s out")


def test_an_agent_that_is_killed_is_told_in_time_and_the_window_goes_on(desk: Desk, window: LiveWindow) -> None:
    desk.inside(
        f"(sleep 1; kill -9 $(pidof qemu-ga); sleep 8; rm -f /run/qga.pid; {AGENT}) > /dev/null 2>&1 < /dev/null &"
    )
    asked = [0.0]

    def told() -> bool:
        if window.desk.is_idle and window.problem.explanation is None:
            asked[0] = time.monotonic()
            window.browser.reload()
        return window.problem.explanation is not None and window.desk.is_idle

    desk.wait(told)
    assert time.monotonic() - asked[0] < TOLD_S
    problem = window.problem.explanation
    assert problem is not None
    assert (problem.entry, window.again.isVisible()) == ("agent-silent", True)
    assert window.browser.folder in {"/tmp/live", "/"}  # the top, if the agent went while the folder was asked for

    def goes_on() -> bool:
        if window.desk.is_idle and window.problem.explanation is not None:
            window.again.click()
        return window.desk.is_idle and window.problem.explanation is None and not window.again.isVisible()

    desk.wait(goes_on)
    assert window.browser.folder in {"/tmp/live", "/"}  # the top, if the agent went while the folder was asked for


@pytest.mark.slow
def test_an_agent_that_hangs_holds_up_nothing_else_on_its_host(desk: Desk) -> None:
    guest = desk.guest
    assert guest is not None
    link = desk.fleet.link(guest.id.host)
    assert link is not None
    uuid = guest.id.uuid
    stop = "(sleep 1; kill -STOP $(pidof qemu-ga); sleep 14; kill -CONT $(pidof qemu-ga))"
    desk.inside(f"{stop} > /dev/null 2>&1 < /dev/null &")

    def hanging() -> object:
        """A ping that is not answered for longer than a busy machine takes."""
        ping = link.submit_agent(uuid, lambda verbs: verbs.agent(uuid, "guest-ping", {}), deadline_s=20)
        with contextlib.suppress(TimeoutError):
            ping.result(5.0)
            return None
        return ping

    until = time.monotonic() + 10
    while (ping := hanging()) is None:
        assert time.monotonic() < until, "the agent was never stopped"
    assert isinstance(ping, Future)
    began = time.monotonic()
    assert link.submit(lambda verbs: verbs.describe_guest(uuid), deadline_s=10).result(10).id.uuid == uuid
    took_s = time.monotonic() - began
    assert not ping.done(), "the agent hangs all the while"
    assert took_s < 2.0, took_s
    with contextlib.suppress(ConsoleError):
        ping.result(20)
    print(f"with a hung agent, a guest was described in {took_s * 1000:.0f} ms")
