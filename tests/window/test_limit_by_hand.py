# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPU limit set in the real window on a real screen, by mouse and by an assistive program, seen on the host."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.display import wait_for
from tests.window.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.display import Display
    from tests.lab.vmlab import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.window]

NO_QUOTA = -1
SEEN_S = 10.0


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

        wait_for(lambda: "enabled" in console.until("find", role="", name="CPU limit line")["states"],
                 deadline_s=30, what="the line can be moved")  # fmt: skip
        x, y, width, height = grip()
        from_x, from_y = x + width // 2, y + height // 2
        display.run("xdotool", "mousemove", str(from_x), str(from_y), "mousedown", "1")
        for step in range(1, 9):
            display.run("xdotool", "mousemove", str(from_x), str(from_y + 6 * step), "sleep", "0.03")
        assert quota_us(host, guest) == NO_QUOTA, "nothing is applied before the mouse is let go"
        display.run("xdotool", "mouseup", "1")
        wait_for(lambda: quota_us(host, guest) != NO_QUOTA, deadline_s=SEEN_S, what="the quota is in the host's file")
        cores = quota_us(host, guest) / period_us(host, guest)
        assert 0 < cores < 1
        box = console.until("value", role="spin button", name="CPU limit in cores")
        assert box == pytest.approx(cores, abs=0.011), "the window shows what the host has"
        console.until("find", role="push button", name="Undo")  # the toast: the host has confirmed it
        display.run("xdotool", "key", "ctrl+z")
        wait_for(lambda: quota_us(host, guest) == NO_QUOTA, deadline_s=SEEN_S, what="undo took it back on the host")


def test_set_by_an_assistive_program(display: Display, free: tuple[LabHost, str], tmp_path: Path) -> None:
    host, guest = free
    with Console(display, tmp_path / "profile", "--show", guest, "--connect", host.uri) as console:
        console.until("set_value", role="spin button", name="CPU limit in cores", value=0.5)
        wait_for(lambda: console.until("value", role="spin button", name="CPU limit in cores") == 0.5,
                 deadline_s=30, what="the field holds it")  # fmt: skip
        console.until("press", role="push button", name="Apply")
        wait_for(lambda: quota_us(host, guest) == period_us(host, guest) // 2, deadline_s=SEEN_S, what="half a core")
