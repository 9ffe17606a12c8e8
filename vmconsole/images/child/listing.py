# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing folders and reading files. Child process.

A folder costs readdir (names and kinds), and then, part by part, lstatnslist and readlinklist for the links: the first
rows are on the screen while the rest is asked.
"""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.fstab import names_of
from vmconsole.images.child.handle import CHUNK_BYTES, is_file, is_folder
from vmconsole.images.messages import Entry, EntryKind, FileContent
from vmconsole.images.requests import Listed, Rows
from vmconsole.images.rows import kind_number, pack
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

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
Row = tuple[object, ...]
_NUMBERS = {bits: kind_number(kind) for bits, kind in _KINDS.items()}
_UNKNOWN = kind_number(EntryKind.UNKNOWN)
_INODE, _MODE = 1, 2
"""In a row of ``lstat_rows``."""
_TYPE, _LINK = 0o170000, 0o120000
_MAX_READ_BYTES = 64 * 1024 * 1024
_NO_FILE = -1
_TOO_MANY = "maximum message size"
_FIRST_ROWS = 150
"""A screenful and some."""
_ROWS = 1000
"""libguestfs asks the appliance for a thousand names at a time anyway."""


def list_folder(work: Work, path: object) -> Listed:
    """Send the entries of a folder in parts, sorted by name with folders first, as a window shows them."""
    folder = names.guest_path(path)
    try:
        found = _in_order(_names(work.handle, folder))
        users, groups = (_number_names(work, file) for file in ("/etc/passwd", "/etc/group"))
        _send_rows(work, folder, found, (users, groups))
    except RuntimeError as error:
        raise work.failed(f"The folder {folder} cannot be listed.", error) from error
    return Listed(folder, len(found))


def _send_rows(work: Work, folder: str, found: list[str], owners: tuple[dict[int, str], dict[int, str]]) -> None:
    """What is known is packed and sent on a second thread, while the appliance looks for more."""
    sending: list[Future[None]] = []

    def send(rows: Iterator[Row]) -> None:
        work.send_part(Rows(pack(rows)))

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="rows") as aside:
        begin, size = 0, _FIRST_ROWS
        while begin < len(found):
            work.check_cancelled()
            part = found[begin : begin + size]
            sending.append(aside.submit(send, _rows(work.handle, folder, part, *owners)))
            begin, size = begin + len(part), _ROWS
    for sent in sending:
        sent.result()


def _in_order(found: list[tuple[str, bool]]) -> list[str]:
    return [name for name, _ in sorted(found, key=lambda pair: (not pair[1], pair[0].casefold(), pair[0]))]


def _rows(handle: Handle, folder: str, part: list[str], users: dict[int, str], groups: dict[int, str]) -> Iterator[Row]:
    stats = handle.lstat_rows(folder, part)
    links = [name for name, s in zip(part, stats, strict=True) if s[_INODE] != _NO_FILE and s[_MODE] & _TYPE == _LINK]
    targets = dict(zip(links, handle.readlinklist(folder, links), strict=True)) if links else {}
    return _made(part, stats, targets, users, groups)


def _made(
    part: list[str],
    stats: list[tuple[int, ...]],
    targets: dict[str, str],
    users: dict[int, str],
    groups: dict[int, str],
) -> Iterator[Row]:
    # A folder may have a hundred thousand: no call for each, and none of the guest's names twice.
    for name, found in zip(part, stats, strict=True):
        _, inode, mode, links, uid, gid, _, size, _, _, a_s, a_ns, m_s, m_ns, c_s, c_ns = found
        if inode == _NO_FILE:
            yield name, _UNKNOWN
            continue
        yield (
            name, _NUMBERS.get(mode & _TYPE, _UNKNOWN), size, mode & 0o7777, uid, gid, users.get(uid) or str(uid),
            groups.get(gid) or str(gid), a_s + a_ns / 1e9, m_s + m_ns / 1e9, c_s + c_ns / 1e9, links,
            targets.get(name, ""),
        )  # fmt: skip


def _names(handle: Handle, folder: str) -> list[tuple[str, bool]]:
    """Each name, and whether it is known to be a folder."""
    try:
        found = [(e["name"], e["ftyp"] == "d") for e in handle.readdir(folder)]
    except RuntimeError as error:
        if _TOO_MANY not in str(error):
            raise
        found = [(name, False) for name in _many_names(handle, folder)]
    return [pair for pair in found if pair[0] not in {"", ".", ".."}]


def _many_names(handle: Handle, folder: str) -> list[str]:
    """As a file, for which there is no limit: readdir's answer is one message of 4 MiB (guestfs(3)), which some ten
    thousand names fill."""
    with tempfile.NamedTemporaryFile() as file:
        handle.ls0(folder, file.name)
        return [os.fsdecode(name) for name in file.read().split(b"\0")]


def addressable_names(handle: Handle, folder: str) -> list[str]:
    """All names in a folder."""
    return [name for name, _ in _names(handle, folder)]


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


def kind_of(found: Stat) -> EntryKind:
    return _kind(found)


def entry_of(name: str, found: Stat) -> Entry:
    """An entry with numbers for owner and group."""
    return _entry(name, found, {}, {}, "")
