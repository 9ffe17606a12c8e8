# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a hive, made here byte by byte, and what is left out of a key that is too big to be shown."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from vmconsole.images.child import registry_records
from vmconsole.images.child.registry import _Hive, _values
from vmconsole.inventory.errors import ImageDamaged


class FileHandle:
    """A handle of libguestfs with one file, which is the hive."""

    def __init__(self, file: bytes, data: dict[int, bytes] | None = None) -> None:
        self._file, self._data = file, data or {}

    def pread(self, _path: str, count: int, offset: int) -> bytes:
        return self._file[offset : offset + count]

    def hivex_value_value(self, value: int) -> bytes:
        return self._data[value]


class FreeWork:
    def __init__(self, handle: FileHandle) -> None:
        self.handle = handle

    def check_cancelled(self) -> None:
        """Nobody cancels."""


def key_record(name: bytes, *, flags: int) -> bytes:
    return struct.pack("<i2sHq60xHH", -96, b"nk", flags, 1234, len(name), 0) + name


def value_record(name: bytes, *, size: int = 4, flags: int = 1, kind: int = 3) -> bytes:
    return struct.pack("<i2sHIIIHH", -64, b"vk", len(name), size, 0, kind, flags, 0) + name


@pytest.mark.parametrize(
    ("raw", "flags", "name"),
    [
        (b"Run", 0x20, "Run"), (b"Run\0x", 0x20, "Run\0x"), (b"caf\xe9", 0x20, "caf\xe9"),
        ("Ünï".encode("utf-16-le"), 0, "Ünï"), (b"\x00\xd8a\0", 0, "\ud800a"), (b"a\0b", 0, "a"),
        (b"n" * 2000, 0x20, "n" * 2000),
    ],
)  # fmt: skip
def test_names_are_read_whole(raw: bytes, flags: int, name: str) -> None:
    handle: Any = FileHandle(bytes(100) + key_record(raw, flags=flags))
    found = registry_records.key(handle, "hive", 100)
    assert (found.name, found.ticks) == (name, 1234)
    handle = FileHandle(bytes(7) + value_record(raw, flags=int(flags != 0), size=0x80000002, kind=4))
    assert registry_records.value(handle, "hive", 7) == registry_records.Value(name, 4, 2)


@pytest.mark.parametrize("file", [b"", bytes(200), key_record(b"x", flags=0x20)[:50], value_record(b"x")[:20]])
def test_what_is_no_record_is_damaged(file: bytes) -> None:
    handle: Any = FileHandle(file)
    for read in (registry_records.key, registry_records.value):
        with pytest.raises(ImageDamaged):
            read(handle, "hive", 0)


def test_long_data_are_told_and_not_carried() -> None:
    sizes = [5 << 20, *[900_000] * 19]
    records = [value_record(f"v{n}".encode(), size=size) for n, size in enumerate(sizes)]
    places = [sum(map(len, records[:n])) for n in range(len(records))]
    data = {place: bytes(size) for place, size in zip(places, sizes, strict=True)}
    handle: Any = FileHandle(b"".join(records), data)
    work: Any = FreeWork(handle)
    found = _values(work, _Hive(handle, "hive", "hive"), places)
    assert [v.name for v in found] == [f"v{n}" for n in range(20)]
    assert [len(v.data) for v in found] == [0, *[900_000] * 18, 0]
    assert [v.left_out_bytes for v in found] == [5 << 20, *[0] * 18, 900_000]
