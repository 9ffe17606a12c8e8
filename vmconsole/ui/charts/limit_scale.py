# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw values of a limit as numbers of a chart's axis and back, and the round steps between them. Pure, GUI thread.

On an axis no limit is ``NO_LIMIT`` (infinity), so that more is always more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.limits import CpuCap, is_none
from vmconsole.quotas.cpucap import cap_of_cores, same_limit
from vmconsole.quotas.rows import Kind

if TYPE_CHECKING:
    from vmconsole.inventory.limits import Value

NO_LIMIT = math.inf
CORE_STEPS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
KEYS_PER_VALUE = 40
"""So many key presses from nothing to a value, about, where steps go by the value's size."""
BIG = 8
_RAW = {Kind.KIB: 1024.0, Kind.KB_PER_S: 1000.0}
_LEAST = {Kind.KIB: 2.0**20, Kind.BYTES_PER_S: 64 * 1024.0, Kind.KB_PER_S: 10_000.0, Kind.IOPS: 5.0}
"""Below these nothing goes on; smaller limits are for the Limits tab."""
_ROOM = {Kind.KIB: 2.0**29, Kind.BYTES_PER_S: 64 * 2.0**20, Kind.KB_PER_S: 12.5e6, Kind.IOPS: 2000.0}
"""An axis on which a first limit is chosen reaches at least so far."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How a row's values stand on an axis of cores, bytes, bytes a second or operations a second.

    ``parts``: of how many equal parts the limit is each one's, so that the line is that of all together.
    """

    kind: Kind
    parts: int = 1

    def number(self, value: Value) -> float:
        """NO_LIMIT where there is none. Raises TypeError for a value that is no amount."""
        if is_none(value):
            return NO_LIMIT
        if isinstance(value, CpuCap):
            return (value.cores or 0.0) * self.parts
        if not isinstance(value, int):
            raise TypeError(f"{value!r} has no place on an axis")
        return value * _RAW.get(self.kind, 1.0)

    def value(self, number: float, *, before: Value) -> Value:
        """The nearest raw value; a cap keeps the period that it had."""
        is_free = math.isinf(number)
        if self.kind is Kind.CAP:
            old = before if isinstance(before, CpuCap) else CpuCap()
            return cap_of_cores(None if is_free else number / self.parts, period_us=old.period_us)
        return None if is_free else max(1, round(number / _RAW.get(self.kind, 1.0)))

    @property
    def least(self) -> float:
        return CORE_STEPS[0] * self.parts if self.kind is Kind.CAP else _LEAST[self.kind]

    @property
    def room(self) -> float:
        return _ROOM.get(self.kind, 1.0)

    def round_step(self, per_pixel: float) -> float:
        """The round step that a pixel can tell apart."""
        if self.kind is Kind.CAP:
            each = per_pixel / self.parts
            return self.parts * next((step for step in CORE_STEPS if step >= each), CORE_STEPS[-1])
        if self.kind in {Kind.KIB, Kind.BYTES_PER_S}:
            return float(2.0 ** math.ceil(math.log2(max(per_pixel, 1024.0))))
        least = max(per_pixel, _RAW.get(self.kind, 1.0))
        power = 10.0 ** math.floor(math.log10(least))
        return next(power * m for m in (1, 2, 5, 10) if power * m >= least * 0.999)

    def key_step(self, number: float, *, is_big: bool) -> float:
        """What one key press moves: fixed for cores, by the value's size for the others."""
        if self.kind is Kind.CAP:
            return self.parts * (0.5 if is_big else CORE_STEPS[0])
        return self.round_step(number / KEYS_PER_VALUE / 2) * (BIG if is_big else 1)


def same(one: Value, other: Value) -> bool:
    """Whether both hold the guest back alike."""
    if is_none(one) or is_none(other):
        return is_none(one) and is_none(other)
    if isinstance(one, CpuCap) and isinstance(other, CpuCap):
        return same_limit(one, other)
    return one == other
