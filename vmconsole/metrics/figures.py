# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a guest: which there are, in what unit, and in which column of a frame each stands."""

from __future__ import annotations

import enum


class Figure(enum.IntEnum):
    """Column of ``Frame.values`` and of the history. Units are in the names; ``json_name`` is the name in the dump."""

    CPU_CORES = 0
    """CPU time used per second of time: 1.0 is one core kept busy. Whole guest, emulator included."""
    CPU_USER_CORES = 1
    CPU_SYSTEM_CORES = 2
    CPU_THROTTLED_SHARE = 3
    """Share of CFS periods that ended held back, 0–1: in the guest's own group or, if larger, in its vCPUs' groups."""
    CPU_CAP_CORES = 4
    """Cap in force for the whole guest, read from the cgroup file; NaN where there is none."""
    MEMORY_BYTES = 5
    """Memory charged to the guest's cgroup, page cache included."""
    MEMORY_ANON_BYTES = 6
    MEMORY_CACHE_BYTES = 7
    MEMORY_LIMIT_BYTES = 8
    """Hard limit in force; NaN where there is none."""
    DISK_READ_BYTES_PER_S = 9
    DISK_WRITE_BYTES_PER_S = 10
    DISK_READ_IOPS = 11
    DISK_WRITE_IOPS = 12
    NET_RX_BYTES_PER_S = 13
    """Received by the guest (which is what its tap on the host transmits)."""
    NET_TX_BYTES_PER_S = 14

    @property
    def json_name(self) -> str:
        return self.name.lower()


FIGURE_COUNT = len(Figure)


class DeviceFigure(enum.IntEnum):
    """Columns of a device's series (a block device as the cgroup sees it, a disk or a network interface)."""

    READ_BYTES_PER_S = 0
    """For a network interface: received by the guest."""
    WRITE_BYTES_PER_S = 1
    """For a network interface: sent by the guest."""
    READ_IOPS = 2
    """For a network interface: packets received by the guest per second."""
    WRITE_IOPS = 3
    """For a network interface: packets sent by the guest per second."""
