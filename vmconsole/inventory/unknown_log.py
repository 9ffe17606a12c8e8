# SPDX-License-Identifier: GPL-3.0-or-later
"""When a failure that keeps coming back is to be logged: at once, and then after the 10th, 100th, … time. Any thread.

What is read every second on two hundred hosts can fail every second: a log that is full of one line hides the others.
"""

from __future__ import annotations

import re
import threading

MOST_KEPT = 256
_NUMBER = re.compile(r"\d+")


class UnknownLog:
    """Counts failures that are alike but for the numbers in their words."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[object, ...], int] = {}

    def count(self, words: str, *exact: object) -> int | None:
        """How often this has come by now, if that is to be logged; else None. ``exact``: what must be the same."""
        key = (_NUMBER.sub("#", words), *exact)
        with self._lock:
            number = self._counts.pop(key, 0) + 1
            if len(self._counts) >= MOST_KEPT:
                del self._counts[next(iter(self._counts))]  # the one that has not come for the longest time
            self._counts[key] = number
        return number if str(number).strip("0") == "1" else None
