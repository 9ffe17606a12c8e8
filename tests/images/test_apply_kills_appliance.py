# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of the appliance and of the guestfs child while an Apply closes the draft: with a real appliance, so slow."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.sessions import LAUNCH_S, Opened, close, done, session_on
from vmconsole.images.messages import SessionState, StateChanged
from vmconsole.inventory.errors import ConsoleError

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.links.ssh import LocalShell

ROUNDS = int(os.environ.get("VMCONSOLE_APPLIANCE_KILLS", "10"))


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def is_closing(one: Opened) -> bool:
    return StateChanged(SessionState.APPLYING, "Closing the draft") in one.events


@pytest.mark.slow
@pytest.mark.appliance
@pytest.mark.timeout(3600)
def test_the_draft_outlives_child_and_appliance(shell: LocalShell, tmp_path: Path) -> None:
    seed = int(os.environ.get("VMCONSOLE_KILL_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    (tmp_path / "tree").mkdir()
    image = disks.ext4(tmp_path / "tree", tmp_path / "guest.qcow2", size="60M")
    for number in range(ROUNDS):
        before = disks.content_hash(image)
        one = session_on(image, shell, tmp_path / "work")
        done(one.session.open(), deadline_s=LAUNCH_S)
        done(one.session.write_file("/sda/data", os.urandom(1 << 20)))
        victim = one.session.pids[number % 2]
        killer = threading.Timer(chance.random() * 0.4, kill, [victim])
        applying = one.session.apply()
        ends_at = time.monotonic() + 60
        while not is_closing(one) and not applying.done():
            assert time.monotonic() < ends_at
            time.sleep(0.005)
        killer.start()
        try:
            done(applying, deadline_s=LAUNCH_S)
            assert disks.content_hash(image) != before
        except (ConsoleError, CancelledError) as error:
            print(f"round {number}: {error}")
            assert disks.content_hash(image) == before, f"seed {seed}, round {number}: the disk was written"
            done(one.session.open(), deadline_s=LAUNCH_S)
            assert [c.path for c in one.session.changes()] == ["/sda/data"], "the draft was lost"
            done(one.session.apply(), deadline_s=LAUNCH_S)
        killer.join()
        close(one)
        disks.run("qemu-img", "check", "-q", "-f", "qcow2", image)
        raw = tmp_path / "checked.raw"
        disks.run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw)
        disks.run("e2fsck", "-fn", raw)
