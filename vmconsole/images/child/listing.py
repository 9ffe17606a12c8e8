# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing folders and reading files. Child process.

A folder costs three requests: readdir (names and kinds), lstatnslist, and readlinklist for the links. One name that is
not UTF-8 makes readdir raise UnicodeDecodeError for the whole folder; then ls0 gives the bytes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.fstab import names_of
from vmconsole.images.child.handle import CHUNK_BYTES, is_file, is_folder
from vmconsole.images.messages import Entry, EntryKind, FileContent, Folder
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Handle, Stat, Work

_KINDS = {
    0o100000: EntryKind.FILE,
    0o040000: EntryKind.FOLDER,
    0o120000: EntryKind.LINK,
    0o060000: EntryKind.BLOCK_DEVICE,
    0o020000: EntryKind.CHARACTER_DEVICE,
    0o010000: EntryKind.PIPE,
    0o140000: EntryKind.SOCKET,
}
_MAX_READ_BYTES = 64 * 1024 * 1024
_NO_FILE = -1


def list_folder(work: Work, path: object) -> Folder:
    folder = names.guest_path(path)
    try:
        found, lost = _names(work.handle, folder)
        stats = dict(zip(found, work.handle.lstatnslist(folder, found), strict=True))
        links = [n for n in found if _kind(stats[n]) is EntryKind.LINK]
        targets = dict(zip(links, work.handle.readlinklist(folder, links), strict=True)) if links else {}
        users, groups = (_number_names(work, file) for file in ("/etc/passwd", "/etc/group"))
    except UnicodeDecodeError:
        # A link's target has such bytes: the targets are left out rather than the folder.
        return _without_targets(work, folder, found, stats, lost)
    except RuntimeError as error:
        raise work.failed(f"The folder {folder} cannot be listed.", error) from error
    entries = [_entry(n, stats[n], users, groups, targets.get(n, "")) for n in found]
    return Folder(folder, (*entries, *lost))


def _without_targets(work: Work, folder: str, found: list[str], stats: dict[str, Stat], lost: list[Entry]) -> Folder:
    users, groups = (_number_names(work, file) for file in ("/etc/passwd", "/etc/group"))
    return Folder(folder, (*(_entry(n, stats[n], users, groups, "") for n in found), *lost))


def _names(handle: Handle, folder: str) -> tuple[list[str], list[Entry]]:
    """Names that can be addressed, and entries for those that cannot."""
    try:
        return [e["name"] for e in handle.readdir(folder) if e["name"] not in {".", ".."}], []
    except UnicodeDecodeError:
        raw = _raw_names(handle, folder)
    shown = [names.shown_bytes(name) for name in raw]
    lost = [
        Entry(name, EntryKind.UNKNOWN, is_addressable=False) for name, is_addressable in shown if not is_addressable
    ]
    return [name for name, is_addressable in shown if is_addressable], lost


def addressable_names(handle: Handle, folder: str) -> list[str]:
    return _names(handle, folder)[0]


def _raw_names(handle: Handle, folder: str) -> list[bytes]:
    with tempfile.NamedTemporaryFile(prefix="vmconsole-names-") as into:
        handle.ls0(folder, into.name)
        return [name for name in Path(into.name).read_bytes().split(b"\0") if name]


def _number_names(work: Work, file: str) -> dict[int, str]:
    if work.contents is None or not work.contents.has_os_tree:
        return {}
    try:
        return names_of(work.handle.pread(file, CHUNK_BYTES, 0).decode("utf-8", errors="replace"))
    except RuntimeError:
        return {}


def _kind(found: Stat) -> EntryKind:
    return (
        EntryKind.UNKNOWN if found["st_ino"] == _NO_FILE else _KINDS.get(found["st_mode"] & 0o170000, EntryKind.UNKNOWN)
    )


def _entry(name: str, found: Stat, users: dict[int, str], groups: dict[int, str], target: str) -> Entry:
    if found["st_ino"] == _NO_FILE:
        return Entry(name, EntryKind.UNKNOWN)
    uid, gid = found["st_uid"], found["st_gid"]
    return Entry(
        name=name,
        kind=_kind(found),
        size_bytes=found["st_size"],
        mode=found["st_mode"] & 0o7777,
        uid=uid,
        gid=gid,
        owner=users.get(uid, str(uid)),
        group=groups.get(gid, str(gid)),
        accessed_at=_seconds(found, "atime"),
        modified_at=_seconds(found, "mtime"),
        changed_at=_seconds(found, "ctime"),
        links=found["st_nlink"],
        link_target=target,
    )


def _seconds(found: Stat, which: str) -> float:
    return found[f"st_{which}_sec"] + found[f"st_{which}_nsec"] / 1e9


def read_file(work: Work, path: object, limit_bytes: int) -> FileContent:
    file = names.guest_path(path)
    try:
        found = regular_file(work, file)
        limit = min(found["st_size"], limit_bytes, _MAX_READ_BYTES)
        return FileContent(file, _read(work, file, limit), found["st_size"], found["st_mode"] & 0o7777)
    except RuntimeError as error:
        raise work.failed(f"The file {file} cannot be read.", error) from error


def regular_file(work: Work, path: str) -> Stat:
    """stat(2) of a regular file. Anything else is refused: to open a pipe or device would hang the appliance."""
    found = work.handle.statns(path)
    if is_folder(found):
        raise ImageError("It is a folder, not a file.", where=path)
    if not is_file(found):
        raise ImageError("It is a device, pipe or socket, and has no content that could be read.", where=path)
    return found


def _read(work: Work, file: str, limit: int) -> bytes:
    parts: list[bytes] = []
    position = 0
    while position < limit:
        work.check_cancelled()
        part = work.handle.pread(file, min(CHUNK_BYTES, limit - position), position)
        if not part:
            break
        parts.append(part)
        position += len(part)
        work.move("Reading", position, limit)
    return b"".join(parts)
