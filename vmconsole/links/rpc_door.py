# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's RPC over a shared SSH connection: libvirt connects to a socket of ours, and an ssh client carries it on.

libvirt can start ssh itself, but forks our process for it, which holds every thread of ours while the memory of a
large program is prepared for the copy: the window stood still for 50 ms and more. Here ssh gets libvirt's socket as
its input and output, so that no byte goes through Python, and ``shut`` ends that one client: calls stuck in it fail,
the shared connection lives on. What ssh or the host's helper said is kept, as libvirt no longer hears it.
"""

from __future__ import annotations

import contextlib
import shlex
import threading
from typing import IO, TYPE_CHECKING

from vmconsole.inventory.errors import LinkError
from vmconsole.links.doors import MODULAR, PrivateSocket

if TYPE_CHECKING:
    import socket
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from vmconsole.links.uri import ConnectionUri

_TOLD_BYTES = 8192
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


class RpcDoor:
    """A way for one connection of libvirt's, to be opened at ``path``. ``shut`` from any thread, also as its close."""

    can_shut = True

    def __init__(self, folder: Path, start: Callable[[socket.socket, IO[bytes]], subprocess.Popen[bytes]]) -> None:
        """``folder``: private, with a short path. ``start(its input and output, its errors)`` runs the client, once,
        on a thread of the door's; it may raise a LinkError."""
        self._start = start
        self._socket = PrivateSocket(folder)
        self.path = self._socket.path
        self._log = self.path.with_name("said")
        self._lock = threading.Lock()
        self._is_shut = False
        self._client: subprocess.Popen[bytes] | None = None
        self._refusal = self._words = ""
        self._ended = threading.Event()
        threading.Thread(target=self._carry, name="libvirt's ssh", daemon=True).start()

    def said(self, *, timeout_s: float = 1.0) -> str:
        """What the client and the host's end of it complained of. Waits a moment for the client's end."""
        self._ended.wait(timeout_s)
        return self._words

    def shut(self) -> None:
        with self._lock:
            if self._is_shut:
                return
            self._is_shut = True
            self._socket.wake()
            if self._client is not None and self._client.poll() is None:
                self._client.terminate()

    def _carry(self) -> None:
        try:
            self._run_client()
        except LinkError as error:
            self._words = f"{error} {error.explanation.said}".strip()
        finally:
            self._socket.close(others=[self._log])
            self._ended.set()

    def _run_client(self) -> None:
        end = self._socket.accept()
        if end is None:
            return
        with self._log.open("wb") as log:
            with end, self._lock:
                if self._is_shut:
                    return
                self._client = self._start(end, log)
            self._client.wait()
        with contextlib.suppress(OSError):  # the connection's folder is gone, and nobody asks any more
            self._words = self._log.read_bytes()[-_TOLD_BYTES:].decode(errors="replace").replace("\r", "").strip()


def way_to_daemon(uri: ConnectionUri) -> str:
    """A line for a host's sh: its input and output become the daemon's RPC.

    libvirt's own helper there knows which daemon serves the driver, and starts that of a user's session; a named socket
    it ignores. Hosts before libvirt 7 have none: there it is the socket itself. Sources: virt-ssh-helper(8), and
    «proxy», «netcat» and «mode» in libvirt's «Remote support».
    """
    named, proxy = uri.parameter("socket"), uri.parameter("proxy") or "auto"
    if named:
        return _through(shlex.quote(named), netcat="")
    if proxy == "native":
        return f"exec {_helper(uri)}"
    netcat = _through(_search(uri), netcat=uri.parameter("netcat"))
    if proxy == "netcat":
        return netcat
    return f"if command -v virt-ssh-helper >/dev/null 2>&1; then exec {_helper(uri)}; fi; {netcat}"


def _helper(uri: ConnectionUri) -> str:
    mode = uri.parameter("mode")
    address = f"{uri.driver}://{uri.path}" + (f"?mode={mode}" if mode else "")
    return f"virt-ssh-helper {'-r ' if uri.read_only else ''}{shlex.quote(address)}"


def _search(uri: ConnectionUri) -> str:
    """The first socket of those that may be there; of none, the last, so that it is named in what is said."""
    end = "-sock-ro" if uri.read_only else "-sock"
    mode, own = uri.parameter("mode"), MODULAR.get(uri.driver)
    names = [own] if own and mode != "legacy" else []
    names += [] if mode == "direct" and own else ["libvirt"]
    is_session = uri.path == "/session"
    folder = '"${XDG_RUNTIME_DIR:-$HOME/.cache}"/libvirt' if is_session else "/run/libvirt"
    sockets = " ".join(f"{folder}/{name}{'-sock' if is_session else end}" for name in names)
    return f'"$(for s in {sockets}; do if [ -S "$s" ]; then break; fi; done; echo "$s")"'


def _through(where: str, *, netcat: str) -> str:
    """``where``: the socket, as a word of sh. ``netcat``: the user's own program for it."""
    if netcat:
        return f"exec {shlex.quote(netcat)} -U {where}"
    return (
        f"if command -v python3 >/dev/null; then exec python3 -c {shlex.quote(_BRIDGE)} {where}; fi; "
        f"if command -v socat >/dev/null; then exec socat - UNIX-CONNECT:{where}; fi; exec nc -U {where}"
    )
