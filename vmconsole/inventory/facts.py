# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a host and of a guest, without the figures that change every second (those are in ``metrics``)."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.inventory.topology import NO_RESOURCES, HostResources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmconsole.inventory.errors import Explanation
    from vmconsole.inventory.limits import Limits

NO_VERSIONS: Mapping[str, str] = MappingProxyType({})


class HostState(enum.Enum):
    """The value is the word used in the dump."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    NOT_ANSWERING = "not-answering"
    """It was connected; SSH or libvirtd stopped answering. It is being tried again."""
    DISCONNECTED = "disconnected"
    """By the user's wish."""
    FAILED = "failed"
    """Never got through, or trying again will not help; ``reason`` says why."""


class GuestState(enum.Enum):
    """virDomainState, in the words of the field."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUTTING_DOWN = "shutting down"
    SHUT_OFF = "shut off"
    CRASHED = "crashed"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"

    @property
    def has_process(self) -> bool:
        """Whether QEMU (or the container's init) exists, so that it has cgroups and holds its disks."""
        return self in {GuestState.RUNNING, GuestState.PAUSED, GuestState.SHUTTING_DOWN, GuestState.SUSPENDED}


@dataclass(frozen=True, slots=True)
class HostLook:
    """How the user wants a host to be shown."""

    name: str = ""
    """In place of the host's own name."""
    colour: str = ""
    """``#rrggbb`` of its mark, or empty."""
    group: str = ""


PLAIN_LOOK = HostLook()


@dataclass(frozen=True, slots=True)
class Host:
    """One connection and the host behind it."""

    id: HostId
    name: str
    """What the tree shows: the host's own name once known, else the URI's host part."""
    state: HostState = HostState.CONNECTING
    reason: Explanation | None = None
    """Why the state is not CONNECTED; None when it is."""
    figures_reason: Explanation | None = None
    """Why there are no cgroup figures although the host is connected (no python3 there, say); None when there are."""
    versions: Mapping[str, str] = field(default_factory=lambda: NO_VERSIONS)
    """``libvirt``, ``qemu`` (the driver's hypervisor), ``kernel``, ``python`` as far as known."""
    cpus: int | None = None
    memory_bytes: int | None = None
    cgroup_layout: str = ""
    """``v1``, ``v2``, ``hybrid`` or empty while unknown."""
    has_shell: bool = False
    """Whether commands can be run there (SSH or local), so whether images can be opened."""
    is_demo: bool = False
    is_read_only: bool = False
    """The user wishes to look only: libvirt refuses every change."""
    lacks: Mapping[str, str] = field(default_factory=lambda: NO_VERSIONS)
    """What cannot be done with its guests: act (``links.drivers.ACTS``) → why, in words."""
    cap_parameter: str = "global"
    """Which of libvirt's quotas is the whole guest's: ``global``, or ``vcpu`` where a guest is capped as one (LXC)."""
    caution: Explanation | None = None
    """What is to be known of a connection although it works: that it is not encrypted, say."""
    resources: HostResources = NO_RESOURCES
    """Its CPUs, NUMA nodes, block devices and cgroup controllers, as far as known."""
    look: HostLook = PLAIN_LOOK
    retry_at: float | None = None
    """When the next try is due, in seconds of ``time.time()``; None when none is planned."""
    since: float | None = None
    """When the state began, in seconds of ``time.time()``."""


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a guest as its definition names it."""

    target: str
    """``vda``"""
    source: str
    """Path of a file or block device on the host, ``pool/volume``, or empty (an empty CD drive, a network disk)."""
    format: str
    """Driver type: ``qcow2``, ``raw``…"""
    device: str = "disk"
    """``disk``, ``cdrom``, ``floppy``, ``lun``."""
    bus: str = ""
    read_only: bool = False
    kind: str = "file"
    """Source type of the XML: ``file``, ``block``, ``volume``, ``network``."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A storage volume of a pool."""

    pool: str
    name: str
    path: str
    format: str = ""
    """``qcow2``, ``raw``…; empty where libvirt does not say."""
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface of a guest."""

    mac: str
    kind: str
    source: str
    model: str = ""
    tap: str = ""
    """``vnet3`` on the host while the guest runs, else empty."""


@dataclass(frozen=True, slots=True)
class Guest:
    """One domain. Disks, interfaces, ``live`` and ``stored`` are empty until its XML was read (``described``)."""

    id: GuestId
    name: str
    state: GuestState
    libvirt_id: int | None = None
    vcpus: int | None = None
    memory_max_kib: int | None = None
    persistent: bool = True
    described: bool = False
    title: str = ""
    disks: tuple[Disk, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    taints: tuple[str, ...] = ()
    """Why libvirt holds a running guest for changed behind its back, or risky, in its own words."""
    iothreads: tuple[int, ...] = ()
    """Numbers of its I/O threads."""
    live: Limits | None = None
    """Limits in force; None for a guest that is not running, or not yet read."""
    stored: Limits | None = None
    """Limits of the next boot; None while not read, and for a transient guest."""
