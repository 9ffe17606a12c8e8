# SPDX-License-Identifier: GPL-3.0-or-later
"""Private folders on this machine for files on their way out of an image. GUI thread; a thread of its own deletes.

A file manager copies from there after the drop, for as long as it likes, so folders stay until the window closes or
until a later drag finds them old.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from threading import Thread

KEPT_S = 600.0
PREFIX = "staged-"


class Staging:
    """Makes folders below ``root`` that only this user can read. ``close()`` deletes what it made."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[Path, float] = {}
        self._held: set[Path] = set()

    def new_folder(self) -> Path:
        """A fresh, empty folder. Raises OSError when the disk is full or read-only."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self._root))
        now = time.monotonic()
        self._drop([old for old, made in self._made.items() if now - made > KEPT_S and old not in self._held])
        self._made[folder] = time.monotonic()
        return folder

    def hold(self, folder: Path) -> None:
        """It is in use, and stays however long that takes, until ``let_go``."""
        self._held.add(folder)

    def let_go(self, folder: Path) -> None:
        """It is not in use any more; it still stays for a while."""
        if folder in self._held:
            self._held.remove(folder)
            self._made[folder] = time.monotonic()

    def drop(self, folder: Path) -> None:
        """It is not wanted any more. Nothing that was not made here is touched."""
        self._held.discard(folder)
        if folder in self._made:
            self._drop([folder])

    def close(self) -> None:
        self._drop(list(self._made))

    def _drop(self, folders: list[Path]) -> None:
        for folder in folders:
            self._made.pop(folder, None)
        if folders:
            Thread(target=_delete, args=(folders,), name="staging-delete").start()


def _delete(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
