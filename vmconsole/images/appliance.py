# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance's QEMU as a process: a grandchild, so it is held by a pidfd (pidfd_open(2)), which means no other."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading

_END_DEADLINE_S = 5.0


class Appliance:
    """Made when it runs; ``close`` once. Any thread."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._lock = threading.Lock()
        try:
            self._handle: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._handle = None

    @property
    def is_alive(self) -> bool:
        with self._lock:
            return self._handle is not None and not _has_ended(self._handle, timeout_s=0)

    def kill(self) -> None:
        """End it at once; it may take a moment to be gone."""
        with self._lock:
            if self._handle is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def close(self) -> None:
        """Wait until it is gone, because it holds the draft's file until then."""
        with self._lock:
            if self._handle is not None:
                _has_ended(self._handle, timeout_s=_END_DEADLINE_S)
                os.close(self._handle)
                self._handle = None


def _has_ended(handle: int, *, timeout_s: float) -> bool:
    """A pidfd is readable once its process has ended."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(int(timeout_s * 1000)))
