# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on this machine's disk for what is copied out of an image, and which parts of a file are data. Child process.

Sizes are what the guest says: a file of a petabyte may hold four kilobytes, and a folder more than this disk has. So it
is asked first how much there really is, and the disk is looked at again while it fills.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import ImageNoSpace

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Stat, Work

SPARE_BYTES = 64 * 1024 * 1024
"""Room that is left on this machine's disk."""
_BETWEEN_LOOKS = 16 * 1024 * 1024
_MIB = 1 << 20
_LISTED_BYTES = 1 << 20
_EXTENT = re.compile(rb"^ *[0-9]+: +([0-9]+)\.\. +([0-9]+):", re.MULTILINE)
"""A row of filefrag(8), in bytes: number, first and last place in the file."""

Range = tuple[int, int]
"""Begin and end in bytes."""


class Room:
    """Of the disk that a local folder is on."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._looked_at = 0

    def check(self, needed_bytes: int) -> None:
        """Raises ImageNoSpace if so much more does not fit."""
        found = os.statvfs(self._folder)
        free = found.f_bavail * found.f_frsize
        if free < needed_bytes + SPARE_BYTES:
            raise ImageNoSpace(
                f"{_size(needed_bytes)} are to be copied out, and only {_size(free)} are free on this computer.",
                cause="Holes in files are not counted: it is what the image really holds.",
                advice="Free some space, copy less, or choose a folder on another disk.",
                where=self._folder,
            )

    def look_again(self, position: int) -> None:
        """Now and then, by how far it is: others write to this disk too, and a guest may have told less than it has."""
        if position - self._looked_at >= _BETWEEN_LOOKS:
            self._looked_at = position
            self.check(_BETWEEN_LOOKS)


def data_bytes(found: Stat) -> int:
    """How much of a file is data: at most its size."""
    return min(found["st_size"], found["st_blocks"] * 512)


def data_ranges(work: Work, path: str, found: Stat) -> list[Range]:
    """Where a file has data, in order; all of it where the filesystem does not tell.

    To read the holes would take days for a file that says it has a petabyte. The path is given to the appliance's
    shell in octal.
    """
    size = found["st_size"]
    whole = [(0, size)] if size else []
    if found["st_blocks"] * 512 >= size:
        return whole
    octal = "".join(f"\\{byte:03o}" for byte in os.fsencode(path))
    script = f"filefrag -b1 -e -s -- \"/sysroot$(printf '{octal}')\" 2>&1 | head -c {_LISTED_BYTES}"
    try:
        said = work.handle.debug("sh", [script]).encode("utf-8", "surrogateescape")
    except RuntimeError:
        return whole
    if len(said) >= _LISTED_BYTES or b"extent" not in said:
        return whole
    ranges = [(int(first), min(int(last) + 1, size)) for first, last in _EXTENT.findall(said)]
    return [(begin, end) for begin, end in ranges if begin < end] if ranges or b" 0 extents" in said else whole


def _size(count: int) -> str:
    return f"{count / _MIB:,.0f} MiB" if count < 10 << 30 else f"{count >> 30:,} GiB"
