# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows registry hive made from nothing: an empty root key, which ``hivexsh`` or the editor then fills.

The layout is that of the «regf» format as hivex(3) reads it: a header block, one bin, in it the root key and its
security record.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 4096
_NONE = 0xFFFFFFFF


def empty_hive(path: Path, *, is_clean: bool = True) -> Path:
    """Write a hive with a root key alone. ``is_clean`` False leaves the mark of a Windows that was not shut down."""
    security = b"sk\0\0" + struct.pack("<IIII", 0x90, 0x90, 1, 20) + struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 0)
    name = b"ROOT"
    key = struct.pack(
        "<2sHqIIIIIIIIIIIIIIIHH", b"nk", 0x2C, 132_000_000_000_000_000, 0, _NONE, 0, 0, _NONE, _NONE, 0, _NONE, 0x90,
        _NONE, 0, 0, 0, 0, 0, len(name), 0,
    ) + name  # fmt: skip
    cells = _cell(key, 0x90 - 0x20) + _cell(security, 48)
    used = 32 + len(cells)
    cells += _cell(b"", _BLOCK - used, is_used=False)
    header = struct.pack(
        "<4sIIqIIIIIII", b"regf", 1, 1 if is_clean else 2, 132_000_000_000_000_000, 1, 5, 0, 1, 0x20, _BLOCK, 1
    )
    header = header.ljust(0x1FC, b"\0")
    checksum = 0
    for (word,) in struct.iter_unpack("<I", header):
        checksum ^= word
    header = (header + struct.pack("<I", checksum)).ljust(_BLOCK, b"\0")
    bin_header = struct.pack("<4sIIQQI", b"hbin", 0, _BLOCK, 0, 0, 0)
    path.write_bytes(header + bin_header + cells)
    return path


def _cell(content: bytes, size: int, *, is_used: bool = True) -> bytes:
    return (struct.pack("<i", -size if is_used else size) + content).ljust(size, b"\0")
