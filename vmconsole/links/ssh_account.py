# SPDX-License-Identifier: GPL-3.0-or-later
"""Which account a question of ssh is about. ssh says user and host, but no port, and behind one address several hosts
can listen at several ports. The asking ssh (the host's, or a jump host's before it) is the parent of the process that
hands the question on; its command line with ``-G`` gives the configuration it uses. Blocks shortly; any thread.
"""

from __future__ import annotations

import os
from pathlib import Path

from vmconsole.inventory.errors import ConsoleError
from vmconsole.links.ssh_config import ask_ssh


def account_of(account: str, asker_pid: int) -> str:
    """``user@host:port`` for ssh's ``user@host``; without a port where the asking ssh cannot be looked at."""
    command = _command_of_parent(asker_pid)
    if len(command) < 2 or not account:
        return account
    *options, name = command[1:]
    try:
        target = ask_ssh(name, program=command[0], options=[word for word in options if word != "--"])
    except ConsoleError:
        return account
    return f"{account}:{target.port}"


def _command_of_parent(pid: int) -> list[str]:
    """The command line of the ssh that started a process; empty when its parent is something else."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        parent = int(stat.rpartition(") ")[2].split()[1])
        if Path(os.readlink(f"/proc/{parent}/exe")).name != "ssh":
            return []
        words = Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")[:-1]
    except (OSError, ValueError, IndexError):
        return []
    return [os.fsdecode(word) for word in words]
