# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of the image, as the appliance's tar writes it, made below one folder of this machine. Child process.

The stream is hostile: a name that leads out is refused, links come last so that nothing is ever written through one,
and a link is only made if it cannot lead out of the folder.
"""

from __future__ import annotations

import os
import stat
import tarfile
from typing import TYPE_CHECKING, BinaryIO

from vmconsole.images import names
from vmconsole.images.child.local_dress import Attributes, Tally, put_on
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

_XATTR = "SCHILY.xattr."
_CHUNK_BYTES = 256 * 1024
_HOLE = bytes(4096)


class Unpacker:
    """Takes one stream; ``finish`` after it (and after files that come by another road) makes links and times."""

    def __init__(self, folder: str, tally: Tally, moved: Callable[[], None]) -> None:
        self._folder, self._tally, self._moved = folder, tally, moved
        self._folders: list[tuple[str, Attributes]] = []
        self._links: list[tuple[str, str, tarfile.TarInfo]] = []

    def read(self, pipe: BinaryIO) -> None:
        """Runs on a thread of its own. OSError, TarError or ImageError."""
        with tarfile.open(fileobj=pipe, mode="r|", encoding="utf-8", errors="surrogateescape") as tar:
            for member in tar:
                self._take(tar, member)

    def finish(self) -> None:
        for name, local, member in self._links:
            self._make_link(name, local, member)
        for local, wanted in reversed(self._folders):
            put_on(local, wanted, self._tally)

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = [p for p in member.name.split("/") if p not in {"", "."}]
        if ".." in parts:
            raise ImageError("The image holds a name that leads out of the folder.", where=member.name)
        local = os.path.join(self._folder, *parts)
        if member.isdir():
            os.makedirs(local, mode=0o700, exist_ok=True)
            self._folders.append((local, attributes_of(member)))
        elif not parts:
            return
        elif member.isreg():
            self._make_file(tar, member, local)
        elif member.islnk() or member.issym():
            self._links.append(("/".join(parts), local, member))
        else:
            self._tally.skipped.append(f"{names.shown_text(member.name)}: a device, pipe or socket")

    def _make_file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, local: str) -> None:
        source = tar.extractfile(member)
        with open(local, "xb") as into:
            while source is not None and (part := source.read(_CHUNK_BYTES)):
                write_with_holes(into, part)
                self._tally.bytes += len(part)
                self._moved()
            into.truncate(member.size)
        put_on(local, attributes_of(member), self._tally)
        self._tally.files += 1

    def _make_link(self, name: str, local: str, member: tarfile.TarInfo) -> None:
        if member.islnk():
            self._make_hard_link(member, local)
        elif stays_inside(name, member.linkname):
            os.symlink(member.linkname, local)
            put_on(local, attributes_of(member), self._tally, is_link=True)
            self._tally.files += 1
        else:
            self._tally.skipped.append(f"{names.shown_text(member.name)}: a link that leads out of the folder")

    def _make_hard_link(self, member: tarfile.TarInfo, local: str) -> None:
        parts = [p for p in member.linkname.split("/") if p not in {"", "."}]
        target = os.path.join(self._folder, *parts)
        if ".." in parts or not os.path.isfile(target) or os.path.islink(target):
            self._tally.skipped.append(f"{names.shown_text(member.name)}: its other name was left out")
            return
        os.link(target, local)
        self._tally.files += 1


def stays_inside(name: str, target: str) -> bool:
    """Whether a symbolic link can only lead to where it is or below the top folder, also through other such links.

    «..» may only stand at its begin, where it goes up real folders; behind another link's name it could go anywhere.
    """
    if not target or target.startswith("/"):
        return False
    parts = [p for p in target.split("/") if p not in {"", "."}]
    ups = next((n for n, part in enumerate(parts) if part != ".."), len(parts))
    return ups <= name.count("/") and ".." not in parts[ups:]


def write_with_holes(into: BinaryIO, part: bytes) -> None:
    """Write, but leave blocks of zeros out where the file is new; the caller truncates it to its size at the end."""
    if _HOLE not in part:
        into.write(part)
        return
    for begin in range(0, len(part), len(_HOLE)):
        block = part[begin : begin + len(_HOLE)]
        if block == _HOLE:
            into.seek(len(block), os.SEEK_CUR)
        else:
            into.write(block)


def attributes_of(member: tarfile.TarInfo) -> Attributes:
    """What a member of the stream is like."""
    kind = stat.S_IFDIR if member.isdir() else stat.S_IFLNK if member.issym() else stat.S_IFREG
    seconds, _, fraction = member.pax_headers.get("mtime", str(int(member.mtime))).partition(".")
    mtime_ns = int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9] or 0)
    xattrs = tuple(
        (key.removeprefix(_XATTR), value.encode("utf-8", "surrogateescape"))
        for key, value in member.pax_headers.items()
        if key.startswith(_XATTR)
    )
    return Attributes(kind | (member.mode & 0o7777), member.uid, member.gid, mtime_ns, mtime_ns, xattrs)
