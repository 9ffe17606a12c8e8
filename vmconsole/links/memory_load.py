# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up load of a scripted host's guests: lively, plausible, the same for the same seed. numpy, all guests at once.

Every guest has a working rhythm (a slow wave), moments of haste, and noise; disk and network follow the CPU. Caps hold
it back as the kernel would, and what they hold back shows as throttling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmconsole.metrics.figures import FIGURE_COUNT, Figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

BOOT_TICKS = 8.0
"""A guest that starts is busy for about so long."""
QEMU_BYTES = 180 * 2**20
"""What QEMU needs beside the guest's memory (a usual figure)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds each guest back; shape (guests,) each."""

    runs: NDArray[np.bool_]
    """False for a paused guest."""
    age: Array
    """Ticks since its start."""
    cap_cores: Array
    """The tightest CPU cap; NaN for none."""
    shown_cap_cores: Array
    """The whole guest's cap as its cgroup file says it; NaN for none."""
    memory_limit: Array
    """Bytes; NaN for none."""


class Load:
    """Parameters of each guest's rhythm, and the noise."""

    def __init__(self, seed: tuple[int, ...], vcpus: Array, memory_bytes: Array) -> None:
        self._random = np.random.default_rng(seed)
        count = len(vcpus)
        uniform = self._random.uniform
        self._vcpus = vcpus
        self._memory = memory_bytes
        self._level = np.minimum(self._random.lognormal(-2.4, 0.9, count), 0.9)
        self._swing = self._level * uniform(0.2, 0.9, count)
        self._period = uniform(40, 400, count)
        self._phase = uniform(0, 1, count)
        self._haste = np.zeros(count)
        self._haste_odds = uniform(0.001, 0.012, count)
        self._noise = np.zeros(count)
        self._user_part = uniform(0.55, 0.9, count)
        self._filled = uniform(0.35, 0.95, count)
        self._cache_part = uniform(0.02, 0.25, count)
        self._disk = self._random.lognormal(12.2, 1.6, count)
        self._reads = uniform(0.1, 0.8, count)
        self._request = self._random.choice([4096.0, 16384.0, 65536.0], count)
        self._net = self._random.lognormal(10.8, 1.8, count)
        self._received = uniform(0.15, 0.85, count)

    def tick(self, number: int, bounds: Bounds) -> Array:
        """Shape (guests, FIGURE_COUNT), for guests that have a process or not; the caller picks."""
        wanted = self._wanted_cores(number, bounds)
        used = np.fmin(wanted, bounds.cap_cores)
        values = np.full((len(wanted), FIGURE_COUNT), np.nan)
        values[:, Figure.CPU_CORES] = used
        values[:, Figure.CPU_USER_CORES] = used * self._user_part
        values[:, Figure.CPU_SYSTEM_CORES] = used * (1 - self._user_part) * 0.9
        values[:, Figure.CPU_THROTTLED_SHARE] = (wanted - used) / np.maximum(wanted, 1e-9)
        values[:, Figure.CPU_CAP_CORES] = bounds.shown_cap_cores
        self._put_memory(values, number, bounds)
        self._put_traffic(values, used / self._vcpus, bounds.runs)
        return values

    def _wanted_cores(self, number: int, bounds: Bounds) -> Array:
        """CPU time that the guests would use without a cap."""
        count = len(self._level)
        self._noise = 0.8 * self._noise + 0.2 * self._random.standard_normal(count)
        starts = self._random.random(count) < self._haste_odds
        self._haste = np.where(starts, self._random.uniform(0.3, 1.0, count), self._haste * 0.93)
        wave = np.sin(2 * np.pi * (number / self._period + self._phase))
        boot = 0.8 * np.exp(-bounds.age / BOOT_TICKS)
        share = self._level + self._swing * wave + 0.35 * self._level * self._noise + self._haste + boot
        return np.clip(share, 0.002, 1.0) * self._vcpus * bounds.runs

    def _put_memory(self, values: Array, number: int, bounds: Bounds) -> None:
        slow = 1 + 0.04 * np.sin(2 * np.pi * (number / (7 * self._period) + self._phase))
        warm = 1 - 0.6 * np.exp(-bounds.age / (6 * BOOT_TICKS))
        anon = np.minimum(self._memory, self._memory * self._filled * slow * warm) + QEMU_BYTES
        total = np.fmin(anon * (1 + self._cache_part * warm), bounds.memory_limit)
        anon = np.minimum(anon, 0.98 * total)
        values[:, Figure.MEMORY_BYTES] = total
        values[:, Figure.MEMORY_ANON_BYTES] = anon
        values[:, Figure.MEMORY_CACHE_BYTES] = (total - anon) * 0.9
        values[:, Figure.MEMORY_LIMIT_BYTES] = bounds.memory_limit

    def _put_traffic(self, values: Array, busy: Array, runs: NDArray[np.bool_]) -> None:
        """Disk and network follow how busy the guest is, each with a noise of its own."""
        burst = np.exp(0.5 * self._random.standard_normal((2, len(busy)))) * (0.05 + 3 * busy) * runs
        disk, net = self._disk * burst[0], self._net * burst[1]
        reads, writes = disk * self._reads, disk * (1 - self._reads)
        values[:, Figure.DISK_READ_BYTES_PER_S] = reads
        values[:, Figure.DISK_WRITE_BYTES_PER_S] = writes
        values[:, Figure.DISK_READ_IOPS] = reads / self._request
        values[:, Figure.DISK_WRITE_IOPS] = writes / self._request
        values[:, Figure.NET_RX_BYTES_PER_S] = net * self._received
        values[:, Figure.NET_TX_BYTES_PER_S] = net * (1 - self._received)
