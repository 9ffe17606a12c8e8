# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether there is room on a host's disks, out of what ``df`` said there. Pure; any thread."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from vmconsole.links.check_steps import Cure, Step, failed, passed, skipped, warning

if TYPE_CHECKING:
    from vmconsole.links.check_facts import HostFound

FULL_KIB = 64 * 1024
"""Less than this, and nothing works reliably: not even libvirt's own files are written."""
LOW_KIB = 2 * 1024 * 1024
LOW_SHARE = 0.05


def space(found: HostFound) -> Step:
    """The worst place decides; all are named."""
    places = [_place(line) for line in found.spaces]
    known = [place for place in places if place is not None]
    if not known:
        return skipped("space", "df told nothing that could be read.")
    told = "; ".join(f"{_gib(free)} of {_gib(size)} free in {path}" for size, free, path in known) + "."
    full = [path for _, free, path in known if free < FULL_KIB]
    low = [path for size, free, path in known if free < min(LOW_KIB, size * LOW_SHARE)]
    cures = tuple(
        Cure(found["host"], f"sudo du -xh {shlex.quote(path)} | sort -h | tail") for path in (full or low)[:1]
    )
    if full:
        return failed("space", "check-disk-full", *cures, paths=", ".join(full), told=told)
    if low:
        return warning("space", "check-disk-low", *cures, paths=", ".join(low), told=told)
    return passed("space", told)


def _place(line: str) -> tuple[int, int, str] | None:
    """Size and what is free in KiB, and the folder."""
    size, _, rest = line.partition(" ")
    free, _, path = rest.partition(" ")
    if not (size.isdecimal() and free.isdecimal() and path) or int(size) == 0:
        return None
    return int(size), int(free), path


def _gib(kib: int) -> str:
    return f"{kib / 2**20:.1f} GiB" if kib >= 2**20 else f"{kib / 2**10:.0f} MiB"
