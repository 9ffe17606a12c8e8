# SPDX-License-Identifier: GPL-3.0-or-later
"""A word with a QEMU of ours over its machine protocol (qemu-qmp-ref(7)). Blocks, with a deadline for each answer."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MONITOR = "qmp"
"""Name of the socket in the child's private folder."""


class QmpError(RuntimeError):
    """QEMU refused, or its answers ended."""


class Qmp:
    """One connection; it is ready for commands when it is made. ``close`` ends it."""

    def __init__(self, path: str | os.PathLike[str], *, deadline_s: float) -> None:
        """Raises OSError or QmpError."""
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(deadline_s)
            self._socket.connect(os.fspath(path))
            self._lines = self._socket.makefile("r", encoding="utf-8")
            self._next("connect")  # the greeting
            self.do("qmp_capabilities")
        except BaseException:
            self._socket.close()
            raise

    def do(self, command: str, arguments: Mapping[str, object] | None = None) -> Any:
        """What is under ``return``; events in between are passed over. Raises OSError, ValueError or QmpError."""
        message = {"execute": command} | ({"arguments": arguments} if arguments is not None else {})
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        while True:
            answer = self._next(command)
            if "error" in answer:
                raise QmpError(f"{command}: {answer['error'].get('desc', '')}")
            if "return" in answer:
                return answer["return"]

    def _next(self, command: str) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise QmpError(f"{command}: QEMU closed its monitor")
        found = json.loads(line)
        assert isinstance(found, dict)
        return found

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
