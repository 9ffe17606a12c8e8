# SPDX-License-Identifier: GPL-3.0-or-later
"""Cores ↔ CFS quota and period, and the rules a cap must obey before it is written. Pure functions, any thread.

People think in cores; the kernel keeps a quota of CPU time per period. Ranges: libvirt «CPU Tuning» (domain XML
format) and the kernel's Documentation/scheduler/sched-bwc.rst. libvirt checks the stored definition for hardly
anything, so that a wrong value there would only show when the guest does not start: every value is checked here first.
"""

from __future__ import annotations

import math

from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.limits import DEFAULT_PERIOD_US, CpuCap

MIN_PERIOD_US = 1_000
MAX_PERIOD_US = 1_000_000
MIN_QUOTA_US = 1_000
MAX_QUOTA_US = 17_592_186_044_415
"""libvirt's upper end: 2^64 / 2^20 - 1 µs. On cgroup v2 «no quota» reads back as this number."""
MIN_CORES = MIN_QUOTA_US / MAX_PERIOD_US
"""The smallest cap that can be written: 1 ms of each second."""

NO_CAP = CpuCap()


def cap_of_cores(cores: float | None, *, period_us: int = DEFAULT_PERIOD_US) -> CpuCap:
    """The cap nearest to ``cores``, keeping the period where it can be kept. None means no cap.

    The quota is rounded to a whole µs, so the error is at most half a µs per period. A quota below 1 ms is not
    accepted by the kernel: then the period is made longer, up to a second. A period out of range (libvirt shows 0 for
    «never set») becomes the default. Raises OutOfRange below MIN_CORES or for a number that is none.
    """
    period = period_us if MIN_PERIOD_US <= period_us <= MAX_PERIOD_US else DEFAULT_PERIOD_US
    if cores is None:
        return CpuCap(period_us=period, quota_us=None)
    if not math.isfinite(cores) or cores < MIN_CORES:
        raise OutOfRange(
            f"A cap of {cores:g} cores cannot be written.",
            cause=f"The kernel accepts no quota below {MIN_QUOTA_US} µs and no period above {MAX_PERIOD_US} µs.",
            advice=f"Choose {MIN_CORES:g} cores or more, or no cap.",
        )
    if round(cores * period) < MIN_QUOTA_US:
        period = min(MAX_PERIOD_US, math.ceil(MIN_QUOTA_US / cores))
    return CpuCap(period_us=period, quota_us=min(MAX_QUOTA_US, max(MIN_QUOTA_US, round(cores * period))))


def same_limit(one: CpuCap, other: CpuCap) -> bool:
    """Whether both hold the guest back alike: two caps without a quota are the same whatever their period."""
    return one == other or (one.quota_us is None and other.quota_us is None)


def short_words(cap: CpuCap) -> str:
    """«1.50 cores» or «no cap»."""
    return "no cap" if cap.cores is None else f"{cap.cores:.{2 if cap.cores >= 0.1 else 3}f} cores"


def words(cap: CpuCap) -> str:
    """«1.50 cores (quota 150000 of 100000 µs)» or «no cap»."""
    raw = "" if cap.cores is None else f" (quota {cap.quota_us} of {cap.period_us} µs)"
    return short_words(cap) + raw


def check_cap(cap: CpuCap, *, where: str = "") -> None:
    """Raise OutOfRange for a cap that the kernel would refuse, at once or when the guest starts."""
    if not MIN_PERIOD_US <= cap.period_us <= MAX_PERIOD_US:
        raise OutOfRange(
            f"A period of {cap.period_us} µs is out of range.",
            cause=f"The kernel accepts {MIN_PERIOD_US} to {MAX_PERIOD_US} µs.",
            advice=f"Use {DEFAULT_PERIOD_US} µs unless there is a reason not to.",
            where=where,
        )
    if cap.quota_us is not None and not MIN_QUOTA_US <= cap.quota_us <= MAX_QUOTA_US:
        raise OutOfRange(
            f"A quota of {cap.quota_us} µs is out of range.",
            cause=f"The kernel accepts {MIN_QUOTA_US} µs or more.",
            advice="Choose a larger share, or a longer period for the same share.",
            where=where,
        )


def check_against_vcpus(guest_cap: CpuCap, vcpu_cap: CpuCap, *, cgroup_layout: str, where: str = "") -> None:
    """Raise OutOfRange where cgroup v1 would refuse: a child may not be allowed more than its parent.

    There the vCPU groups lie inside the guest's group, and the ratio of each must be at most the guest's. Otherwise
    the live change fails, and a stored one keeps the guest from starting. cgroup v2 has no such rule (sched-bwc.rst,
    «Hierarchical considerations»). For an unknown layout the host is asked instead.
    """
    if cgroup_layout not in {"v1", "hybrid"}:
        return
    whole, each = _ratio(guest_cap), _ratio(vcpu_cap)
    if whole is None or each is None or each <= whole:
        return
    raise OutOfRange(
        f"A cap of {words(guest_cap)} for the whole guest is less than what each of its vCPUs is allowed alone.",
        cause=f"Each vCPU has a cap of {words(vcpu_cap)}, and on cgroup v1 a part may not have more than the whole.",
        advice=f"Choose {vcpu_cap.cores:g} cores or more; or first lower the cap per vCPU to {guest_cap.cores:g}.",
        where=where,
    )


def _ratio(cap: CpuCap) -> int | None:
    """As the kernel compares it, in whole numbers: (quota << 20) / period. None means no cap."""
    return None if cap.quota_us is None else (cap.quota_us << 20) // cap.period_us
