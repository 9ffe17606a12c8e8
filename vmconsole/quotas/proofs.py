# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's files and QEMU say of a limit, as the value that is in force, against the one that was asked for.

A proof is text: a cgroup file's lines, a number of QEMU's, tc's words. Where a limit has several (one file for each
vCPU, an outer and an inner directory under systemd) each is a line. Pure functions, any thread.
Sources: kernel cgroup-v1 (memory.rst, blkio-controller.rst) and cgroup-v2.rst; sched-bwc.rst; tc-htb(8), tc-police(8).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.limits import CpuCap, is_none
from vmconsole.quotas.rows import Call, Kind, Scope
from vmconsole.quotas.sets import format_set, parse_set
from vmconsole.quotas.table import row_of
from vmconsole.quotas.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vmconsole.inventory.limits import LimitRef, Value
    from vmconsole.quotas.rows import LimitRow
    from vmconsole.quotas.situation import Situation

PAGE_KIB = 4
_UNCLEAR = frozenset({"nic_in_burst", "nic_out_burst", "nic_in_floor", "nic_out_peak"})
_OWN_GROUPS = ("/machine/", "drive-")
"""How QEMU names the throttle group of a disk that was given none: by the disk (block_set_io_throttle)."""
NO_LIMIT_BYTES = 2**62
"""cgroup v1 shows «no limit» as the largest number of whole pages."""
_TC_RATE = re.compile(r"\b(rate|ceil) (\d+)([KMGT]?)(i?)bit\b")
_TC_SCALE = {"": 1, "K": 1, "M": 2, "G": 3, "T": 4}


def proved(situation: Situation, wanted: Mapping[LimitRef, Value], texts: Mapping[LimitRef, str]) -> tuple[str, ...]:
    """In words, each value that the host's files do not bear out. What has no text is not judged."""
    found = (_difference(situation, ref, value, texts[ref]) for ref, value in wanted.items() if ref in texts)
    return tuple(words for words in found if words)


def _difference(situation: Situation, ref: LimitRef, value: Value, text: str) -> str:
    row = row_of(ref)
    try:
        there = in_force(row, text, situation)
    except (ValueError, OutOfRange):
        return f"{row.title}: {source(row, situation)} says «{text[:80]}», which is not understood"
    bad = [one for one in there if not _same(row, value, one)]
    if not bad:
        return ""
    return f"{row.title}: libvirt says {shown(row, value)}, {source(row, situation)} says {shown(row, bad[0])}"


def source(row: LimitRow, situation: Situation) -> str:
    """Where the proof comes from, as short as it can be named: «cpu.max»."""
    return row.proof_on(situation.layout).split("/")[-1]


def in_force(row: LimitRow, text: str, situation: Situation) -> tuple[Value, ...]:
    """The values in force that a proof tells: several where there is one for each vCPU. Raises ValueError."""
    if row.call is Call.INTERFACE:
        return (_from_tc(row, text),)
    values = [_value(row, line, situation) for line in text.splitlines()] or [_value(row, "", situation)]
    if "*" in row.proof_v1 or len(values) == 1:
        return tuple(values)
    return (_tightest(row, values),)  # an inner directory's limit and an outer one's: both hold


def _tightest(row: LimitRow, values: list[Value]) -> Value:
    if row.kind is Kind.WEIGHT:
        return values[0]  # the outer one competes with other guests; inside, the guest is alone
    limits = [value for value in values if not is_none(value)]
    return min(limits, key=_height, default=None)


def _height(value: Value) -> float:
    cores = value.cores if isinstance(value, CpuCap) else value
    return float(cores) if isinstance(cores, (int, float)) else float("inf")


def _value(row: LimitRow, line: str, situation: Situation) -> Value:
    words = line.split()
    match row.kind:
        case Kind.CAP:
            quota, period = words
            return CpuCap(int(period), int(quota) if quota not in {"max", "-1"} else None)
        case Kind.CPUS | Kind.NODES:
            return _place(row, line, situation)
        case Kind.KIB if row.call is Call.MEMORY:
            size = NO_LIMIT_BYTES if words == ["max"] else int(line)
            return size // 1024 if 0 < size < NO_LIMIT_BYTES else None
        case Kind.NAME if line.startswith(_OWN_GROUPS):
            return None
        case Kind.NAME | Kind.MODE:
            return line.strip() or None
    if row.proof_v2.startswith("io.max") and "=" in line:
        found = dict(word.split("=", 1) for word in words if "=" in word)
        amount = found.get(row.proof_v2.split()[1], "max")
        return None if amount == "max" else int(amount)
    if not words:
        return None
    number = int(words[-1])
    return number if number or row.call is Call.IOTHREAD else None


