# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait before the next try: 1, 2, 4 … s, a little different for each host. Pure."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_S = 1.0
LONGEST_S = 30.0
LONGEST_FOR_KNOWN_S = 4.0
"""For a host that was connected before: with it and one try of ssh's (8 s, in which a lost packet is sent again) a host
is back within ten seconds of its cure. A knock on the port would be cheaper than ssh, but servers punish clients that
come and say nothing (``PerSourcePenalties`` of sshd_config(5), fail2ban)."""
JITTER = 0.2


class Backoff:
    """``next_s`` after each failure, ``reset`` after a success."""

    def __init__(self, *, rand: Callable[[], float] = random.random) -> None:
        self._rand = rand
        self._tries = 0

    def next_s(self, *, longest_s: float = LONGEST_S) -> float:
        """Doubled each time, and up to a fifth more or less so that hosts do not all come at once."""
        base = min(longest_s, FIRST_S * 2.0 ** min(self._tries, 10))
        self._tries += 1
        return base * (1 + JITTER * (2 * self._rand() - 1))

    def reset(self) -> None:
        self._tries = 0
