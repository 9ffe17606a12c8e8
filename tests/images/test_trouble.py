# SPDX-License-Identifier: GPL-3.0-or-later
"""When things go wrong around a real appliance: kills, damage, running guests, drafts that outlive their session."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.sessions import LAUNCH_S, Opened, close, done, session_on
from vmconsole.images.messages import ImageMode, ImageOverview, ImageSource, SessionState
from vmconsole.inventory.errors import ImageDamaged, ImageError, ImageLinkLost, ImageUnreadable
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def opened(shell: LocalShell, tmp_path: Path) -> Iterator[list[Opened]]:
    """Sessions that a test opens; all are closed and looked after."""
    sessions: list[Opened] = []
    yield sessions
    for session in sessions:
        close(session)


def partitioned(folder: Path, image: Path) -> Path:
    """A disk with three partitions and no operating system: ext4, a damaged ext4, and vfat."""
    raw = image.with_suffix(".raw")
    disks.run("truncate", "-s", "100M", raw)
    layout = "label: gpt\nstart=1MiB, size=30MiB\nstart=40MiB, size=20MiB\nstart=70MiB, size=20MiB\n"
    script = folder / "layout"
    script.write_text(layout)
    disks.run("sh", "-c", f"sfdisk -q {raw} < {script}")
    (folder / "tree").mkdir()
    (folder / "tree/hello.txt").write_text("hello\n")
    for name, size, command in (
        ("good", "30M", ["mkfs.ext4", "-q", "-L", "data", "-d", folder / "tree"]),
        ("bad", "20M", ["mkfs.ext4", "-q", "-L", "broken"]),
    ):
        part = folder / name
        disks.run("truncate", "-s", size, part)
        disks.run(*command, part)
    with (folder / "bad").open("r+b") as file:
        file.seek(1024 + 1024)  # the group descriptors, but not the superblock, by which it is known
        file.write(b"\xff" * 65536)
    for name, at in (("good", 1), ("bad", 40)):
        disks.run("dd", f"if={folder / name}", f"of={raw}", "bs=1M", f"seek={at}", "conv=notrunc", "status=none")
    disks.run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, image)
    return image


@pytest.mark.appliance
@pytest.mark.slow
def test_a_draft_survives_kills_and_is_taken_up_again(shell: LocalShell, tmp_path: Path, opened: list[Opened]) -> None:
    """One long story on a disk without an operating system: kill -9 of the child, of qemu-nbd, of the appliance."""
    image = partitioned(tmp_path, tmp_path / "disk.qcow2")
    before = disks.fingerprint(image)
    one = session_on(image, shell, tmp_path / "work")
    opened.append(one)
    _check_overview(one, done(one.session.open(), deadline_s=LAUNCH_S))
    done(one.session.write_file("/sda1/kept.txt", b"kept\n"))

    child, appliance = one.session.pids
    os.kill(child, signal.SIGKILL)
    disks.until(lambda: one.session.state is SessionState.LOST, what="the loss is noticed")
    disks.until(lambda: not disks.alive(appliance), what="the appliance is ended")
    with pytest.raises(ImageError, match="not open"):
        done(one.session.list_folder("/"))

    again = done(one.session.open(), deadline_s=LAUNCH_S)
    assert again.draft_was_resumed
    assert [c.path for c in one.session.changes()] == ["/sda1/kept.txt"]
    assert one.read("/sda1/kept.txt") == b"kept\n"

    # Another window is told that the draft is taken.
    other = session_on(image, shell, tmp_path / "work")
    opened.append(other)
    # The reading of a big folder is under way when the server dies.
    pending = one.session.list_folder("/sda1")
    done(pending)
    os.kill(disks.nbd_pid(image), signal.SIGKILL)
    disks.until(lambda: one.session.state is SessionState.LOST, what="the loss is noticed")
    with pytest.raises(ImageError):
        done(one.session.write_file("/sda1/lost.txt", b"x" * 100_000))
    disks.until(lambda: not one.session.pids, what="child and appliance are ended")
    assert disks.fingerprint(image) == before

    close(one)
    opened.remove(one)
    overview = done(other.session.open(), deadline_s=LAUNCH_S)
    assert overview.draft_was_resumed
    assert other.names("/sda1") == ["hello.txt", "kept.txt", "lost+found"]
    done(other.session.apply(), deadline_s=LAUNCH_S)
    assert disks.guestfish(image, "cat /kept.txt", mount="/dev/sda1").strip() == "kept"
    assert not list((tmp_path / "work").glob("*/draft.json")), "the draft was left"
    assert other.session.way_back() is not None


def _check_overview(one: Opened, overview: ImageOverview) -> None:
    found = {f.device: f for f in overview.filesystems}
    assert not overview.has_os_tree
    assert (found["/dev/sda1"].mounted_at, found["/dev/sda1"].label) == ("/sda1", "data")
    assert found["/dev/sda2"].type == "ext4"
    assert not found["/dev/sda2"].is_writable
    assert found["/dev/sda2"].problem, "the damaged filesystem has no note"
    assert (found["/dev/sda3"].type, found["/dev/sda3"].mounted_at) == ("unknown", "")
    assert one.names("/sda1") == ["hello.txt", "lost+found"]
    for path in ("/x", "/sda1", "/sda3/x"):
        with pytest.raises(ImageError):
            done(one.session.make_folder(path))
    with pytest.raises(ImageError):
        done(one.session.delete(["/sda1"]))


@pytest.mark.appliance
def test_a_running_guests_disk_opens_to_look_only(shell: LocalShell, tmp_path: Path, opened: list[Opened]) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/hello.txt").write_text("hello\n")
    image = disks.ext4(tmp_path / "tree", tmp_path / "guest.qcow2", size="100M")
    qemu = disks.start_qemu(image)
    try:
        # The caller did not know that it runs: the lock says so.
        one = session_on(image, shell, tmp_path / "work")
        opened.append(one)
        overview = done(one.session.open(), deadline_s=LAUNCH_S)
        assert overview.mode is ImageMode.LOOK_ONLY
        assert overview.mode_reason is not None
        assert "lock" in overview.mode_reason.said
        assert one.session.state is SessionState.LOOK_ONLY
        assert one.read("/sda/hello.txt") == b"hello\n"
        for future in (
            one.session.write_file("/sda/x", b"x"),
            one.session.delete(["/sda/hello.txt"]),
            one.session.apply(),
        ):
            with pytest.raises(ImageError, match="look only"):
                done(future)
        done(one.session.export_paths(["/sda/hello.txt"], tmp_path))
        assert (tmp_path / "hello.txt").read_bytes() == b"hello\n"
        assert qemu.poll() is None
    finally:
        qemu.kill()
        qemu.communicate()


@pytest.mark.parametrize("content", [b"only a text\n", b"", b"QFI\xfb" + bytes(5000), os.urandom(70_000)])
def test_what_is_no_image_is_refused_quickly(
    shell: LocalShell, tmp_path: Path, opened: list[Opened], content: bytes
) -> None:
    image = tmp_path / "disk.qcow2"
    image.write_bytes(content)
    one = session_on(image, shell, tmp_path / "work")
    opened.append(one)
    with pytest.raises(ImageDamaged) as refused:
        done(one.session.open())
    assert refused.value.explanation.advice
    assert one.states() == [SessionState.OPENING, SessionState.FAILED]
    assert image.read_bytes() == content


def test_a_truncated_image_is_refused_or_opened_but_never_written(
    shell: LocalShell, image: Path, tmp_path: Path, opened: list[Opened]
) -> None:
    with image.open("r+b") as file:
        file.truncate(100_000)
    before = disks.fingerprint(image)
    one = session_on(image, shell, tmp_path / "work")
    opened.append(one)
    future = one.session.open()
    disks.until(lambda: future.done() or any("appliance" in str(e) for e in one.events), what="it is looked at")
    one.session.cancel()
    with pytest.raises(Exception, match=r"cancel|cannot|image"):
        done(future)
    assert disks.fingerprint(image) == before


def test_a_missing_image_says_so(shell: LocalShell, tmp_path: Path, opened: list[Opened]) -> None:
    one = session_on(tmp_path / "gone.qcow2", shell, tmp_path / "work")
    opened.append(one)
    with pytest.raises(ImageUnreadable, match="cannot be opened"):
        done(one.session.open())
    with pytest.raises(ImageError, match="not open"):
        done(one.session.list_folder("/"))


def test_opening_can_be_cancelled_while_the_appliance_starts(
    shell: LocalShell, image: Path, tmp_path: Path, opened: list[Opened]
) -> None:
    one = session_on(image, shell, tmp_path / "work")
    opened.append(one)
    future = one.session.open()
    disks.until(lambda: any("Starting the appliance" in getattr(e, "words", "") for e in one.events), what="it starts")
    began_at = time.monotonic()
    one.session.cancel()
    with pytest.raises(ImageError, match="cancelled"):
        done(future)
    assert time.monotonic() - began_at < 10
    assert one.session.state is SessionState.FAILED


def test_closing_ends_everything_at_once(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    threads = threading.active_count()
    one = session_on(image, shell, tmp_path / "work")
    future = one.session.open()
    waiting = one.session.list_folder("/")
    disks.until(lambda: any("Starting the appliance" in getattr(e, "words", "") for e in one.events), what="it starts")
    count = len(one.events)
    began_at = time.monotonic()
    one.session.close()
    assert time.monotonic() - began_at < 0.3, "close() waits"
    assert one.session.wait_closed(10)
    assert future.done()
    assert waiting.cancelled()
    assert len(one.events) == count, "something was announced after close()"
    assert one.session.open().cancelled()
    assert not [line for line in disks.command_lines(str(image)) if "qemu" in line]
    disks.until(lambda: threading.active_count() == threads, what="all threads end")
    one.session.close()


def test_a_draft_of_an_older_state_is_not_used(
    shell: LocalShell, image: Path, tmp_path: Path, opened: list[Opened]
) -> None:
    from vmconsole.images.draft import Draft
    from vmconsole.images.facts import look_at
    from vmconsole.images.messages import ChangeVerb

    source = ImageSource(str(image), "qcow2")
    draft = Draft(tmp_path / "work", source)
    draft.begin(look_at(shell, source), tmp_path / "nowhere")
    draft.add(ChangeVerb.WRITTEN, "/etc/fstab")
    draft.close()
    disks.run("qemu-io", "-f", "qcow2", "-c", "write -P 0x55 4M 64k", image)
    one = session_on(image, shell, tmp_path / "work")
    opened.append(one)
    future = one.session.open()
    disks.until(lambda: any("Starting the appliance" in getattr(e, "words", "") for e in one.events), what="it starts")
    kept = Draft(tmp_path / "work", source)
    assert kept.exists, "the old draft was thrown away"
    kept.close()
    one.session.cancel()
    with pytest.raises((ImageError, ImageLinkLost)):
        done(future)
