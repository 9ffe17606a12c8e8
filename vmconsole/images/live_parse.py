# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``find`` and ``stat`` inside a guest wrote, as entries. Pure functions, any thread.

The guest may write anything, so whatever does not fit is refused: a name has no slash, is not «.» or «..», and numbers
are numbers. Bytes that are not UTF-8 are kept as Python keeps them in file names (surrogateescape).
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from vmconsole.images.messages import Entry, EntryKind

_KINDS_OF_MODE = {
    stat.S_IFREG: EntryKind.FILE, stat.S_IFDIR: EntryKind.FOLDER, stat.S_IFLNK: EntryKind.LINK,
    stat.S_IFBLK: EntryKind.BLOCK_DEVICE, stat.S_IFCHR: EntryKind.CHARACTER_DEVICE, stat.S_IFIFO: EntryKind.PIPE,
    stat.S_IFSOCK: EntryKind.SOCKET,
}  # fmt: skip
_KINDS_OF_LETTER = {
    b"f": EntryKind.FILE, b"d": EntryKind.FOLDER, b"l": EntryKind.LINK, b"b": EntryKind.BLOCK_DEVICE,
    b"c": EntryKind.CHARACTER_DEVICE, b"p": EntryKind.PIPE, b"s": EntryKind.SOCKET,
}  # fmt: skip
_NO_NAME = {"UNKNOWN", "?"}
_FIND_FIELDS, _STAT_FIELDS = 11, 10


class NotUnderstood(ValueError):
    """The guest's answer is not what these programs write."""


@dataclass(frozen=True, slots=True)
class Found:
    """A path and what is there."""

    path: bytes
    entry: Entry


def entries_of_find(said: bytes) -> tuple[Entry, ...]:
    """From ``find -printf`` with ``agent_programs.FIND_FORMAT``: facts, name and link target, NUL behind each."""
    fields = said.split(b"\0")
    if fields.pop() != b"" or len(fields) % 3:
        raise NotUnderstood("The list of the folder is cut off.")
    return tuple(_entry_of_find(*fields[place : place + 3]) for place in range(0, len(fields), 3))


def _entry_of_find(facts: bytes, name: bytes, target: bytes) -> Entry:
    words = facts.split(b" ")
    if len(words) < _FIND_FIELDS:
        raise NotUnderstood("A line of the folder's list is too short.")
    mode, letter, size, uid, gid, accessed, modified, changed, links, owner, *group = words
    return Entry(
        _name(name), _KINDS_OF_LETTER.get(letter, EntryKind.UNKNOWN), _number(size), _number(mode, 8) & 0o7777,
        uid=_number(uid), gid=_number(gid), owner=_who(owner, uid), group=_who(b" ".join(group), gid),
        accessed_at=_time(accessed), modified_at=_time(modified), changed_at=_time(changed), links=_number(links),
        link_target=os.fsdecode(target),
    )  # fmt: skip


def found_by_stat(said: bytes) -> tuple[Found, ...]:
    """From ``stat -c`` with ``agent_programs.STAT_FORMAT``, of paths that have no two slashes in a row."""
    if not said:
        return ()
    empty, *fields = said.split(b"//")
    if empty or len(fields) % 2:
        raise NotUnderstood("The list of the folder is cut off.")
    return tuple(_found(*fields[place : place + 2]) for place in range(0, len(fields), 2))


def _found(facts: bytes, path: bytes) -> Found:
    words = facts.split(b" ")
    if len(words) < _STAT_FIELDS or not path.endswith(b"\n"):
        raise NotUnderstood("A line of the folder's list is too short.")
    raw, size, uid, gid, accessed, modified, changed, links, owner, *group = words
    mode = _number(raw, 16)
    path = path[:-1]
    entry = Entry(
        _name(path.rpartition(b"/")[2] or b"_"), _KINDS_OF_MODE.get(stat.S_IFMT(mode), EntryKind.UNKNOWN),
        _number(size), stat.S_IMODE(mode), uid=_number(uid), gid=_number(gid), owner=_who(owner, uid),
        group=_who(b" ".join(group), gid), accessed_at=_time(accessed), modified_at=_time(modified),
        changed_at=_time(changed), links=_number(links),
    )  # fmt: skip
    return Found(path, entry)


def entries_of_stat(said: bytes) -> tuple[Entry, ...]:
    """A folder's list by ``find -exec stat``; where links lead is not in it."""
    return tuple(found.entry for found in found_by_stat(said))


def path_of_line(said: bytes) -> bytes:
    """The one absolute path that ``readlink -f`` or ``mktemp`` wrote, without its line end."""
    if not said.startswith(b"/") or not said.endswith(b"\n") or b"\0" in said:
        raise NotUnderstood("The guest named no path.")
    return said[:-1]


def hash_of_line(said: bytes) -> str:
    """The digest in sha256sum's line, which begins with a backslash where the name has odd characters."""
    digest = said.removeprefix(b"\\")[:64]
    if len(digest) != 64 or digest.strip(b"0123456789abcdef"):
        raise NotUnderstood("The guest gave no SHA-256.")
    return digest.decode("ascii")


def _name(raw: bytes) -> str:
    if raw in {b"", b".", b".."} or b"/" in raw or b"\0" in raw:
        raise NotUnderstood("The guest gave a name that no file can have.")
    return os.fsdecode(raw)


def _who(name: bytes, number: bytes) -> str:
    text = name.decode("utf-8", "surrogateescape")
    return number.decode("ascii") if not text or text in _NO_NAME else text


def _number(raw: bytes, base: int = 10) -> int:
    if not raw or len(raw) > 24 or raw.strip(b"0123456789abcdef"):
        raise NotUnderstood("The guest gave no number where one must be.")
    try:
        return int(raw, base)
    except ValueError as error:
        raise NotUnderstood("The guest gave no number where one must be.") from error


def _time(raw: bytes) -> float | None:
    """Seconds; they may be below zero, and are left out where the guest does not know them."""
    try:
        seconds = float(raw)
    except ValueError:
        return None
    return seconds if -1e12 < seconds < 1e12 else None
