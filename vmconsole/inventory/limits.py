# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's limits: which limit of which part of it has which value, and one write that changes some of them.

What a limit *means* (its unit, range, rules, source) is a row of ``quotas.table``; here are only the values.
Sources: libvirt «CPU Tuning» (domain XML format), kernel Documentation/scheduler/sched-bwc.rst and
Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

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


NO_CAP = CpuCap()

Value = int | str | CpuCap | None
"""A number in the row's unit, a set of CPUs («0-3,8») or a name, or a cap. None: no limit, or never set."""


@dataclass(frozen=True, slots=True, order=True)
class LimitRef:
    """One limit of one part of a guest."""

    key: str
    """Of a row of ``quotas.table``."""
    target: str = ""
    """A vCPU's or I/O thread's number, a disk's target (``vda``), a NIC's MAC, a host's block device (``/dev/sda``);
    empty for the whole guest."""

    def __str__(self) -> str:
        """«disk_read_bytes@vda»."""
        return f"{self.key}@{self.target}" if self.target else self.key


NO_VALUES: Mapping[LimitRef, Value] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in one of a guest's two definitions: the running one or the stored one (next boot).

    Only what is set is in ``values``: no None, and no cap without a quota (unless it has a period of its own, which an
    undo must give back).
    """

    values: Mapping[LimitRef, Value] = field(default_factory=lambda: NO_VALUES)

    def __post_init__(self) -> None:
        kept = {ref: value for ref, value in self.values.items() if value is not None and value != NO_CAP}
        object.__setattr__(self, "values", MappingProxyType(kept))

    @classmethod
    def of(cls, **rows: Value) -> Limits:
        """Of the whole guest's limits by their keys: ``Limits.of(guest_cap=CpuCap(…), cpu_weight=512)``."""
        return cls({LimitRef(key): value for key, value in rows.items()})

    def __getitem__(self, ref: LimitRef) -> Value:
        """The value, or None where there is none."""
        return self.values.get(ref)

    def number(self, key: str, target: str = "") -> int | None:
        """A limit that is a number."""
        value = self.values.get(LimitRef(key, target))
        return value if isinstance(value, int) else None

    def cap(self, key: str, target: str = "") -> CpuCap:
        """A limit that is a CPU cap; NO_CAP where there is none."""
        return cast("CpuCap", self.values.get(LimitRef(key, target)) or NO_CAP)

    def changed(self, changes: Mapping[LimitRef, Value]) -> Limits:
        """These limits with ``changes``; None takes a limit away."""
        return Limits({**self.values, **changes})

    @property
    def guest_cap(self) -> CpuCap:
        """Cap of the whole guest, emulator and I/O threads included (libvirt ``global_quota``/``global_period``)."""
        return self.cap("guest_cap")

    @property
    def vcpu_cap(self) -> CpuCap:
        """Cap of each single vCPU (``vcpu_quota``/``vcpu_period``)."""
        return self.cap("vcpu_cap")

    def tightest_cap_cores(self, vcpus: int) -> float | None:
        """The cap that the guest meets first, in cores: the whole guest's, or the vCPUs' together."""
        each = self.vcpu_cap.cores
        caps = [c for c in (self.guest_cap.cores, None if each is None else each * vcpus) if c is not None]
        return min(caps, default=None)


def is_none(value: Value) -> bool:
    """Whether a value is no limit at all."""
    return value is None or (isinstance(value, CpuCap) and value.quota_us is None)


@dataclass(frozen=True, slots=True)
class LimitWrite:
    """What one call to libvirt changes: limits of one kind (``quotas.table.Call``) and one target."""

    call: str
    target: str
    values: tuple[tuple[LimitRef, Value], ...]

    def __str__(self) -> str:
        return f"{self.call}({', '.join(f'{ref}={value}' for ref, value in self.values)})"
