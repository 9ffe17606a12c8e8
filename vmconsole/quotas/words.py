# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of limits in the units that people think in, and as libvirt has them. Pure functions, any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory import units
from vmconsole.inventory.limits import CpuCap, is_none
from vmconsole.quotas import cpucap
from vmconsole.quotas.rows import Kind

if TYPE_CHECKING:
    from vmconsole.inventory.limits import Value
    from vmconsole.quotas.rows import LimitRow


def shown(row: LimitRow, value: Value) -> str:
    """«1.50 cores», «2.00 GiB», «25.0 MiB/s», «any CPU»."""
    if is_none(value):
        return row.none_words
    if isinstance(value, CpuCap):
        return cpucap.short_words(value)
    if isinstance(value, str) or value is None:
        return str(value)
    match row.kind:
        case Kind.KIB:
            return units.binary(value * 1024)
        case Kind.KB_PER_S:
            return units.binary(value * 1000, per_second=True)
        case Kind.BYTES_PER_S:
            return units.binary(value, per_second=True)
        case Kind.BYTES:
            return units.binary(value)
        case Kind.IOPS:
            return f"{value} IOPS"
        case Kind.SECONDS:
            return f"{value} s"
        case Kind.NANOSECONDS:
            return f"{value / 1000:.12g} µs"
    return str(value)


def raw(row: LimitRow, value: Value) -> str:
    """As libvirt has it: «global_quota=150000 global_period=100000», «hard_limit=2097152 KiB»; empty for none."""
    if isinstance(value, CpuCap):
        quota = -1 if value.quota_us is None else value.quota_us
        return f"{row.parameter}_quota={quota} {row.parameter}_period={value.period_us}"
    if value is None:
        return f"{row.parameter}_quota=-1" if row.kind is Kind.CAP else ""
    return f"{row.parameter}={value}{' KiB' if row.kind is Kind.KIB else ''}"
