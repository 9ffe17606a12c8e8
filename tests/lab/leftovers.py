# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab that is down may not leave on the machine: looked for without the lab's own code."""

import os
from pathlib import Path


def leftovers(directory: Path, name: str) -> list[str]:
    """Everything that carries the lab's directory or name: processes, interfaces, cgroups, mounts, the directory."""
    found = [f"process {pid}: {words}" for pid, words in _processes(str(directory), name)]
    found += [f"interface {link}" for link in os.listdir("/sys/class/net") if link.startswith(name)]
    for place, children, _ in os.walk("/sys/fs/cgroup"):
        found += [f"cgroup {place}/{child}" for child in children if child.startswith(name)]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [f"mount {line}" for line in mounts if str(directory) in line]
    return found + ([f"directory {directory}"] if directory.exists() else [])


def _processes(directory: str, name: str) -> list[tuple[int, str]]:
    found = []
    for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            groups = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            continue  # ended meanwhile
        dead = stat.rpartition(") ")[2].startswith("Z")  # a zombie is its parent's business, the machine's pid 1
        if pid != os.getpid() and not dead and (directory in words or f"/{name}-" in groups):
            found.append((pid, words))
    return found
