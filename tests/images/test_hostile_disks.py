# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged filesystems, partition tables and containers go through real appliances, many disks in each.

Every one ends in content or in words: also when the appliance's kernel dies of it or hangs. The seed is printed and can
be given (``VMCONSOLE_FUZZ_SEED``); ``VMCONSOLE_FUZZ_ROUNDS`` says how many appliances are filled.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.images import damage, disks
from tests.images.sessions import Opened, close, done, session_on
from tests.images.test_hostile_fuzz import _held
from vmconsole.images import opening, session
from vmconsole.images.export import Export
from vmconsole.images.facts import look_at
from vmconsole.images.messages import EntryKind, ImageSource, SessionState
from vmconsole.inventory.errors import ConsoleError
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from vmconsole.images.messages import ImageOverview

T = TypeVar("T")
pytestmark = [pytest.mark.appliance, pytest.mark.slow, pytest.mark.timeout(3600)]

SEED = int(os.environ.get("VMCONSOLE_FUZZ_SEED") or random.SystemRandom().randrange(1 << 32))
ROUNDS = int(os.environ.get("VMCONSOLE_FUZZ_ROUNDS") or 8)
FILLING = (
    *("ext4",) * 6, *("ext2",) * 3, "xfs", "xfs-2", "btrfs", "btrfs-2", *("ntfs",) * 4, *("vfat",) * 3,
    *("iso9660",) * 3, *("squashfs",) * 2, *("ufs",) * 2, "lvm", *("luks",) * 2, *("gpt",) * 3, *("mbr",) * 3,
    *("qcow2",) * 3,
)  # fmt: skip
"""Of one appliance. Kinds that the kernel knows by an identifier come once each."""
MOST_S = 1200.0
"""No round is begun after that."""
OPEN_S, LOOK_S, QUICK_S = 400.0, 200.0, 60.0
"""What a busy machine that emulates needs, and no more: a kernel that hangs is waited for so long."""
MOST_FOLDERS, MOST_FILES = 8, 3


@dataclass
class Found:
    """How the cases ended."""

    ends: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    longest_s: float = 0.0

    def ended(self, how: str, words: str = "") -> None:
        self.ends[how] += 1
        if words:
            self.words[words[:90]] += 1


@dataclass(frozen=True)
class Case:
    image: Path
    kind: str
    what: str

    @property
    def source(self) -> ImageSource:
        form = "qcow2" if self.kind == "qcow2" else "raw"
        return ImageSource(str(self.image), form, target=self.image.name)


def test_damaged_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    print(f"VMCONSOLE_FUZZ_SEED={SEED}")
    monkeypatch.setattr(opening, "LAUNCH_DEADLINE_S", OPEN_S)
    monkeypatch.setattr(opening, "LOOK_DEADLINE_S", LOOK_S)
    monkeypatch.setattr(session, "_QUICK_S", QUICK_S)
    rng = random.Random(SEED)
    (tmp_path / "whole").mkdir()
    whole = damage.make_all(tmp_path / "whole")
    before, found = _held(), Found()
    began = time.monotonic()
    for number in range(ROUNDS):
        folder = tmp_path / f"round{number}"
        folder.mkdir()
        cases = make_cases(folder, whole, rng, found)
        run(cases, whole["ext4"], folder, found, is_look_only=number % 2 == 0)
        disks.run("rm", "-rf", folder)
        print(f"round {number}: {time.monotonic() - began:.0f} s, {dict(found.ends)}", flush=True)
        if time.monotonic() - began > MOST_S:
            break  # a busy machine: what was done is told
    disks.until(lambda: _held() <= before, what="processes, threads and files are as before")
    tell(found)
    ended = sum(found.ends[how] for how in ("content", "words", "empty", "refused"))
    assert ended == (number + 1) * len(FILLING), "a case was not counted"
    assert found.ends["content"] > 0
    assert found.ends["words"] + found.ends["refused"] > 0


def tell(found: Found) -> None:
    print(f"longest request: {found.longest_s:.1f} s")
    for words, count in found.words.most_common(60):
        print(f"{count:4} {words}")
    for note in found.notes:
        print(note)


def make_cases(folder: Path, whole: dict[str, Path], rng: random.Random, found: Found) -> list[Case]:
    """Damaged disks. Those that are refused before an appliance starts end here."""
    cases, shell = [], LocalShell()
    for number, kind in enumerate(FILLING):
        image = folder / f"{number:02}-{kind}"
        case = Case(image, kind, damage.damaged_copy(whole[kind], image, rng))
        if kind != "qcow2":
            cases.append(case)
            continue
        with refusing(found, case) as fine:
            export = Export(shell, look_at(shell, case.source), on_lost=lambda _: None)
            try:
                export.start(shares=False)
            finally:
                export.close()
            fine.append(case)
            cases += fine
    shell.close()
    return cases


@contextlib.contextmanager
def refusing(found: Found, case: Case) -> Iterator[list[Case]]:
    try:
        yield []
    except ConsoleError as error:
        check_words(error, case)
        found.ended("refused", str(error))


def check_words(error: ConsoleError, case: Case | None = None) -> None:
    text = error.explanation.text()
    assert error.explanation.what, case
    text.encode()
    assert "Traceback" not in text, (case, text)
    assert "KeyError" not in text, (case, text)


def run(cases: list[Case], healthy: Path, folder: Path, found: Found, *, is_look_only: bool) -> None:
    """Open them together; if that fails, or the appliance dies, go on with parts of them."""
    left = list(cases)
    while left:
        left = opened_together(left, healthy, folder, found, is_look_only=is_look_only)


