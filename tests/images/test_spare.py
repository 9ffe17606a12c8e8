# SPDX-License-Identifier: GPL-3.0-or-later
"""An appliance that is started before its image is known, on a machine whose KVM breaks: one for the module."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.sessions import done
from vmconsole.images import opening, spare
from vmconsole.images.kvm import Acceleration
from vmconsole.images.messages import ImageSource
from vmconsole.images.session import ImageSession
from vmconsole.images.spare import Spare
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from pathlib import Path

START_S = 500.0


@pytest.mark.appliance
@pytest.mark.timeout(900)
def test_it_waits_for_its_image_and_survives_a_kvm_that_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    qemu = shutil.which("qemu-system-x86_64")
    broken = tmp_path / "qemu"
    broken.write_text(f'#!/bin/sh\ncase "$*" in *accel=kvm*-kernel*) exit 134;; esac\nexec {qemu} "$@"\n')
    broken.chmod(0o755)
    monkeypatch.setenv("LIBGUESTFS_HV", str(broken))
    for module in (spare, opening):
        monkeypatch.setattr(module, "acceleration", lambda _cache: Acceleration(works=True))
    image = partitioned(tmp_path)
    waiting, shell = Spare(), LocalShell()
    waiting.prepare()
    waiting.prepare()  # one is enough
    disks.until(lambda: waiting.is_ready, what="the spare appliance", deadline_s=START_S)
    pids = waiting.pids
    assert len(pids) == 2
    session = ImageSession(
        ImageSource(str(image), "qcow2"), shell, work_dir=tmp_path / "work", image_users=lambda: (),
        on_event=lambda _: None, spare=waiting,
    )  # fmt: skip
    began = time.monotonic()
    overview = done(session.open())
    took_s = time.monotonic() - began
    assert session.pids == pids, "the same worker, the same appliance"
    assert waiting.pids == ()
    assert took_s < START_S
    assert [(f.device, f.type) for f in overview.filesystems] == [("/dev/sda1", "ext4")]
    assert overview.is_slow, "it says that KVM did not work"
    assert [e.name for e in done(session.list_folder("/sda1")).entries if e.name != "lost+found"] == ["hello"]
    done(session.write_file("/sda1/new", b"written"))
    assert done(session.read_file("/sda1/new", limit_bytes=100)).data == b"written"
    check_steps(session)
    assert session.pids == pids, "the same one after an undo"
    done(session.apply())
    raw = tmp_path / "applied.raw"
    disks.run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw)
    assert disks.run("debugfs", "-R", "cat /new", f"{raw}?offset={1 << 20}") == "written"
    session.close()
    assert session.wait_closed(60)
    waiting.close()
    shell.close()
    disks.until(lambda: not any(map(disks.alive, pids)), what="nothing is left")


def check_steps(session: ImageSession) -> None:
    """Each change is a layer of its own, also below a disk that was plugged: undone and redone one by one."""
    done(session.write_file("/sda1/other", b"2"))
    done(session.undo())
    assert [c.path for c in session.changes()] == ["/sda1/new"], "both changes were one step"
    assert [e.name for e in done(session.list_folder("/sda1")).entries if e.name != "lost+found"] == ["hello", "new"]
    done(session.redo())
    assert done(session.read_file("/sda1/other", limit_bytes=100)).data == b"2"


def partitioned(folder: Path) -> Path:
    tree, raw, part, image = folder / "tree", folder / "raw", folder / "part", folder / "disk.qcow2"
    tree.mkdir()
    (tree / "hello").write_text("x")
    disks.run("truncate", "-s", "40M", part)
    disks.run("mkfs.ext4", "-q", "-d", tree, part)
    disks.run("truncate", "-s", "48M", raw)
    disks.run("sh", "-c", f"printf '2048,81920,83\\n' | sfdisk -q {raw}")
    disks.run("dd", f"if={part}", f"of={raw}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none")
    disks.run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, image)
    return image


def test_there_is_at_most_one_and_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an appliance: the child is asked to prepare, and is ended while it does."""
    monkeypatch.setenv("LIBGUESTFS_HV", "/bin/false")
    waiting = Spare()
    before = set(threading.enumerate())
    waiting.prepare()
    first = waiting._client
    waiting.prepare()
    assert waiting._client is first
    waiting.close()
    assert waiting.pids == ()
    waiting.prepare()
    assert waiting._client is None, "closed is closed"
    disks.until(lambda: set(threading.enumerate()) <= before, what="no thread is left")


def test_it_goes_by_itself_and_is_not_started_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBGUESTFS_HV", "/bin/false")
    short_lived = Spare(kept_s=0.2)
    short_lived.prepare()
    disks.until(lambda: short_lived._client is None, what="nobody wanted it")
    short_lived.close()
    monkeypatch.setattr(spare, "_available_bytes", lambda: 1 << 30)
    poor = Spare()
    poor.prepare()
    assert poor._client is None
    poor.close()
