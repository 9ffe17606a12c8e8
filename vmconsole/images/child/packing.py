# SPDX-License-Identifier: GPL-3.0-or-later
"""One file or folder with all its attributes, out of one image and into another. Child process.

A tar file on this machine carries it; both ends run inside the appliances, so that no name or link in it can touch
anything here.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
import tempfile
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.editing import temporary_name
from vmconsole.images.child.handle import CHUNK_BYTES, is_file, is_folder, lstat_of
from vmconsole.inventory.errors import ImageError, ImageNoSpace
from vmconsole.inventory.units import binary

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Stat, Work, XattrFound

_IT = "it"


def pack(work: Work, path: object) -> str:
    """The local path of a tar file with it; the caller takes that file away."""
    source = names.ordinary_path(path)
    number, local = tempfile.mkstemp(prefix="vmconsole-pack-", suffix=".tar")
    os.close(number)
    try:
        _pack(work, source, local)
    except RuntimeError as error:
        os.unlink(local)
        raise work.failed(f"{source} cannot be read.", error) from error
    except BaseException:
        # Also a cancel must leave nothing behind.
        os.unlink(local)
        raise
    return local


def _pack(work: Work, source: str, local: str) -> None:
    found = lstat_of(work.handle, source)
    if found is None:
        raise ImageError("It is not there (any more).", where=source)
    if is_folder(found):
        work.handle.tar_out(source, local, numericowner=True, xattrs=True, selinux=True, acls=True)
    else:
        _pack_file(work, source, found, local)


def _pack_file(work: Work, source: str, found: Stat, local: str) -> None:
    info = tarfile.TarInfo(_IT)
    info.mode, info.uid, info.gid = found["st_mode"] & 0o7777, found["st_uid"], found["st_gid"]
    info.mtime = found["st_mtime_sec"]
    info.pax_headers = {
        f"SCHILY.xattr.{x['attrname']}": x["attrval"].decode("utf-8", "surrogateescape") for x in _xattrs(work, source)
    }
    # GNU tar takes ACLs from their text, not from the attribute that holds them.
    for kind in ("access", "default"):
        if f"SCHILY.xattr.system.posix_acl_{kind}" in info.pax_headers:
            info.pax_headers[f"SCHILY.acl.{kind}"] = work.handle.acl_get_file(source, kind).strip()
    with tarfile.open(local, "w", format=tarfile.PAX_FORMAT) as tar:
        if stat.S_ISLNK(found["st_mode"]):
            info.type = tarfile.SYMTYPE
            info.linkname = work.handle.readlinklist(names.parent(source), [names.base(source)])[0]
            tar.addfile(info)
        elif is_file(found):
            info.size = found["st_size"]
            # tarfile asks for no more of a file than read().
            tar.addfile(info, _GuestFile(work, source, info.size))  # type: ignore[arg-type]  # see above
        else:
            raise ImageError("It is a device, pipe or socket, and is not copied.", where=source)


def _xattrs(work: Work, source: str) -> list[XattrFound]:
    try:
        return work.handle.lgetxattrs(source)
    except (RuntimeError, UnicodeDecodeError):
        return []


class _GuestFile:
    """A file of the guest that is read like a local one."""

    def __init__(self, work: Work, path: str, size: int) -> None:
        self._work, self._path, self._size = work, path, size
        self._position = 0

    def read(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count > 0:
            self._work.check_cancelled()
            part = self._work.handle.pread(self._path, min(count, CHUNK_BYTES), self._position)
            if not part:
                break
            parts.append(part)
            count -= len(part)
            self._position += len(part)
            self._work.move(f"Reading {self._path}", self._position, self._size)
        return b"".join(parts)


def unpack(work: Work, path: object, local: str, room_bytes: int) -> bool:
    """Put it at ``path``; what is there goes. True if nothing was there."""
    target = work.writable(path)
    size = os.stat(local).st_size
    if size > room_bytes:
        raise ImageNoSpace(
            f"The draft would grow by {binary(size)}, and this computer has room for {binary(room_bytes)}.",
            advice="Free some space, or choose another place for drafts.",
        )
    staging = temporary_name(target)
    try:
        there = lstat_of(work.handle, target)
        if there is not None:
            work.removable(target)
        work.handle.mkdir_mode(staging, 0o700)
        try:
            work.move("Writing", 0, 0)
            _place(work, local, staging, target, there)
        finally:
            with contextlib.suppress(RuntimeError):
                work.handle.rm_rf(staging)
    except RuntimeError as error:
        raise work.failed(f"{target} cannot be written.", error) from error
    return there is None


def _place(work: Work, local: str, staging: str, target: str, there: Stat | None) -> None:
    handle = work.handle
    staged = names.join(staging, _IT)
    with tarfile.open(local) as tar:
        first = tar.next()
    if first is not None and first.isdir():
        handle.mkdir_mode(staged, 0o755)
        handle.tar_in(local, staged, xattrs=True, selinux=True, acls=True)
    else:
        handle.tar_in(local, staging, xattrs=True, selinux=True, acls=True)
    work.check_cancelled()
    old = names.join(staging, "old")
    if there is not None:
        handle.rename(target, old)
    try:
        handle.rename(staged, target)
    except RuntimeError:
        if there is not None:
            handle.rename(old, target)
        raise
