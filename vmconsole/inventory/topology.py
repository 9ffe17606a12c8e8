# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has that limits are measured against: its CPUs and NUMA nodes, its block devices, its controllers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostCpu:
    """One logical CPU, as libvirt's capabilities name it."""

    number: int
    node: int = 0
    """NUMA node."""
    socket: int = 0
    core: int = 0
    siblings: tuple[int, ...] = ()
    """CPUs of the same core, this one included."""


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """One whole block device of the host."""

    path: str
    """``/dev/sda``"""
    scheduler: str = ""
    """The I/O scheduler in use: ``bfq``, ``mq-deadline``, ``none``; empty while unknown."""
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class HostResources:
    """Read once when a host connects, and again when it is asked for."""

    cpus: tuple[HostCpu, ...] = ()
    node_memory_kib: tuple[tuple[int, int], ...] = ()
    """(NUMA node, its memory)."""
    block_devices: tuple[BlockDevice, ...] = ()
    controllers: frozenset[str] | None = None
    """cgroup controllers that guests can be held by, in v1's names (``cpu``, ``memory``, ``blkio``…); None while
    unknown."""
    lockable_kib: int | None = None
    """The most memory that libvirt's daemon can let a guest lock, where it may not raise that: a guest with a stored
    hard limit above it does not start. None where it may, or while unknown."""
    shaper_missing: str = ""
    """Why the kernel cannot shape network traffic («no sfq»); empty when it can, or while unknown."""
    network_rates: tuple[tuple[str, int], ...] | None = None
    """(active network of libvirt's, the most kB/s that its guests can be promised together); 0 for a network without an
    inbound rate of its own. None while unknown."""
    has_systemd: bool | None = None
    """Whether systemd keeps the host's control groups; None while unknown."""

    @property
    def nodes(self) -> tuple[int, ...]:
        return tuple(node for node, _ in self.node_memory_kib) or tuple(sorted({cpu.node for cpu in self.cpus}))


NO_RESOURCES = HostResources()
