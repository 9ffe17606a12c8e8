# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of a chart: how a value is written, and where an axis has its marks. No Qt but the formatter it is given."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING

from vmconsole.inventory import units

if TYPE_CHECKING:
    from vmconsole.ui.formats import Formats

TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)


class Unit(enum.Enum):
    CORES = "cores"
    BYTES = "bytes"
    BYTES_PER_S = "bytes/s"
    IOPS = "operations/s"

    @property
    def is_binary(self) -> bool:
        return self in {Unit.BYTES, Unit.BYTES_PER_S}

    @property
    def least_top(self) -> float:
        """The smallest range worth an axis: noise below it is not blown up."""
        return {Unit.CORES: 0.1, Unit.BYTES: 2.0**20, Unit.BYTES_PER_S: 16 * 1024.0, Unit.IOPS: 10.0}[self]


def text_of(unit: Unit, value: float | None, formats: Formats) -> str:
    """A value beside a title or under the crosshair."""
    if unit is Unit.CORES:
        return formats.cores(value)
    if unit is Unit.BYTES:
        return formats.size(value)
    if unit is Unit.BYTES_PER_S:
        return formats.rate(value)
    return units.count_per_s(value)


def mark_text(unit: Unit, value: float, *, step: float) -> str:
    """A value on the axis: no more digits than its step needs."""
    if unit is Unit.CORES:
        return f"{value:.{0 if step >= 1 else 1 if step >= 0.1 else 2}f}"
    if value == 0:
        return "0"
    if not unit.is_binary:
        letter, size = next(((n, s) for n, s in (("M", 1e6), ("k", 1e3)) if abs(value) >= s), ("", 1.0))
        return f"{value / size:g} {letter}".strip()
    power = min(5, int(math.log2(max(abs(value), 1.0)) // 10))
    return f"{value / 1024**power:g} {('B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB')[power]}"


def nice_step(unit: Unit, span: float, *, marks: int) -> float:
    """The distance of marks on a value axis: 1, 2, 5 × 10ⁿ; for bytes powers of two."""
    least = max(span, 1e-9) / max(1, marks)
    if unit.is_binary:
        return float(2.0 ** math.ceil(math.log2(least)))
    power = 10.0 ** math.floor(math.log10(least))
    step = float(next(power * m for m in (1, 2, 5, 10) if power * m >= least * 0.999))
    return max(step, 0.01) if unit is Unit.CORES else step


def nice_top(unit: Unit, greatest: float, *, before: float) -> float:
    """The axis' upper end for values up to ``greatest``. It is kept (``before``) until it is too small or far too
    large, so that the axis does not jump with every sample."""
    need = max(greatest * 1.08, unit.least_top)
    if need <= before <= 3 * need:
        return before
    step = nice_step(unit, need, marks=4)
    return math.ceil(need / step) * step


def time_step(span_s: float, *, marks: int) -> float:
    """The distance of marks on a time axis, in seconds that people count by."""
    least = span_s / max(1, marks)
    return float(next((s for s in TIME_STEPS_S if s >= least), TIME_STEPS_S[-1]))
