# SPDX-License-Identifier: GPL-3.0-or-later
"""A draft's layers become one file to be carried, and what it replaces on the disk becomes the way back. Blocks.

Both are qcow2 files that hold only blocks that differ. New and old content are read side by side: the new from the
layers, the old from the image's export, which still has the lock. The session's thread; ``cancelled`` from any.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images.layers import make_overlay
from vmconsole.images.local_qemu import Server, held_ranges, qemu_img
from vmconsole.images.nbd import NbdClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from vmconsole.images.nbd import Piece

BLOCK_BYTES = 64 * 1024
"""A cluster of qcow2: what is kept or left out as a whole."""
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Packed:
    """What ``pack`` made."""

    carried_bytes: int
    """Size of the file to be carried."""
    replaced_bytes: int
    """Size of the file with the old content; 0 if none was wanted."""
    new_digest: str
    """Of the blocks that differ, as they will be."""
    old_digest: str
    """Of all blocks that the layers hold, as they are on the image now."""
    touched_bytes: int
    """Of the image's clusters in which blocks differ: what it grows by if it has none of them yet."""


@dataclass(slots=True)
class Packing:
    """Where it comes from and where it goes to."""

    layers: Sequence[Path]
    """The lowest first; the lowest lies on the export."""
    export: Path
    """Socket of the image's export."""
    size_bytes: int
    cluster_bytes: int
    """Of the image; 0 if it has none."""
    carried: Path
    """A file to be made."""
    replaced: Path | None
    """A file to be made with the old content; None if no way back is wanted."""
    report: Callable[[str, int, int], None]
    is_cancelled: Callable[[], bool]

    def pack(self) -> Packed:
        """Raises ImageError; CancelledError."""
        ranges = merged([piece for layer in self.layers for piece in held_ranges(layer)])
        make_overlay(self.carried, self.export, self.size_bytes)
        old = NbdClient(self.export)
        try:
            with (
                Server(self.layers[-1], is_read_only=True, export=self.export) as new,
                Server(self.carried, is_read_only=False, export=self.export) as carried,
            ):
                if self.replaced is None:
                    found = self._copy(ranges, new, old, carried, None)
                else:
                    size = str(self.size_bytes)
                    qemu_img("create", "-q", "-f", "qcow2", self.replaced, size)
                    with Server(self.replaced, is_read_only=False) as replaced:
                        found = self._copy(ranges, new, old, carried, replaced)
        finally:
            old.close()
        return Packed(
            self.carried.stat().st_size, self.replaced.stat().st_size if self.replaced is not None else 0, *found
        )

    def _copy(
        self, ranges: Sequence[Piece], new: NbdClient, old: NbdClient, carried: NbdClient, replaced: NbdClient | None
    ) -> tuple[str, str, int]:
        """The rest of ``Packed``."""
        pieces = list(cut(ranges))
        new_digest, old_digest = hashlib.sha256(), hashlib.sha256()
        total, done = sum(length for _, length in pieces), 0
        touched, seen_to = 0, 0
        for (start, length), now, before in zip(pieces, new.read_all(pieces), old.read_all(pieces), strict=True):
            if self.is_cancelled():
                raise CancelledError
            old_digest.update(before)
            for at, size in differing(now, before):
                block = now[at : at + size]
                new_digest.update(block)
                _put(carried, start + at, block)
                first, end = clusters(start + at, size, self.cluster_bytes)
                touched, seen_to = touched + end - max(first, seen_to), end  # the pieces are in order
                if replaced is not None:
                    _put(replaced, start + at, before[at : at + size])
            done += length
            self.report("Comparing the draft with the disk", done, total)
        return new_digest.hexdigest(), old_digest.hexdigest(), touched * self.cluster_bytes


def _put(client: NbdClient, offset: int, data: bytes) -> None:
    if data.count(0) == len(data):
        client.write_zeroes(offset, len(data))
    else:
        client.write(offset, data)


def clusters(start: int, length: int, cluster_bytes: int) -> tuple[int, int]:
    """Number of the first of the image's clusters that these bytes lie in, and of the one after the last."""
    return (start // cluster_bytes, -(-(start + length) // cluster_bytes)) if cluster_bytes else (0, 0)


def differing(now: bytes, before: bytes) -> Iterator[Piece]:
    """The blocks in which the two differ, neighbours that are alike in being zero or not as one."""
    begun: tuple[int, int, bool] | None = None
    for at in range(0, len(now), BLOCK_BYTES):
        block = now[at : at + BLOCK_BYTES]
        if block == before[at : at + BLOCK_BYTES]:
            continue
        is_zero = block.count(0) == len(block)
        if begun is not None and sum(begun[:2]) == at and begun[2] == is_zero:
            begun = (begun[0], begun[1] + len(block), is_zero)
            continue
        if begun is not None:
            yield begun[:2]
        begun = (at, len(block), is_zero)
    if begun is not None:
        yield begun[:2]


def merged(ranges: Sequence[Piece]) -> tuple[Piece, ...]:
    """The same bytes as ranges in order, without overlaps, on whole blocks."""
    found: list[Piece] = []
    for start, length in sorted(ranges):
        first = start // BLOCK_BYTES * BLOCK_BYTES
        if found and first <= sum(found[-1]):
            end = max(sum(found[-1]), start + length)
            found[-1] = (found[-1][0], end - found[-1][0])
        else:
            found.append((first, start + length - first))
    return tuple(found)


def cut(ranges: Sequence[Piece]) -> Iterator[Piece]:
    """Pieces that are read at once."""
    for start, length in ranges:
        for at in range(start, start + length, _PIECE_BYTES):
            yield at, min(_PIECE_BYTES, start + length - at)
