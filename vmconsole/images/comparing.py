# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing two open images: which files were added, removed or changed, and in what.

It goes through both trees folder by folder, asking both appliances at the same time. Contents are compared by SHA-256,
but only where they may differ: other size, or the same size and another inode or other times. Two snapshots of one
disk are so compared in the time it takes to list them.

Threads: a thread of its own from ``start`` to ``close``; the callbacks are called on it.
"""

from __future__ import annotations

import enum
import threading
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from vmconsole.images import names
from vmconsole.images.messages import EntryKind
from vmconsole.inventory.errors import ConsoleError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from vmconsole.images.tool_values import Digest, Surveyed, SurveyedFolder
    from vmconsole.inventory.errors import Explanation

_FOLDERS_AT_ONCE = 24
_DIGESTS_AT_ONCE = 16
DIFFERENCES_MAX = 20_000
_DEADLINE_S = 24 * 3600.0
_JOIN_S = 5.0


class Verdict(enum.Enum):
    ADDED = "added"
    """Only in the second one."""
    REMOVED = "removed"
    """Only in the first one."""
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One file or folder that is not the same in both. For a folder that only one has, what is in it is not listed."""

    path: str
    verdict: Verdict
    first: Surveyed | None
    second: Surveyed | None
    what: tuple[str, ...] = ()
    """What changed: ``content``, ``kind``, ``link``, ``mode``, ``owner``, ``group``."""
    first_sha256: str = ""
    second_sha256: str = ""
    """Of the contents, where they were compared."""

    @property
    def is_folder(self) -> bool:
        return any(one is not None and one.kind is EntryKind.FOLDER for one in (self.first, self.second))


@dataclass(frozen=True, slots=True)
class Compared:
    """How a comparison ended."""

    differences: int
    looked_at: int
    left_out: tuple[str, ...] = ()
    """Folders that could not be read, each with the reason."""
    is_whole: bool = True
    """False: it was stopped, or there are more differences than are listed."""
    problem: Explanation | None = None


class Side(Protocol):
    """What is asked of an image; ``ImageTools`` has it."""

    def survey(self, folders: Sequence[str]) -> Future[tuple[SurveyedFolder, ...]]: ...
    def digests(self, paths: Sequence[str]) -> Future[tuple[Digest, ...]]: ...


