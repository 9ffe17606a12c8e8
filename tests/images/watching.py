# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether anybody opened a file, as the kernel saw it (inotify(7))."""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_IN_OPEN = 0x20


@contextlib.contextmanager
def opens_of(path: Path | str) -> Iterator[Callable[[], bool]]:
    """Gives a question: was it opened since?"""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert fd >= 0
    assert libc.inotify_add_watch(fd, os.fsencode(path), _IN_OPEN) >= 0

    def was_opened() -> bool:
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(fd, 4096))
        return False

    try:
        yield was_opened
    finally:
        os.close(fd)
