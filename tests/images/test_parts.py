# SPDX-License-Identifier: GPL-3.0-or-later
"""The small parts: drafts on disk, the job thread, the KVM probe, and the child's manners without an appliance."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from vmconsole.images import kvm, requests
from vmconsole.images.client import GuestfsClient
from vmconsole.images.draft import Draft
from vmconsole.images.facts import look_at
from vmconsole.images.jobs import JobThread
from vmconsole.images.messages import ChangeVerb, ImageSource
from vmconsole.inventory.errors import ImageError, ImageInUse, ImageLinkLost, ImageNoSpace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmconsole.links.ssh import LocalShell


def begun(shell: LocalShell, image: Path, work: Path) -> Draft:
    source = ImageSource(str(image), "qcow2", where="kvm1", guest_name="web1")
    draft = Draft(work, source)
    draft.begin(look_at(shell, source), work / "socket")
    return draft


def test_a_draft_is_kept_with_its_changes(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    draft = begun(shell, image, tmp_path / "w")
    draft.add(ChangeVerb.WRITTEN, "/etc/a\nb", size_bytes=3)
    draft.add(ChangeVerb.RENAMED, "/x", detail="to /y")
    assert stat.S_IMODE(draft.folder.stat().st_mode) == 0o700
    draft.close()
    again = Draft(tmp_path / "w", ImageSource(str(image), "qcow2", where="kvm1"))
    assert again.exists
    assert (again.id, again.identity, again.changes) == (draft.id, draft.identity, draft.changes)
    assert [c.words for c in again.changes] == ["/etc/a\nb changed", "/x renamed to /y"]
    assert [c.number for c in again.changes] == [1, 2]
    again.forget()
    again.close()
    assert os.listdir(tmp_path / "w") == []


def test_the_same_path_on_another_host_is_another_draft(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    draft = begun(shell, image, tmp_path / "w")
    other = Draft(tmp_path / "w", ImageSource(str(image), "qcow2", where="kvm2"))
    assert not other.exists
    with pytest.raises(ImageInUse, match="another window"):
        Draft(tmp_path / "w", ImageSource(str(image), "qcow2", where="kvm1"))
    other.close()
    draft.close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}', '{"id":"a","identity":"b","changes":[{"verb":"x"}]}'])
def test_a_damaged_list_puts_the_overlay_aside(shell: LocalShell, image: Path, tmp_path: Path, text: str) -> None:
    draft = begun(shell, image, tmp_path / "w")
    draft.add(ChangeVerb.MADE, "/d")
    draft.close()
    (draft.folder / "draft.json").write_text(text)
    again = Draft(tmp_path / "w", ImageSource(str(image), "qcow2", where="kvm1"))
    assert not again.exists
    again.close()
    (kept,) = [p for p in (tmp_path / "w").iterdir() if "damaged" in p.name]
    disks.run("qemu-img", "info", "-f", "qcow2", kept / "disk0/layer-1.qcow2")


def test_a_full_disk_here_is_refused_before_the_appliance_meets_it(
    shell: LocalShell, image: Path, tmp_path: Path
) -> None:
    draft = begun(shell, image, tmp_path / "w")
    draft.check_room(1)
    with pytest.raises(ImageNoSpace, match="needs 1024 PiB more on this computer, and only"):
        draft.check_room(1 << 60)
    draft.close()


@pytest.fixture
def jobs() -> Iterator[JobThread]:
    jobs = JobThread("test")
    yield jobs
    jobs.close(lambda: None)
    assert jobs.join(5)


def test_jobs_are_done_in_order_and_fail_alone(jobs: JobThread) -> None:
    done: list[int] = []
    futures = [jobs.submit(lambda n=n: done.append(1 // n)) for n in (1, 0, 1)]  # type: ignore[misc]  # n is bound early
    assert [type(f.exception(5)) for f in futures] == [type(None), ZeroDivisionError, type(None)]
    assert done == [1, 1]


def test_waiting_jobs_can_be_dropped_and_close_does_the_last_one(jobs: JobThread) -> None:
    go, began = threading.Event(), threading.Event()
    running = jobs.submit(lambda: (began.set(), go.wait(5)))
    assert began.wait(5)
    waiting = jobs.submit(lambda: 1)
    jobs.drop()
    assert waiting.cancelled()
    last: list[str] = []
    jobs.close(lambda: last.append("last"))
    go.set()
    assert running.result(5)
    assert jobs.join(5)
    assert last == ["last"]
    assert jobs.submit(lambda: 1).cancelled()


def test_a_cancelled_error_inside_a_job_reaches_the_future(jobs: JobThread) -> None:
    def stop() -> None:
        raise CancelledError

    future: Future[None] = jobs.submit(stop)
    assert isinstance(future.exception(5), CancelledError)


def test_a_thread_that_never_started_still_does_the_last_job() -> None:
    last: list[str] = []
    idle = JobThread("idle")
    idle.close(lambda: last.append("last"))
    assert last == ["last"]
    assert idle.join(0)


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_kvm_works_only_if_a_virtual_cpu_came_up(tmp_path: Path) -> None:
    assert kvm.probe(program(tmp_path / "good", "cat >/dev/null; exit 0")).works
    broken = kvm.probe(program(tmp_path / "bad", "echo 'failed to set MSR 0x10a' >&2; kill -ABRT $$"))
    assert not broken.works
    assert "MSR" in broken.said
    assert broken.note
    assert not kvm.probe(str(tmp_path / "gone")).works


def test_no_device_means_no_kvm(tmp_path: Path) -> None:
    assert not kvm.acceleration(None, device=tmp_path / "gone").works


def test_the_answer_is_kept_until_boot_or_qemu_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def probe(path: str) -> kvm.Acceleration:
        asked.append(path)
        return kvm.Acceleration(works=True)

    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(kvm, "probe", probe)
    cache = tmp_path / "cache" / "kvm.json"
    for _ in range(3):
        assert kvm.acceleration(cache, device=device).works
    assert len(asked) == 1
    kept = json.loads(cache.read_text())
    cache.write_text(json.dumps(kept | {"key": "another boot"}))
    kvm.acceleration(cache, device=device)
    cache.write_text("damaged")
    kvm.acceleration(cache, device=device)
    assert len(asked) == 3


@pytest.fixture
def client() -> Iterator[GuestfsClient]:
    client = GuestfsClient(on_progress=lambda _w, _p, _t: None, on_end=lambda _error: None)
    client.start()
    yield client
    client.close()
    assert not client.pids


def test_the_child_refuses_what_comes_before_the_image(client: GuestfsClient) -> None:
    with pytest.raises(ImageError, match="not open"):
        client.ask(requests.List("/"), deadline_s=30)
    with pytest.raises(ImageError):
        client.ask(requests.Launch("/gone\udcff", force_tcg=True, cache_dir=""), deadline_s=30)
    with pytest.raises(ImageError):
        client.ask(requests.Launch("/does/not/exist.qcow2", force_tcg=True, cache_dir=""), deadline_s=30)


def test_what_fails_because_the_child_was_ended_says_why_it_was(
    client: GuestfsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def lent(request: object) -> Iterator[None]:
        client.kill(ImageError("Opening the image was cancelled."))
        raise ImageError("The image's appliance cannot be given what it needs.")
        yield

    monkeypatch.setattr(client._walls, "lent", lent)
    with pytest.raises(ImageError, match="cancelled"):
        client.ask(requests.List("/"), deadline_s=30)


def test_a_killed_child_is_noticed_with_words() -> None:
    ends: list[ImageError] = []
    client = GuestfsClient(on_progress=lambda _w, _p, _t: None, on_end=ends.append)
    client.start()
    os.kill(client.pids[0], signal.SIGKILL)
    disks.until(lambda: bool(ends), what="its end is announced")
    with pytest.raises(ImageLinkLost, match="ended by itself"):
        client.ask(requests.List("/"), deadline_s=30)
    client.close()
    assert len(ends) == 1


def test_a_child_whose_parent_is_gone_ends(client: GuestfsClient) -> None:
    (pid,) = client.pids
    process = client._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    disks.until(lambda: not disks.alive(pid), what="the child ends")


def test_past_its_deadline_a_request_ends_and_the_child_with_it(client: GuestfsClient) -> None:
    (pid,) = client.pids
    for one in disks.family(pid):  # behind walls, the child is a child of the walls' own process
        os.kill(one, signal.SIGSTOP)
    with pytest.raises(ImageLinkLost, match="in time"):
        client.ask(requests.List("/"), deadline_s=0.5)
    disks.until(lambda: not disks.alive(pid), what="the child is ended")
