# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in the host through its guest agent: a way in beside the network, that leaves no connection and no login.

One client at a time: QEMU's socket lets the next one wait. So it is held for moments only, never while a command runs.
"""

import base64
import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.lab.vmlab.errors import LabError

POLL_S = 0.02
CALL_TIMEOUT_S = 20.0


class Agent:
    """The agent behind QEMU's socket. It holds nothing open, so there is nothing to close."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def answers(self) -> bool:
        """Whether the agent runs and is not too busy."""
        try:
            self._calls([("guest-ping", {})], timeout_s=2)
        except LabError:
            return False
        return True

    def run(self, words: Sequence[str], *, timeout_s: float, stdin: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. Raises LabError past `timeout_s` (the command is killed)."""
        deadline = time.monotonic() + timeout_s
        request: dict[str, object] = {"path": words[0], "arg": list(words[1:]), "capture-output": True}
        if stdin:
            request["input-data"] = base64.b64encode(stdin.encode()).decode()
        pid = self._call("guest-exec", request)["pid"]
        pause = POLL_S
        while True:
            status = self._call("guest-exec-status", {"pid": pid})
            if status["exited"]:
                code = status.get("exitcode", -status.get("signal", 1))
                return subprocess.CompletedProcess(
                    list(words), code, _text(status, "out-data"), _text(status, "err-data")
                )
            if time.monotonic() > deadline:
                with contextlib.suppress(LabError):
                    self._call("guest-exec", {"path": "/bin/kill", "arg": ["-KILL", str(pid)]})
                raise LabError(f"no answer within {timeout_s:.0f} s from: {' '.join(words)}")
            time.sleep(pause)
            pause = min(2 * pause, 0.5)

    def _call(self, command: str, arguments: dict[str, object]) -> dict[str, Any]:
        return self._calls([(command, arguments)], timeout_s=CALL_TIMEOUT_S)[0]

    def _calls(self, calls: Sequence[tuple[str, dict[str, object]]], *, timeout_s: float) -> list[dict[str, Any]]:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(timeout_s)
                connection.connect(str(self._path))
                with connection.makefile("rwb") as stream:
                    _synchronise(stream)
                    return [_ask(stream, command, arguments) for command, arguments in calls]
        except (OSError, ValueError) as error:
            raise LabError(f"the host's agent does not answer: {error}") from error


def _synchronise(stream: Any) -> None:
    """Past what an earlier client left unread (see guest-sync in QEMU's documents)."""
    number = time.monotonic_ns() % 2**31
    stream.write(b"\xff" + json.dumps({"execute": "guest-sync", "arguments": {"id": number}}).encode() + b"\n")
    stream.flush()
    while True:
        line = stream.readline()
        if not line:
            raise OSError("closed")
        with contextlib.suppress(ValueError):
            if json.loads(line.strip(b"\xff")).get("return") == number:
                return


def _ask(stream: Any, command: str, arguments: dict[str, object]) -> dict[str, Any]:
    stream.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
    stream.flush()
    answer: dict[str, Any] = json.loads(stream.readline())
    if "error" in answer:
        raise LabError(f"{command}: {answer['error'].get('desc', answer['error'])}")
    result: dict[str, Any] = answer["return"]
    return result


def _text(status: dict[str, Any], key: str) -> str:
    return base64.b64decode(status.get(key, "")).decode(errors="replace")
