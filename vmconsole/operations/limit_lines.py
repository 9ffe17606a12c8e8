# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes of limits as arguments of virsh, quoted by ``lines``. Source: virsh(1). Pure functions, any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory.limits import CpuCap, LimitRef, LimitWrite, Value
from vmconsole.quotas.memory_rows import UNLIMITED_KIB
from vmconsole.quotas.rows import Call, Kind
from vmconsole.quotas.table import BY_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERBS = {
    Call.SCHEDULER: "schedinfo", Call.MEMORY: "memtune", Call.BALLOON: "setmem", Call.MEMORY_MAX: "setmaxmem",
    Call.VCPUS: "setvcpus", Call.VCPUS_MAX: "setvcpus", Call.PIN_VCPU: "vcpupin", Call.PIN_EMULATOR: "emulatorpin",
    Call.PIN_IOTHREAD: "iothreadpin", Call.NUMA: "numatune", Call.BLKIO: "blkiotune",
    Call.BLOCK_IO_TUNE: "blkdeviotune", Call.INTERFACE: "domiftune", Call.IOTHREAD: "iothreadset",
}  # fmt: skip
_OPTIONS = {
    "numa_nodes": "--nodeset", "numa_mode": "--mode", "memory_hard": "--hard-limit", "memory_soft": "--soft-limit",
    "memory_swap_hard": "--swap-hard-limit", "block_weight": "--weight",
}  # fmt: skip


def virsh_arguments(
    write: LimitWrite, *, every_cpu: str = "0-", cap_parameter: str = "global"
) -> tuple[str, tuple[str, ...]]:
    """(verb, its arguments after the domain). ``every_cpu`` is the set that takes a pinning away; ``cap_parameter`` as
    in ``inventory.facts.Host``."""
    call = Call[write.call]
    if call is Call.SCHEDULER:
        return _VERBS[call], tuple(_scheduler(write, cap_parameter))
    return _VERBS[call], tuple(_arguments(call, write, every_cpu))


def _scheduler(write: LimitWrite, cap_parameter: str) -> Iterator[str]:
    for ref, value in write.values:
        row = BY_KEY[ref.key]
        if row.kind is not Kind.CAP:
            yield f"{row.parameter}={value or 0}"
            continue
        cap = value if isinstance(value, CpuCap) else CpuCap()
        name = cap_parameter if ref.key == "guest_cap" else row.parameter
        yield f"{name}_period={cap.period_us}"
        yield f"{name}_quota={-1 if cap.quota_us is None else cap.quota_us}"


def _arguments(call: Call, write: LimitWrite, every_cpu: str) -> Iterator[str]:
    if write.target and call is not Call.BLKIO:
        yield write.target
    if call is Call.INTERFACE:
        yield from _interface(dict(write.values))
        return
    if call is Call.VCPUS_MAX:
        yield "--maximum"
    for ref, value in write.values:
        yield from _one(call, ref, value, every_cpu)


def _one(call: Call, ref: LimitRef, value: Value, every_cpu: str) -> Iterator[str]:
    row = BY_KEY[ref.key]
    if call in {Call.PIN_VCPU, Call.PIN_EMULATOR, Call.PIN_IOTHREAD}:
        yield str(value or every_cpu)
    elif call in {Call.BALLOON, Call.MEMORY_MAX, Call.VCPUS, Call.VCPUS_MAX}:
        yield str(value)
    elif call is Call.MEMORY:
        yield from (_OPTIONS[ref.key], str(value or UNLIMITED_KIB))
    elif ref.key in _OPTIONS:
        yield from (_OPTIONS[ref.key], str(value or 0))
    elif call is Call.BLKIO:
        yield from (f"--{row.parameter.replace('_', '-')}", f"{ref.target},{value or 0}")
    else:
        yield from (f"--{row.parameter.replace('_', '-')}", str(value or ("" if row.kind is Kind.NAME else 0)))


def _interface(values: dict[LimitRef, Value]) -> Iterator[str]:
    """``--inbound average,peak,burst,floor``, without what is left out at the end."""
    for way in ("inbound", "outbound"):
        found = {BY_KEY[ref.key].parameter: value for ref, value in values.items()}
        numbers = [found.get(f"{way}.{what}") for what in ("average", "peak", "burst", "floor")]
        if any(name.startswith(way) for name in found):
            texts = [str(number or "") for number in numbers]
            yield from (f"--{way}", ",".join(texts).rstrip(",") or "0")
