# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying files and folders of the image to a local folder. Child process.

The guest's names and links are hostile: what is made, is made inside a fresh folder of our own, and takes its place at
the end. Devices, and links that lead out, are left out and named.
"""

from __future__ import annotations

import base64
import os
import stat
import tarfile
import tempfile
from functools import partial
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.handle import CHUNK_BYTES, is_folder, lstat_of
from vmconsole.images.child.listing import regular_file
from vmconsole.images.child.local_dress import Attributes, Tally, put_on
from vmconsole.images.child.local_files import APART_BYTES
from vmconsole.images.child.room import Room, data_bytes, data_ranges
from vmconsole.images.child.streams import stream_out
from vmconsole.images.child.unpacking import Unpacker, stays_inside, write_with_holes
from vmconsole.images.hints import explained
from vmconsole.images.messages import Transferred
from vmconsole.images.removing import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.images.child.handle import Stat, Work
    from vmconsole.images.child.room import Range

_LISTED_BYTES = 1 << 20


def export_paths(work: Work, paths: tuple[object, ...], local_folder: str) -> Transferred:
    checked = [names.ordinary_path(path) for path in paths]
    tally, placed = Tally(), []
    try:
        staging = tempfile.mkdtemp(prefix=".vmconsole-export-", dir=local_folder)
        try:
            siblings = frozenset(names.base(path) for path in checked)
            for number, path in enumerate(checked):
                _export_one(work, path, os.path.join(staging, str(number)), tally, siblings)
            placed = [_place(os.path.join(staging, str(n)), local_folder, p) for n, p in enumerate(checked)]
        finally:
            remove_tree(staging)
    except OSError as error:
        raise explained("The files cannot be written on this machine.", str(error), where=local_folder) from error
    return Transferred(tally.files, tally.bytes, tuple(placed), tuple(tally.skipped), tally.not_kept)


def _place(staged: str, local_folder: str, path: str) -> str:
    taken = frozenset(os.listdir(local_folder))
    wanted = os.path.join(local_folder, names.free_name(names.base(path) or "image", taken))
    os.rename(staged, wanted)
    return wanted


def _export_one(work: Work, path: str, local: str, tally: Tally, siblings: frozenset[str]) -> None:
    try:
        if _export_link(work, path, local, tally, siblings):
            return
        found = work.handle.statns(path)
        if is_folder(found):
            os.mkdir(local, 0o700)
            _export_folder(work, work.handle.realpath(path), local, tally)
        else:
            _export_file(work, path, local, regular_file(work, path), tally)
    except RuntimeError as error:
        raise work.failed(f"{path} cannot be exported.", error) from error


def _export_link(work: Work, path: str, local: str, tally: Tally, siblings: frozenset[str]) -> bool:
    """A link to something that is copied beside it stays a link; any other is copied as what it leads to."""
    found = lstat_of(work.handle, path)
    if found is None or not stat.S_ISLNK(found["st_mode"]):
        return False
    target = work.handle.readlinklist(names.parent(path), [names.base(path)])[0]
    if target.split("/")[0] not in siblings or not stays_inside(names.base(path), target):
        return False
    os.symlink(target, local)
    put_on(local, attributes(work, path, found), tally, is_link=True)
    tally.files += 1
    return True


def _export_file(work: Work, path: str, local: str, found: Stat, tally: Tally) -> None:
    copy_content(work, path, local, found, tally)
    put_on(local, attributes(work, path, found), tally)
    tally.files += 1


def copy_content(work: Work, path: str, local: str, found: Stat, tally: Tally) -> None:
    """Into a new file of this machine; holes stay holes. Raises ImageNoSpace before it fills the disk."""
    size, room = found["st_size"], Room(os.path.dirname(local))
    room.check(data_bytes(found))
    before, total = (tally.bytes, tally.total_bytes) if tally.total_bytes else (0, size)
    words = f"Exporting {names.shown_text(names.base(path))}"

    def moved(position: int) -> None:
        room.look_again(position)
        work.move(words, before + position, total)

    with open(local, "xb") as into:
        into.truncate(size)  # what this disk's filesystem cannot hold, it says now
        put = into.write if data_bytes(found) == size else partial(write_with_holes, into)
        for begin, end in data_ranges(work, path, found):
            into.seek(begin)
            position = _copy_range(work, path, (begin, end), put, moved)
            if position < end:
                into.truncate(position)  # a running guest made it shorter
                break
    tally.bytes += size


def _copy_range(
    work: Work, path: str, place: Range, put: Callable[[bytes], object], moved: Callable[[int], None]
) -> int:
    """Up to where it came."""
    position, end = place
    while position < end:
        work.check_cancelled()
        part = work.handle.pread(path, min(CHUNK_BYTES, end - position), position)
        if not part:
            break
        put(part)
        position += len(part)
        moved(position)
    return position


def attributes(work: Work, path: str, found: Stat) -> Attributes:
    """What a thing of the image is like, a link itself."""
    try:
        xattrs = tuple((x["attrname"], x["attrval"]) for x in work.handle.lgetxattrs(path))
    except RuntimeError:
        xattrs = ()  # a filesystem without attributes
    times = (_nanoseconds(found, "atime"), _nanoseconds(found, "mtime"))
    return Attributes(found["st_mode"], found["st_uid"], found["st_gid"], *times, xattrs)


def _nanoseconds(found: Stat, which: str) -> int:
    return found[f"st_{which}_sec"] * 10**9 + found[f"st_{which}_nsec"]


# -- folders ---------------------------------------------------------------------------------------------------


def _export_folder(work: Work, path: str, local: str, tally: Tally) -> None:
    """As one tar stream; big files by themselves, because tar is slow with them."""
    size, stored, big = look_below(work, path)
    room = Room(local)
    room.check(stored)
    tally.total_bytes = tally.bytes + size
    words = f"Exporting {names.shown_text(names.base(path))}"

    def moved() -> None:
        room.look_again(tally.bytes)
        work.move(words, tally.bytes, tally.total_bytes)

    unpacker = Unpacker(local, tally, moved)

    def give(pipe: str) -> None:
        work.handle.tar_out(path, pipe, numericowner=True, xattrs=True, excludes=excluded(big))

    try:
        stream_out(work, unpacker.read, give)
    except tarfile.TarError as error:
        raise RuntimeError(str(error)) from error
    for name in big:
        file = names.join(path, name)
        _export_file(work, file, os.path.join(local, name), regular_file(work, file), tally)
    unpacker.finish()
    tally.total_bytes = 0


def measured(work: Work, path: str) -> tuple[int, list[str]]:
    """How many bytes are below a folder, and its big files, relative to it; nothing where the appliance cannot tell."""
    size, _, big = look_below(work, path)
    return size, big


def look_below(work: Work, path: str) -> tuple[int, int, list[str]]:
    """The same, and how many of the bytes are stored: holes are not.

    Of names, the shell there is given the folder's alone, in octal; those that it finds come back as base64.
    """
    if not path.isascii():
        return 0, 0, []
    octal = "".join(f"\\{byte:03o}" for byte in path.encode("ascii"))
    script = (
        f"cd \"/sysroot$(printf '{octal}')\" && du -sb . | cut -f1 && du -s -B1 . | cut -f1 && "
        f"find . -type f -links 1 -size +{APART_BYTES - 1}c -printf '%P\\0' | head -c {_LISTED_BYTES} | base64 -w0"
    )
    try:
        size, stored, listed = work.handle.debug("sh", [script]).split("\n", 2)
        found = base64.b64decode(listed.strip()).split(b"\0")[:-1]
        # A list of patterns has one a line.
        return int(size), int(stored), [os.fsdecode(name) for name in found if b"\n" not in name]
    except (RuntimeError, ValueError):
        return 0, 0, []


def excluded(big: Sequence[str]) -> list[str]:
    """What tar is told to leave out."""
    return ["./" + _as_pattern(name) for name in big]


def _as_pattern(name: str) -> str:
    """A name as GNU tar's --exclude takes it literally."""
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in name)
