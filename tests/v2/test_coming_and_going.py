# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated host leaves nothing behind, whatever was killed and when."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.v2 import V2Host
from tests.lab.v2.image import cache_directory, host_image
from tests.lab.v2.machine import Machine
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(1800)]  # it may be the first to need the image

COMMAND = os.path.join(os.path.dirname(__file__), "..", "lab", "v2", "host")


@pytest.fixture(scope="module", autouse=True)
def image() -> None:
    host_image("bookworm", cache_directory(), say=print)


@pytest.mark.parametrize("how_far", ["its keys", "its machine", "some seconds more"])
def test_a_killed_up_leaves_nothing_that_down_does_not_remove(tmp_path: Path, how_far: str) -> None:
    home = tmp_path / "host"
    up = subprocess.Popen([COMMAND, "--dir", str(home), "up"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_until((home / "key.pub").exists, within_s=60, what="the keys")
    if how_far != "its keys":
        wait_until(lambda: Machine(home).process() is not None, within_s=60, what="the machine runs")
    if how_far == "some seconds more":  # a login is being tried, which holds the lock
        ends = time.monotonic() + 3
        wait_until(lambda: time.monotonic() > ends, what="it boots")
    up.send_signal(signal.SIGKILL)
    up.wait()
    V2Host(home).down()
    assert Machine(home).process() is None
    assert not home.exists()


def test_down_after_the_machine_was_killed_and_when_there_is_none(tmp_path: Path) -> None:
    home = tmp_path / "host"
    up = subprocess.Popen([COMMAND, "--dir", str(home), "up"], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: Machine(home).process() is not None, within_s=60, what="the machine runs")
    Machine(home).kill()
    said = up.communicate(timeout=60)[1]
    assert up.returncode == 1
    assert said.startswith("host: "), "it says so, and does not wait for a login for minutes"
    V2Host(home).down()
    assert not home.exists()
    V2Host(home).down()


def test_a_directory_that_is_not_its_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    done = subprocess.run([COMMAND, "--dir", str(tmp_path), "down"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not a lab's" in done.stderr
    assert (tmp_path / "letter").exists()
