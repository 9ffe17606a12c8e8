# SPDX-License-Identifier: GPL-3.0-or-later
"""A box for a cap in cores, whose last step up is «no cap». GUI thread.

It keeps in step with the limit line, and it is how programs for accessibility set the limit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QDoubleSpinBox

from vmconsole.quotas.cpucap import MIN_CORES
from vmconsole.ui.charts.limit_scale import CORE_STEPS, NO_LIMIT

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


STEP_CORES = CORE_STEPS[0]


class CoresBox(QDoubleSpinBox):
    """``cores`` is NO_LIMIT (infinity) at the upper end."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(3)
        self.setSingleStep(STEP_CORES)
        self.setKeyboardTracking(False)
        self.setAccessibleName(self.tr("CPU limit in cores"))
        self.set_most(1.0)

    def set_most(self, most: float) -> None:
        """The greatest cap; one step above it is none."""
        self.setRange(MIN_CORES, most + STEP_CORES)

    @property
    def cores(self) -> float:
        return NO_LIMIT if self._is_none(self.value()) else self.value()

    def show_cores(self, cores: float) -> None:
        """Without a signal: the value came from elsewhere."""
        blocked = self.blockSignals(True)  # noqa: FBT003 - Qt's own
        self.setValue(self.maximum() if math.isinf(cores) else cores)
        self.blockSignals(blocked)

    def _is_none(self, value: float) -> bool:
        return value > self.maximum() - STEP_CORES / 2

    def textFromValue(self, value: float) -> str:
        if self._is_none(value):
            return self.tr("no cap")
        digits = 2 if math.isclose(value, round(value, 2), abs_tol=1e-6) else 3
        return self.locale().toString(value, "f", digits)

    def valueFromText(self, text: str) -> float:
        return self.maximum() if text.strip().lower() == self.tr("no cap") else super().valueFromText(text)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        word = self.tr("no cap")
        typed = text.strip().lower()
        if typed == word:
            return QValidator.State.Acceptable, text, position
        if typed and word.startswith(typed):
            return QValidator.State.Intermediate, text, position
        state, found, place = super().validate(text, position)
        return state, found, place
