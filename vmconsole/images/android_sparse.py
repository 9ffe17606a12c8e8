# SPDX-License-Identifier: GPL-3.0-or-later
"""Android's sparse image format, expanded from a stream into a file. Any thread; blocks on the stream.

Own code, because the stream comes from another machine and is hostile: this reads it once, in order, never seeks, and
checks every number. Source: Android's libsparse, ``sparse_format.h``.
"""

from __future__ import annotations

import os
import struct
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MAGIC = b"\x3a\xff\x26\xed"
_HEADER = struct.Struct("<4sHHHHIIII")
_CHUNK = struct.Struct("<HHII")
_RAW, _FILL, _DONT_CARE, _CRC32 = 0xCAC1, 0xCAC2, 0xCAC3, 0xCAC4
_MOST_BYTES = 1 << 44
_MOST_BLOCK = 1 << 24
_PIECE = 1 << 20


class BadSparse(ValueError):
    """Not a whole sparse image; the text says what is wrong."""


class Stream(Protocol):
    def read(self, count: int, /) -> bytes: ...


def expand(stream: Stream, out: IO[bytes], *, wrote: Callable[[int], None]) -> int:
    """Write the image to ``out`` (an empty, seekable file; holes stay holes). Returns its size.

    ``wrote`` is told, before each write, how many bytes come; it may raise to stop. Raises BadSparse.
    """
    magic, major, _minor, header_size, chunk_size, block, blocks, chunks, _sum = _HEADER.unpack(
        _exactly(stream, _HEADER.size)
    )
    size: int = block * blocks
    if magic != MAGIC or major != 1 or header_size < _HEADER.size or chunk_size < _CHUNK.size:
        raise BadSparse("its header is not one of version 1")
    if not 0 < block <= _MOST_BLOCK or block % 4 or size > _MOST_BYTES:
        raise BadSparse(f"it claims {blocks} blocks of {block} bytes")
    _exactly(stream, header_size - _HEADER.size)
    position = 0
    for _ in range(chunks):
        kind, _reserved, count, total = _CHUNK.unpack(_exactly(stream, _CHUNK.size))
        _exactly(stream, chunk_size - _CHUNK.size)
        length, held = count * block, total - chunk_size
        if position + (0 if kind == _CRC32 else length) > size:
            raise BadSparse("its pieces are more than its size")
        _one(stream, out, kind, length=length, held=held, wrote=wrote)
        position += 0 if kind == _CRC32 else length
    if position != size:
        raise BadSparse(f"its pieces end at {position} of {size} bytes")
    out.truncate(size)
    return size


def _one(stream: Stream, out: IO[bytes], kind: int, *, length: int, held: int, wrote: Callable[[int], None]) -> None:
    if kind == _RAW and held == length:
        while length:
            part = _exactly(stream, min(length, _PIECE))
            wrote(len(part))
            out.write(part)
            length -= len(part)
    elif kind == _FILL and held == 4:
        pattern = _exactly(stream, 4)
        if pattern == bytes(4):
            out.seek(length, os.SEEK_CUR)
        else:
            _fill(out, pattern, length, wrote)
    elif kind == _DONT_CARE and held == 0:
        out.seek(length, os.SEEK_CUR)
    elif kind == _CRC32 and held == 4:
        _exactly(stream, 4)
    else:
        raise BadSparse(f"a piece of kind {kind:#x} has {held} bytes")


def _fill(out: IO[bytes], pattern: bytes, length: int, wrote: Callable[[int], None]) -> None:
    piece = pattern * (_PIECE // 4)
    while length:
        part = piece[: min(length, _PIECE)]
        wrote(len(part))
        out.write(part)
        length -= len(part)


def _exactly(stream: Stream, count: int) -> bytes:
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            raise BadSparse("it ends too early")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
