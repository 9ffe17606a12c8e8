# SPDX-License-Identifier: GPL-3.0-or-later
"""UFS as FreeBSD has it: version 2, its superblock 64 KiB after the begin.

Debian's makefs(8) writes the superblock of version 2 where that of version 1 is (8 KiB), where no FreeBSD and no kernel
looks for it; so it is moved. With blocks of 4 KiB, its new place is free.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.images import disks

if TYPE_CHECKING:
    from pathlib import Path

_OLD_PLACE, _PLACE, _BYTES = 8192, 65536, 8192
_MAGIC_AT, _MAGIC, _PLACE_AT = 1372, 0x19540119, 1000
"""In the superblock: what it is, and where. Source: FreeBSD's sys/ufs/ffs/fs.h."""


def make(tree: Path, image: Path, *, version: int = 2) -> Path:
    """8 MiB with what is in ``tree``."""
    blocks = ",bsize=4096,fsize=4096" if version == 2 else ""
    disks.run("makefs", "-t", "ffs", "-o", f"version={version}{blocks}", "-s", "8m", image, tree)
    if version == 2:
        _move_superblock(image)
    return image


def _move_superblock(image: Path) -> None:
    with image.open("r+b") as file:
        file.seek(_PLACE)
        assert not any(file.read(_BYTES)), "its place is not free"
        file.seek(_OLD_PLACE)
        superblock = bytearray(file.read(_BYTES))
        assert struct.unpack_from("<I", superblock, _MAGIC_AT)[0] == _MAGIC
        struct.pack_into("<q", superblock, _PLACE_AT, _PLACE)
        file.seek(_PLACE)
        file.write(superblock)
        file.seek(_OLD_PLACE)
        file.write(bytes(_BYTES))
