# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and folders between this machine and a running guest. Blocks; on the session's thread.

All is bounded, because the agent carries some hundred KiB a second: so many files, so many bytes. What is left out is
told, one sentence each. Links are not carried either way, so none can lead out of a folder.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images.live_agent import shown
from vmconsole.images.live_guest import FILE_BYTES_MAX
from vmconsole.images.messages import Conflict, EntryKind, Transferred
from vmconsole.inventory.errors import OperationRefused, OutOfRange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from threading import Event

    from vmconsole.images.live_guest import LiveGuest
    from vmconsole.images.messages import Entry

FILES_MAX = 500
DEPTH_MAX = 32
_NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC


class _Counted:
    """What has been carried so far, and how much may be."""

    def __init__(self, cancelled: Event) -> None:
        self._cancelled = cancelled
        self.files = 0
        self.bytes = 0
        self.skipped: list[str] = []

    def begin_file(self, path: str) -> None:
        if self._cancelled.is_set():
            raise CancelledError
        if self.files >= FILES_MAX:
            raise OutOfRange(
                f"That is more than {FILES_MAX} files, as many as go through the agent at once.", where=shown(path),
                cause=f"{self.files} of them were copied.", advice="Copy fewer, or pack them in the guest.",
            )  # fmt: skip
        self.files += 1

    def end_file(self, size_bytes: int, path: str) -> None:
        self.bytes += size_bytes
        if self.bytes > FILE_BYTES_MAX:
            raise OutOfRange(
                f"That is more than {FILE_BYTES_MAX >> 20} MiB, as much as goes through the agent at once.",
                where=shown(path),
                cause=f"{self.files} files were copied.",
                advice="Copy fewer, or use «Open Image» on the disk.",
            )

    def skip(self, path: str | Path, why: str) -> None:
        self.skipped.append(f"{shown(str(path))}: {why}")


class Bringing:
    """Local files into a guest's folder."""

    def __init__(self, guest: LiveGuest, cancelled: Event, answers: Sequence[Conflict]) -> None:
        """``answers``: what to do with each path if its name is taken."""
        self._guest = guest
        self._answers = answers
        self._conflict = Conflict.REFUSE
        self._count = _Counted(cancelled)

    def bring(self, paths: Sequence[Path], folder: str) -> Transferred:
        there = {entry.name for entry in self._guest.list_folder(folder).entries}
        made: list[str] = []
        with _local_trouble("read"):
            for path, answer in zip(paths, self._answers, strict=True):
                self._conflict = answer
                made.append(self._bring(path, folder, there, 0))
                there.add(posixpath.basename(made[-1]))
        count = self._count
        return Transferred(count.files, count.bytes, tuple(p for p in made if p), tuple(count.skipped))

    def _bring(self, path: Path, folder: str, there: set[str], depth: int) -> str:
        name = self._name(path, there)
        target = f"{folder.rstrip('/')}/{name}"
        if not name:
            return ""
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode) and depth < DEPTH_MAX:
            inside: set[str] = set()
            if name in there:
                inside = {entry.name for entry in self._guest.list_folder(target).entries}
            else:
                self._guest.make_folder(target)
            for child in sorted(path.iterdir()):
                self._bring(child, target, inside, depth + 1)
        elif stat.S_ISREG(mode):
            self._bring_file(path, target)
        else:
            self._count.skip(path, "neither a file nor a folder")
            return ""
        return target

    def _name(self, path: Path, there: set[str]) -> str:
        if path.name not in there or self._conflict is Conflict.REPLACE:
            return path.name
        if self._conflict is Conflict.KEEP_BOTH:
            return _free(path.name, there)
        if self._conflict is Conflict.SKIP:
            self._count.skip(path, "the name is taken")
            return ""
        raise OperationRefused(f"“{shown(path.name)}” is there already.", where=shown(str(path)))

    def _bring_file(self, path: Path, target: str) -> None:
        self._count.begin_file(str(path))
        handle = os.open(path, os.O_RDONLY | _NO_FOLLOW)
        with os.fdopen(handle, "rb") as file:
            data = file.read(FILE_BYTES_MAX - self._count.bytes + 1)
            mode = stat.S_IMODE(os.fstat(handle).st_mode) & 0o777
        self._count.end_file(len(data), str(path))
        self._guest.add_file(target, data, mode=mode, replace=self._conflict is Conflict.REPLACE)


class Fetching:
    """Files of a guest into a local folder; names there are never written over."""

    def __init__(self, guest: LiveGuest, cancelled: Event) -> None:
        self._guest = guest
        self._count = _Counted(cancelled)

    def fetch(self, guest_paths: Sequence[str], folder: Path) -> Transferred:
        made: list[str] = []
        with _local_trouble("written"):
            for path in guest_paths:
                entry = self._guest.entry(path)
                target = folder / _free(posixpath.basename(path) or "root", set(os.listdir(folder)))
                self._fetch(path, entry, target, 0)
                if target.exists():
                    made.append(str(target))
        return Transferred(self._count.files, self._count.bytes, tuple(made), tuple(self._count.skipped))

    def _fetch(self, path: str, entry: Entry, target: Path, depth: int) -> None:
        if entry.kind is EntryKind.FOLDER and depth < DEPTH_MAX:
            target.mkdir(mode=0o700)
            for child in self._guest.list_folder(path).entries:
                self._fetch(f"{path.rstrip('/')}/{child.name}", child, target / child.name, depth + 1)
        elif entry.kind is EntryKind.FILE:
            self._fetch_file(path, target)
        else:
            self._count.skip(path, "neither a file nor a folder")

    def _fetch_file(self, path: str, target: Path) -> None:
        self._count.begin_file(path)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                entry = self._guest.read_into(path, file.write)
                size = file.tell()
        except BaseException:
            target.unlink(missing_ok=True)  # no half a file is left
            raise
        if entry is not None:
            os.chmod(target, (entry.mode or 0o600) & 0o777)
            if entry.modified_at is not None:
                os.utime(target, (entry.modified_at, entry.modified_at))
        self._count.end_file(size, path)


def _free(name: str, there: set[str]) -> str:
    """«name (2).txt» where the name is taken."""
    stem, ending = posixpath.splitext(name)
    number, found = 2, name
    while found in there:
        found = f"{stem} ({number}){ending}"
        number += 1
    return found


@contextlib.contextmanager
def _local_trouble(verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OperationRefused(
            f"A file on this machine could not be {verb}.",
            cause=f"{error.strerror or error}.",
            advice="What was copied before it is whole.",
            where=shown(str(error.filename or "")),
            said=shown(str(error)),
        ) from error
