# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has beside CPUs and NUMA nodes: block devices, cgroup controllers, the traffic shaper. Told by one script
over the link's shell (``resources/host_resources.sh``), which changes nothing. Blocks; on a lane's thread.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import ConnectTimeout
from vmconsole.inventory.resources import resource
from vmconsole.inventory.topology import BlockDevice, HostResources

if TYPE_CHECKING:
    from vmconsole.links.base import Shell

DEADLINE_S = 10.0
MOST_LINES = 10_000


def with_shell_facts(base: HostResources, shell: Shell) -> HostResources:
    """``base`` with what the script tells. A host that takes too long over it stays as it is."""
    script = resource("host_resources.sh").read_bytes()
    with contextlib.suppress(ConnectTimeout):
        done = shell.run("exec sh", deadline_s=DEADLINE_S, feed=script)
        return read_facts(base, done.out.decode(errors="replace"))
    return base


def read_facts(base: HostResources, text: str) -> HostResources:
    """The script's lines. Without its last line, «done», nothing is believed: what is missing would look absent."""
    lines = text.splitlines()[:MOST_LINES]
    if not lines or lines[-1] != "done":
        return base
    devices, controllers, lacks, lockable, has_systemd = [], set(), [], None, None
    for line in lines:
        kind, _, rest = line.partition(" ")
        words = rest.split()
        if kind == "disk" and len(words) >= 2 and words[1].isdigit():
            devices.append(BlockDevice(words[0], " ".join(words[2:3]), int(words[1])))
        elif kind == "controller":
            controllers.add(rest)
        elif kind == "lockable" and rest.isdigit():
            lockable = int(rest) // 1024
        elif kind == "systemd":
            has_systemd = rest == "yes"
        elif kind == "lacks":
            lacks.append(rest)
    return dataclasses.replace(
        base, block_devices=tuple(devices), controllers=frozenset(controllers), lockable_kib=lockable,
        has_systemd=has_systemd, shaper_missing=f"its kernel has no {', '.join(lacks)}" if lacks else "",
    )  # fmt: skip
