# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways for libvirt's RPC that can be shut under a call that is stuck in it, beside the one through SSH.

A daemon that hangs when it is opened leaves libvirt's client waiting for ever: keep-alive begins later. Here libvirt
connects to a socket of ours, and one thread carries the bytes to the daemon's; ``shut`` ends both, and the call fails.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import ConnectTimeout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.links.uri import ConnectionUri

SYSTEM_FOLDER = Path("/run/libvirt")
MODULAR = {"qemu": "virtqemud", "lxc": "virtlxcd", "xen": "virtxend", "ch": "virtchd", "vbox": "virtvboxd"}
"""Driver → its own daemon; its socket is tried first, as libvirt does (libvirt's daemons.html)."""
CHUNK_BYTES = 1 << 16


class PrivateSocket:
    """A socket that one connection is accepted on; its path is gone afterwards."""

    def __init__(self, folder: Path) -> None:
        """``folder``: private, with a short path."""
        self._folder = Path(tempfile.mkdtemp(prefix="l", dir=folder))
        self.path = self._folder / "rpc"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.fsencode(self.path))
        self._listener.listen(1)
        self._wake, self.woken = socket.socketpair()

    def accept(self) -> socket.socket | None:
        """Blocks until a connection comes, or until it is woken: then there is none."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._listener, selectors.EVENT_READ)
            waiting.register(self.woken, selectors.EVENT_READ)
            if any(key.fileobj is self.woken for key, _ in waiting.select()):
                return None
        return self._listener.accept()[0]

    def wake(self) -> None:
        """From any thread, once at least: ``woken`` can be read from then on."""
        self._wake.close()

    def close(self, *, others: Sequence[Path] = ()) -> None:
        """By the thread that accepts. ``others``: further files of the folder's."""
        self._listener.close()
        self.woken.close()
        with contextlib.suppress(OSError):  # the folder above went first
            for path in (self.path, *others):
                path.unlink(missing_ok=True)
            self._folder.rmdir()


class LocalDoor:
    """A socket for one connection, and the thread that carries it to the daemon's. ``close`` as ``shut``."""

    can_shut = True

    def __init__(self, folder: Path, daemon: socket.socket) -> None:
        """``daemon`` is connected, and belongs to the door from now on. ``folder``: private, with a short path."""
        self._daemon = daemon
        self._socket = PrivateSocket(folder)
        self.path = self._socket.path
        self._lock = threading.Lock()
        self._is_shut = False
        self._thread = threading.Thread(target=self._carry, name="libvirt's door", daemon=True)
        self._thread.start()

    def shut(self) -> None:
        with self._lock:
            if not self._is_shut:
                self._is_shut = True
                self._socket.wake()

    def said(self) -> str:
        return ""  # the daemon tells libvirt itself

    def _carry(self) -> None:
        client = self._socket.accept()
        with self._daemon:
            if client is not None:
                with client, contextlib.suppress(OSError):  # either end is gone, and so is the connection
                    self._pump(client)
        self.shut()
        self._socket.close()

    def _pump(self, client: socket.socket) -> None:
        """Each direction stops reading while the other end does not take: a daemon that hangs fills nothing."""
        other = {client: self._daemon, self._daemon: client}
        pending = {client: b"", self._daemon: b""}  # by the end that must take it
        for end in other:
            end.settimeout(0)
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._socket.woken, selectors.EVENT_READ)
            for end in other:
                waiting.register(end, selectors.EVENT_READ)
            while True:
                for key, events in waiting.select():
                    if key.fileobj is self._socket.woken:
                        return
                    end = client if key.fileobj is client else self._daemon
                    if events & selectors.EVENT_READ:
                        pending[other[end]] = end.recv(CHUNK_BYTES)
                        if not pending[other[end]]:
                            return
                    if events & selectors.EVENT_WRITE:
                        pending[end] = pending[end][end.send(pending[end]) :]
                for end in other:
                    wanted = selectors.EVENT_WRITE if pending[end] else 0
                    _want(waiting, end, wanted if pending[other[end]] else wanted | selectors.EVENT_READ)


def _want(waiting: selectors.BaseSelector, end: socket.socket, events: int) -> None:
    if end in waiting.get_map():
        if events:
            waiting.modify(end, events)
        else:
            waiting.unregister(end)
    elif events:
        waiting.register(end, events)


def local_door(uri: ConnectionUri, folder: Path) -> tuple[str, LocalDoor] | None:
    """The URI to open, and its door. None where libvirt goes its own way: a user's session, whose daemon it starts, or
    no daemon to be reached, as it says that itself. Raises ConnectTimeout when the daemon takes no more connections."""
    for path in _sockets(uri):
        daemon = socket.socket(socket.AF_UNIX)
        daemon.settimeout(0)
        try:
            daemon.connect(path)
        except BlockingIOError as error:
            daemon.close()
            raise ConnectTimeout(
                "libvirt's daemon takes no more connections.", cause="It hangs, and many wait for it already.",
                where=uri.display_name, said=str(error),
            ) from error  # fmt: skip
        except OSError:
            daemon.close()
            continue
        door = LocalDoor(folder, daemon)
        return uri.for_libvirt(socket=str(door.path)), door
    return None


def _sockets(uri: ConnectionUri) -> list[str]:
    """Where the daemon may listen, the likelier first."""
    named, mode = uri.parameter("socket"), uri.parameter("mode")
    if named:
        return [named]
    if not uri.is_local_daemon or uri.path == "/session":
        return []
    end = "-sock-ro" if uri.read_only else "-sock"
    names = [] if mode == "legacy" or uri.driver not in MODULAR else [MODULAR[uri.driver]]
    names += [] if mode == "direct" else ["libvirt"]
    return [str(SYSTEM_FOLDER / f"{name}{end}") for name in names]
