# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person types for a limit, as its value: «1.5 cores», «25 %», «2x», «3 GiB», «20 MB/s», «0-3,8», «none».

The raw form that ``words.raw`` shows is understood as well. Pure functions, any thread.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.limits import CpuCap
from vmconsole.quotas import cpucap
from vmconsole.quotas.memory_rows import MEMORY
from vmconsole.quotas.rows import Kind
from vmconsole.quotas.sets import format_set, parse_set

if TYPE_CHECKING:
    from vmconsole.inventory.limits import Value
    from vmconsole.quotas.rows import LimitRow
    from vmconsole.quotas.situation import Situation

_NONE = frozenset({"", "-", "–", "none", "no", "no limit", "no cap", "unlimited", "off", "any", "any cpu", "any node",
                   "default", "own", "-1"})  # fmt: skip
_NUMBER = re.compile(r"([0-9]+(?:[.,][0-9]+)?|[.,][0-9]+)\s*(.*)")
_QUOTA = re.compile(r"(?:\w*quota\s*=?\s*)?(-?\d+)\s*(?:µs|us)?\s*(?:/|of|\s\w*period\s*=?)\s*(\d+)\s*(?:µs|us)?")
_DECIMAL = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SIZE = re.compile(r"([kmgtp]?)(i?)(b|bytes?)?(?:/s|ps|/sec)?", re.IGNORECASE)
_TIMES = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_NANOSECONDS = {"ns": 1.0, "": 1.0, "µs": 1e3, "us": 1e3, "ms": 1e6, "s": 1e9}


def typed(row: LimitRow, text: str, situation: Situation) -> Value:
    """Raises OutOfRange, in words, for what is not understood. Whether the host takes it is for ``rules`` to say."""
    text = text.strip()
    plain = text.lower().replace("\u03bc", "µ")  # the Greek letter is typed as often as the sign
    if plain in _NONE or plain == row.none_words:
        if row.none_words == "unknown":
            raise _not_understood(row, text)
        return None
    raw = plain.removeprefix(f"{row.parameter.lower()}=").strip()
    match row.kind:
        case Kind.CAP:
            return _cap(row, plain, situation)
        case Kind.CPUS | Kind.NODES:
            return format_set(parse_set(text)) or None
        case Kind.NAME:
            return text
        case Kind.MODE:
            return raw
        case Kind.WEIGHT:
            return _weight(row, raw, situation)
        case Kind.KIB | Kind.KB_PER_S:
            unit = 1024 if row.kind is Kind.KIB else 1000
            bare = 2**20 if row.section == MEMORY else unit  # memory is thought of in MiB
            return _whole(_size(row, raw, bare=bare) / unit)
        case Kind.BYTES_PER_S | Kind.BYTES:
            return _whole(_size(row, raw, bare=1))
        case Kind.SECONDS:
            return _whole(_scaled(row, raw, _TIMES | {"": 1.0}))
        case Kind.NANOSECONDS:
            return _whole(_scaled(row, raw, _NANOSECONDS))
    return _count(row, raw)


def _cap(row: LimitRow, text: str, situation: Situation) -> CpuCap:
    before = next(
        (limits.cap(row.key) for limits in (situation.guest.live, situation.guest.stored) if limits), CpuCap()
    )
    found = _QUOTA.fullmatch(text)
    if found:
        quota = int(found[1])
        return CpuCap(int(found[2]), quota if quota > 0 else None)
    number, unit = _number(row, text)
    unit = unit.removesuffix(" of this host").removesuffix(" of the host").strip()
    if unit in {"%", "percent"}:
        cores = number / 100 * (situation.host.cpus or len(situation.resources.cpus) or 1)
    elif unit in {"", "core", "cores", "cpu", "cpus"}:
        cores = number
    elif unit in {"% of a core", "% of one core", "% core"}:
        cores = number / 100
    else:
        raise _not_understood(row, text)
    return cpucap.cap_of_cores(cores, period_us=before.period_us)


def _weight(row: LimitRow, text: str, situation: Situation) -> int:
    number, unit = _number(row, text.removesuffix("the default share").removesuffix("the default").strip())
    found = row.range_on(situation.layout)
    default = (found.default if found else None) or 100
    if unit in {"x", "×", "times"}:
        return _whole(number * default)
    if unit == "%":
        return _whole(number / 100 * default)
    if unit in {"", "shares"}:
        return _whole(number)
    raise _not_understood(row, text)


def _count(row: LimitRow, text: str) -> int:
    number, unit = _number(row, text)
    scale = {"k": 1e3, "m": 1e6}.get(unit.removesuffix("iops").strip(), 1.0 if not unit or unit == "iops" else 0.0)
    if not scale and unit not in {"vcpus", "vcpu", "cpus", "/s"}:
        raise _not_understood(row, text)
    return _whole(number * (scale or 1.0))


def _size(row: LimitRow, text: str, *, bare: int) -> float:
    """In bytes. A bare number is in ``bare`` bytes; «MB» is decimal, «MiB» and «M» binary, as qemu-img has it."""
    number, unit = _number(row, text)
    if not unit:
        return number * bare
    if unit.removesuffix("/s").removesuffix("ps") in {"kbit", "mbit", "gbit"}:
        return number * float(1000 ** _DECIMAL[unit[0]]) / 8
    found = _SIZE.fullmatch(unit.replace(" ", ""))
    if not found:
        raise _not_understood(row, text)
    base = 1024 if found[2] or not found[3] else 1000
    return float(number * base ** _DECIMAL[found[1].lower()])


def _scaled(row: LimitRow, text: str, units: dict[str, float]) -> float:
    number, unit = _number(row, text)
    if unit not in units:
        raise _not_understood(row, text)
    return number * units[unit]


def _number(row: LimitRow, text: str) -> tuple[float, str]:
    found = _NUMBER.fullmatch(text)
    if not found:
        raise _not_understood(row, text)
    return float(found[1].replace(",", ".")), found[2].strip()


def _whole(number: float) -> int:
    if not math.isfinite(number) or number >= 2**63:
        raise OutOfRange("This number is larger than anything a host takes.", advice="Choose a smaller one.")
    return round(number)


def examples(row: LimitRow) -> str:
    """What can be typed, for a placeholder or a tooltip."""
    return {
        Kind.CAP: "1.5 cores, 25 % of this host, 150000/100000, none",
        Kind.WEIGHT: "2x (twice the default), 50 %, 512, default",
        Kind.COUNT: "4",
        Kind.CPUS: "0-3,8, any",
        Kind.NODES: "0, 0-1, any",
        Kind.MODE: "strict, preferred, interleave, restrictive",
        Kind.KIB: "2 GiB, 512 MiB, none",
        Kind.BYTES: "4 KiB, 65536, none",
        Kind.BYTES_PER_S: "20 MB/s, 16 MiB/s, none",
        Kind.IOPS: "500, 2k, none",
        Kind.SECONDS: "10 s, 2 min, none",
        Kind.KB_PER_S: "12.5 MB/s, 100 Mbit/s, none",
        Kind.NAME: "a name, none",
        Kind.NANOSECONDS: "32 µs, 0, default",
    }[row.kind]


def _not_understood(row: LimitRow, text: str) -> OutOfRange:
    return OutOfRange(f"{row.title}: «{text}» is not understood.", advice=f"Write for example {examples(row)}.")
