# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits set in the real window on a real screen, by mouse and by an assistive program, seen on the host."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until
from tests.window.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.display import Display
    from tests.lab.vmlab import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.window]

NO_QUOTA = -1
SEEN_S = 10.0
STILL_S = 11.0
"""libvirt tells of devices every ten seconds, and lists of them come with it."""


def quota_us(host: LabHost, guest: str) -> int:
    return int((host.guest_cgroup(guest, "cpu") / "cpu.cfs_quota_us").read_text())


def period_us(host: LabHost, guest: str) -> int:
    return int((host.guest_cgroup(guest, "cpu") / "cpu.cfs_period_us").read_text())


@pytest.fixture
def free(lab: Lab) -> Iterator[tuple[LabHost, str]]:
    """A running guest without a cap, before and after."""
    host, guest = lab.hosts[2], lab.hosts[2].guests[0]
    host.virsh("schedinfo", guest, "--live", "--set", "global_quota=-1")
    yield host, guest
    with contextlib.suppress(Exception):  # the next test asks for it anew, and says what is wrong
        host.virsh("schedinfo", guest, "--live", "--set", "global_quota=-1")


def test_dragged_by_mouse_and_undone_by_keyboard(display: Display, free: tuple[LabHost, str], tmp_path: Path) -> None:
    host, guest = free
    with Console(display, tmp_path / "profile", "--show", guest, "--connect", host.uri) as console:

        def grip() -> list[int]:
            found = console.until("find", role="", name="CPU limit line")
            assert "enabled" in found["states"]
            return list(found["extents"])

        wait_until(lambda: "enabled" in console.until("find", role="", name="CPU limit line")["states"],
                 within_s=30, what="the line can be moved")  # fmt: skip
        x, y, width, height = grip()
        from_x, from_y = x + width // 2, y + height // 2
        display.run("xdotool", "mousemove", str(from_x), str(from_y), "mousedown", "1")
        for step in range(1, 9):
            display.run("xdotool", "mousemove", str(from_x), str(from_y + 6 * step), "sleep", "0.03")
        assert quota_us(host, guest) == NO_QUOTA, "nothing is applied before the mouse is let go"
        display.run("xdotool", "mouseup", "1")
        wait_until(lambda: quota_us(host, guest) != NO_QUOTA, within_s=SEEN_S, what="the quota is in the host's file")
        cores = quota_us(host, guest) / period_us(host, guest)
        assert 0 < cores < 1
        box = console.until("value", role="spin button", name="CPU limit in cores")
        assert box == pytest.approx(cores, abs=0.011), "the window shows what the host has"
        console.until("find", role="push button", name="Undo")  # the toast: the host has confirmed it
        display.run("xdotool", "key", "ctrl+z")
        wait_until(lambda: quota_us(host, guest) == NO_QUOTA, within_s=SEEN_S, what="undo took it back on the host")


def test_set_by_an_assistive_program(display: Display, free: tuple[LabHost, str], tmp_path: Path) -> None:
    host, guest = free
    with Console(display, tmp_path / "profile", "--show", guest, "--connect", host.uri) as console:
        console.until("set_value", role="spin button", name="CPU limit in cores", value=0.5)
        wait_until(lambda: console.until("value", role="spin button", name="CPU limit in cores") == 0.5,
                 within_s=30, what="the field holds it")  # fmt: skip
        console.until("press", role="push button", name="Apply")
        wait_until(lambda: quota_us(host, guest) == period_us(host, guest) // 2, within_s=SEEN_S, what="half a core")


def hard_limit(host: LabHost, guest: str) -> int:
    return int((host.guest_cgroup(guest, "memory") / "memory.limit_in_bytes").read_text())


def read_rate(host: LabHost, guest: str) -> int:
    """As QEMU answers libvirt."""
    told = host.virsh("blkdeviotune", guest, "vda", "--live")
    return int(next(line.split(":")[1] for line in told.splitlines() if line.startswith("read_bytes_sec ")))


def resting_place(console: Console, name: str) -> list[int]:
    """Where a line is once the page has come to rest: the first figures of devices bring lists with them."""
    seen: list[tuple[float, list[int]]] = []

    def is_still() -> bool:
        place = list(console.until("find", role="", name=name)["extents"])
        if not seen or seen[0][1] != place:
            seen[:] = [(time.monotonic(), place)]
        return time.monotonic() - seen[0][0] > STILL_S

    wait_until(is_still, within_s=80, what="the page is at rest", every_s=0.5)
    return seen[0][1]


@pytest.mark.parametrize(
    ("name", "read"), [("Memory hard limit line", hard_limit), ("Disk read limit line", read_rate)]
)
def test_a_handle_is_dragged_down_and_ctrl_z_takes_it_back(
    display: Display, lab: Lab, tmp_path: Path, name: str, read: Callable[[LabHost, str], int]
) -> None:
    host, guest = lab.hosts[2], lab.hosts[2].guests[0]
    before = read(host, guest)
    with Console(display, tmp_path / "profile", "--show", guest, "--connect", host.uri) as console:
        wait_until(lambda: "enabled" in console.until("find", role="", name=name)["states"],
                 within_s=30, what="the handle can be moved")  # fmt: skip
        x, y, width, height = resting_place(console, name)
        at, middle = x + width // 2, y + height // 2
        display.run("xdotool", "mousemove", str(at), str(middle), "sleep", "0.1", "mousedown", "1")
        for step in range(1, 5):
            display.run("xdotool", "mousemove", str(at), str(middle + 5 * step), "sleep", "0.03")
        assert read(host, guest) == before, "nothing is applied before the mouse is let go"
        display.run("xdotool", "mouseup", "1")
        wait_until(lambda: read(host, guest) != before, within_s=SEEN_S, what="the host has the limit")
        console.until("find", role="push button", name="Undo")
        display.run("xdotool", "key", "ctrl+z")
        wait_until(lambda: read(host, guest) == before, within_s=SEEN_S, what="undo took it back on the host")
