# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that shows another key than the known one, explained from what ssh said. Pure; any thread.

There is no button for it on purpose: the old key must be removed by somebody who knows why it changed.
"""

from __future__ import annotations

import re
import shlex

from vmconsole.inventory.errors import HostKeyChanged

_OFFENDING = re.compile(r"Offending (?P<type>\S+) key in (?P<file>.+):(?P<line>\d+)\s*$", re.MULTILINE)
_FINGERPRINT = re.compile(r"^(?P<fingerprint>(?:SHA256|MD5):\S+?)\.?\s*$", re.MULTILINE)
_REMOVE = re.compile(r"ssh-keygen -f [\"'](?P<file>.+?)[\"'] -R [\"'](?P<name>.+?)[\"']")
_CHANGED = "REMOTE HOST IDENTIFICATION HAS CHANGED"


def changed_key(said: str, *, host: str) -> HostKeyChanged | None:
    """The explanation, or None when ssh said something else."""
    if _CHANGED not in said:
        return None
    old, shown, remove = _OFFENDING.search(said), _FINGERPRINT.search(said), _REMOVE.search(said)
    what = f"{host} shows another host key than the one that is known, so it was not logged into."
    cause = "It was installed anew, or somebody stands between you and it."
    if old is not None:
        cause += f" The known {old['type']} key is in {old['file']}, line {old['line']}."
    if shown is not None:
        cause += f" The key it shows now is {shown['fingerprint']}."
    command = f"ssh-keygen -R {shlex.quote(host)}"
    if remove is not None:
        command = f"ssh-keygen -f {shlex.quote(remove['file'])} -R {shlex.quote(remove['name'])}"
    return HostKeyChanged(
        what,
        cause=cause,
        advice=(
            "Ask who runs the host whether its key has changed, and compare the fingerprint at its own screen with "
            "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`. Only if it is right, forget the old key with "
            f"`{command}` and connect again: the new key is then shown and asked for."
        ),
        where=host,
        said=said.strip(),
        entry="ssh-host-key-changed",
    )
