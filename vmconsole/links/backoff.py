# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait before the next try: 1, 2, 4 … 30 s, a little different for each host. Pure."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_S = 1.0
LONGEST_S = 30.0
JITTER = 0.2


class Backoff:
    """``next_s`` after each failure, ``reset`` after a success."""

    def __init__(self, *, rand: Callable[[], float] = random.random) -> None:
        self._rand = rand
        self._tries = 0

    def next_s(self) -> float:
        """Doubled each time, and up to a fifth more or less so that hosts do not all come at once."""
        base = min(LONGEST_S, FIRST_S * 2.0 ** min(self._tries, 10))
        self._tries += 1
        return base * (1 + JITTER * (2 * self._rand() - 1))

    def reset(self) -> None:
        self._tries = 0
