# SPDX-License-Identifier: GPL-3.0-or-later
"""What others do while an Apply is under way, or after it was cut off: guests, other consoles, restored backups.

Real images, exports, journals and commits; no appliance (``stand_in``).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.test_apply import DyingShell, applier, carry_and_commit, drafted, has_the_draft, record
from vmconsole.images import journal
from vmconsole.images.apply import Apply
from vmconsole.images.facts import look_at
from vmconsole.images.messages import ImageSource
from vmconsole.inventory.errors import ImageError, ImageLinkLost, LinkLost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.images.draft import Draft
    from vmconsole.images.facts import ImageFacts
    from vmconsole.links.base import Completed
    from vmconsole.links.ssh import LocalShell


@pytest.fixture
def begun(shell: LocalShell, image: Path, tmp_path: Path) -> Iterator[tuple[Draft, ImageFacts]]:
    draft, facts = drafted(shell, image, tmp_path / "work")
    yield draft, facts
    draft.close()


def look(shell: LocalShell, image: Path) -> ImageFacts:
    return look_at(shell, ImageSource(str(image), "qcow2"))


def cut_off(shell: LocalShell, draft: Draft, facts: ImageFacts) -> None:
    """The commit ended on the host, and nobody heard of it."""
    dying = DyingShell(shell, "qemu-img map", after=False)
    with pytest.raises(LinkLost):
        carry_and_commit(Apply(dying, facts, report=lambda _w, _p, _t: None), draft)


def tool(folder: Path, monkeypatch: pytest.MonkeyPatch, *, on_commit: str) -> None:
    """A qemu-img before the real one (``$real``), in which a commit is ``on_commit``, shell text."""
    real = shutil.which("qemu-img")
    script = folder / "bin/qemu-img"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nreal={real}\nif [ "$1" = commit ]; then\n{on_commit}\nelse exec $real "$@"; fi\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")


# -- guests ------------------------------------------------------------------------------------------------


def test_a_guest_that_starts_right_after_the_commit_does_not_undo_it(
    shell: LocalShell, image: Path, begun: tuple[Draft, ImageFacts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the lock before anything is verified; the image is written, and nothing else may be said."""
    draft, facts = begun
    serve = f"qemu-nbd --fork --persistent --pid-file={tmp_path}/guest -k {tmp_path}/s -f qcow2 {image}"
    tool(tmp_path, monkeypatch, on_commit=f'$real "$@" && {serve} 8>&- 9>&- </dev/null >/dev/null 2>&1')
    try:
        carry_and_commit(applier(shell, facts), draft)
    finally:
        os.kill(int((tmp_path / "guest").read_text()), 9)
    assert has_the_draft(image)
    assert look(shell, image).unfinished is None


def test_a_guest_that_ran_after_the_commit_does_not_hold_up_its_end(
    shell: LocalShell, image: Path, begun: tuple[Draft, ImageFacts]
) -> None:
    """All was written when the link died. What the guest wrote over it since is no damage, and is left alone."""
    draft, facts = begun
    cut_off(shell, draft, facts)
    disks.run("qemu-io", "-f", "qcow2", "-c", "write -P 0x99 8M 64k", image)
    as_the_guest_left_it = disks.fingerprint(image)
    seen = look(shell, image)
    assert seen.unfinished is not None
    assert not seen.unfinished.is_spoilt
    again = applier(shell, seen)
    again.await_end()
    again.clean()
    assert disks.fingerprint(image) == as_the_guest_left_it
    assert look(shell, image).unfinished is None


