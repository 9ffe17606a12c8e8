# SPDX-License-Identifier: GPL-3.0-or-later
"""A console that is killed leaves nothing behind: its SSH connections end, here and on the host."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.links.console_child import ConsoleChild
from tests.links.test_on_lab import ours_left, ssh_connections
from tests.waiting import wait_until
from vmconsole.links.guard import Guard

if TYPE_CHECKING:
    from tests.lab.vmlab import LabHost


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@pytest.mark.lab
def test_a_console_killed_leaves_no_ssh_no_folder_and_nothing_on_the_host(lab_host: LabHost) -> None:
    wait_until(lambda: ssh_connections(lab_host) == 0, what="connections of earlier tests")
    child = ConsoleChild([lab_host.uri])
    try:
        run_dir = Path(child.wait_for(lambda line: "run_dir" in line, within_s=15)["run_dir"])
        child.wait_for(lambda line: line.get("figures"), within_s=30)
        family = [pid for pid in child.family() if pid != child.process.pid]
        assert len(family) >= 3  # the master, two clients, the guard
        assert ssh_connections(lab_host) == 1
        child.process.kill()
        wait_until(lambda: not any(map(alive, family)), within_s=3, what="the masters and clients end")
        wait_until(lambda: not run_dir.exists(), within_s=2, what="the folder goes")
        wait_until(lambda: ssh_connections(lab_host) == 0, within_s=3, what="the connection at the host")
        wait_until(lambda: ours_left(lab_host) == [], within_s=3, what="our processes at the host")
    finally:
        child.close()


def test_a_process_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    """The number in the file may belong to another program by now."""
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    ours = subprocess.Popen(["sh", "-c", "sleep 60; :", str(tmp_path / "run" / "h2" / "cm")], start_new_session=True)
    try:
        for name, process in (("h1", other), ("h2", ours)):
            folder = tmp_path / "run" / name
            folder.mkdir(parents=True)
            (folder / "pid").write_text(str(process.pid))
        guard = Guard(tmp_path / "run")
        guard.start()
        assert alive(ours.pid)
        guard.close()
        assert ours.wait(2) == -signal.SIGTERM
        assert alive(other.pid)
        assert not (tmp_path / "run").exists()
    finally:
        for process in (other, ours):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
