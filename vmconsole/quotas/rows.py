# SPDX-License-Identifier: GPL-3.0-or-later
"""What a row of the table of limits is. Plain data and rules, any thread."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Scope(enum.Enum):
    """What a limit is of; the value is for people."""

    GUEST = "guest"
    VCPU = "vCPU"
    IOTHREAD = "I/O thread"
    DISK = "disk"
    NIC = "network interface"
    HOST_DEVICE = "block device of the host"


class Kind(enum.Enum):
    """How a value is measured, so how it is shown and typed."""

    WEIGHT = "weight"
    CAP = "CPU cap"
    COUNT = "count"
    CPUS = "set of host CPUs"
    NODES = "set of NUMA nodes"
    MODE = "mode"
    KIB = "KiB"
    BYTES = "bytes"
    BYTES_PER_S = "bytes/s"
    IOPS = "operations/s"
    SECONDS = "s"
    KB_PER_S = "kB/s"
    """Thousands of bytes a second, as tc(8) reads the «kbps» that libvirt writes."""
    NAME = "name"
    NANOSECONDS = "ns"

    @property
    def is_text(self) -> bool:
        return self in {Kind.CPUS, Kind.NODES, Kind.MODE, Kind.NAME}


class Call(enum.Enum):
    """The call to libvirt that sets a limit: all of one call and one target can be set together."""

    SCHEDULER = "virDomainSetSchedulerParametersFlags"
    MEMORY = "virDomainSetMemoryParameters"
    BALLOON = "virDomainSetMemoryFlags"
    MEMORY_MAX = "virDomainSetMemoryFlags with VIR_DOMAIN_MEM_MAXIMUM"
    VCPUS = "virDomainSetVcpusFlags"
    VCPUS_MAX = "virDomainSetVcpusFlags with VIR_DOMAIN_VCPU_MAXIMUM"
    PIN_VCPU = "virDomainPinVcpuFlags"
    PIN_EMULATOR = "virDomainPinEmulator"
    PIN_IOTHREAD = "virDomainPinIOThread"
    NUMA = "virDomainSetNumaParameters"
    BLKIO = "virDomainSetBlkioParameters"
    BLOCK_IO_TUNE = "virDomainSetBlockIoTune"
    INTERFACE = "virDomainSetInterfaceParameters"
    IOTHREAD = "virDomainSetIOThreadParams"


class Place(enum.Enum):
    """Which of a guest's two definitions; the value is for people."""

    LIVE = "now"
    STORED = "next boot"


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends are accepted by the host. ``default`` is what holds where nothing was ever set; None is no limit."""

    low: int
    high: int
    default: int | None = None


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit."""

    key: str
    title: str
    section: str
    """Heading under which it is shown."""
    scope: Scope
    kind: Kind
    unit: str
    """Of the raw value that libvirt takes."""
    call: Call
    parameter: str
    """libvirt's name of the parameter; for a CPU cap the prefix of its ``_quota`` and ``_period``."""
    meaning: str
    """One sentence for people."""
    source: str
    v1: Range | None = None
    """On a host with cgroup v1; None where a number makes no sense."""
    v2: Range | None = None
    proof_v1: str = ""
    """What shows on the host that it is in force: a file below the guest's cgroup v1 directory, or «QMP …», «tc …»."""
    proof_v2: str = ""
    live: bool = True
    """Whether a running guest can be given it."""
    stored: bool = True
    needs_cgroup: str = ""
    """The cgroup controller that the host must have for it; empty where it works without."""
    none_words: str = "no limit"
    """What is said where there is no value."""

    def range_on(self, cgroup_layout: str) -> Range | None:
        """``cgroup_layout`` as in ``inventory.facts.Host``; where it is unknown, the range that both accept."""
        if cgroup_layout == "v2" or self.v1 is None:
            return self.v2 or self.v1
        if cgroup_layout in {"v1", "hybrid"} or self.v2 is None:
            return self.v1
        return Range(max(self.v1.low, self.v2.low), min(self.v1.high, self.v2.high))

    def proof_on(self, cgroup_layout: str) -> str:
        return self.proof_v2 if cgroup_layout == "v2" else self.proof_v1
