# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying files and folders of the image to a local folder. Child process.

The guest's names and links are hostile: only plain files, folders and hard links between them are made, inside a fresh
folder of our own, and the result takes its place at the end. Links and devices are left out and named.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
import tempfile
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.handle import CHUNK_BYTES, is_folder
from vmconsole.images.child.listing import regular_file
from vmconsole.images.hints import explained
from vmconsole.images.messages import Transferred
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.child.handle import Stat, Work


@dataclass(slots=True)
class Tally:
    files: int = 0
    bytes: int = 0
    skipped: list[str] = field(default_factory=list)


def export_paths(work: Work, paths: tuple[object, ...], local_folder: str) -> Transferred:
    checked = [names.ordinary_path(path) for path in paths]
    tally, placed = Tally(), []
    try:
        staging = tempfile.mkdtemp(prefix=".vmconsole-export-", dir=local_folder)
        try:
            for number, path in enumerate(checked):
                _export_one(work, path, os.path.join(staging, str(number)), tally)
            placed = [_place(os.path.join(staging, str(n)), local_folder, p) for n, p in enumerate(checked)]
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise explained("The files cannot be written on this machine.", str(error), where=local_folder) from error
    return Transferred(tally.files, tally.bytes, tuple(placed), tuple(tally.skipped))


def _place(staged: str, local_folder: str, path: str) -> str:
    taken = frozenset(os.listdir(local_folder))
    wanted = os.path.join(local_folder, names.free_name(names.base(path) or "image", taken))
    os.rename(staged, wanted)
    return wanted


def _export_one(work: Work, path: str, local: str, tally: Tally) -> None:
    try:
        found = work.handle.statns(path)
        if is_folder(found):
            os.mkdir(local, 0o700)
            _export_folder(work, work.handle.realpath(path), local, tally)
        else:
            _export_file(work, path, local, regular_file(work, path), tally)
    except RuntimeError as error:
        raise work.failed(f"{path} cannot be exported.", error) from error


def _export_file(work: Work, path: str, local: str, found: Stat, tally: Tally) -> None:
    size, position = found["st_size"], 0
    with open(local, "xb") as into:
        while position < size:
            work.check_cancelled()
            part = work.handle.pread(path, CHUNK_BYTES, position)
            if not part:
                break
            into.write(part)
            position += len(part)
            work.move(f"Exporting {names.base(path)}", position, size)
        os.fchmod(into.fileno(), _safe_mode(found["st_mode"]))
    os.utime(local, ns=(_nanoseconds(found, "atime"), _nanoseconds(found, "mtime")))
    tally.files, tally.bytes = tally.files + 1, tally.bytes + position


def _nanoseconds(found: Stat, which: str) -> int:
    return found[f"st_{which}_sec"] * 10**9 + found[f"st_{which}_nsec"]


def _safe_mode(mode: int) -> int:
    """Permissions for this machine: no set-id bits, and the owner can always read and write."""
    return (mode & 0o777) | 0o600


def _export_folder(work: Work, path: str, local: str, tally: Tally) -> None:
    """Unpack the tar stream on a second thread while the appliance makes it."""
    reading, writing = os.pipe()
    problems: list[Exception] = []
    unpacker = Unpacker(local, tally, lambda done: work.move(f"Exporting {names.base(path)}", done, 0))
    reader = threading.Thread(target=_unpack, args=(reading, unpacker, problems), name="tar-reader")
    reader.start()
    said: RuntimeError | None = None
    try:
        work.handle.tar_out(path, f"/dev/fd/{writing}", numericowner=True)
    except RuntimeError as error:
        said = error
    finally:
        # The last writer goes, so that the reader sees the end.
        os.close(writing)
        reader.join()
    work.check_cancelled()
    # A stream that was cut short is a consequence: the appliance's own words come first.
    local_problem = next((p for p in problems if isinstance(p, OSError)), None)
    for problem in (local_problem, said, *problems):
        if problem is not None:
            raise problem if not isinstance(problem, tarfile.TarError) else RuntimeError(str(problem))


def _unpack(reading: int, unpacker: Unpacker, problems: list[Exception]) -> None:
    try:
        with (
            open(reading, "rb") as pipe,
            tarfile.open(fileobj=pipe, mode="r|", encoding="utf-8", errors="surrogateescape") as tar,
        ):
            for member in tar:
                unpacker.take(tar, member)
            # The padding after the end mark, or the appliance would be stopped by a broken pipe.
            while pipe.read(65536):
                pass
    except Exception as error:  # noqa: BLE001 - whatever it is, the main thread must raise it instead of this one
        problems.append(error)


class Unpacker:
    """Makes files and folders from a tar stream below one folder, and nothing anywhere else."""

    def __init__(self, folder: str, tally: Tally, moved: Callable[[int], None]) -> None:
        self._folder, self._tally, self._moved = folder, tally, moved

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        local = self._local(member.name)
        if local is None:
            return
        if member.isdir():
            os.makedirs(local, exist_ok=True)
            os.chmod(local, _safe_mode(member.mode) | 0o700)
        elif member.isreg():
            self._make_file(tar, member, local)
        elif member.islnk():
            self._link(member, local)
        else:
            what = "a link" if member.issym() else "a device, pipe or socket"
            self._tally.skipped.append(f"{names.shown_text(member.name)}: {what}")

    def _local(self, name: str) -> str | None:
        """Where a member goes; None for the folder itself. No link is ever made here, so no path can lead out."""
        parts = [p for p in name.split("/") if p not in {"", "."}]
        if ".." in parts:
            raise ImageError("The image holds a name that leads out of the folder.", where=names.shown_text(name))
        return os.path.join(self._folder, *parts) if parts else None

    def _make_file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, local: str) -> None:
        source = tar.extractfile(member)
        with open(local, "xb") as into:
            while source is not None and (part := source.read(CHUNK_BYTES)):
                into.write(part)
                self._tally.bytes += len(part)
                self._moved(self._tally.bytes)
            os.fchmod(into.fileno(), _safe_mode(member.mode))
        os.utime(local, (member.mtime, member.mtime))
        self._tally.files += 1

    def _link(self, member: tarfile.TarInfo, local: str) -> None:
        target = self._local(member.linkname)
        if target is None or not os.path.isfile(target):
            self._tally.skipped.append(f"{names.shown_text(member.name)}: its other name was left out")
            return
        with contextlib.suppress(FileExistsError):
            os.link(target, local)
        self._tally.files += 1
