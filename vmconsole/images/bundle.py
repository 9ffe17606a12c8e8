# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on their way from one image into another: a folder of this machine with nothing but plain, numbered files.

``list`` holds a line of JSON for each thing: what it is called, and all that it is, owner and labels too. The others
hold the contents. No name, link, owner or right of a guest ever becomes one of this machine. Blocks; any thread.

The list is written by the program that reads an image, which the image may have taken over, so what is read is checked.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

LIST = "list"
_KINDS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
_LARGEST = 1 << 62


@dataclass(frozen=True, slots=True)
class Carried:
    """One thing."""

    name: str
    """Path below the folder that it goes to; a top one has no slash."""
    mode: int
    """Kind and permission bits, as stat(2) has them."""
    uid: int
    gid: int
    mtime_ns: int
    size_bytes: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = ()
    data: int = -1
    """Number of the file that holds its content; -1 if it has none."""
    target: str = ""
    """Of a symbolic link."""
    same_as: str = ""
    """The name of an earlier one that is the same file."""

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


def write(folder: str, things: Iterable[Carried]) -> None:
    """The list, after the files that it names. OSError."""
    with open(os.path.join(folder, LIST), "x", encoding="ascii") as out:
        for thing in things:
            xattrs = [[name, base64.b64encode(value).decode("ascii")] for name, value in thing.xattrs]
            row = [thing.name, thing.mode, thing.uid, thing.gid, thing.mtime_ns, thing.size_bytes, xattrs, thing.data,
                   thing.target, thing.same_as]  # fmt: skip
            out.write(json.dumps(row, ensure_ascii=True) + "\n")


def read(folder: str) -> tuple[Carried, ...]:
    """What is in a bundle. Raises ImageError if it is not as ``write`` makes it; OSError."""
    try:
        number = os.open(os.path.join(folder, LIST), os.O_RDONLY | os.O_NOFOLLOW)
        with open(number, encoding="ascii") as source:
            return _checked(folder, source)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ImageError("What was copied out of the other image is damaged.", where=folder, said=str(error)) from error


def _checked(folder: str, source: TextIO) -> tuple[Carried, ...]:
    found: dict[str, Carried] = {}
    for line in source:
        thing = _thing(json.loads(line))
        above, _, base = thing.name.rpartition("/")
        if names.checked_name(base) in {"", ".", ".."} or thing.name in found:
            raise ValueError(f"a name that cannot be: {thing.name!a}")
        if above and (above not in found or not found[above].is_folder):
            raise ValueError(f"a name without its folder: {thing.name!a}")
        if thing.same_as and not stat.S_ISREG(found[thing.same_as].mode):
            raise ValueError(f"another name of nothing: {thing.name!a}")
        _check_content(folder, thing)
        found[thing.name] = thing
    return tuple(found.values())


def _thing(row: list[object]) -> Carried:
    name, mode, uid, gid, mtime_ns, size, xattrs, data, target, same_as = row
    if not isinstance(xattrs, list):
        raise TypeError("attributes that are no list")
    pairs = tuple((names.checked_name(key), base64.b64decode(value, validate=True)) for key, value in xattrs)
    return Carried(
        names.checked_name(name), _number(mode), _number(uid), _number(gid), _number(mtime_ns), _number(size), pairs,
        _number(data), names.checked_name(target), names.checked_name(same_as),
    )  # fmt: skip


def _number(value: object) -> int:
    if not isinstance(value, int) or not -_LARGEST < value < _LARGEST:
        raise ValueError(f"not a number: {value!a}")
    return value


def _check_content(folder: str, thing: Carried) -> None:
    kind = stat.S_IFMT(thing.mode)
    if kind not in _KINDS or min(thing.uid, thing.gid, thing.size_bytes) < 0:
        raise ValueError(f"of a kind that is not carried: {thing.name!a}")
    if kind == stat.S_IFREG and not thing.same_as:
        there = os.lstat(content(folder, thing))
        if not stat.S_ISREG(there.st_mode) or there.st_size != thing.size_bytes:
            raise ValueError(f"content that is not there: {thing.name!a}")


def content(folder: str, thing: Carried) -> str:
    """The file that has its content."""
    return os.path.join(folder, str(max(thing.data, 0)))


def tops(things: Sequence[Carried]) -> tuple[Carried, ...]:
    """What is not inside a folder that goes with it."""
    return tuple(thing for thing in things if "/" not in thing.name)
