# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying local files and folders into the image. Child process.

Everything goes as one tar stream (big files after it, each by itself) into a folder of its own beside its destination,
and only then takes its place: a cancel or a full disk leaves nothing half-done.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from vmconsole.images import names
from vmconsole.images.child.listing import addressable_names
from vmconsole.images.child.local_files import Gathering, Item, gather
from vmconsole.images.child.placing import Staged, placed_in
from vmconsole.images.child.streams import stream_in
from vmconsole.images.child.tar_stream import Dress, TarWriter
from vmconsole.images.hints import explained
from vmconsole.images.messages import Conflict, Ownership, Transferred
from vmconsole.inventory.errors import ImageError, ImageNoSpace
from vmconsole.inventory.units import binary

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.child.handle import Handle, Work
    from vmconsole.images.requests import Import

_LABEL = "security.selinux"
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    items: tuple[Item, ...]
    skipped: tuple[str, ...]
    is_fresh: bool
    """Nothing of it is there yet."""

    @property
    def tops(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if "/" not in item.name)

    @property
    def total_bytes(self) -> int:
        return sum(_data_bytes(item) for item in self.items)

    @property
    def file_count(self) -> int:
        return sum(not item.is_folder for item in self.items)


def _data_bytes(item: Item) -> int:
    if not item.is_file or item.same_as:
        return 0
    size = item.found.st_size
    return min(size, item.found.st_blocks * 512) if item.is_sparse and not item.is_sent_apart else size


def import_paths(work: Work, request: Import) -> Transferred:
    into = names.ordinary_path(request.folder)
    try:
        plan = _planned(work, request, into)
        done = bring(work, plan, into, request.room_bytes, _tailor(work.handle, into, request.ownership))
    except RuntimeError as error:
        raise work.failed(f"The files cannot be imported into {into}.", error) from error
    except OSError as error:
        raise explained(
            "A local file cannot be read.", str(error), where=names.shown_text(str(error.filename))
        ) from error
    return dataclasses.replace(done, not_kept=_not_kept(plan, request.ownership))


def bring(work: Work, plan: Plan, into: str, room_bytes: int, dress_of: Callable[[Item], Dress]) -> Transferred:
    """All of a plan, or nothing."""
    try:
        check_room(plan.total_bytes, room_bytes)
        check_guest_room(work.handle, plan.total_bytes, into)
        if plan.items:
            with placed_in(work, into, [item.name for item in plan.tops], is_fresh=plan.is_fresh) as staged:
                _send(work, plan, staged, dress_of)
                staged.place([item.name for item in plan.tops], {item.name: item.is_folder for item in plan.items})
    except RuntimeError as error:
        raise work.failed(f"The files cannot be imported into {into}.", error) from error
    placed = tuple(names.join(into, item.name) for item in plan.tops)
    return Transferred(plan.file_count, plan.total_bytes, placed, plan.skipped)


def taken_in(work: Work, into: str) -> set[str]:
    """The names in a folder."""
    return set(addressable_names(work.handle, into))


def _planned(work: Work, request: Import, into: str) -> Plan:
    taken = taken_in(work, into)
    found, is_fresh = Gathering(), True
    for local, conflict in zip(request.local_paths, request.answers(len(request.local_paths)), strict=True):
        name = free_or_refused(names.checked_name(os.path.basename(local.rstrip("/"))), taken, conflict, into)
        if name is None:
            found.skipped.append(f"{names.shown_text(os.path.basename(local))}: is there already")
            continue
        is_fresh = is_fresh and name not in taken
        taken.add(name)
        gather(local, name, found, check=work.check_cancelled)
    return Plan(tuple(found.items), tuple(found.skipped), is_fresh)


def free_or_refused(name: str, taken: set[str], conflict: Conflict, into: str) -> str | None:
    """The name that a new thing gets; None if it is left out."""
    if name not in taken or conflict is Conflict.REPLACE:
        return name
    if conflict is Conflict.SKIP:
        return None
    if conflict is Conflict.KEEP_BOTH:
        return names.free_name(name, taken)
    raise ImageError(f"«{name}» is in the folder already.", where=into, advice="Rename it, or replace it.")


