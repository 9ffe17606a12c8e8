# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits in a domain's XML and in libvirt's typed parameters, as ``inventory.limits``, with every «unlimited» as None.

Sources: libvirt «CPU Tuning» and «Memory Tuning»; unlimited is -1 on cgroup v1 and 17592186044415 on v2 for a quota,
and 9007199254740991 KiB for memory; a stored definition reads 0 for what was never set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.domainxml.sizes import kib, limit_kib
from vmconsole.inventory.limits import DEFAULT_PERIOD_US, CpuCap, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml import etree

UNLIMITED_QUOTA_US = 17592186044415
"""VIR_CGROUP_CPU_QUOTA_MAX: the highest quota, and how cgroup v2 shows none."""


def cap_of(period_us: int | None, quota_us: int | None) -> CpuCap:
    """A cap from libvirt's two numbers: not set, 0, negative and the maximum all mean «none»."""
    period = period_us if period_us and period_us > 0 else DEFAULT_PERIOD_US
    capped = quota_us is not None and 0 < quota_us < UNLIMITED_QUOTA_US
    return CpuCap(period_us=period, quota_us=quota_us if capped else None)


def limits_of(root: etree._Element) -> Limits:
    """The limits of a ``<domain>`` element."""
    tune = {name: _whole(root.findtext(f"cputune/{name}")) for name in
            ("shares", "period", "quota", "global_period", "global_quota")}  # fmt: skip
    return Limits(
        guest_cap=cap_of(tune["global_period"], tune["global_quota"]),
        vcpu_cap=cap_of(tune["period"], tune["quota"]),
        cpu_weight=tune["shares"] or None,
        memory_hard_kib=limit_kib(kib(root.find("memtune/hard_limit"))),
        memory_soft_kib=limit_kib(kib(root.find("memtune/soft_limit"))),
        memory_swap_hard_kib=limit_kib(kib(root.find("memtune/swap_hard_limit"))),
    )


def limits_from_parameters(scheduler: Mapping[str, int], memory: Mapping[str, int], *, base: Limits) -> Limits:
    """What libvirt's getters say, which for a running guest is read from its cgroup; ``base`` for what they do not."""
    return Limits(
        guest_cap=_parameter_cap(scheduler, "global", base.guest_cap),
        vcpu_cap=_parameter_cap(scheduler, "vcpu", base.vcpu_cap),
        cpu_weight=scheduler.get("cpu_shares", base.cpu_weight) or None,
        memory_hard_kib=_parameter_kib(memory, "hard_limit", base.memory_hard_kib),
        memory_soft_kib=_parameter_kib(memory, "soft_limit", base.memory_soft_kib),
        memory_swap_hard_kib=_parameter_kib(memory, "swap_hard_limit", base.memory_swap_hard_kib),
    )


def _parameter_cap(scheduler: Mapping[str, int], which: str, base: CpuCap) -> CpuCap:
    if f"{which}_quota" not in scheduler:
        return base
    return cap_of(scheduler.get(f"{which}_period"), scheduler[f"{which}_quota"])


def _parameter_kib(memory: Mapping[str, int], name: str, base: int | None) -> int | None:
    return limit_kib(memory[name]) if name in memory else base


def _whole(text: str | None) -> int | None:
    try:
        return int((text or "").strip())
    except ValueError:
        return None
