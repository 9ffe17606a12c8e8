# SPDX-License-Identifier: GPL-3.0-or-later
"""What a made-up host consists of: two NUMA nodes from 16 CPUs on, two threads to a core. Plain data, any thread."""

from __future__ import annotations

from vmconsole.inventory.topology import BlockDevice, HostCpu, HostResources

CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "blkio"})


def scripted_resources(cpus: int, memory_gib: int) -> HostResources:
    """CPUs are numbered as Linux does on such machines: first the first threads of all cores, then the second ones."""
    nodes, cores = (2 if cpus >= 16 else 1), max(1, cpus // 2)
    found = []
    for number in range(cpus):
        core = number % cores
        node = core * nodes // cores
        siblings = tuple(n for n in (core, core + cores) if n < cpus)
        found.append(HostCpu(number, node=node, socket=node, core=core, siblings=siblings))
    memory = tuple((node, memory_gib * 2**20 // nodes) for node in range(nodes))
    devices = (BlockDevice("/dev/sda", "mq-deadline", 960 * 10**9), BlockDevice("/dev/nvme0n1", "none", 1920 * 10**9))
    return HostResources(tuple(found), memory, devices, CONTROLLERS)
