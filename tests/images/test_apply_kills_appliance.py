# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of the appliance and of the guestfs child while an Apply closes the draft: with a real appliance, so slow."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
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


def killed_while_it_closes(one: Opened, victim: int, *, after_s: float) -> bool:
    """An Apply during which a process is killed. True if the Apply was faster; else the disk is as it was."""
    before = disks.content_hash(one.image)
    killer = threading.Timer(after_s, kill, [victim])
    one.events.clear()
    applying = one.session.apply()
    disks.until(lambda: is_closing(one) or applying.done(), what="the Apply closes the draft", deadline_s=60)
    killer.start()
    try:
        done(applying, deadline_s=LAUNCH_S)
        assert disks.content_hash(one.image) != before
    except (ConsoleError, CancelledError) as error:
        print(f"killed {victim} after {after_s:.2f} s: {error}")
        assert disks.content_hash(one.image) == before, "the disk was written"
        return False
    finally:
        killer.join()
    return True


def check_whole(image: Path) -> None:
    disks.run("qemu-img", "check", "-q", "-f", "qcow2", image)
    raw = image.with_suffix(".checked")
    disks.run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw)
    disks.run("e2fsck", "-fn", raw)


def chance_of_this_run() -> random.Random:
    seed = int(os.environ.get("VMCONSOLE_KILL_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.mark.appliance
@pytest.mark.timeout(900)
def test_worker_and_appliance_are_killed_once_each(shell: LocalShell, tmp_path: Path) -> None:
    """The other parties are killed in ``test_apply_kills``; these two are there only while the draft is closed."""
    chance = chance_of_this_run()
    (tmp_path / "tree").mkdir()
    one = session_on(disks.ext4(tmp_path / "tree", tmp_path / "guest.qcow2", size="60M"), shell, tmp_path / "work")
    for victim in (0, 1):
        done(one.session.open(), deadline_s=LAUNCH_S)
        done(one.session.write_file("/sda/data", os.urandom(1 << 20)))
        changes = one.session.changes()
        if not killed_while_it_closes(one, one.session.pids[victim], after_s=chance.random() * 0.2):
            assert one.session.changes() == changes, "the draft was lost"
    done(one.session.open(), deadline_s=LAUNCH_S)
    if one.session.changes():
        done(one.session.apply(), deadline_s=LAUNCH_S)
    close(one)
    check_whole(one.image)


@pytest.mark.slow
@pytest.mark.appliance
@pytest.mark.timeout(3600)
def test_the_draft_outlives_child_and_appliance(shell: LocalShell, tmp_path: Path) -> None:
    chance = chance_of_this_run()
    (tmp_path / "tree").mkdir()
    image = disks.ext4(tmp_path / "tree", tmp_path / "guest.qcow2", size="60M")
    for number in range(ROUNDS):
        one = session_on(image, shell, tmp_path / "work")
        done(one.session.open(), deadline_s=LAUNCH_S)
        done(one.session.write_file("/sda/data", os.urandom(1 << 20)))
        victim = one.session.pids[number % 2]
        if not killed_while_it_closes(one, victim, after_s=chance.random() * 0.4):
            done(one.session.open(), deadline_s=LAUNCH_S)
            assert [c.path for c in one.session.changes()] == ["/sda/data"], "the draft was lost"
            done(one.session.apply(), deadline_s=LAUNCH_S)
        close(one)
        check_whole(image)
