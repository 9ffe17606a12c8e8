# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that hold a draft's edits: a chain of qcow2 overlays, one for each step that can be undone.

The lowest lies on the NBD export of the image, the top one is written by the appliance; those between are never
written again, so that going back is a new, empty top on an earlier one. A draft of several disks has as many chains,
which go step by step together. Blocks (short qemu-img calls); the session's thread.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vmconsole.images.local_qemu import qemu_img

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def backing_url(socket: Path) -> str:
    return f"nbd+unix:///?socket={socket}"


def make_overlay(overlay: Path, socket: Path, virtual_size_bytes: int) -> None:
    """An empty overlay over the NBD export behind ``socket``, which need not serve yet."""
    url, size = backing_url(socket), str(virtual_size_bytes)
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", url, overlay, size)


def put_on(overlay: Path, socket: Path) -> None:
    """Let an overlay that exists lie on the export behind ``socket``."""
    qemu_img("rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", backing_url(socket), overlay)


def make_layer(layer: Path, below: Path, virtual_size_bytes: int) -> None:
    """An empty layer on another one in the same folder; the folder may be moved."""
    size = str(virtual_size_bytes)
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", below.name, layer, size)


class Layers:
    """One disk's chain, in a folder of its own. Names are the caller's."""

    def __init__(self, folder: Path, socket: Path, virtual_size_bytes: int) -> None:
        self._folder, self._socket, self._size = folder, socket, virtual_size_bytes

    def path(self, name: str) -> Path:
        return self._folder / name

    def new_top(self, name: str, below: str) -> Path:
        """An empty layer on ``below``, or on the image itself if that is empty."""
        top = self.path(name)
        top.unlink(missing_ok=True)
        if below:
            make_layer(top, self.path(below), self._size)
        else:
            make_overlay(top, self._socket, self._size)
        return top

    def absorb(self, name: str) -> None:
        """Put what is between a layer and the image into that layer. What it shows is the same at any moment, so this
        may be cut off and begun again."""
        url = backing_url(self._socket)
        qemu_img("rebase", "-f", "qcow2", "-F", "raw", "-b", url, self.path(name), sockets=(self._socket,))

    def keep_only(self, names: Iterable[str]) -> None:
        """Remove layers that no step needs."""
        kept = set(names)
        for file in self._folder.glob("layer-*.qcow2"):
            if file.name not in kept:
                file.unlink(missing_ok=True)

    def size_bytes(self) -> int:
        """What the files take on this machine's disk."""
        return sum(os.stat(f).st_blocks * 512 for f in self._folder.glob("layer-*.qcow2"))
