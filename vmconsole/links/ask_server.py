# SPDX-License-Identifier: GPL-3.0-or-later
"""The console's end of ``askpass.py``: a private UNIX socket on which ssh's questions arrive.

One thread accepts; each open question has a thread, which waits for the end of its connection: an answer closes it,
and so does ssh when it gives up. ``answer`` and ``cancel`` of a question come from any other thread. Only processes of
the same user are heard (SO_PEERCRED, unix(7)), and only with the token of a login that is under way.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import socket
import struct
import sys
import threading
from os import getuid
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.links import askpass

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 300.0
"""A question that nobody answers for so long is given up."""
_HELLO_S = 5.0
_MOST_QUESTION_BYTES = 16384
_PEER = struct.Struct("3i")


class Call:
    """One question as it came: ssh waits until ``reply`` or ``refuse``. Any thread; the first one counts."""

    def __init__(self, connection: socket.socket, *, text: str, hint: str, peer_pid: int) -> None:
        self.text = text
        self.hint = hint
        self.peer_pid = peer_pid
        self._connection = connection
        self._lock = threading.Lock()
        self._is_open = True

    @property
    def is_open(self) -> bool:
        return self._is_open

    def reply(self, text: str) -> None:
        self._end(b"+" + text.encode())

    def refuse(self) -> None:
        self._end(b"")

    def _end(self, data: bytes) -> None:
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False
            with contextlib.suppress(OSError):  # ssh is gone already
                if data:
                    self._connection.sendall(data)
                self._connection.shutdown(socket.SHUT_RDWR)

    def wait(self, timeout_s: float) -> bool:
        """Until it is answered or ssh is gone. False when the time is over and nothing has happened."""
        self._connection.settimeout(timeout_s)
        try:
            self._connection.recv(1)
        except TimeoutError:
            return False
        except OSError:
            pass  # reset by the other side: gone
        with self._lock:
            self._is_open = False
        return True


class Listener:
    """What one login hears with: ``environment`` for its ssh; ``close`` when it is over."""

    def __init__(self, token: str, environment: dict[str, str], forget: Callable[[str], None]) -> None:
        self.environment = environment
        self._token = token
        self._forget = forget

    def close(self) -> None:
        """Questions that come later are refused."""
        self._forget(self._token)


class AskServer:
    """``start`` once, ``close`` once. ``folder``: existing and private, with a short path."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ask"
        self._lock = threading.Lock()
        self._hearers: dict[str, Callable[[Call], None]] = {}
        self._open: set[Call] = set()
        self._closed = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._accept, name="ssh questions", daemon=True)

    def start(self) -> None:
        self._socket.bind(str(self._path))
        self._path.chmod(0o600)
        self._socket.listen(64)
        self._thread.start()

    def close(self) -> None:
        """Refuse what waits, and listen no more."""
        with self._lock:
            self._closed = True
            waiting = list(self._open)
            self._hearers.clear()
        with contextlib.suppress(OSError):  # wakes accept()
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for call in waiting:
            call.refuse()
        if self._thread.is_alive():
            self._thread.join(1.0)
        self._path.unlink(missing_ok=True)

    def listen(self, folder: Path, hear: Callable[[Call], None]) -> Listener:
        """Write the program for SSH_ASKPASS into a private ``folder``; ``hear(call)`` runs on a thread of the call's
        own, and the call is refused when it has returned, at the latest."""
        token = secrets.token_hex(16)
        token_file, program = folder / "token", folder / "askpass"
        token_file.touch(mode=0o600)
        token_file.write_text(token, encoding="ascii")
        words = [sys.executable, "-I", "-S", str(Path(askpass.__file__)), str(self._path), str(token_file)]
        program.touch(mode=0o700)
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
        with self._lock:
            if not self._closed:
                self._hearers[token] = hear
        return Listener(token, {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force"}, self._forget)

    def _forget(self, token: str) -> None:
        with self._lock:
            self._hearers.pop(token, None)

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection,), name="ssh question", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            found = self._read(connection)
            if found is None:
                return
            call, hear = found
            with self._lock:
                if self._closed:
                    return
                self._open.add(call)
            try:
                hear(call)
            finally:
                call.refuse()
                with self._lock:
                    self._open.discard(call)

    def _read(self, connection: socket.socket) -> tuple[Call, Callable[[Call], None]] | None:
        pid, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if uid != getuid():
            return None
        connection.settimeout(_HELLO_S)
        data = b""
        try:
            while data.count(b"\0") < 3 and len(data) < _MOST_QUESTION_BYTES:
                piece = connection.recv(4096)
                if not piece:
                    return None
                data += piece
        except OSError:
            return None
        token, hint, text, *_ = [*data.decode(errors="replace").split("\0"), "", "", ""]
        with self._lock:
            hear = self._hearers.get(token)
        return None if hear is None else (Call(connection, text=text, hint=hint, peer_pid=pid), hear)
