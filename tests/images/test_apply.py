# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply with real images, a real shell and real QEMU tools: what it refuses, and that nothing is ever half-done."""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.shells import ShellInFront
from tests.waiting import no_thread_left
from vmconsole.images import apply as apply_module
from vmconsole.images import journal
from vmconsole.images.apply import Apply, check_users
from vmconsole.images.draft import Draft
from vmconsole.images.export import Export
from vmconsole.images.facts import ImageFacts, look_at
from vmconsole.images.messages import ImageSource
from vmconsole.inventory.errors import ImageDamaged, ImageError, ImageInUse, ImageLinkLost, ImageNoSpace, LinkLost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmconsole.links.base import Completed
    from vmconsole.links.ssh import LocalShell


def drafted(
    shell: LocalShell, image: Path, work: Path, *, image_format: str = "qcow2", more: tuple[str, ...] = ()
) -> tuple[Draft, ImageFacts]:
    """A draft of the image with 0x42 in the second half of its first megabyte and 0x43 at 8 MiB. ``more``: words for
    qemu-io."""
    source = ImageSource(str(image), image_format)
    facts = look_at(shell, source)
    draft = Draft(work, source)
    export = Export(shell, facts, on_lost=lambda _error: None)
    export.start(shares=False)
    draft.begin(facts, export.socket)
    disks.run(
        "qemu-io", "-f", "qcow2", "-c", "write -P 0x42 512k 512k", "-c", "write -P 0x43 8M 64k", *more, draft.overlay
    )  # fmt: skip
    export.close()
    return draft, facts


def record(draft: Draft, image_format: str = "qcow2") -> journal.Record:
    return journal.Record(draft.id, 1, image_format, identity=draft.identity)


def carry_and_commit(apply: Apply, draft: Draft) -> None:
    apply.carry(draft.overlay, record(draft))
    apply.commit(expects_unchanged=True)
    apply.clean()


def has_the_draft(image: Path, image_format: str = "qcow2") -> bool:
    commands = ("read -P 0x41 0 512k", "read -P 0x42 512k 512k", "read -P 0x43 8M 64k", "read -P 0 9M 64k")
    arguments = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(
        ["qemu-io", "-r", "-f", image_format, *arguments, str(image)], capture_output=True, check=False
    )
    return done.returncode == 0 and b"Pattern verification failed" not in done.stdout


def applier(shell: LocalShell, facts: ImageFacts) -> Apply:
    return Apply(shell, facts, report=lambda _words, _position, _total: None)


@pytest.mark.parametrize("image_format", ["qcow2", "raw"])
def test_a_draft_comes_into_the_image(shell: LocalShell, image: Path, tmp_path: Path, image_format: str) -> None:
    if image_format == "raw":
        raw = tmp_path / "disk.raw"
        disks.run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw)
        image = raw
    before = disks.fingerprint(image)
    draft, facts = drafted(shell, image, tmp_path / "work", image_format=image_format)
    assert disks.fingerprint(image) == before, "the image was written before Apply"
    apply = applier(shell, facts)
    apply.check_unchanged()
    apply.check_space(draft.overlay.stat().st_size)
    apply.carry(draft.overlay, record(draft, image_format))
    assert disks.fingerprint(image) == before, "the image was written before the commit"
    apply.commit(expects_unchanged=True)
    apply.clean()
    assert has_the_draft(image, image_format)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []
    draft.close()


