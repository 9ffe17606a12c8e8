# SPDX-License-Identifier: GPL-3.0-or-later
"""HFS+ as xorriso(1) makes it: inside a disc that is ISO 9660 and Apple's at once, from which it is cut out. Debian
has no mkfs for it any more.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.images import disks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 512


def make(tree: Path, disc: Path, volume: Path) -> None:
    """Write the whole disc, with Apple's partition map, and the HFS+ volume of it alone."""
    disks.run(
        "xorriso", "-outdev", f"stdio:{disc}", "-hfsplus", "on", "-map", tree, "/", "-boot_image", "any",
        "partition_table=on", "-padding", "0", "-commit",
    )  # fmt: skip
    data = disc.read_bytes()
    start, length = next(_partitions(data))
    assert data[start + 1024 : start + 1026] in {b"H+", b"HX"}
    volume.write_bytes(data[start : start + length])


def _partitions(data: bytes) -> Iterator[tuple[int, int]]:
    """Begin and length in bytes of what the map calls Apple_HFS."""
    size = struct.unpack_from(">H", data, 2)[0] if data[:2] == b"ER" else _BLOCK
    count = struct.unpack_from(">I", data, size + 4)[0]
    for number in range(1, count + 1):
        entry = data[number * size :]
        assert entry[:2] == b"PM"
        begin, blocks = struct.unpack_from(">II", entry, 8)
        if entry[48:80].startswith(b"Apple_HFS"):
            yield begin * size, blocks * size
