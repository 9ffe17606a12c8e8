# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a registry hive that hivex tells only in part, read from the file itself. Child process.

hivex' handle of a key or value is the offset of its record in the file. Its names may hold every UTF-16 unit, also NUL
and halves of pairs. Source of the layout: hivex' own ``lib/hivex-internal.h`` (``ntreg_nk_record``,
``ntreg_vk_record``).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import ImageDamaged

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Handle

_KEY = struct.Struct("<4x2sHq60xHH")
"""Length of the cell, «nk», flags, time, …, length of the name, length of the class; then the name."""
_VALUE = struct.Struct("<4x2sHIIIHH")
"""Length of the cell, «vk», length of the name, length and place of the data, type, flags, spare; then the name."""
_KEY_HAS_BYTES, _VALUE_HAS_BYTES = 0x20, 0x01
"""The name has one byte for a character, in Latin 1, not two."""
_IS_INSIDE = 0x80000000
"""Short data stand in the record itself."""
_USUAL_NAME_BYTES = 512


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    ticks: int
    """Tenths of a microsecond since 1601."""


@dataclass(frozen=True, slots=True)
class Value:
    name: str
    type: int
    size_bytes: int


def key(handle: Handle, file: str, node: int) -> Key:
    record = handle.pread(file, _KEY.size + _USUAL_NAME_BYTES, node)
    if len(record) < _KEY.size or record[4:6] != b"nk":
        raise ImageDamaged("A key of the registry is damaged.", where=file)
    _, flags, ticks, length, _ = _KEY.unpack_from(record)
    return Key(_name(handle, file, node, record, _KEY.size, length, has_bytes=bool(flags & _KEY_HAS_BYTES)), ticks)


def value(handle: Handle, file: str, at: int) -> Value:
    record = handle.pread(file, _VALUE.size + _USUAL_NAME_BYTES, at)
    if len(record) < _VALUE.size or record[4:6] != b"vk":
        raise ImageDamaged("A value of the registry is damaged.", where=file)
    _, length, size, _, kind, flags, _ = _VALUE.unpack_from(record)
    name = _name(handle, file, at, record, _VALUE.size, length, has_bytes=bool(flags & _VALUE_HAS_BYTES))
    return Value(name, kind, size & ~_IS_INSIDE)


def _name(handle: Handle, file: str, at: int, record: bytes, start: int, length: int, *, has_bytes: bool) -> str:
    raw = record[start : start + length]
    if length > _USUAL_NAME_BYTES:
        raw = handle.pread(file, length, at + start)
    return raw.decode("latin-1") if has_bytes else raw[: len(raw) // 2 * 2].decode("utf-16-le", "surrogatepass")


def can_be_asked_for(name: str) -> bool:
    """Whether hivex can take the name as it is: UTF-8 without NUL."""
    try:
        return b"\0" not in name.encode("utf-8")
    except UnicodeEncodeError:
        return False
