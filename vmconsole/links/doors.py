# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways for libvirt's RPC that can be shut under a call that is stuck in it, beside the one through SSH.

A daemon that hangs when it is opened leaves libvirt's client waiting for ever: keep-alive begins later. Here libvirt
connects to a socket of ours, and one thread carries the bytes to the daemon's; ``shut`` ends both, and the call fails.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import ConnectTimeout

if TYPE_CHECKING:
    from vmconsole.links.uri import ConnectionUri

SYSTEM_FOLDER = Path("/run/libvirt")
MODULAR = {"qemu": "virtqemud", "lxc": "virtlxcd", "xen": "virtxend", "ch": "virtchd", "vbox": "virtvboxd"}
"""Driver → its own daemon; its socket is tried first, as libvirt does (libvirt's daemons.html)."""
CHUNK_BYTES = 1 << 16
_BRIDGE = """
import os, select, socket, sys
there = socket.socket(socket.AF_UNIX)
try:
    there.connect(sys.argv[1])
except OSError as error:
    sys.exit(f"Failed to connect socket to '{sys.argv[1]}': {error.strerror}")
while True:
    for end in select.select([0, there], [], [])[0]:
        data = os.read(0, 65536) if end == 0 else there.recv(65536)
        if not data:
            sys.exit()
        if end == 0:
            there.sendall(data)
        while end != 0 and data:
            data = data[os.write(1, data):]
"""


def bridge_command(path: str) -> str:
    """A line for a host's sh: its input and output become the socket. libvirt's own way there (virt-ssh-helper)
    ignores a socket that is named and takes the default daemon's."""
    where = shlex.quote(path)
    return (
        f"if command -v python3 >/dev/null; then exec python3 -c {shlex.quote(_BRIDGE)} {where}; fi; "
        f"if command -v socat >/dev/null; then exec socat - UNIX-CONNECT:{where}; fi; exec nc -U {where}"
    )


class LocalDoor:
    """A socket for one connection, and the thread that carries it to the daemon's. ``close`` as ``shut``."""

    can_shut = True

    def __init__(self, folder: Path, daemon: socket.socket) -> None:
        """``daemon`` is connected, and belongs to the door from now on. ``folder``: private, with a short path."""
        self._daemon = daemon
        self._folder = Path(tempfile.mkdtemp(prefix="l", dir=folder))
        self.path = self._folder / "rpc"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.fsencode(self.path))
        self._listener.listen(1)
        self._wake, self._woken = socket.socketpair()
        self._lock = threading.Lock()
        self._is_shut = False
        self._thread = threading.Thread(target=self._carry, name="libvirt's door", daemon=True)
        self._thread.start()

    def shut(self) -> None:
        with self._lock:
            if not self._is_shut:
                self._is_shut = True
                self._wake.close()

    def _carry(self) -> None:
        with contextlib.ExitStack() as ends:
            for end in (self._listener, self._daemon, self._woken):
                ends.callback(end.close)
            client = self._accept()
            self._forget_path()
            if client is not None:
                ends.callback(client.close)
                with contextlib.suppress(OSError):  # either end is gone, and so is the connection
                    self._pump(client)
        self.shut()

    def _accept(self) -> socket.socket | None:
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._listener, selectors.EVENT_READ)
            waiting.register(self._woken, selectors.EVENT_READ)
            if any(key.fileobj is self._woken for key, _ in waiting.select()):
                return None
        return self._listener.accept()[0]

    def _pump(self, client: socket.socket) -> None:
        """Each direction stops reading while the other end does not take: a daemon that hangs fills nothing."""
        other = {client: self._daemon, self._daemon: client}
        pending = {client: b"", self._daemon: b""}  # by the end that must take it
        for end in other:
            end.settimeout(0)
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._woken, selectors.EVENT_READ)
            for end in other:
                waiting.register(end, selectors.EVENT_READ)
            while True:
                for key, events in waiting.select():
                    if key.fileobj is self._woken:
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

    def _forget_path(self) -> None:
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._folder.rmdir()


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
