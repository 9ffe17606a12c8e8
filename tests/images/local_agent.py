# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest agent's protocol on this machine: real files, real programs, and faults at the word of a test."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any

from vmconsole.inventory.agent_programs import is_allowed
from vmconsole.inventory.errors import OperationRefused, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMMANDS = (
    "guest-ping", "guest-info", "guest-file-open", "guest-file-read", "guest-file-write", "guest-file-seek",
    "guest-file-flush", "guest-file-close", "guest-exec", "guest-exec-status",
)  # fmt: skip


class LocalAgent:
    """Called as the link's verb is. ``before`` is told (command, arguments) first and may raise."""

    def __init__(self, *, off: frozenset[str] = frozenset()) -> None:
        self.off = off
        self.before: Callable[[str, Mapping[str, object]], object] = lambda _command, _arguments: None
        self.asked: list[str] = []
        self.threads: set[str] = set()
        self.open: dict[int, Any] = {}
        self._ends: dict[int, subprocess.CompletedProcess[bytes]] = {}
        self._next = 1000

    def __call__(self, command: str, arguments: Mapping[str, object]) -> object:
        assert is_allowed(command, arguments), (command, arguments)
        self.asked.append(command)
        self.threads.add(threading.current_thread().name)
        self.before(command, arguments)
        if command in self.off:
            raise Unsupported(f"The agent inside the guest does not allow «{command}».", entry="agent-command-disabled")
        return getattr(self, command.replace("-", "_"))(**{k.replace("-", "_"): v for k, v in arguments.items()})

    def guest_ping(self) -> object:
        return {}

    def guest_info(self) -> object:
        told = [{"name": name, "enabled": name not in self.off, "success-response": True} for name in COMMANDS]
        return {"version": "7.2.0", "supported_commands": told}

    def guest_exec(self, *, path: str, arg: list[str], input_data: str, capture_output: bool) -> object:
        assert capture_output
        feed = base64.b64decode(input_data)
        self._next += 1
        self._ends[self._next] = subprocess.run(
            [path, *arg], input=feed, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
        return {"pid": self._next}

    def guest_exec_status(self, *, pid: int) -> object:
        end = self._ends.pop(pid)
        words = {"out-data": end.stdout, "err-data": end.stderr}
        said = {name: base64.b64encode(data).decode() for name, data in words.items() if data}
        return {"exited": True, "exitcode": end.returncode, **said}

    def guest_file_open(self, *, path: str, mode: str) -> object:
        try:
            file = open(path, mode)  # noqa: SIM115 - closed by guest_file_close
        except OSError as error:
            raise OperationRefused(f"The agent could not do that with the file: {error.strerror}") from error
        self._next += 1
        self.open[self._next] = file
        return self._next

    def guest_file_read(self, *, handle: int, count: int) -> object:
        data = self.open[handle].read(count)
        return {"count": len(data), "buf-b64": base64.b64encode(data).decode(), "eof": len(data) < count}

    def guest_file_write(self, *, handle: int, buf_b64: str) -> object:
        return {"count": self.open[handle].write(base64.b64decode(buf_b64)), "eof": False}

    def guest_file_seek(self, *, handle: int, offset: int, whence: object) -> object:
        assert whence == "set"
        return {"position": self.open[handle].seek(offset), "eof": False}

    def guest_file_flush(self, *, handle: int) -> object:
        self.open[handle].flush()
        return {}

    def guest_file_close(self, *, handle: int) -> object:
        self.open.pop(handle).close()
        return {}
