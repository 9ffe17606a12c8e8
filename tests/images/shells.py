# SPDX-License-Identifier: GPL-3.0-or-later
"""A shell on this machine for tests that put their own ``run`` in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from vmconsole.links.base import Completed
    from vmconsole.links.ssh import LocalShell


class ShellInFront:
    """``links.base.Shell`` by another one."""

    where = "kvm1"
    is_local = True

    def __init__(self, shell: LocalShell) -> None:
        self._shell = shell

    def run(self, command: str, *, deadline_s: float, feed: bytes = b"") -> Completed:
        return self._shell.run(command, deadline_s=deadline_s, feed=feed)

    def popen(self, command: str) -> subprocess.Popen[bytes]:
        return self._shell.popen(command)

    def forward_socket(self, local: Path, remote: str) -> None:
        self._shell.forward_socket(local, remote)

    def cancel_forward(self, local: Path, remote: str) -> None:
        self._shell.cancel_forward(local, remote)