def test_a_failed_commit_is_not_finished_over_what_was_written_a_moment_later(
    shell: LocalShell, image: Path, begun: tuple[Draft, ImageFacts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the slack of the beats: the commit's own note of what it left tells."""
    draft, facts = begun
    tool(tmp_path, monkeypatch, on_commit=f"qemu-io -f qcow2 -c 'write -P 0x42 512k 64k' {image}; exit 1")
    with pytest.raises(ImageError, match="only in part"):
        carry_and_commit(applier(shell, facts), draft)
    unfinished = look(shell, image).unfinished
    assert unfinished is not None
    assert not unfinished.is_spoilt
    disks.run("qemu-io", "-f", "qcow2", "-c", "write -P 0x99 4M 64k", image)
    unfinished = look(shell, image).unfinished
    assert unfinished is not None
    assert unfinished.is_spoilt


# -- backups -----------------------------------------------------------------------------------------------


ON_FILE = "1000 77 2026-11-23 20:00:00.000000001 +0000"
ON_DEVICE = "7:1 a-boot 100"
BEGUN = "1000 2000 2010"
"""Of the last change, the commit's begin, its last beat."""
STATES = [
    pytest.param(ON_FILE, "1000  ", "", False, id="nothing was begun"),
    pytest.param(ON_FILE.replace("1000", "2000"), "1000  ", "", True, id="not begun, and changed"),
    pytest.param(ON_FILE, BEGUN, "", False, id="begun, and nothing written"),
    pytest.param(ON_FILE.replace("0001", "0002"), "2005 2000 2010", "", False, id="written by us"),
    pytest.param(ON_FILE.replace("0001", "0002"), "2020 2000 2010", "", True, id="written after the last beat"),
    pytest.param(ON_FILE.replace("0001", "0002"), "1990 2000 2010", "", True, id="older than the commit"),
    pytest.param(ON_FILE.replace(" 77 ", " 78 "), "2005 2000 2010", "", True, id="another file"),
    pytest.param(ON_FILE.replace("0001", "0002"), "2005 2000 2010", ON_FILE, True, id="not as the commit left it"),
    pytest.param("7:1 a-boot 120", "1000  ", "", True, id="device, not begun, and written"),
    pytest.param("7:1 a-boot 120", BEGUN, "", False, id="device, cut off: nobody can tell"),
    pytest.param("7:1 a-boot 120", BEGUN, "7:1 a-boot 120", False, id="device, as the commit left it"),
    pytest.param("7:1 a-boot 130", BEGUN, "7:1 a-boot 120", True, id="device, not as the commit left it"),
    pytest.param("7:1 other-boot 3", BEGUN, "7:1 a-boot 120", False, id="device, after a restart: nobody can tell"),
]


@pytest.mark.parametrize(("now", "seconds", "after", "is_others"), STATES)
def test_what_tells_that_somebody_else_wrote(now: str, seconds: str, after: str, is_others: bool) -> None:
    sealed_on = ON_DEVICE if ":" in now.split()[0] else ON_FILE
    sealed = journal.record_text(journal.Record("d", 1, "raw", identity=sealed_on)).decode()
    found = journal.read_state([sealed, "", "", after, seconds], now)
    assert found is not None
    assert found.image_was_written_since is is_others


@pytest.mark.parametrize("way", ["in place", "as another file"])
def test_a_journal_is_not_finished_over_a_restored_backup(
    shell: LocalShell, image: Path, begun: tuple[Draft, ImageFacts], tmp_path: Path, way: str
) -> None:
    """A restored file has its old time again, as cp(1) and rsync(1) give it."""
    draft, facts = begun
    backup = tmp_path / "backup"
    shutil.copy2(image, backup)
    day_ago = image.stat().st_mtime - 86400
    os.utime(backup, (day_ago, day_ago))
    cut_off(shell, draft, facts)
    for name in ("result", "after"):  # as if the host had crashed while it wrote
        os.truncate(f"{facts.journal_folder}/{name}", 0)
    unfinished = look(shell, image).unfinished
    assert unfinished is not None
    assert not unfinished.is_spoilt
    if way == "in place":
        shutil.copy2(backup, image)
    else:
        os.replace(backup, image)
    unfinished = look(shell, image).unfinished
    assert unfinished is not None
    assert unfinished.is_spoilt, "blocks of a newer image would be written into the restored one"


# -- other consoles and hosts ------------------------------------------------------------------------------


def test_a_record_that_did_not_arrive_whole_seals_nothing(
    shell: LocalShell, image: Path, begun: tuple[Draft, ImageFacts]
) -> None:
    class Breaking(DyingShell):
        def run(self, command: str, *, deadline_s: float, feed: bytes = b"") -> Completed:
            return super().run(command, deadline_s=deadline_s, feed=feed[:20])

    draft, facts = begun
    breaking = Breaking(shell, "qemu-img rebase", after=True)
    with pytest.raises((LinkLost, ImageLinkLost)):
        carry_and_commit(Apply(breaking, facts, report=lambda _w, _p, _t: None), draft)
    seen = look(shell, image)
    assert seen.unfinished is None
    carry_and_commit(applier(shell, seen), draft)
    assert has_the_draft(image)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are waited for a moment only."""
    monkeypatch.setattr(journal, "_HOLD", journal._HOLD.replace(f"-lt {journal._PATIENCE_POLLS}", "-lt 2"))


WAITS = 'echo $$ > {0}/waits; while [ ! -e {0}/go ]; do sleep 0.05; done; exec $real "$@"'


@pytest.fixture
def writing(
    shell: LocalShell, begun: tuple[Draft, ImageFacts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ImageFacts]:
    """The host writes, until there is a file «go»."""
    draft, facts = begun
    with monkeypatch.context() as patch:
        tool(tmp_path, patch, on_commit=WAITS.format(tmp_path))
        first = applier(shell, facts)
        first.carry(draft.overlay, record(draft))
        command = journal.commit_command(
            facts.journal_folder, facts.path, facts.format, expected_identity=facts.identity
        )
        assert shell.run(command, deadline_s=10).status == 0
        disks.until((tmp_path / "waits").exists, what="the commit runs")
    yield facts
    (tmp_path / "go").touch()


def ends_well(shell: LocalShell, image: Path, facts: ImageFacts, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    first = applier(shell, facts)
    first.await_end()
    first.clean()
    assert has_the_draft(image)


@pytest.mark.usefixtures("impatient")
def test_two_consoles_cannot_write_at_once(shell: LocalShell, image: Path, writing: ImageFacts, tmp_path: Path) -> None:
    """The second one looked before the first began. It neither disturbs the first, nor takes its journal for dead."""
    second = applier(shell, writing)
    with pytest.raises(ImageError) as refused:
        second.commit(expects_unchanged=True)
    assert "being written" in refused.value.explanation.said
    with pytest.raises(ImageError, match="cannot be removed"):
        second.discard_journal()
    assert look(shell, image).unfinished is not None
    ends_well(shell, image, writing, tmp_path)


@pytest.mark.usefixtures("impatient")
def test_a_journal_that_another_host_works_on_is_not_removed(
    shell: LocalShell, image: Path, writing: ImageFacts, tmp_path: Path
) -> None:
    """Hosts share storage, and each has its own processes."""
    elsewhere = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c"]
    state = journal.poll_command(writing.journal_folder)
    done = subprocess.run([*elsewhere, state], capture_output=True, check=True)
    assert done.stdout.startswith(b"running")
    discard = journal.discard_command(writing.journal_folder)
    done = subprocess.run([*elsewhere, discard], capture_output=True, check=False)
    assert done.returncode == 75, done.stderr
    ends_well(shell, image, writing, tmp_path)


def test_what_is_carried_is_not_sealed_as_anothers(
    shell: LocalShell, image: Path, begun: tuple[Draft, ImageFacts]
) -> None:
    """Two consoles that both made room before either carried: the room is the second's, and the first leaves it."""
    draft, facts = begun
    folder = facts.journal_folder
    first = applier(shell, facts)

    send = first._send

    def late(overlay: Path) -> None:
        assert shell.run(journal.begin_command(folder, "another"), deadline_s=10).status == 0
        send(overlay)

    first._send = late  # type: ignore[method-assign]  # the other console comes between
    with pytest.raises(ImageError) as refused:
        first.carry(draft.overlay, record(draft))
    assert "another Apply is running" in refused.value.explanation.said
    assert os.listdir(folder)
    assert not os.path.exists(f"{folder}/draft.part")
    seal = journal.seal_command(folder, facts.path, "qcow2", draft.id, record_bytes=2)
    assert shell.run(seal, deadline_s=10, feed=b"{}").status == 75
    assert look(shell, image).unfinished is None


def test_a_dead_link_does_not_hold_up_the_next_apply(
    shell: LocalShell, image: Path, begun: tuple[Draft, ImageFacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host does not hear of it: nothing comes any more, and nothing ends."""
    draft, facts = begun
    monkeypatch.setattr(journal, "_STALLED_S", 1)
    assert shell.run(journal.begin_command(facts.journal_folder, "another"), deadline_s=10).status == 0
    dead = shell.popen(journal.carry_command(facts.journal_folder, "another"))
    assert dead.stdin is not None
    dead.stdin.write(b"the beginning")
    dead.stdin.flush()
    carry_and_commit(applier(shell, facts), draft)
    assert has_the_draft(image)
    assert dead.wait(10), "it ended well"
    for pipe in (dead.stdin, dead.stdout, dead.stderr):
        assert pipe is not None
        pipe.close()


def test_a_lock_of_a_journal_that_is_gone_is_none(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    """Whoever waited for it must not take the next one's journal for a dead one."""
    folder = look(shell, image).journal_folder
    assert shell.run(journal.begin_command(folder, "first"), deadline_s=10).status == 0
    with open(f"{folder}/lock", "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = shell.popen(journal.begin_command(folder, "second"))
        disks.until(lambda: has_open(waiting.pid, f"{folder}/lock"), what="the second one waits")
        os.rename(folder, tmp_path / "gone")
        assert shell.run(journal.begin_command(folder, "third"), deadline_s=10).status == 0
    _, said = waiting.communicate(timeout=10)
    assert b"another Apply" in said
    assert (Path(folder) / "owner").read_text() == "third\n"


def has_open(pid: int, path: str) -> bool:
    folder = f"/proc/{pid}/fd"
    return any(os.path.realpath(f"{folder}/{name}") == path for name in os.listdir(folder))


def test_an_apply_that_may_not_begin_leaves_the_others_journal(
    shell: LocalShell, image: Path, begun: tuple[Draft, ImageFacts]
) -> None:
    draft, facts = begun
    cut_off(shell, draft, facts)
    late = applier(shell, facts)
    with pytest.raises(ImageError) as refused:
        late.carry(draft.overlay, journal.Record("another", 1, "qcow2", identity=facts.identity))
    assert "an unfinished Apply" in refused.value.explanation.said
    assert late.discard_quietly(), "there is nothing of its own"
    assert look(shell, image).unfinished is not None


@pytest.mark.parametrize("way", ["a folder", "a link"])
def test_a_journal_that_another_user_made_is_none(
    shell: LocalShell, image: Path, begun: tuple[Draft, ImageFacts], tmp_path: Path, way: str
) -> None:
    """He may write where the image is, and would have us write what he likes, where he likes."""
    draft, facts = begun
    with pytest.raises(LinkLost):
        carry_and_commit(Apply(DyingShell(shell, "setsid", after=False), facts, report=lambda _w, _p, _t: None), draft)
    assert look(shell, image).unfinished is not None
    before = disks.fingerprint(image)
    if way == "a link":
        os.rename(facts.journal_folder, tmp_path / "elsewhere")
        os.symlink(tmp_path / "elsewhere", facts.journal_folder)
    else:
        os.chown(facts.journal_folder, 65534, 65534)
    assert look(shell, image).unfinished is None
    with pytest.raises(ImageError):
        applier(shell, facts).commit(expects_unchanged=True)
    with pytest.raises(ImageError) as refused:
        applier(shell, facts).carry(draft.overlay, record(draft))
    assert "not ours" in refused.value.explanation.said
    assert disks.fingerprint(image) == before


@pytest.fixture
def squashed(tmp_path: Path) -> Iterator[Path]:
    """A filesystem on which all belongs to one other user, whoever makes it."""
    place, disk = tmp_path / "squashed", tmp_path / "squashed.raw"
    place.mkdir()
    disks.run("truncate", "-s", "40M", disk)
    disks.run("mkfs.ntfs", "-F", "-q", "-Q", disk)
    disks.run("ntfs-3g", "-o", "uid=65534,gid=65534,umask=000", disk, place)
    yield place
    unmount = ["umount", str(place)]
    disks.until(
        lambda: subprocess.run(unmount, capture_output=True, check=False).returncode == 0, what="it is unmounted"
    )


def test_a_server_may_give_all_to_another_user(shell: LocalShell, squashed: Path, tmp_path: Path) -> None:
    """As NFS does with all_squash: the journal is ours nevertheless."""
    image = disks.qcow2(squashed / "disk.qcow2")
    draft, facts = drafted(shell, image, tmp_path / "work")
    cut_off(shell, draft, facts)
    seen = look(shell, image)
    assert seen.unfinished is not None
    again = applier(shell, seen)
    again.await_end()
    again.clean()
    assert has_the_draft(image)
    assert os.listdir(squashed) == ["disk.qcow2"]
    draft.close()
