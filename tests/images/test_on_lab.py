# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of a guest on a real remote host, through the one SSH connection: opened, edited, applied; and a cut."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.sessions import LAUNCH_S, Opened, done, session_on
from tests.lab.vmlab import LabError
from vmconsole.images.messages import ImageMode, ImageSource, SessionState
from vmconsole.inventory.errors import ConsoleError, ImageError
from vmconsole.links.ssh import SshMaster, SshShell
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import LabHost

pytestmark = [pytest.mark.lab, pytest.mark.appliance, pytest.mark.timeout(900)]


class Connection:
    """An SSH master and a shell over it."""

    def __init__(self, host: LabHost, run_dir: Path) -> None:
        self.master = SshMaster(parse_uri(host.uri), run_dir=run_dir, on_exit=lambda _error: None)
        self.master.open(deadline_s=30)
        self.shell = SshShell(self.master)

    def close(self) -> None:
        self.shell.close()
        self.master.close()


@pytest.fixture
def run_dir() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="vmc-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def connection(lab_host: LabHost, run_dir: Path) -> Iterator[Connection]:
    connection = Connection(lab_host, run_dir)
    yield connection
    connection.close()


def disk_of(host: LabHost, guest: str, *, running: bool = False) -> ImageSource:
    path = f"/var/lib/libvirt/images/{guest}.qcow2"
    return ImageSource(path, "qcow2", where=host.name, guest_name=guest, guest_is_running=running)


def opened_on(host: LabHost, connection: Connection, guest: str, work: Path, *, running: bool = False) -> Opened:
    return session_on(host.disk(guest), connection.shell, work, disk_of(host, guest, running=running))


def closed(session: Opened) -> None:
    session.session.close()
    assert session.session.wait_closed(30)


def nbd_on(host: LabHost, guest: str) -> bool:
    """Whether the host serves the guest's disk."""
    return f"{guest}.qcow2" in host.exec("pgrep", "-a", "qemu-nbd", check=False).stdout


def test_a_remote_guest_is_edited_in_a_draft_and_applied(
    lab_host: LabHost, connection: Connection, tmp_path: Path
) -> None:
    guest = lab_host.off_guest
    image = lab_host.disk(guest)
    before = disks.fingerprint(image)
    threads = threading.active_count()
    one = opened_on(lab_host, connection, guest, tmp_path / "work")
    overview = done(one.session.open(), deadline_s=LAUNCH_S)
    assert (overview.mode, overview.has_os_tree) == (ImageMode.DRAFT, True)
    assert overview.os_name.startswith("Debian")
    assert nbd_on(lab_host, guest)
    assert one.read("/home/alice/notes.txt") == b"hello from the guest's disk\n"
    assert one.names("/home/alice") == ["Grüße an alle.txt", "notes.txt"]
    done(one.session.write_file("/etc/hostname", b"edited\n"))
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("<h1>remote</h1>\n")
    done(one.session.import_paths([tmp_path / "site"], "/srv"))
    done(one.session.export_paths(["/home/alice"], tmp_path / "site"))
    assert (tmp_path / "site/alice/notes.txt").exists()
    assert disks.fingerprint(image) == before, "the image was written before Apply"
    with pytest.raises(LabError, match="lock"):
        lab_host.virsh("start", guest, timeout_s=60)
    applied = done(one.session.apply(), deadline_s=LAUNCH_S)
    assert applied.changes == 2
    assert one.session.state is SessionState.APPLIED
    assert not nbd_on(lab_host, guest)
    disks.run("qemu-img", "check", image)
    seen = disks.guestfish(image, "cat /etc/hostname", "cat /srv/site/index.html")
    assert "edited" in seen
    assert "<h1>remote</h1>" in seen
    lab_host.virsh("start", guest, timeout_s=60)
    lab_host.virsh("destroy", guest)
    left = lab_host.exec("find", "/var/lib/libvirt/images", "/tmp", "/run", "-name", "*vmconsole*", check=False).stdout
    assert left == ""
    closed(one)
    disks.until(lambda: threading.active_count() == threads, what="all threads end")


def test_a_running_guests_disk_is_looked_at_beside_it(
    lab_host: LabHost, connection: Connection, tmp_path: Path
) -> None:
    guest = lab_host.guests[0]
    one = opened_on(lab_host, connection, guest, tmp_path / "work", running=True)
    overview = done(one.session.open(), deadline_s=LAUNCH_S)
    assert overview.mode is ImageMode.LOOK_ONLY
    assert overview.mode_reason is not None
    assert guest in overview.mode_reason.what
    with pytest.raises(ImageError, match="look only"):
        done(one.session.write_file("/x", b""))
    assert lab_host.domains()[guest] == "running"
    closed(one)
    assert not nbd_on(lab_host, guest)


@pytest.mark.slow  # over a minute of waiting for appliances
def test_a_cut_link_loses_nothing_and_locks_nothing(lab_host: LabHost, run_dir: Path, tmp_path: Path) -> None:
    guest = lab_host.off_guest
    image = lab_host.disk(guest)
    before = disks.fingerprint(image)
    first = Connection(lab_host, run_dir)
    one = opened_on(lab_host, first, guest, tmp_path / "work")
    done(one.session.open(), deadline_s=LAUNCH_S)
    done(one.session.write_file("/etc/motd", b"kept through the cut\n"))
    assert nbd_on(lab_host, guest)
    lab_host.cut("drop")
    disks.until(lambda: one.session.state is SessionState.LOST, what="the cut is noticed", deadline_s=60)
    assert one.session.changes(), "the draft's changes are still shown"
    with pytest.raises(ConsoleError):
        done(one.session.write_file("/etc/motd", b"lost\n"))
    disks.until(lambda: not nbd_on(lab_host, guest), what="the host lets the image go", deadline_s=90)
    assert disks.fingerprint(image) == before
    first.close()
    closed(one)
    lab_host.mend()

    second = Connection(lab_host, run_dir)
    again = opened_on(lab_host, second, guest, tmp_path / "work")
    overview = done(again.session.open(), deadline_s=LAUNCH_S)
    assert overview.draft_was_resumed
    assert again.read("/etc/motd") == b"kept through the cut\n"
    done(again.session.apply(), deadline_s=LAUNCH_S)
    assert "kept through the cut" in disks.guestfish(image, "cat /etc/motd")
    closed(again)
    second.close()
