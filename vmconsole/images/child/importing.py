# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying local files and folders into the image. Child process.

Everything goes as one tar stream into a folder of its own beside its destination, and only then takes its place: a
cancel or a full disk leaves nothing half-done.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from vmconsole.images import names
from vmconsole.images.child.editing import move, temporary_name
from vmconsole.images.child.handle import is_folder, lstat_of
from vmconsole.images.child.listing import addressable_names
from vmconsole.images.hints import explained
from vmconsole.images.messages import Conflict, Transferred
from vmconsole.inventory.errors import ImageError, ImageNoSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmconsole.images.child.handle import Handle, Stat, Work
    from vmconsole.images.requests import Import


@dataclass(frozen=True, slots=True)
class Item:
    """One local thing and its name in the tar stream."""

    local: str
    name: str
    found: os.stat_result


@dataclass(frozen=True, slots=True)
class Plan:
    items: tuple[Item, ...]
    skipped: tuple[str, ...]

    @property
    def tops(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if "/" not in item.name)

    @property
    def total_bytes(self) -> int:
        return sum(item.found.st_size for item in self.items if stat.S_ISREG(item.found.st_mode))

    @property
    def file_count(self) -> int:
        return sum(not stat.S_ISDIR(item.found.st_mode) for item in self.items)


def import_paths(work: Work, request: Import) -> Transferred:
    into = names.ordinary_path(request.folder)
    staging = work.writable(temporary_name(names.join(into, "x")))
    try:
        plan = _planned(work, request.local_paths, into, request.conflict)
        _check_room(plan, request.room_bytes)
        _check_guest_room(work.handle, plan, into)
        if plan.items:
            _stage_and_place(work, plan, into, staging)
    except RuntimeError as error:
        raise work.failed(f"The files cannot be imported into {into}.", error) from error
    except OSError as error:
        raise explained(
            "A local file cannot be read.", str(error), where=names.shown_text(str(error.filename))
        ) from error
    placed = tuple(names.join(into, item.name) for item in plan.tops)
    return Transferred(plan.file_count, plan.total_bytes, placed, plan.skipped)


def _planned(work: Work, local_paths: tuple[str, ...], into: str, conflict: Conflict) -> Plan:
    taken = set(addressable_names(work.handle, into))
    items: list[Item] = []
    skipped: list[str] = []
    for local in local_paths:
        name = names.checked_text(os.path.basename(local.rstrip("/")))
        if name in taken:
            if conflict is Conflict.REFUSE:
                raise ImageError(f"«{name}» is in the folder already.", where=into, advice="Rename it, or replace it.")
            if conflict is Conflict.SKIP:
                skipped.append(f"{name}: is there already")
                continue
            if conflict is Conflict.KEEP_BOTH:
                name = names.free_name(name, taken)
        taken.add(name)
        for item in _walk(local, name):
            work.check_cancelled()
            if _travels(item.found.st_mode):
                items.append(item)
            else:
                skipped.append(f"{names.shown_text(item.local)}: a device, pipe or socket")
    return Plan(tuple(items), tuple(skipped))


def _check_room(plan: Plan, room_bytes: int) -> None:
    if plan.total_bytes > room_bytes:
        raise ImageNoSpace(
            f"The draft would grow by {plan.total_bytes >> 20} MiB, and this computer has room for {room_bytes >> 20}.",
            advice="Free some space, or choose another place for drafts.",
        )


def _check_guest_room(handle: Handle, plan: Plan, into: str) -> None:
    found = handle.statvfs(into)
    free = found["bavail"] * found["frsize"]
    if plan.total_bytes > free:
        raise ImageNoSpace(
            f"The guest's filesystem has {free >> 20} MiB free, and {plan.total_bytes >> 20} MiB are to be imported.",
            advice="Delete something in the guest, or make its disk and filesystem larger.",
            where=into,
        )


