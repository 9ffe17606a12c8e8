# SPDX-License-Identifier: GPL-3.0-or-later
"""A small NBD client over a UNIX socket: reads, writes and zeroes many pieces of a disk without waiting for each.

For packing a draft (``packing``): one process of QEMU's and one connection, instead of one process a piece.
Source: the NBD protocol document, «fixed newstyle negotiation» and «simple reply message». Blocks; one thread.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import ImageLinkLost, ImageNoSpace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_DEADLINE_S = 60.0
_WINDOW = 8
"""As many requests are under way at once: a slow link is used well, and memory stays small."""
_HELLO = struct.Struct(">8sQH")
_OPTION = struct.Struct(">QII")
_EXPORT = struct.Struct(">QH")
_REQUEST = struct.Struct(">IHHQQI")
_REPLY = struct.Struct(">IIQ")
_OPTION_MAGIC = 0x49484156454F5054
_REQUEST_MAGIC, _REPLY_MAGIC = 0x25609513, 0x67446698
_READ, _WRITE, _DISCONNECT, _FLUSH, _ZERO = 0, 1, 2, 3, 6
_NO_SPACE = 28

Piece = tuple[int, int]
"""Offset and length in bytes."""


class NbdClient:
    """One connection to the default export. Raises ImageLinkLost when it breaks, ImageNoSpace if the disk is full."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_DEADLINE_S)
        self._number = 0
        self._writing: set[int] = set()
        try:
            self._socket.connect(str(path))
            self.size_bytes = self._greet()
        except (OSError, struct.error) as error:
            self._socket.close()
            raise _lost(error) from error

    def _greet(self) -> int:
        magic, option, _flags = _HELLO.unpack(self._take(_HELLO.size))
        if magic != b"NBDMAGIC" or option != _OPTION_MAGIC:
            raise OSError("not an NBD server")
        # Flags: fixed newstyle, no zeroes; option 1: the export with the empty name.
        self._socket.sendall(struct.pack(">I", 3) + _OPTION.pack(_OPTION_MAGIC, 1, 0))
        size, _flags = _EXPORT.unpack(self._take(_EXPORT.size))
        return int(size)

    def read_all(self, pieces: Iterable[Piece]) -> Iterator[bytes]:
        """The content of each piece, in their order. Ask for nothing else before the end."""
        waiting: dict[int, int] = {}
        order: list[int] = []
        ready: dict[int, bytes] = {}
        rest = iter(pieces)
        more = True
        while more or order:
            while more and len(order) < _WINDOW:
                piece = next(rest, None)
                if piece is None:
                    more = False
                    break
                number = self._ask(_READ, piece)
                waiting[number] = piece[1]
                order.append(number)
            while order and order[0] not in ready:
                number = self._answer()
                ready[number] = self._must_take(waiting.pop(number))
            if order:
                yield ready.pop(order.pop(0))

    def write(self, offset: int, data: bytes) -> None:
        """Begin to write; ``flush`` waits for all."""
        self._note(self._ask(_WRITE, (offset, len(data)), data))

    def write_zeroes(self, offset: int, length: int) -> None:
        """As ``write``; the area is kept as «zeroes», which takes no space."""
        self._note(self._ask(_ZERO, (offset, length)))

    def flush(self) -> None:
        """Wait until everything written is on the disk."""
        while self._writing:
            self._writing.discard(self._answer())
        self._ask(_FLUSH, (0, 0))
        self._answer()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(_REQUEST.pack(_REQUEST_MAGIC, 0, _DISCONNECT, 0, 0, 0))
        self._socket.close()

    def _note(self, number: int) -> None:
        self._writing.add(number)
        while len(self._writing) > _WINDOW:
            self._writing.discard(self._answer())

    def _ask(self, kind: int, piece: Piece, data: bytes = b"") -> int:
        self._number += 1
        try:
            self._socket.sendall(_REQUEST.pack(_REQUEST_MAGIC, 0, kind, self._number, *piece) + data)
        except OSError as error:
            raise _lost(error) from error
        return self._number

    def _answer(self) -> int:
        magic, error, number = _REPLY.unpack(self._must_take(_REPLY.size))
        if magic != _REPLY_MAGIC:
            raise _lost(OSError("an answer that is not understood"))
        if error:
            raise _full() if error == _NO_SPACE else _lost(OSError(f"error {error}"))
        return int(number)

    def _must_take(self, count: int) -> bytes:
        try:
            return self._take(count)
        except OSError as error:
            raise _lost(error) from error

    def _take(self, count: int) -> bytes:
        taken = bytearray(count)
        view = memoryview(taken)
        while view:
            got = self._socket.recv_into(view)
            if not got:
                raise OSError("the server closed the connection")
            view = view[got:]
        return bytes(taken)


def _full() -> ImageNoSpace:
    return ImageNoSpace(
        "This computer's disk is full.",
        advice="Free some space, then try again. The draft is kept.",
        said="No space left on device",
    )


def _lost(error: BaseException) -> ImageLinkLost:
    return ImageLinkLost(
        "A part of the disk could not be read or written.",
        cause="The link to the host died, or qemu-nbd was ended.",
        advice="Open the image again; the draft is kept.",
        said=str(error),
    )
