# SPDX-License-Identifier: GPL-3.0-or-later
"""BSD's disk label: a table of partitions inside a slice of a PC's disk. Source: FreeBSD's sys/disklabel.h."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MARK = 0x82564557
_SECTOR = 512
_FIRST = 2048
"""Where the first filesystem begins, in sectors of the slice."""
_FFS, _UNUSED = 7, 0


def label(sectors: int) -> bytes:
    """«a» with all from ``_FIRST`` on, and «c», which is the whole slice."""
    parts = [(sectors - _FIRST, _FIRST, _FFS), (0, 0, _UNUSED), (sectors, 0, _UNUSED), *[(0, 0, _UNUSED)] * 5]
    head = struct.pack("<I2H16s16s6I", MARK, 4, 0, b"test", b"fictitious", _SECTOR, 63, 16, 1, 1008, sectors)
    head = head.ljust(132, b"\0") + struct.pack("<I2H2I", MARK, 0, len(parts), 8192, 0)
    table = b"".join(struct.pack("<3I2BH", size, begin, 4096, kind, 8, 0) for size, begin, kind in parts)
    checksum = 0
    for (word,) in struct.iter_unpack("<H", head + table):
        checksum ^= word
    return head[:136] + struct.pack("<H", checksum) + head[138:] + table


def slice_with(filesystem: Path, made: Path) -> Path:
    """The slice of a disk, with the label and one filesystem."""
    content = filesystem.read_bytes()
    sectors = _FIRST + len(content) // _SECTOR
    made.write_bytes((bytes(_SECTOR) + label(sectors)).ljust(_FIRST * _SECTOR, b"\0") + content)
    return made
