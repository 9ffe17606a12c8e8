# SPDX-License-Identifier: GPL-3.0-or-later
"""LZ4 frames, as `lz4` writes them and Android's backups and firmware come, read piece by piece. Any one thread.

By liblz4's own C functions: Python has none, and the library is on every Debian, as apt needs it. What is read is
hostile: each call gives at most what was asked for, and checksums are looked at. Source: lz4frame.h.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmconsole.images.android_sparse import Stream

MAGIC = b"\x04\x22\x4d\x18"
_VERSION = 100
"""LZ4F_VERSION."""
_CHUNK = 256 * 1024


class BadLz4(ValueError):
    """It is damaged, or cut off; the text says how."""


@cache
def _library() -> Any:
    """None where it is not installed."""
    try:
        found = ctypes.CDLL("liblz4.so.1")
    except OSError:
        return None
    for name in ("LZ4F_createDecompressionContext", "LZ4F_decompress", "LZ4F_freeDecompressionContext"):
        getattr(found, name).restype = ctypes.c_size_t
    found.LZ4F_isError.argtypes = [ctypes.c_size_t]
    found.LZ4F_getErrorName.argtypes, found.LZ4F_getErrorName.restype = [ctypes.c_size_t], ctypes.c_char_p
    return found


def can_be_read() -> bool:
    return _library() is not None


class Unpacked:
    """The content of one frame after the other. Raises BadLz4."""

    def __init__(self, packed: Stream) -> None:
        self._packed, self._lz4 = packed, _library()
        if self._lz4 is None:
            raise BadLz4("liblz4 is not installed here (package liblz4-1)")
        self._context = ctypes.c_void_p()
        self._check(self._lz4.LZ4F_createDecompressionContext(ctypes.byref(self._context), _VERSION))
        self._left = b""
        self._is_inside = False
        """Of a frame that has not ended."""

    def read(self, count: int, /) -> bytes:
        out = ctypes.create_string_buffer(max(1, min(count, _CHUNK)))
        while True:
            data = self._left or self._packed.read(_CHUNK)
            if not data and not self._is_inside:
                return b""
            room, taken = ctypes.c_size_t(len(out)), ctypes.c_size_t(len(data))
            hint = self._check(
                self._lz4.LZ4F_decompress(
                    self._context, out, ctypes.byref(room), data, ctypes.byref(taken), None
                )
            )  # fmt: skip
            self._left, self._is_inside = data[taken.value :], hint != 0
            if room.value:
                return out.raw[: room.value]
            if not data:
                raise BadLz4("it is cut off")

    def _check(self, answer: int) -> int:
        if self._lz4.LZ4F_isError(answer):
            name = self._lz4.LZ4F_getErrorName(answer)
            raise BadLz4((name or b"unknown").decode("ascii", "replace").removeprefix("ERROR_"))
        return answer

    def __del__(self) -> None:
        if getattr(self, "_context", None):
            self._lz4.LZ4F_freeDecompressionContext(self._context)
            self._context = ctypes.c_void_p()
