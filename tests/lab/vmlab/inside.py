# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands in a host: only in one that is ready.

Before that it may still see the machine's own /run, and a command meant for its libvirtd would reach the machine's.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import LabError
from .processes import SYSTEM_PATH, ProcessId, run

# Joins the groups given before "--" and becomes what follows it: a daemon belongs into its host's groups.
JOIN = 'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs"; shift; done; shift; exec "$@"'


class Inside:
    """The way into one host. It holds nothing open, so there is nothing to close."""

    def __init__(self, home: Path, number: int) -> None:
        self.number = number
        self.name = f"kvm{number}"
        self.home = home

    @property
    def cut_file(self) -> Path:
        return self.home / "cut"

    def pid(self) -> ProcessId | None:
        """The host's pid 1 as the machine sees it; None when the host is down."""
        try:
            pid = ProcessId.parse((self.home / "pid").read_text())
        except FileNotFoundError:
            return None
        return pid if pid is not None and pid.is_alive() else None

    def is_ready(self) -> bool:
        """Whether the host is up and wholly isolated, with its daemons started once."""
        ready = self.home / "ready.new"
        return self.pid() is not None and ready.exists() and ready.stat().st_size > 0

    def command(self, words: Sequence[str]) -> list[str]:
        """The command line that runs `words` in the host; LabError when the host is not ready."""
        pid = self.pid()
        if pid is None:
            raise LabError(f"{self.name} is down; `lab boot {self.name}` starts it again")
        if not self.is_ready():
            raise LabError(f"{self.name} is not ready yet")
        term = os.environ.get("TERM", "dumb")
        clean = ["env", "-i", "-C", "/", f"PATH={SYSTEM_PATH}", "HOME=/root", "LC_ALL=C.UTF-8", f"TERM={term}"]
        enter = ["/usr/bin/nsenter", "-t", str(pid.pid), "-m", "-u", "-i", "-n", "-p", "-C", "--"]
        return [*enter, *clean, "LIBVIRT_DEFAULT_URI=qemu:///system", *words]

    def exec(
        self, *words: str, timeout_s: float = 30, stdin: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the host, as root; LabError when it fails (unless `check` is False) or takes too long."""
        return run(self.command(words), timeout_s=timeout_s, stdin=stdin, check=check)

    def virsh(self, *words: str, timeout_s: float = 30) -> str:
        """What virsh answers in the host."""
        return self.exec("virsh", "--quiet", *words, timeout_s=timeout_s).stdout.strip()

    def groups(self) -> list[Path]:
        """The host's own cgroups, one per hierarchy, as the machine sees them."""
        return [Path(line) for line in (self.home / "groups").read_text().splitlines()]


def in_host_groups(host: Inside, words: Sequence[str]) -> list[str]:
    """The command line that runs `words` in the host and in its cgroups, for what stays: a daemon."""
    leaves = [group / "init.scope" if (group / "init.scope").is_dir() else group for group in host.groups()]
    return ["sh", "-c", JOIN, "join", *map(str, leaves), "--", *host.command(words)]
