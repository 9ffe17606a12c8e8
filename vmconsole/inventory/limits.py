# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's limits as libvirt and the kernel know them.

Sources: libvirt «CPU Tuning» (domain XML format), kernel Documentation/scheduler/sched-bwc.rst and
Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_PERIOD_US = 100_000
"""The kernel's default CFS period (sched-bwc.rst), and libvirt's."""


@dataclass(frozen=True, slots=True)
class CpuCap:
    """CFS bandwidth: at most ``quota_us`` of CPU time in each ``period_us``. ``quota_us`` None means no cap."""

    period_us: int = DEFAULT_PERIOD_US
    quota_us: int | None = None

    @property
    def cores(self) -> float | None:
        """The cap in cores (1.0 = one core kept busy all the time), or None where there is none."""
        return None if self.quota_us is None or self.period_us <= 0 else self.quota_us / self.period_us


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in one of a guest's two definitions: the running one or the stored one (next boot)."""

    guest_cap: CpuCap = CpuCap()
    """Cap of the whole guest, emulator and I/O threads included (libvirt ``global_quota``/``global_period``)."""
    vcpu_cap: CpuCap = CpuCap()
    """Cap of each single vCPU (``vcpu_quota``/``vcpu_period``)."""
    cpu_weight: int | None = None
    """``cpu_shares``: 2–262144 on cgroup v1, 1–10000 on v2. None where it was never set."""
    memory_hard_kib: int | None = None
    """``hard_limit``; None is unlimited."""
    memory_soft_kib: int | None = None
    memory_swap_hard_kib: int | None = None

    def tightest_cap_cores(self, vcpus: int) -> float | None:
        """The cap that the guest meets first, in cores: the whole guest's, or the vCPUs' together."""
        each = self.vcpu_cap.cores
        caps = [c for c in (self.guest_cap.cores, None if each is None else each * vcpus) if c is not None]
        return min(caps, default=None)