def opened_together(cases: list[Case], healthy: Path, folder: Path, found: Found, *, is_look_only: bool) -> list[Case]:
    """Those that are still to be tried."""
    sources = [case.source for case in cases]
    first = ImageSource(
        str(healthy), "raw", is_read_only=is_look_only, target="healthy", more=tuple(sources),
    )  # fmt: skip
    shell = LocalShell()
    opened = session_on(healthy, shell, folder / "work", first)
    done_ones: list[Case] = []
    try:
        overview = timed(found, lambda: done(opened.session.open(), deadline_s=OPEN_S + LOOK_S + 60))
    except ConsoleError as error:
        check_words(error)
        close(opened)
        shell.close()
        return halved(cases, error, found, lambda some: run(some, healthy, folder, found, is_look_only=is_look_only))
    assert names_in(opened, overview, 0) >= {"hello.txt", "folder", "link"}, "a damaged disk hides a healthy one"
    for number, case in enumerate(cases, start=1):
        look_through(opened, overview, number, case, found)
        done_ones.append(case)
        if is_lost(opened):
            break
    if not is_lost(opened):
        copy_out(opened, overview, folder, found)
    close(opened)
    shell.close()
    return cases[len(done_ones) :]


def halved(cases: list[Case], error: ConsoleError, found: Found, again: Callable[[list[Case]], None]) -> list[Case]:
    if len(cases) == 1:
        found.ended("words", f"open: {error}")
        found.notes.append(f"not opened: {cases[0].kind}: {cases[0].what}: {error.explanation.text()[:500]}")
        return []
    middle = len(cases) // 2
    again(cases[:middle])
    again(cases[middle:])
    return []


def timed(found: Found, job: Callable[[], T]) -> T:
    began = time.monotonic()
    try:
        return job()
    finally:
        found.longest_s = max(found.longest_s, time.monotonic() - began)


def names_in(opened: Opened, overview: ImageOverview, disk: int) -> set[str]:
    device = damaged_disk(disk)
    home = next(f for f in overview.filesystems if device in f.disks)
    return set(opened.names(home.mounted_at))


def damaged_disk(number: int) -> str:
    """As libguestfs counts them (guestfs(3), «Block device naming»)."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return f"/dev/sd{letters}"


def is_lost(opened: Opened) -> bool:
    return opened.session.state is SessionState.LOST


def look_through(opened: Opened, overview: ImageOverview, number: int, case: Case, found: Found) -> None:
    """List, read, write: whatever of it is there."""
    session, device = opened.session, damaged_disk(number)
    mine = [f for f in overview.filesystems if device in f.disks]
    had_content, words = False, ""
    for filesystem in mine:
        if filesystem.is_locked:
            _, words = attempt(found, case, partial(session.unlock, filesystem.device, damage.KEY))
            continue
        if not filesystem.mounted_at:
            assert filesystem.problem, f"{case}: not shown, and not said why"
            words = words or filesystem.problem
            continue
        content, said = walk(opened, filesystem.mounted_at, case, found)
        had_content, words = had_content or content, words or said
        if is_lost(opened):
            found.notes.append(f"the appliance ended: {case.kind}: {case.what}: {said}")
            break
        if filesystem.is_writable:
            attempt(found, case, partial(session.write_file, f"{filesystem.mounted_at}/new", b"x" * 99))
    found.ended("content" if had_content else "words" if words or not mine else "empty", words)


def walk(opened: Opened, top: str, case: Case, found: Found) -> tuple[bool, str]:
    """Whether anything could be read, and the first words."""
    waiting, folders, files, has_content, words = [top], 0, 0, False, ""
    while waiting and folders < MOST_FOLDERS and not is_lost(opened):
        folder = waiting.pop()
        folders += 1
        listed, said = attempt(found, case, partial(opened.session.list_folder, folder))
        words = words or said
        for entry in listed.entries[:200] if listed is not None else ():
            path = f"{folder}/{entry.name}"
            if entry.kind is EntryKind.FOLDER:
                waiting.append(path)
            elif files < MOST_FILES and not is_lost(opened):
                files += 1
                got, said = attempt(found, case, partial(opened.session.read_file, path, limit_bytes=1 << 16))
                words = words or said
                has_content = has_content or got is not None
    return has_content, words


def attempt(
    found: Found, case: Case, job: Callable[[], Future[T]], *, deadline_s: float = QUICK_S * 2
) -> tuple[T | None, str]:
    """What came of it, or its words if it fails."""
    try:
        return timed(found, lambda: done(job(), deadline_s=deadline_s)), ""
    except ConsoleError as error:
        check_words(error, case)
        if "served" in str(error) or "ended" in str(error) or "in time" in str(error):
            found.notes.append(f"{case.kind}: {case.what}: {error.explanation.text()[:700]}")
        return None, str(error)
    except NotInTime as error:
        raise AssertionError(f"no end in its time: {case}") from error
    except CancelledError:
        return None, "cancelled"


def copy_out(opened: Opened, overview: ImageOverview, folder: Path, found: Found) -> None:
    """Every second filesystem, whole, to this machine."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    for filesystem in overview.filesystems[::2]:
        if filesystem.mounted_at and not is_lost(opened):
            case = Case(folder, filesystem.type, f"copied out of {filesystem.device}")
            copied, _ = attempt(
                found, case, partial(opened.session.export_paths, [filesystem.mounted_at], out), deadline_s=300
            )
            found.ends["copied out"] += copied is not None
    disks.run("rm", "-rf", out)
