# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of limits: what each is, in which unit, how far it goes on cgroup v1 and v2, how it is set and proved.

The window, the checks and the documentation read the same rows. Plain data, any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory import units
from vmconsole.quotas import cpucap

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.limits import Limits

UNLIMITED_KIB = 9_007_199_254_740_991
"""libvirt's VIR_DOMAIN_MEMORY_PARAM_UNLIMITED: 2^53 - 1 KiB."""
CPU_TUNING = "libvirt: Domain XML format, CPU Tuning"
MEMORY_TUNING = "libvirt: Domain XML format, Memory Tuning"


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends are accepted by the kernel. ``default`` is what holds where nothing was ever set; None is no limit."""

    low: int
    high: int
    default: int | None = None


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit."""

    key: str
    title: str
    unit: str
    """Of the raw value that libvirt takes."""
    v1: Range
    v2: Range
    call: str
    """libvirt's call that sets it."""
    parameter: str
    file_v1: str
    """File below the guest's cgroup v1 directory whose content proves it."""
    file_v2: str
    meaning: str
    """One sentence for people."""
    source: str
    show: Callable[[Limits], str]
    """The value in units that people think in."""
    raw: Callable[[Limits], str]
    """The value as libvirt has it."""

    def range_on(self, cgroup_layout: str) -> Range:
        """``cgroup_layout`` as in ``inventory.facts.Host``; where it is unknown, the range that both accept."""
        if cgroup_layout == "v2":
            return self.v2
        if cgroup_layout in {"v1", "hybrid"}:
            return self.v1
        return Range(max(self.v1.low, self.v2.low), min(self.v1.high, self.v2.high))


def _weight(limits: Limits) -> str:
    return "not set" if limits.cpu_weight is None else str(limits.cpu_weight)


def _hard(limits: Limits) -> str:
    return "no limit" if limits.memory_hard_kib is None else units.binary(limits.memory_hard_kib * 1024)


def _quota(name: str, quota_us: int | None, period_us: int) -> str:
    return f"{name}_quota={-1 if quota_us is None else quota_us} {name}_period={period_us}"


_QUOTA = Range(cpucap.MIN_QUOTA_US, cpucap.MAX_QUOTA_US)

TABLE: tuple[LimitRow, ...] = (
    LimitRow(
        key="guest_cap",
        title="CPU cap, whole guest",
        unit="µs of CPU time per period",
        v1=_QUOTA,
        v2=_QUOTA,
        call="virDomainSetSchedulerParametersFlags",
        parameter="global_quota, global_period",
        file_v1="cpu/cpu.cfs_quota_us",
        file_v2="cpu.max",
        meaning="The most CPU time that the guest may use in all, its vCPUs, emulator and disk threads together.",
        source=f"{CPU_TUNING}; kernel: sched-bwc.rst",
        show=lambda limits: cpucap.short_words(limits.guest_cap),
        raw=lambda limits: _quota("global", limits.guest_cap.quota_us, limits.guest_cap.period_us),
    ),
    LimitRow(
        key="vcpu_cap",
        title="CPU cap, each vCPU",
        unit="µs of CPU time per period",
        v1=_QUOTA,
        v2=_QUOTA,
        call="virDomainSetSchedulerParametersFlags",
        parameter="vcpu_quota, vcpu_period",
        file_v1="cpu/vcpu*/cpu.cfs_quota_us",
        file_v2="vcpu*/cpu.max",
        meaning="The most CPU time that each single vCPU may use; 1.00 core is one core kept busy all the time.",
        source=f"{CPU_TUNING}; kernel: sched-bwc.rst",
        show=lambda limits: cpucap.short_words(limits.vcpu_cap),
        raw=lambda limits: _quota("vcpu", limits.vcpu_cap.quota_us, limits.vcpu_cap.period_us),
    ),
    LimitRow(
        key="cpu_weight",
        title="CPU weight",
        unit="shares",
        v1=Range(2, 262_144, default=1024),
        v2=Range(1, 10_000, default=100),
        call="virDomainSetSchedulerParametersFlags",
        parameter="cpu_shares",
        file_v1="cpu/cpu.shares",
        file_v2="cpu.weight",
        meaning="How much the guest gets when guests compete: twice the weight, twice the time. It is no cap.",
        source=f"{CPU_TUNING}; kernel: cgroup-v2.rst, CPU Interface Files",
        show=_weight,
        raw=lambda limits: "" if limits.cpu_weight is None else f"cpu_shares={limits.cpu_weight}",
    ),
    LimitRow(
        key="memory_hard",
        title="Memory hard limit",
        unit="KiB",
        v1=Range(0, UNLIMITED_KIB),
        v2=Range(0, UNLIMITED_KIB),
        call="virDomainSetMemoryParameters",
        parameter="hard_limit",
        file_v1="memory/memory.limit_in_bytes",
        file_v2="memory.max",
        meaning="The most host memory that the guest with QEMU and page cache may hold; above it the guest is killed.",
        source=f"{MEMORY_TUNING}; kernel: cgroup-v2.rst, Memory Interface Files",
        show=_hard,
        raw=lambda limits: "" if limits.memory_hard_kib is None else f"hard_limit={limits.memory_hard_kib} KiB",
    ),
)