class Comparison:
    """One comparison. ``start`` once; ``close`` stops it and waits."""

    def __init__(
        self,
        first: Side,
        second: Side,
        *,
        on_found: Callable[[tuple[Difference, ...]], None],
        on_progress: Callable[[str, int], None],
        on_end: Callable[[Compared], None],
        paths: Sequence[str] = ("/",),
    ) -> None:
        """``on_progress`` is given the folder it is in, and how many names were looked at. Only ``paths``, and what is
        below them, are compared."""
        self._sides = (first, second)
        self._on_found, self._on_progress, self._on_end = on_found, on_progress, on_end
        self._only = {path for path in paths if path != "/"}
        self._waiting = list(dict.fromkeys(names.parent(path) for path in paths))
        self._stopped = threading.Event()
        self._found = self._looked_at = 0
        self._left_out: list[str] = []
        self._thread = threading.Thread(target=self._run, name="comparison", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End soon: after the requests that run now."""
        self._stopped.set()

    def close(self) -> None:
        """Stop. The sessions are not ours; their own ``cancel`` or ``close`` frees a request that is stuck."""
        self.stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        problem = None
        try:
            while self._waiting and not self._stopped.is_set() and self._found < DIFFERENCES_MAX:
                batch = [self._waiting.pop() for _ in range(min(_FOLDERS_AT_ONCE, len(self._waiting)))]
                self._on_progress(batch[0], self._looked_at)
                self._compare(batch)
        except CancelledError:
            self._stopped.set()
        except ConsoleError as error:
            problem = error.explanation
        is_whole = not self._stopped.is_set() and not self._waiting and problem is None
        self._on_end(Compared(self._found, self._looked_at, tuple(self._left_out), is_whole, problem))

    def _compare(self, folders: list[str]) -> None:
        asked = [side.survey(folders) for side in self._sides]
        first, second = (future.result(_DEADLINE_S) for future in asked)
        doubtful: list[Difference] = []
        for one, other in zip(first, second, strict=True):
            problem = one.problem or other.problem
            if problem and self._go_up(one.path):
                continue
            if problem:
                self._left_out.append(f"{one.path}: {problem}")
            else:
                self._announce(self._compare_folder(one, other, doubtful))
        for begin in range(0, len(doubtful), _DIGESTS_AT_ONCE):
            if self._stopped.is_set():
                return
            self._announce(self._by_content(doubtful[begin : begin + _DIGESTS_AT_ONCE]))

    def _go_up(self, folder: str) -> bool:
        """A folder that was only asked for what is in it may be new itself: then it is what differs."""
        asked_for = {path for path in self._only if names.parent(path) == folder}
        if folder == "/" or not asked_for:
            return False
        self._only = (self._only - asked_for) | {folder}
        self._waiting.append(names.parent(folder))
        return True

    def _is_asked_for(self, path: str) -> bool:
        return not self._only or any(path == one or path.startswith(f"{one}/") for one in self._only)

    def _compare_folder(
        self, one: SurveyedFolder, other: SurveyedFolder, doubtful: list[Difference]
    ) -> list[Difference]:
        """What differs for sure; files whose content must be compared go to ``doubtful``."""
        ours = {e.name: e for e in one.entries}
        theirs = {e.name: e for e in other.entries}
        found: list[Difference] = []
        for name in sorted(ours.keys() | theirs.keys()):
            path, a, b = names.join(one.path, name), ours.get(name), theirs.get(name)
            if not self._is_asked_for(path):
                continue
            self._looked_at += 1
            if a is None or b is None:
                verdict = Verdict.ADDED if a is None else Verdict.REMOVED
                found.append(Difference(path, verdict, a, b))
                continue
            if a.kind is b.kind is EntryKind.FOLDER:
                self._waiting.append(path)
            what = what_differs(a, b)
            if may_differ_in_content(a, b):
                doubtful.append(Difference(path, Verdict.CHANGED, a, b, what))
            elif what:
                found.append(Difference(path, Verdict.CHANGED, a, b, what))
        return found

    def _by_content(self, doubtful: list[Difference]) -> list[Difference]:
        paths = [d.path for d in doubtful]
        self._on_progress(paths[0], self._looked_at)
        asked = [side.digests(paths) for side in self._sides]
        first, second = (future.result(_DEADLINE_S) for future in asked)
        found = []
        for difference, a, b in zip(doubtful, first, second, strict=True):
            # A file that one side could not read has no digest; whether it differs is not known, so it is shown.
            same = bool(a.sha256) and a.sha256 == b.sha256
            what = difference.what if same else ("content", *difference.what)
            if what:
                found.append(
                    Difference(
                        difference.path, Verdict.CHANGED, difference.first, difference.second, what, a.sha256, b.sha256
                    )
                )
        return found

    def _announce(self, found: list[Difference]) -> None:
        if found:
            self._found += len(found)
            self._on_found(tuple(found))


def what_differs(a: Surveyed, b: Surveyed) -> tuple[str, ...]:
    """In which attributes two things of one name differ."""
    if a.kind is not b.kind:
        return ("kind",)
    pairs = (
        ("link", a.link_target != b.link_target),
        ("mode", a.mode != b.mode and a.kind is not EntryKind.LINK),
        ("owner", a.uid != b.uid),
        ("group", a.gid != b.gid),
    )
    return tuple(word for word, differs in pairs if differs)


def may_differ_in_content(a: Surveyed, b: Surveyed) -> bool:
    """Two regular files, unless both size and inode and all times are the same: then nobody has written since."""
    both_files = a.kind is b.kind is EntryKind.FILE
    return both_files and (a.size_bytes != b.size_bytes or a.stamp != b.stamp)