@pytest.mark.parametrize("zone", ["ABC-3", "XYZ8"])
def test_hosts_have_their_own_time_zones(
    shell: LocalShell, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """stat(1) prints local time."""
    draft, facts = drafted(shell, image, tmp_path / "work")
    monkeypatch.setenv("TZ", zone)
    apply = applier(shell, facts)
    apply.check_unchanged()
    carry_and_commit(apply, draft)
    assert has_the_draft(image)
    draft.close()


def test_only_the_top_of_a_chain_is_written(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    top = tmp_path / "top.qcow2"
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, top)
    base_before = disks.fingerprint(image)
    draft, facts = drafted(shell, top, tmp_path / "work")
    apply = applier(shell, facts)
    apply.carry(draft.overlay, record(draft))
    apply.commit(expects_unchanged=True)
    assert has_the_draft(top)
    assert disks.fingerprint(image) == base_before
    draft.close()


def test_guests_that_use_the_image_are_named() -> None:
    with pytest.raises(ImageInUse, match="web1, web2") as refused:
        check_users(("web1", "web2"), "/x")
    assert "Shut the guest down" in refused.value.explanation.advice
    check_users((), "/x")


def test_a_changed_image_is_refused(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    draft, facts = drafted(shell, image, tmp_path / "work")
    disks.run("qemu-io", "-f", "qcow2", "-c", "write -P 0x55 4M 64k", image)
    with pytest.raises(ImageError, match="changed by somebody else"):
        applier(shell, facts).check_unchanged()
    # Even if it changes after that check, the commit itself looks again.
    before = disks.fingerprint(image)
    apply = applier(shell, facts)
    apply.carry(draft.overlay, record(draft))
    with pytest.raises(ImageError, match="changed by somebody else"):
        apply.commit(expects_unchanged=True)
    assert disks.fingerprint(image) == before
    assert not os.path.exists(facts.journal_folder)
    draft.close()


def test_a_locked_image_is_refused_and_stays_as_it_was(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    draft, facts = drafted(shell, image, tmp_path / "work")
    with disks.in_use(image):
        facts = look_at(shell, ImageSource(str(image), "qcow2"))
        with pytest.raises(ImageInUse) as refused:
            carry_and_commit(applier(shell, facts), draft)
        assert "lock" in refused.value.explanation.said
        assert not os.path.exists(facts.journal_folder)
    assert not has_the_draft(image)
    draft.close()


def test_a_guest_that_starts_at_the_last_moment_wins(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    draft, facts = drafted(shell, image, tmp_path / "work")
    apply = applier(shell, facts)
    apply.carry(draft.overlay, record(draft))
    with disks.in_use(image):
        with pytest.raises(ImageInUse, match="as it was") as refused:
            apply.commit(expects_unchanged=True)
        assert "lock" in refused.value.explanation.said
        assert not os.path.exists(facts.journal_folder)
    assert not has_the_draft(image)
    draft.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 24 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    disks.run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place)
    yield place
    disks.until(
        lambda: subprocess.run(["umount", place], capture_output=True, check=False).returncode == 0,
        what="it is unmounted",
    )


def test_a_full_host_is_refused_before_anything_is_carried(shell: LocalShell, small_disk: Path, tmp_path: Path) -> None:
    image = disks.qcow2(small_disk / "disk.qcow2")
    draft, facts = drafted(shell, image, tmp_path / "work")
    apply = applier(shell, facts)
    apply.check_space(draft.overlay.stat().st_size)
    (small_disk / "ballast").write_bytes(bytes(8 << 20))
    with pytest.raises(ImageNoSpace) as refused:
        apply.check_space(draft.overlay.stat().st_size)
    assert str(small_disk) in refused.value.explanation.what
    draft.close()


def test_a_host_that_becomes_full_while_it_is_carried_is_left_clean(
    shell: LocalShell, small_disk: Path, tmp_path: Path
) -> None:
    image = disks.qcow2(small_disk / "disk.qcow2")
    draft, facts = drafted(shell, image, tmp_path / "work")
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "ballast").write_bytes(bytes(free - 300 * 1024))
    before = disks.fingerprint(image)
    with pytest.raises(ImageNoSpace) as refused:
        applier(shell, facts).carry(draft.overlay, record(draft))
    assert "No space left" in refused.value.explanation.said
    assert sorted(os.listdir(small_disk)) == ["ballast", "disk.qcow2"]
    assert disks.fingerprint(image) == before
    draft.close()


@pytest.mark.parametrize("left_kib", [4, 60])
def test_a_host_that_becomes_full_while_it_writes_can_be_finished_later(
    shell: LocalShell, small_disk: Path, tmp_path: Path, left_kib: int
) -> None:
    image = disks.qcow2(small_disk / "disk.qcow2")
    draft, facts = drafted(shell, image, tmp_path / "work")
    before = disks.fingerprint(image)
    apply = applier(shell, facts)
    apply.carry(draft.overlay, record(draft))
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "ballast").write_bytes(bytes(free - left_kib * 1024))
    with pytest.raises(ImageError) as failed:
        apply.commit(expects_unchanged=True)
    assert "No space left" in failed.value.explanation.said
    (small_disk / "ballast").unlink()
    again = look_at(shell, ImageSource(str(image), "qcow2"))
    if again.unfinished is not None:
        assert isinstance(failed.value, ImageDamaged)
        assert not again.unfinished.image_was_written_since
        applier(shell, again).commit(expects_unchanged=False)
        assert has_the_draft(image)
    else:
        assert "as it was" in failed.value.explanation.what
        assert disks.fingerprint(image) == before
    draft.close()


def test_a_cancelled_carry_leaves_nothing(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    draft, facts = drafted(shell, image, tmp_path / "work")
    apply = Apply(shell, facts, report=lambda _words, _position, _total: apply.cancel())
    before = disks.fingerprint(image)
    with pytest.raises(CancelledError):
        apply.carry(draft.overlay, record(draft))
    assert not os.path.exists(facts.journal_folder)
    assert disks.fingerprint(image) == before
    draft.close()


class DyingShell(ShellInFront):
    """This machine, until the link dies: before the first command that contains ``word``, or right after it."""

    def __init__(self, shell: LocalShell, word: str, *, after: bool) -> None:
        super().__init__(shell)
        self._word, self._after = word, after
        self.is_dead = False

    where, is_local = "kvm9", False

    def run(self, command: str, *, deadline_s: float, feed: bytes = b"") -> Completed:
        meets = re.search(self._word, command) is not None
        if self.is_dead or (meets and not self._after):
            self.is_dead = True
            raise LinkLost("The link died.")
        done = self._shell.run(command, deadline_s=deadline_s, feed=feed)
        if meets:
            self.is_dead = True
            raise LinkLost("The link died.")
        return done


class SpoilingShell(DyingShell):
    """This machine, with a disk that does not keep what is written: it spoils the image before it is verified, and
    nobody wrote to it."""

    def __init__(self, shell: LocalShell, image: Path) -> None:
        super().__init__(shell, "never", after=False)
        self._image = image

    def run(self, command: str, *, deadline_s: float, feed: bytes = b"") -> Completed:
        if "qemu-img map" in command:
            kept = self._image.stat()
            disks.run("qemu-io", "-f", "qcow2", "-c", "write -P 0x66 8M 512", self._image)
            os.utime(self._image, ns=(kept.st_atime_ns, kept.st_mtime_ns))
        return super().run(command, deadline_s=deadline_s, feed=feed)


@pytest.mark.parametrize("most", [4096, 0])
def test_an_image_that_does_not_have_what_was_written_is_found_out(
    shell: LocalShell, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(apply_module, "_MOST_RANGES", most)
    draft, facts = drafted(shell, image, tmp_path / "work")
    apply = Apply(SpoilingShell(shell, image), facts, report=lambda _w, _p, _t: None)
    with pytest.raises(ImageError, match="does not have what was written"):
        carry_and_commit(apply, draft)
    assert draft.overlay.exists()
    assert os.path.exists(facts.journal_folder), "the journal was thrown away"
    draft.close()


LINK_DEATHS = [
    ("mkdir -m 700", True, "old"),
    ("qemu-img rebase", False, "old"),
    ("qemu-img rebase", True, "journal"),
    ("setsid", False, "journal"),
    ("setsid", True, "done or journal"),
    ("qemu-img map", False, "done or journal"),
    ("qemu-img map", True, "done or journal"),
    ("^rm -f -- ", False, "done or journal"),
]


@pytest.mark.parametrize(("word", "after", "leaves"), LINK_DEATHS)
def test_a_link_that_dies_leaves_the_old_image_or_a_journal_that_finishes(
    shell: LocalShell, image: Path, tmp_path: Path, word: str, after: bool, leaves: str
) -> None:
    before = disks.fingerprint(image)
    draft, facts = drafted(shell, image, tmp_path / "work")
    apply = Apply(DyingShell(shell, word, after=after), facts, report=lambda _w, _p, _t: None)
    with pytest.raises((LinkLost, ImageLinkLost)):
        carry_and_commit(apply, draft)
    source = ImageSource(str(image), "qcow2")
    disks.until(lambda: not _is_running(shell, source), what="the host's commit ends")
    seen = look_at(shell, source)
    if leaves == "old":
        assert seen.unfinished is None
        assert disks.fingerprint(image) == before
        fresh = applier(shell, seen)
        fresh.carry(draft.overlay, record(draft))
        fresh.commit(expects_unchanged=True)
        fresh.clean()
    else:
        assert seen.unfinished is not None
        assert seen.unfinished.draft_id == draft.id
        assert not seen.unfinished.image_was_written_since
        if leaves == "journal":
            assert disks.fingerprint(image) == before
        again = applier(shell, seen)
        again.commit(expects_unchanged=False)
        again.clean()
    assert has_the_draft(image)
    assert look_at(shell, source).unfinished is None
    assert not os.path.exists(facts.journal_folder)
    draft.close()


def _is_running(shell: LocalShell, source: ImageSource) -> bool:
    unfinished = look_at(shell, source).unfinished
    return unfinished is not None and unfinished.is_running


def test_a_journal_is_not_finished_over_somebody_elses_writing(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    draft, facts = drafted(shell, image, tmp_path / "work")
    dying = DyingShell(shell, "qemu-img map", after=False)
    apply = Apply(dying, facts, report=lambda _w, _p, _t: None)
    with pytest.raises(LinkLost):
        carry_and_commit(apply, draft)
    later = image.stat().st_mtime + 60
    os.utime(image, (later, later))
    unfinished = look_at(shell, ImageSource(str(image), "qcow2")).unfinished
    assert unfinished is not None
    assert unfinished.image_was_written_since
    applier(shell, facts).discard_journal()
    assert look_at(shell, ImageSource(str(image), "qcow2")).unfinished is None
    draft.close()


def test_a_draft_that_is_damaged_on_its_way_is_not_used(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    draft, facts = drafted(shell, image, tmp_path / "work")
    with draft.overlay.open("r+b") as file:
        file.seek(65536)  # the refcount table
        file.write(b"\xff" * 65536)
    with pytest.raises(ImageError) as refused:
        applier(shell, facts).carry(draft.overlay, record(draft))
    assert refused.value.explanation.said
    assert not os.path.exists(facts.journal_folder)
    draft.close()


def test_two_consoles_cannot_carry_at_once(
    shell: LocalShell, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_HOLD", journal._HOLD.replace(f"-lt {journal._PATIENCE_POLLS}", "-lt 2"))
    draft, facts = drafted(shell, image, tmp_path / "work")
    folder = facts.journal_folder
    shell.run(journal.begin_command(folder, "another"), deadline_s=10)
    other = shell.popen(journal.carry_command(folder, "another"))
    disks.until(lambda: os.path.exists(f"{folder}/draft.part"), what="the other one carries")
    with pytest.raises(ImageError) as refused:
        applier(shell, facts).carry(draft.overlay, record(draft))
    assert "another Apply is running" in refused.value.explanation.said
    assert os.path.exists(f"{folder}/draft.part"), "the other one's work was removed"
    other.kill()
    other.communicate()
    apply = applier(shell, facts)
    apply.carry(draft.overlay, record(draft))
    apply.commit(expects_unchanged=True)
    assert has_the_draft(image)
    draft.close()


def test_it_leaves_no_threads(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    with no_thread_left():
        draft, facts = drafted(shell, image, tmp_path / "work")
        apply = applier(shell, facts)
        apply.carry(draft.overlay, record(draft))
        apply.commit(expects_unchanged=True)
        draft.close()


def extent(start: int, length: int, depth: int = 0) -> dict[str, object]:
    return {"start": start, "length": length, "depth": depth}


def test_ranges_to_verify() -> None:
    extents = [extent(0, 5), extent(5, 5), extent(10, 90, 1), extent(100, 10), extent(110, 5, 1), extent(115, 5)]
    assert journal.ranges_of(extents) == ((0, 10), (100, 10), (115, 5))
    assert journal.ranges_of([]) == ()


@pytest.mark.parametrize("most", [4096, 10])
def test_a_draft_of_many_pieces_is_verified_piece_by_piece_or_whole(
    shell: LocalShell, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Between the pieces lies what only the image has: QEMU's compare takes that for zeros in a window on the draft."""
    monkeypatch.setattr(apply_module, "_MOST_RANGES", most)
    disks.run("qemu-img", "resize", "-q", image, "40M")
    disks.run("qemu-io", "-f", "qcow2", "-c", "write -P 0x11 16M 20M", image)
    pieces = tuple(word for n in range(150) for word in ("-c", f"write -P 0x77 {16 * 1024 + n * 128}k 64k"))
    draft, facts = drafted(shell, image, tmp_path / "work", more=pieces)
    told: list[tuple[int, int]] = []
    apply = Apply(
        shell, facts, report=lambda words, done, total: told.append((done, total)) if "Ver" in words else None
    )
    carry_and_commit(apply, draft)
    if most == 4096:
        assert len(told) >= 3
        assert told == sorted(told)
        assert told[-1][1] == 150 * 65536 + 2**19 + 65536
    draft.close()
