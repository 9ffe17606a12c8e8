# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the check's script on a host and hands out its facts part by part. Blocks with deadlines; any thread."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import threading
from typing import TYPE_CHECKING

from vmconsole.inventory.catalogue import catalogue
from vmconsole.inventory.resources import resource
from vmconsole.links.ending import close_pipes, signal_group

if TYPE_CHECKING:
    import subprocess

    from vmconsole.links.base import Shell
    from vmconsole.links.check_facts import HostFound
    from vmconsole.links.uri import ConnectionUri

PART_DEADLINE_S = 15.0
MOST_LINE_BYTES = 4096


class HostScript:
    """``start``, then ``read_part`` for each part in its order, then ``close``."""

    def __init__(self, shell: Shell, uri: ConnectionUri, *, deadline_s: float = PART_DEADLINE_S) -> None:
        self._shell = shell
        self._uri = uri
        self._deadline_s = deadline_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._readers: list[threading.Thread] = []
        self._err = b""

    def start(self) -> None:
        """Raises LinkLost when there is no connection."""
        text = resource("check_host.sh").read_text(encoding="utf-8")
        scope = "session" if self._uri.path == "/session" else "system"
        words = ["sh", "-c", text, "sh", self._uri.driver, scope, self._uri.parameter("socket")]
        self._process = self._shell.popen(f"exec {shlex.join(words)} </dev/null")
        for work in (self._read_out, self._read_err):
            thread = threading.Thread(target=work, name=f"check {self._shell.where}", daemon=True)
            self._readers.append(thread)
            thread.start()

    def read_part(self, part: str, found: HostFound) -> None:
        """Take the facts up to the end of ``part``. Raises ConnectTimeout, or OperationRefused if the script ended."""
        while True:
            try:
                line = self._lines.get(timeout=self._deadline_s)
            except queue.Empty:
                raise catalogue().own_error(
                    "check-host-late", where=self._shell.where, seconds=f"{self._deadline_s:.0f}"
                ) from None
            if line is None:
                self._readers[-1].join(1.0)
                said = self._err[-2000:].decode(errors="replace").strip()
                raise catalogue().own_error("check-script-ended", where=self._shell.where, said=said)
            kind, _, rest = line.partition(" ")
            if kind == "fact":
                name, _, value = rest.partition(" ")
                found.take(name, value.strip())
            elif kind == "done" and rest == part:
                return

    def close(self) -> None:
        """End the script, from any thread; a reader that waits is freed."""
        process = self._process
        if process is None:
            return
        signal_group(process, signal.SIGKILL)
        process.wait()
        for thread in self._readers:
            thread.join(1.0)
        close_pipes(process)

    def _read_out(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while data := self._process.stdout.readline(MOST_LINE_BYTES):
            self._lines.put(data.decode(errors="replace").rstrip("\n"))
        self._lines.put(None)

    def _read_err(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while data := os.read(self._process.stderr.fileno(), MOST_LINE_BYTES):
            self._err = (self._err + data)[-2 * MOST_LINE_BYTES :]
