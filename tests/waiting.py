# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for the world outside. Where Qt must run meanwhile: ``qtbot.waitUntil``, or a ``pause`` of Qt's. The lab has
a wait of its own, as it is a program that runs without these tests."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOK_S = 0.02


def wait_until(
    condition: Callable[[], object], *, within_s: float = 10.0, what: str = "", every_s: float = LOOK_S,
    pause: Callable[[float], None] = time.sleep,
) -> None:  # fmt: skip
    """Look at ``condition`` again and again until it holds; fails with ``what`` when it does not in time."""
    ends_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends_at, f"not so within {within_s} s: {what}"
        pause(every_s)


@contextlib.contextmanager
def no_thread_left(*, within_s: float = 3.0) -> Iterator[None]:
    """What is begun inside has ended soon after it. Those that a test before left to end may do so meanwhile."""
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before, within_s=within_s, what="no thread is left")
