# SPDX-License-Identifier: GPL-3.0-or-later
"""Searching names and contents, and measuring folders, in small steps. Child process.

Each task is a generator that yields what it found, or None where it may be interrupted. ``Tasks.step`` runs one for a
moment: what was found is on the screen at once, and other requests get their turn between two steps.
"""

from __future__ import annotations

import fnmatch
import itertools
import time
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.handle import CHUNK_BYTES, is_file, is_folder, lstat_of
from vmconsole.images.child.listing import entry_of, regular_file
from vmconsole.images.child.walking import Looked, folders_below, stats_below
from vmconsole.images.tool_requests import FindBytes, MeasureFolders, Search
from vmconsole.images.tool_values import FoundAt, Hit, Page, SearchIn, Size
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmconsole.images.child.handle import Stat, Work
    from vmconsole.images.tool_requests import Task

STEP_S = 0.25
_ITEMS_IN_STEP = 200
HITS_MAX = 2000
SEARCHED_BYTES_MAX = 256 * 1024 * 1024
"""A larger file is counted as left out."""
_LINE_BYTES = 160
_TASKS_MAX = 16


class Tasks:
    """The tasks that are under way, by number."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._running: dict[int, tuple[Iterator[object], Looked]] = {}

    def begin(self, work: Work, task: Task) -> int:
        if len(self._running) >= _TASKS_MAX:
            self._running.pop(next(iter(self._running)))  # nobody has gone on with the oldest for long
        looked = Looked()
        match task:
            case Search():
                steps = search(work, task, looked)
            case MeasureFolders(paths):
                steps = measure(work, paths, looked)
            case FindBytes():
                steps = find_bytes(work, task, looked)
        number = next(self._numbers)
        self._running[number] = (steps, looked)
        return number

    def drop(self, number: int) -> None:
        self._running.pop(number, None)

    def step(self, work: Work, number: int) -> Page:
        """Go on for ``STEP_S``."""
        if number not in self._running:
            raise ImageError("This search is over.", advice="Begin it again.")
        steps, looked = self._running[number]
        found: list[object] = []
        ends_at = time.monotonic() + STEP_S
        try:
            while time.monotonic() < ends_at and len(found) < _ITEMS_IN_STEP:
                item = next(steps)
                if item is not None:
                    found.append(item)
        except StopIteration:
            self.drop(number)
            return _page(found, looked, is_over=True)
        except RuntimeError as error:
            self.drop(number)
            raise work.failed(f"Searching {looked.folder} failed.", error) from error
        return _page(found, looked, is_over=False)


def _page(found: list[object], looked: Looked, *, is_over: bool) -> Page:
    words = looked.ended_early if is_over else looked.folder
    return Page(tuple(found), is_over=is_over, looked_at=looked.count, words=words, left_out=looked.left_out)


def search(work: Work, wanted: Search, looked: Looked) -> Iterator[object]:
    top = names.guest_path(wanted.folder)
    if not wanted.words:
        raise ImageError("There is nothing to search for.", advice="Type a name, a pattern or a text.")
    in_content = wanted.where is SearchIn.CONTENT
    matches = name_matcher(wanted.name_pattern if in_content else wanted.words, is_case_kept=wanted.is_case_kept)
    finder = Finder(wanted.words, is_case_kept=wanted.is_case_kept)
    hits = 0
    for folder, found in folders_below(work, top, looked):
        chosen = [name for name, is_dir in found if matches(name) and not (in_content and is_dir)]
        stats = work.handle.lstatnslist(folder, chosen) if chosen else []
        for name, stat in zip(chosen, stats, strict=True):
            path = names.join(folder, name)
            steps = _content_hit(work, path, stat, finder, looked) if in_content else [Hit(path, entry_of(name, stat))]
            for item in steps:
                hits += item is not None
                yield item
            if hits >= HITS_MAX:
                looked.ended_early = f"The first {HITS_MAX} finds; there may be more."
                return
        yield None


def name_matcher(pattern: str, *, is_case_kept: bool) -> Callable[[str], bool]:
    """A pattern if it has ``*``, ``?`` or ``[``, else a part of the name; an empty one fits all."""
    fold: Callable[[str], str] = str if is_case_kept else str.casefold
    wanted = fold(pattern)
    if not wanted:
        return lambda _name: True
    if any(c in wanted for c in "*?["):
        return lambda name: fnmatch.fnmatchcase(fold(name), wanted)
    return lambda name: wanted in fold(name)


class Finder:
    """A text as the byte sequences it can be in a file: UTF-8, and UTF-16 as Windows writes it."""

    def __init__(self, words: str, *, is_case_kept: bool) -> None:
        self._is_case_kept = is_case_kept
        spellings = {words} if is_case_kept else {words, words.lower(), words.upper()}
        raw = {s.encode(code) for s in spellings for code in ("utf-8", "utf-16-le")}
        self._wanted = tuple(raw if is_case_kept else {r.lower() for r in raw})
        self.overlap = max(map(len, self._wanted)) - 1

    def find(self, data: bytes) -> int:
        """Offset of the first find, or -1. Case is ignored for ASCII letters, and for words all in one case."""
        hay = data if self._is_case_kept else data.lower()
        return min((at for w in self._wanted if (at := hay.find(w)) >= 0), default=-1)


def _content_hit(work: Work, path: str, found: Stat, finder: Finder, looked: Looked) -> Iterator[Hit | None]:
    if not is_file(found) or path.startswith("/dev/"):
        return
    if found["st_size"] > SEARCHED_BYTES_MAX:
        looked.left_out += 1
        return
    lines, kept, position = 0, b"", 0
    try:
        while position < found["st_size"]:
            work.check_cancelled()
            part = work.handle.pread(path, CHUNK_BYTES, position)
            if not part:
                return
            window, start = kept + part, position - len(kept)
            at = finder.find(window)
            if at >= 0:
                number = lines + window.count(b"\n", 0, at) + 1
                line, is_text = _line_at(window, at)
                yield Hit(path, entry_of(names.base(path), found), number if is_text else 0, line, start + at)
                return
            kept = window[-finder.overlap :] if finder.overlap else b""
            lines += window.count(b"\n", 0, len(window) - len(kept))
            position += len(part)
            yield None
    except RuntimeError:
        work.check_cancelled()
        looked.left_out += 1


def _line_at(window: bytes, at: int) -> tuple[str, bool]:
    """The line around a find, and whether it is text."""
    start = max(window.rfind(b"\n", 0, at) + 1, at - _LINE_BYTES // 2)
    end = window.find(b"\n", at)
    line = window[start : min(end if end >= 0 else len(window), start + _LINE_BYTES)]
    is_text = b"\0" not in window[max(0, at - 4096) : at + 4096]
    if not is_text:
        line = line.replace(b"\0", b"")
    return line.decode("utf-8", errors="replace").strip(), is_text


def measure(work: Work, paths: tuple[object, ...], looked: Looked) -> Iterator[object]:
    files = folders = size = disk = 0
    counted: set[tuple[int, int]] = set()
    for path in map(names.guest_path, paths):
        found = lstat_of(work.handle, path)
        if found is None:
            raise ImageError("It is not there (any more).", where=path)
        below = stats_below(work, path, looked) if is_folder(found) else iter(())
        for number, (_, one) in enumerate(itertools.chain([(path, found)], below)):
            if is_folder(one):
                folders += 1
            else:
                files += 1
                size += one["st_size"]
            inode = (one["st_dev"], one["st_ino"])
            if one["st_nlink"] == 1 or is_folder(one) or inode not in counted:
                disk += one["st_blocks"] * 512  # a file with several names is on the disk once
                counted.add(inode) if one["st_nlink"] > 1 else None
            if number % 256 == 255:
                yield Size(files, folders, size, disk)
    yield Size(files, folders, size, disk)


def find_bytes(work: Work, wanted: FindBytes, looked: Looked) -> Iterator[object]:
    file = names.guest_path(wanted.path)
    if not wanted.wanted:
        raise ImageError("There is nothing to search for.")
    found = regular_file(work, file)
    position, kept = max(0, wanted.start), b""
    looked.folder = file
    while position < found["st_size"]:
        work.check_cancelled()
        part = work.handle.pread(file, CHUNK_BYTES, position)
        if not part:
            return
        window, start = kept + part, position - len(kept)
        at = window.find(wanted.wanted)
        if at >= 0:
            yield FoundAt(start + at)
            return
        kept = window[-(len(wanted.wanted) - 1) :] if len(wanted.wanted) > 1 else b""
        position += len(part)
        looked.count = position
        yield None
