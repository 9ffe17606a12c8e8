# SPDX-License-Identifier: GPL-3.0-or-later
"""The draft step by step with a real appliance: undo, redo, a crash, Apply, and taking that back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.sessions import LAUNCH_S, Opened, close, done, session_on
from vmconsole.images.messages import ChangesChanged, ImageSource, SessionState
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmconsole.links.ssh import LocalShell

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def opened(shell: LocalShell, tmp_path: Path) -> Iterator[Opened]:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/hello.txt").write_text("hello\n")
    image = disks.ext4(tmp_path / "tree", tmp_path / "guest.qcow2", size="100M")
    one = session_on(image, shell, tmp_path / "work", ImageSource(str(image), "qcow2", where="kvm1"))
    yield one
    close(one)


@pytest.mark.appliance
@pytest.mark.slow  # over a minute of waiting for appliances
def test_steps_are_undone_redone_applied_and_taken_back(opened: Opened, tmp_path: Path) -> None:
    session, image = opened.session, opened.image
    before = disks.content_hash(image)
    done(session.open(), deadline_s=LAUNCH_S)
    done(session.write_file("/sda/one.txt", b"1\n"))
    done(session.write_file("/sda/hello.txt", b"changed\n"))
    done(session.make_folder("/sda/three"))
    with pytest.raises(ImageError, match="nothing to redo"):
        done(session.redo())
    with pytest.raises(ImageError, match="nothing more"):
        done(session.undo(4))
    assert session.state is SessionState.READY, "a refused undo closed the image"

    pids = session.pids
    done(session.undo(2), deadline_s=LAUNCH_S)
    assert session.pids == pids, "the appliance was started anew for an undo"
    assert [c.path for c in session.changes()] == ["/sda/one.txt"]
    told = [e for e in opened.events if isinstance(e, ChangesChanged)][-1]
    assert [c.path for c in told.undone] == ["/sda/hello.txt", "/sda/three"]
    assert opened.names("/sda") == ["hello.txt", "lost+found", "one.txt"]
    assert opened.read("/sda/hello.txt") == b"hello\n"

    done(session.redo(), deadline_s=LAUNCH_S)
    assert opened.read("/sda/hello.txt") == b"changed\n"
    assert opened.names("/sda") == ["hello.txt", "lost+found", "one.txt"]
    assert disks.content_hash(image) == before

    done(session.apply(), deadline_s=LAUNCH_S)
    after = disks.content_hash(image)
    back = session.way_back()
    assert back is not None
    assert back.changes == ("/sda/one.txt added", "/sda/hello.txt changed")
    assert 0 < back.bytes < 4 << 20, "the way back holds more than what was replaced"
    assert disks.guestfish(image, "cat /hello.txt", "ls /").split() == ["changed", "hello.txt", "lost+found", "one.txt"]

    done(session.take_back(), deadline_s=LAUNCH_S)
    assert disks.content_hash(image) == before
    done(session.take_back(), deadline_s=LAUNCH_S)
    assert disks.content_hash(image) == after, "a taking back cannot be taken back"
    disks.run("qemu-io", "-f", "qcow2", "-c", "write -P 1 90M 64k", image)
    with pytest.raises(ImageError, match="changed since"):
        done(session.take_back(), deadline_s=LAUNCH_S)
    done(session.forget_way_back())
    assert session.way_back() is None
    assert session.state is SessionState.LOST
