# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's disk weight on its way through systemd. Pure functions, any thread.

On cgroup v2 libvirt hands the weight to systemd, which makes a smaller number of it for the scheduler bfq, whose
weights end at 1000: 300 becomes 118 (BFQ_WEIGHT in systemd's cgroup.c). libvirt reads it back from bfq's file, so what
it is given and what it tells are not of one scale above 100. Seen on a real host.
"""

from __future__ import annotations

_SAME_UP_TO, _BFQ_MAX, _MAX = 100, 1000, 10_000


def behind_systemd(weight: int) -> int:
    """bfq's weight after systemd was given ``weight``."""
    if weight <= _SAME_UP_TO:
        return weight
    return _SAME_UP_TO + (weight - _SAME_UP_TO) * (_BFQ_MAX - _SAME_UP_TO) // (_MAX - _SAME_UP_TO)


def for_systemd(weight: int) -> int:
    """What systemd must be given for bfq to have ``weight``."""
    return weight if weight <= _SAME_UP_TO else _SAME_UP_TO + (weight - _SAME_UP_TO) * 11
