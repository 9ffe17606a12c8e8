# SPDX-License-Identifier: GPL-3.0-or-later
"""Local files as a tar stream with all that they are: bytes of names, extended attributes, holes. Child process.

Python's tarfile writes neither attributes with binary values nor holes, so the records are made here, as GNU tar reads
them: pax headers (POSIX.1-2017, pax(1), «pax Extended Header»), ``SCHILY.xattr.NAME`` for extended attributes (access
lists, labels and capabilities are such), and sparse format 1.0 (GNU tar's manual, «Storing Sparse Files»).
"""

from __future__ import annotations

import os
import stat
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmconsole.images.child.local_files import Item

BLOCK_BYTES = 512
_CHUNK_BYTES = 256 * 1024
_USTAR_SIZE_MAX = 0o77777777777
_USTAR_ID_MAX = 0o7777777
_USTAR_NAME_MAX = 100
END = b"\0" * 2 * BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Dress:
    """What one thing looks like in the image."""

    uid: int
    gid: int
    xattrs: tuple[tuple[str, bytes], ...]


class TarWriter:
    """Writes items into a pipe, and tells how many bytes of content have gone."""

    def __init__(self, pipe: BinaryIO, moved: Callable[[int], None]) -> None:
        self._pipe, self._moved = pipe, moved
        self._sent = 0

    def add(self, item: Item, dress: Dress) -> None:
        """One item with its content; a file that shrinks meanwhile is filled up, one that grows is cut."""
        if item.same_as:
            self._pipe.write(_header(item, dress, 0, tarfile.LNKTYPE, linkname=item.same_as))
        elif stat.S_ISLNK(item.found.st_mode):
            self._pipe.write(_header(item, dress, 0, tarfile.SYMTYPE, linkname=item.target or os.readlink(item.local)))
        elif stat.S_ISDIR(item.found.st_mode):
            self._pipe.write(_header(item, dress, 0, tarfile.DIRTYPE))
        elif item.is_sent_apart:
            self._pipe.write(_header(item, dress, 0, tarfile.REGTYPE))
        else:
            self._add_file(item, dress)

    def end(self) -> None:
        self._pipe.write(END)

    def _add_file(self, item: Item, dress: Dress) -> None:
        with open(item.local, "rb") as source:
            size = item.found.st_size
            segments = list(data_segments(source, size)) if item.is_sparse else [(0, size)]
            table = _sparse_table(segments, size) if item.is_sparse else b""
            sent = len(table) + sum(length for _, length in segments)
            self._pipe.write(_header(item, dress, sent, tarfile.REGTYPE))
            self._pipe.write(table)
            for begin, length in segments:
                self._copy(source, begin, length)
            self._pipe.write(b"\0" * (-sent % BLOCK_BYTES))

    def _copy(self, source: BinaryIO, begin: int, length: int) -> None:
        source.seek(begin)
        while length:
            part = source.read(min(_CHUNK_BYTES, length)) or b"\0" * min(_CHUNK_BYTES, length)
            self._pipe.write(part)
            length -= len(part)
            self._sent += len(part)
            self._moved(self._sent)


def data_segments(source: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """(begin, length) of what is not a hole, lseek(2) SEEK_DATA."""
    position = 0
    while position < size:
        try:
            begin = os.lseek(source.fileno(), position, os.SEEK_DATA)
        except OSError:
            return  # ENXIO: a hole up to the end
        end = min(os.lseek(source.fileno(), begin, os.SEEK_HOLE), size)
        if end <= begin:
            return
        yield begin, end - begin
        position = end


def _sparse_table(segments: list[tuple[int, int]], size: int) -> bytes:
    """The map that precedes the data; it ends with an empty segment where the file ends."""
    numbers = [len(segments) + 1, *(number for segment in segments for number in segment), size, 0]
    table = "".join(f"{number}\n" for number in numbers).encode("ascii")
    return table + b"\0" * (-len(table) % BLOCK_BYTES)


def _header(item: Item, dress: Dress, size: int, kind: bytes, *, linkname: str = "") -> bytes:
    name, link = os.fsencode(item.name), os.fsencode(linkname)
    is_sparse_file = kind == tarfile.REGTYPE and item.is_sparse and not item.is_sent_apart
    records = [(b"SCHILY.xattr." + os.fsencode(key), value) for key, value in dress.xattrs]
    if is_sparse_file:
        records += [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", name)]
        records += [(b"GNU.sparse.realsize", str(item.found.st_size).encode())]
    elif len(name) > _USTAR_NAME_MAX:
        records.append((b"path", name))
    if len(link) > _USTAR_NAME_MAX:
        records.append((b"linkpath", link))
    for key, number, most in ((b"size", size, _USTAR_SIZE_MAX), (b"uid", dress.uid, _USTAR_ID_MAX),
                              (b"gid", dress.gid, _USTAR_ID_MAX)):  # fmt: skip
        if number > most:
            records.append((key, str(number).encode()))
    nanoseconds = item.found.st_mtime_ns % 10**9
    if nanoseconds and (records or item.is_exact):
        # By itself it is not worth a header of its own for each of thousands of small files.
        records.append((b"mtime", f"{item.found.st_mtime_ns // 10**9}.{nanoseconds:09}".encode()))
    plain_name = b"sparse" if is_sparse_file else name
    return _pax(records) + _ustar(plain_name, link, item.found, dress, size, kind)


def _ustar(name: bytes, link: bytes, found: os.stat_result, dress: Dress, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo()
    info.mode, info.type = stat.S_IMODE(found.st_mode), kind
    info.mtime = max(0, int(found.st_mtime))
    info.uid = dress.uid if dress.uid <= _USTAR_ID_MAX else 0
    info.gid = dress.gid if dress.gid <= _USTAR_ID_MAX else 0
    info.size = size if size <= _USTAR_SIZE_MAX else 0
    # Names are put in as bytes, over the checksum's back.
    info.name, info.linkname = "", ""
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
    block[0 : min(len(name), 100)] = name[:100]
    block[157 : 157 + min(len(link), 100)] = link[:100]
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax(records: list[tuple[bytes, bytes]]) -> bytes:
    if not records:
        return b""
    body = b"".join(_record(key, value) for key, value in records)
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, len(body)
    return info.tobuf(tarfile.USTAR_FORMAT) + body + b"\0" * (-len(body) % BLOCK_BYTES)


def _record(key: bytes, value: bytes) -> bytes:
    """«LENGTH KEY=VALUE», where the length counts itself."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) > len(str(rest)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)
