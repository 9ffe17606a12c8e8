# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, sizes and times as the user's locale writes them: the only formatter of the window. GUI thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QDateTime, QLocale

from vmconsole.inventory import units

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN = units.UNKNOWN


class Formats:
    """``now`` is the clock, in seconds of ``time.time()``; a test gives its own."""

    def __init__(self, locale: QLocale | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._locale = locale if locale is not None else QLocale()
        self._point = self._locale.decimalPoint()
        self.now = now

    def cores(self, value: float | None) -> str:
        return units.cores(value, decimal_point=self._point)

    def size(self, value: float | None) -> str:
        """Bytes: «1.50 GiB»."""
        return units.binary(value, decimal_point=self._point)

    def size_of(self, part: float | None, total: float) -> str:
        """A part and its whole in the whole's unit: «1.50 / 16.0 GiB»."""
        whole = self.size(total)
        number, _, unit = whole.partition(" ")
        if part is None:
            return f"{UNKNOWN} / {whole}"
        scaled = part * self._number(number) / total if total else 0.0
        digits = 2 if scaled < 10 else 1 if scaled < 100 else 0
        return f"{f'{scaled:.{digits}f}'.replace('.', self._point)} / {number} {unit}"

    def _number(self, text: str) -> float:
        return float(text.replace(self._point, "."))

    def rate(self, value: float | None) -> str:
        """Bytes per second: «1.50 MiB/s»."""
        return units.binary(value, per_second=True, decimal_point=self._point)

    def age(self, seconds: float) -> str:
        return units.age(seconds)

    def clock(self, at: float) -> str:
        """«12:03», with the date when it is not today."""
        return self._dated(at, self._locale.timeFormat(QLocale.FormatType.ShortFormat))

    def clock_s(self, at: float) -> str:
        """«12:03:47» for lists of events, with the date when it is not today."""
        return self._dated(at, "HH:mm:ss")

    def _dated(self, at: float, form: str) -> str:
        moment = QDateTime.fromSecsSinceEpoch(int(at))
        text = self._locale.toString(moment.time(), form)
        if moment.date() == QDateTime.fromSecsSinceEpoch(int(self.now())).date():
            return text
        return f"{self._locale.toString(moment.date(), QLocale.FormatType.ShortFormat)} {text}"
