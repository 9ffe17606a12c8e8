# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers with units as words, the one place where they are formatted. Locale enters through ``decimal_point``."""

from __future__ import annotations

import math

UNKNOWN = "–"
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def binary(value: float | None, *, per_second: bool = False, decimal_point: str = ".") -> str:
    """Bytes in binary units with three significant digits: «12.4 MiB/s». None and NaN give «–»."""
    if value is None or math.isnan(value):
        return UNKNOWN
    step = 0
    while abs(value) >= 1000 and step < len(_BINARY) - 1:
        value /= 1024
        step += 1
    return f"{_three_digits(value, whole=step == 0, point=decimal_point)} {_BINARY[step]}{'/s' if per_second else ''}"


def cores(value: float | None, *, decimal_point: str = ".") -> str:
    """«1.50» cores, without the word. None and NaN give «–»."""
    if value is None or math.isnan(value):
        return UNKNOWN
    return f"{value:.2f}".replace(".", decimal_point)


def count_per_s(value: float | None, *, decimal_point: str = ".") -> str:
    """«1.2 k/s», «0 /s»."""
    if value is None or math.isnan(value):
        return UNKNOWN
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{_three_digits(value / size, whole=False, point=decimal_point)} {letter}/s"
    return f"{_three_digits(value, whole=True, point=decimal_point)} /s"


def share(value: float | None) -> str:
    """«12 %». None and NaN give «–»."""
    return UNKNOWN if value is None or math.isnan(value) else f"{value * 100:.0f} %"


def age(seconds: float) -> str:
    """«8 s», «3 min», «2 h»."""
    if seconds < 100:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def _three_digits(value: float, *, whole: bool, point: str) -> str:
    if whole:
        return f"{value:.0f}"
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f}".replace(".", point)
