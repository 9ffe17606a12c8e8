# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the lab whose tools run in a process of their own: what hurts a host must not hold up who is measured.

Starting a program (nsenter, virsh, iptables) with ``subprocess`` holds Python's lock until the program runs, and so
the thread of the window, if it is in the same process.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.lab.vmlab import Lab

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.vmlab import LabHost


class FarHost:
    """Looks like a ``LabHost``; its methods run elsewhere and block here without Python's lock. ``close`` it."""

    def __init__(self, lab: Lab, name: str) -> None:
        self._near: LabHost = lab.host(name)
        self._directory = lab.directory
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self.repair()  # which starts the process, too

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._near, name)
        if not callable(value):
            return value
        return lambda *args, **named: self._pool.submit(
            _call, self._directory, self._near.name, name, args, named
        ).result()

    def close(self) -> None:
        self._pool.shutdown()


def _call(directory: Path, host: str, method: str, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    return getattr(Lab(directory).host(host), method)(*args, **named)
