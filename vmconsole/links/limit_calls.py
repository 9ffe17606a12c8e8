# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of virDomain's setters a write of limits is, and with which arguments. Pure functions, any thread.

Source: libvirt-python's libvirt.py; every number that means «no limit» there is written out here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import Unsupported
from vmconsole.inventory.limits import CpuCap, LimitRef, LimitWrite, Value
from vmconsole.quotas.cpucap import check_cap
from vmconsole.quotas.memory_rows import UNLIMITED_KIB
from vmconsole.quotas.rows import Call, Kind
from vmconsole.quotas.sets import parse_set
from vmconsole.quotas.table import BY_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NO_QUOTA = -1
"""The one «unlimited» that libvirt takes on cgroup v1 and v2."""
NUMA_MODES = {"strict": 0, "preferred": 1, "interleave": 2, "restrictive": 3}
_TYPED = {
    Call.SCHEDULER: "setSchedulerParametersFlags", Call.MEMORY: "setMemoryParameters", Call.NUMA: "setNumaParameters",
    Call.BLKIO: "setBlkioParameters", Call.BLOCK_IO_TUNE: "setBlockIoTune", Call.INTERFACE: "setInterfaceParameters",
    Call.IOTHREAD: "setIOThreadParams",
}  # fmt: skip
_PLAIN = {
    Call.BALLOON: ("setMemoryFlags", ()), Call.MEMORY_MAX: ("setMemoryFlags", ("VIR_DOMAIN_MEM_MAXIMUM",)),
    Call.VCPUS: ("setVcpusFlags", ()), Call.VCPUS_MAX: ("setVcpusFlags", ("VIR_DOMAIN_VCPU_MAXIMUM",)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LimitSetter:
    """``domain.method(*arguments, flags)``."""

    method: str
    arguments: tuple[object, ...]
    flags: tuple[str, ...] = ()
    """Names of libvirt's constants beside LIVE or CONFIG."""


def setter_of(write: LimitWrite, *, host_cpus: Callable[[], Sequence[bool]], cap_parameter: str) -> LimitSetter:
    """Raises OutOfRange for a cap that no kernel takes. ``host_cpus`` tells which CPUs are online, and is asked for a
    pinning only; ``cap_parameter`` as in ``inventory.facts.Host``."""
    call, values = Call[write.call], dict(write.values)
    if call in _PLAIN:
        method, flags = _PLAIN[call]
        return LimitSetter(method, tuple(values.values()), flags)
    if call in {Call.PIN_VCPU, Call.PIN_EMULATOR, Call.PIN_IOTHREAD}:
        return _pinning(call, write.target, next(iter(values.values())), host_cpus())
    if call is Call.BLOCK_IO_TUNE and not any(values.values()):
        values = {ref: value for ref, value in values.items() if ref.key != "disk_group"}  # it goes with the rates
    parameters = _parameters(values, cap_parameter)
    if call in {Call.BLOCK_IO_TUNE, Call.INTERFACE}:
        return LimitSetter(_TYPED[call], (write.target, parameters))
    if call is Call.IOTHREAD:
        return LimitSetter(_TYPED[call], (int(write.target), parameters))
    if call is Call.BLKIO:
        parameters = {
            BY_KEY[ref.key].parameter: f"{ref.target},{_number(value)}" if ref.target else _number(value)
            for ref, value in values.items()
        }
    return LimitSetter(_TYPED[call], (parameters,))


def _pinning(call: Call, target: str, value: Value, online: Sequence[bool]) -> LimitSetter:
    """A host whose second threads are off has gaps in its numbers: the map is as long as the highest asks."""
    chosen = parse_set(value) if isinstance(value, str) else None
    cpumap = tuple(there if chosen is None else number in chosen for number, there in enumerate(online))
    if call is Call.PIN_EMULATOR:
        return LimitSetter("pinEmulator", (cpumap,))
    return LimitSetter("pinVcpuFlags" if call is Call.PIN_VCPU else "pinIOThread", (int(target), cpumap))


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _parameters(values: Mapping[LimitRef, Value], cap_parameter: str) -> dict[str, int | str]:
    found: dict[str, int | str] = {}
    for ref, value in values.items():
        row = BY_KEY[ref.key]
        if row.kind is Kind.CAP:
            cap = value if isinstance(value, CpuCap) else CpuCap()
            check_cap(cap)  # libvirt's LXC driver stores anything, and the container would not start
            prefix = cap_parameter if ref.key == "guest_cap" else row.parameter
            found[f"{prefix}_period"] = cap.period_us
            found[f"{prefix}_quota"] = NO_QUOTA if cap.quota_us is None else cap.quota_us
        elif row.kind is Kind.MODE:
            found[row.parameter] = NUMA_MODES[str(value or "strict")]
        elif isinstance(value, CpuCap):
            raise Unsupported(f"{row.title} is no CPU cap.")
        elif value is None:
            found[row.parameter] = UNLIMITED_KIB if row.call is Call.MEMORY else "" if row.kind.is_text else 0
        else:
            found[row.parameter] = value
    return found