def _travels(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def _walk(local: str, name: str) -> Iterator[Item]:
    found = os.lstat(local)
    yield Item(local, name, found)
    if stat.S_ISDIR(found.st_mode):
        for child in sorted(os.listdir(local)):
            yield from _walk(os.path.join(local, child), f"{name}/{child}")


def _stage_and_place(work: Work, plan: Plan, into: str, staging: str) -> None:
    owner = work.handle.statns(into)
    work.handle.mkdir_mode(staging, 0o700)
    try:
        _send(work, plan, staging, owner)
        work.check_cancelled()
        for top in plan.tops:
            _place(work.handle, plan, staging, into, top)
    finally:
        with contextlib.suppress(RuntimeError):
            work.handle.rm_rf(staging)


def _place(handle: Handle, plan: Plan, staging: str, into: str, item: Item) -> None:
    """Move what is staged to its place; a folder that is there already is merged, name by name."""
    staged, wanted = names.join(staging, item.name), names.join(into, item.name)
    there = lstat_of(handle, wanted)
    if there is None or not (is_folder(there) or stat.S_ISDIR(item.found.st_mode)):
        move(handle, staged, wanted)
    elif is_folder(there) and stat.S_ISDIR(item.found.st_mode):
        for child in plan.items:
            if child.name.rpartition("/")[0] == item.name:
                names.checked_text(child.name)
                _place(handle, plan, staging, into, child)
    else:
        raise ImageError(
            "A folder cannot replace a file, nor a file a folder.", where=wanted, advice="Rename one of them."
        )


def _send(work: Work, plan: Plan, staging: str, owner: Stat) -> None:
    """Write the tar stream from a second thread while the appliance unpacks it."""
    reading, writing = os.pipe()
    problems: list[Exception] = []
    writer = threading.Thread(
        target=_write_tar, args=(writing, plan, owner, _mover(work, plan.total_bytes), problems), name="tar-writer"
    )
    writer.start()
    said: RuntimeError | None = None
    try:
        work.handle.tar_in(f"/dev/fd/{reading}", staging)
    except RuntimeError as error:
        said = error
    finally:
        # With the last reader gone, a writer that waits for room in the pipe ends with a broken pipe.
        os.close(reading)
        writer.join()
    work.check_cancelled()
    local = next((p for p in problems if not isinstance(p, BrokenPipeError)), None)
    if local is not None:
        raise local
    if said is not None:
        raise said


def _mover(work: Work, total: int) -> Callable[[int], None]:
    return lambda position: work.move("Importing", position, total)


def _write_tar(writing: int, plan: Plan, owner: Stat, moved: Callable[[int], None], problems: list[Exception]) -> None:
    position = 0
    try:
        with (
            open(writing, "wb") as pipe,
            tarfile.open(fileobj=pipe, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8") as tar,
        ):
            for item in plan.items:
                info = _tar_info(item, owner)
                if not info.isreg():
                    tar.addfile(info)
                    continue
                with open(item.local, "rb") as source:
                    # tarfile asks for no more of a file than read().
                    tar.addfile(info, _Counted(source, position, moved))  # type: ignore[arg-type]  # see above
                position += info.size
    except Exception as error:  # noqa: BLE001 - whatever it is, the main thread must raise it instead of this one
        problems.append(error)


def _tar_info(item: Item, owner: Stat) -> tarfile.TarInfo:
    info = tarfile.TarInfo(item.name)
    mode = item.found.st_mode
    info.mode, info.mtime = stat.S_IMODE(mode), int(item.found.st_mtime)
    info.uid, info.gid = owner["st_uid"], owner["st_gid"]
    if stat.S_ISDIR(mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(item.local)
    else:
        info.size = item.found.st_size
    return info


class _Counted:
    """A file whose reading is reported."""

    def __init__(self, source: BinaryIO, position: int, moved: Callable[[int], None]) -> None:
        self._source, self._position, self._moved = source, position, moved

    def read(self, size: int) -> bytes:
        part = self._source.read(size)
        self._position += len(part)
        self._moved(self._position)
        return part