def check_room(total_bytes: int, room_bytes: int) -> None:
    if total_bytes > room_bytes:
        raise ImageNoSpace(
            f"The draft would grow by {binary(total_bytes)}, and this computer has room for {binary(room_bytes)}.",
            advice="Free some space, or choose another place for drafts.",
        )


def check_guest_room(handle: Handle, total_bytes: int, into: str) -> None:
    found = handle.statvfs(into)
    free = found["bavail"] * found["frsize"]
    if total_bytes > free:
        raise ImageNoSpace(
            f"The guest's filesystem has {binary(free)} free, and {binary(total_bytes)} are to be imported.",
            advice="Delete something in the guest, or make its disk and filesystem larger.",
            where=into,
        )


# -- what it looks like in the image ---------------------------------------------------------------------------


def _tailor(handle: Handle, into: str, ownership: Ownership) -> Callable[[Item], Dress]:
    if ownership is Ownership.AS_IS:
        return lambda item: Dress(item.found.st_uid, item.found.st_gid, item.xattrs)
    folder = handle.statns(into)
    uid, gid = (folder["st_uid"], folder["st_gid"]) if ownership is Ownership.FOLDER else (0, 0)
    label = folder_label(handle, into)

    def dressed(item: Item) -> Dress:
        return Dress(uid, gid, (*((n, v) for n, v in item.xattrs if n.startswith("user.")), *label))

    return dressed


def folder_label(handle: Handle, folder: str) -> tuple[tuple[str, bytes], ...]:
    """The SELinux label that new things in a folder get from it, where the guest has labels. The appliance has no
    policy that would do it."""
    try:
        found = handle.lgetxattrs(handle.realpath(folder))
    except RuntimeError:
        return ()  # a filesystem without attributes
    return tuple((x["attrname"], x["attrval"]) for x in found if x["attrname"] == _LABEL)


def _not_kept(plan: Plan, ownership: Ownership) -> tuple[str, ...]:
    if ownership is Ownership.AS_IS:
        return ()
    lost = [i for i in plan.items if any(not n.startswith("user.") and n != _LABEL for n, _ in i.xattrs)]
    if not lost:
        return ()
    return (f"Access lists or capabilities of {len(lost)} files (they are kept with «As in the source»)",)


# -- the way in ------------------------------------------------------------------------------------------------


def _send(work: Work, plan: Plan, staged: Staged, dress_of: Callable[[Item], Dress]) -> None:
    total = plan.total_bytes
    has_xattrs = False
    dresses = []
    for item in plan.items:
        dresses.append(dress_of(item))
        has_xattrs = has_xattrs or bool(dresses[-1].xattrs)

    def write(pipe: BinaryIO) -> None:
        tar = TarWriter(pipe, lambda sent: work.move("Importing", sent, total))
        for item, dress in zip(plan.items, dresses, strict=True):
            tar.add(item, dress)
        tar.end()

    options = {"xattrs": True} if has_xattrs else {}
    stream_in(work, write, lambda pipe: work.handle.tar_in(pipe, staged.folder, **options))
    sent = total - sum(item.found.st_size for item in plan.items if item.is_sent_apart)
    for item in plan.items:
        if item.is_sent_apart:
            _upload(work, item, names.join(staged.folder, item.name), sent, total)
            sent += item.found.st_size
    work.check_cancelled()


def _upload(work: Work, item: Item, path: str, sent: int, total: int) -> None:
    """The content of a big file, into the empty one that the stream has made."""

    def write(pipe: BinaryIO) -> None:
        position = 0
        with open(item.local, "rb") as source:
            while part := source.read(_COPY_BYTES):
                pipe.write(part)
                position += len(part)
                work.move(f"Importing {names.shown_text(names.base(item.name))}", sent + position, total)

    stream_in(work, write, lambda pipe: work.handle.upload(pipe, path))
    seconds, nanoseconds = divmod(item.found.st_mtime_ns, 10**9)
    work.handle.utimens(path, seconds, nanoseconds, seconds, nanoseconds)
