# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of CPUs and NUMA nodes as text, «0-3,8,^2», as the kernel and libvirt write them. Pure functions, any thread.

Sources: cpuset(7), List format; libvirt «Domain XML format», vcpu's cpuset.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import OutOfRange

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 65_536
_PART = re.compile(r"(\^?)(\d{1,6})(?:-(\d{1,6}))?")


def parse_set(text: str) -> frozenset[int]:
    """Raises OutOfRange for what is no set. An empty text is the empty set."""
    members: set[int] = set()
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        found = _PART.fullmatch(part)
        low = int(found[2]) if found else -1
        high = int(found[3] or low) if found else -2
        if found is None or high < low or high >= MOST:
            raise OutOfRange(f"«{part}» is no set of numbers.", advice="Write it like 0-3,8.")
        (members.difference_update if found[1] else members.update)(range(low, high + 1))
    return frozenset(members)


def format_set(members: Iterable[int]) -> str:
    """The shortest text: «0-3,8»."""
    runs: list[list[int]] = []
    for number in sorted(set(members)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