def _place(row: LimitRow, line: str, situation: Situation) -> Value:
    chosen = parse_set(line.strip())
    everywhere = _everywhere(row, situation)
    return None if not chosen or (everywhere and chosen >= everywhere) else format_set(chosen)


def _everywhere(row: LimitRow, situation: Situation) -> frozenset[int]:
    if row.kind is Kind.NODES:
        return frozenset(situation.resources.nodes)
    cpus = frozenset(cpu.number for cpu in situation.resources.cpus)
    return cpus or frozenset(range(situation.host.cpus or 0))


def _same(row: LimitRow, wanted: Value, there: Value) -> bool:
    if isinstance(wanted, CpuCap) or isinstance(there, CpuCap):
        return _cap_ratio(wanted) == _cap_ratio(there)
    if row.kind is Kind.KIB and isinstance(wanted, int) and isinstance(there, int):
        return abs(wanted - there) < PAGE_KIB if row.call is Call.MEMORY else wanted == there
    if row.kind in {Kind.CPUS, Kind.NODES} and isinstance(wanted, str) and isinstance(there, str):
        return parse_set(wanted) == parse_set(there)
    if row.kind is Kind.NODES:
        return wanted is None or there is None  # all nodes, written out or not
    if row.kind is Kind.KB_PER_S and isinstance(wanted, int) and isinstance(there, int):
        return abs(wanted - there) <= max(2, wanted // 100)  # tc rounds to what it has room to show
    if row.kind is Kind.SECONDS:
        return (wanted or 1) == (there or 1)  # QEMU's own, where none is given
    return wanted == there


def _cap_ratio(value: Value) -> float | None:
    return value.cores if isinstance(value, CpuCap) else None


def _from_tc(row: LimitRow, text: str) -> Value:
    """kB/s. libvirt's class 1:1 has the average as its rate and the peak as its ceiling; policing has one rate."""
    wanted = "ceil" if row.parameter.endswith("peak") else "rate"
    for name, number, scale, binary in _TC_RATE.findall(text):
        if name == wanted:
            base = 1024 if binary else 1000
            return int(number) * int(base ** _TC_SCALE[scale]) // 8000
    return None


def as_text(row: LimitRow, value: Value, situation: Situation) -> str:
    """How the host's files would show a value: what ``in_force`` reads back. For hosts that are made up."""
    is_v2 = situation.layout == "v2"
    match row.kind:
        case Kind.CAP:
            cap = value if isinstance(value, CpuCap) else CpuCap()
            none = "max" if is_v2 else "-1"
            return f"{none if cap.quota_us is None else cap.quota_us} {cap.period_us}"
        case Kind.CPUS | Kind.NODES:
            return str(value) if value is not None else format_set(_everywhere(row, situation))
        case Kind.KIB if row.call is Call.MEMORY:
            if isinstance(value, int):
                return str(value * 1024)
            return "max" if is_v2 else str(2**63 - PAGE_KIB * 1024)
    if row.call is Call.INTERFACE:
        return "" if value is None else _tc_words(value)
    if row.proof_v2.startswith("io.max") and is_v2:
        return "" if value is None else f"8:0 {row.proof_v2.split()[1]}={value}"
    if row.scope is Scope.HOST_DEVICE:
        return "" if value is None else f"8:0 {value}"
    return str(value or (0 if not row.kind.is_text else ""))


def _tc_words(value: Value) -> str:
    kbit = value * 8 if isinstance(value, int) else 0
    return f"class htb 1:1 root prio 0 rate {kbit}Kbit ceil {kbit}Kbit burst 1Kb"


def provable(refs: Iterable[LimitRef]) -> tuple[LimitRef, ...]:
    """Of these, the limits that can be proved at all: tc tells neither bursts nor floors exactly."""
    return tuple(ref for ref in refs if ref.key not in _UNCLEAR and row_of(ref).live)
