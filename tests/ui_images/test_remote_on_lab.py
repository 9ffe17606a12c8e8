# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of a shut-off guest on a real remote host, opened from its Disks tab through the console's own link.

Files are dragged in and out with a real mouse; Apply is looked at by guestfish on the host's side.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images.disks import fingerprint, guestfish
from tests.ui_images.desktop import (
    EDITOR_PLACE,
    EMPTY_SPACE,
    FILES_PLACE,
    FIRST_ICON,
    EditorProcess,
    FileManager,
    apply_by_keyboard,
    drag,
)
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.display import Display
    from tests.lab.vmlab import LabHost

pytestmark = [pytest.mark.lab, pytest.mark.window, pytest.mark.appliance, pytest.mark.timeout(900)]
OPEN_S = 300.0


@pytest.fixture
def console(display: Display, lab_host: LabHost, tmp_path: Path) -> Iterator[EditorProcess]:
    """The Disks tab of the host's shut-off guest."""
    options = ("--uri", lab_host.uri, "--guest", lab_host.off_guest)
    process = EditorProcess(display, tmp_path / "profile", *options, log=tmp_path / "console.log")
    try:
        wait_until(lambda: process.ask("disks")["may_open"], within_s=60, what=f"its disks: {process.ask('disks')}")
        yield process
    finally:
        process.close()
        assert "Traceback" not in (log := (tmp_path / "console.log").read_text()), log


def open_by_keyboard(display: Display, console: EditorProcess) -> None:
    window = display.run("xdotool", "search", "--onlyvisible", "--name", "^disks$").split()[0]
    display.run("xdotool", "windowactivate", "--sync", window)
    display.run("xdotool", "key", "Return")
    wait_until(lambda: console.ask("disks")["editors"] == 1, within_s=20, what="the editor's window")
    console.until(lambda s: s["names"] or s["problem"], deadline_s=OPEN_S, what="the files of the remote disk")
    console.ask("place", *EDITOR_PLACE)


def test_a_remote_guest_takes_and_gives_files(
    display: Display, console: EditorProcess, lab_host: LabHost, tmp_path: Path
) -> None:
    guest = lab_host.off_guest
    assert console.ask("disks")["disks"] == [f"/var/lib/libvirt/images/{guest}.qcow2"]
    before = fingerprint(lab_host.disk(guest))
    desk = tmp_path / "desk"
    desk.mkdir()
    (desk / "note.txt").write_bytes(b"over the wire\n" * 5000)
    open_by_keyboard(display, console)
    assert {"etc", "home", "srv"} <= set(console.state["names"])
    manager = FileManager(display, desk, FILES_PLACE)
    try:
        drag(display, FIRST_ICON, console.ask("row", "srv"))
        state = console.until(lambda s: s["changes"], deadline_s=60, what="the drop is in the draft")
        assert state["changes"] == ["/srv/note.txt added"]
        assert fingerprint(lab_host.disk(guest)) == before, "the remote disk was written before Apply"
        (desk / "note.txt").unlink()
        drag(display, console.ask("row", "home"), EMPTY_SPACE)
        manager.copy_here(desk / "home")
        notes = desk / "home" / "alice" / "notes.txt"
        wait_until(notes.exists, within_s=60, what="the guest's folder lands on the desktop")
        wait_until(lambda: notes.read_text() == "hello from the guest's disk\n", within_s=20, what="with its content")
    finally:
        manager.close()
    apply_by_keyboard(display, console)
    wanted = hashlib.sha256(b"over the wire\n" * 5000).hexdigest()
    assert guestfish(lab_host.disk(guest), "checksum sha256 /srv/note.txt").split() == [wanted]
    lab_host.virsh("start", guest, timeout_s=120)
    lab_host.virsh("destroy", guest)


def test_closing_the_console_leaves_no_appliance_behind(
    display: Display, console: EditorProcess, lab_host: LabHost
) -> None:
    open_by_keyboard(display, console)
    family = descendants(console.pid)
    assert any("qemu-system" in line for line in family.values()), family
    assert console.close() == 0
    wait_until(lambda: not still_there(family), within_s=15, what=f"all of them end: {family}")
    wait_until(
        lambda: "qemu-nbd" not in lab_host.exec("ps", "-eo", "args", check=False).stdout,
        within_s=20,
        what="the host serves the disk no more",
    )


def descendants(root: int) -> dict[int, str]:
    """Process id → command line of all that stem from a process."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    found, family = {root}, {}
    for pid, parent, args in sorted(rows, key=lambda row: int(row[0])):
        if int(parent) in found:
            found.add(int(pid))
            family[int(pid)] = args
    return family


def still_there(family: dict[int, str]) -> list[str]:
    return [args for pid, args in family.items() if Path(f"/proc/{pid}").exists()]
