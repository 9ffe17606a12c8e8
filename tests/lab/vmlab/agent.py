# SPDX-License-Identifier: GPL-3.0-or-later
"""A shell in a guest, through its guest agent. Every call and every wait ends in time, whatever the guest does."""

import base64
import json
import time
from dataclasses import dataclass
from typing import Any

from .errors import LabError
from .inside import Inside

CALL_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class GuestAnswer:
    """What a command in a guest wrote, and its exit status."""

    status: int
    output: str
    errors: str


def agent_call(host: Inside, domain: str, verb: str, **arguments: Any) -> Any:
    """One call of the agent, see the QEMU guest agent protocol; LabError when it does not answer."""
    message = json.dumps({"execute": verb, "arguments": arguments} if arguments else {"execute": verb})
    words = ("qemu-agent-command", domain, message, "--timeout", str(CALL_TIMEOUT_S))
    return json.loads(host.virsh(*words, timeout_s=CALL_TIMEOUT_S + 10))["return"]


def wait_for_agent(host: Inside, domain: str, *, timeout_s: float = 120) -> None:
    """Return when the agent of `domain` answers; LabError with its last words when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            agent_call(host, domain, "guest-ping")
        except LabError as error:
            if time.monotonic() > deadline:
                raise LabError(
                    f"the agent of {domain} on {host.name} did not answer in {timeout_s:.0f} s: {error}"
                ) from error
            time.sleep(0.3)
        else:
            return


def guest_shell(host: Inside, domain: str, command: str, *, timeout_s: float = 30) -> GuestAnswer:
    """Run a shell command in the guest and wait for its end.

    A child left in the background that keeps the output open counts as not ended; LabError after `timeout_s`.
    """
    arguments = {"path": "/bin/sh", "arg": ["-lc", command], "capture-output": True}
    pid = agent_call(host, domain, "guest-exec", **arguments)["pid"]
    deadline = time.monotonic() + timeout_s
    while not (status := agent_call(host, domain, "guest-exec-status", pid=pid))["exited"]:
        if time.monotonic() > deadline:
            raise LabError(f"{domain} on {host.name}: still running after {timeout_s:.0f} s: {command}")
        time.sleep(0.1)
    output, errors = (
        base64.b64decode(status.get(key, "")).decode(errors="replace") for key in ("out-data", "err-data")
    )
    return GuestAnswer(int(status.get("exitcode", 128 + int(status.get("signal", 0)))), output, errors)
