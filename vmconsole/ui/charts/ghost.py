# SPDX-License-Identifier: GPL-3.0-or-later
"""What the known past would have been under a limit: for which share of its time the curve was above it. numpy only.

What is older than ten minutes is known as averages of twenty seconds, so short peaks of then are not counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmconsole.metrics.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vmconsole.store.figures import HostFigures
    from vmconsole.ui.charts.specs import CurveSpec

    Floats = NDArray[np.float64]

PAST_S = 3600.0
MOST_STEP_S = 30.0
"""A sample stands for the time since the one before it, but for no more than this: longer is silence."""


@dataclass(frozen=True, slots=True)
class Past:
    """A curve's known history, oldest first, NaN where it is not known."""

    times: Floats
    values: Floats

    def share_above(self, level: float) -> float | None:
        """0–1, by time; None where nothing is known."""
        lasting = self._lasting()
        known = float(lasting.sum())
        if known <= 0:
            return None
        with np.errstate(invalid="ignore"):
            return float(lasting[self.values > level].sum()) / known

    @property
    def known_s(self) -> float:
        return float(self._lasting().sum())

    def _lasting(self) -> Floats:
        """For how long each sample stands; 0 for one that is not known."""
        if not self.times.size:
            return np.empty(0)
        steps = np.diff(self.times)
        lasting = np.concatenate([steps[:1] if steps.size else [1.0], steps])
        return np.where(np.isnan(self.values), 0.0, np.minimum(lasting, MOST_STEP_S))


NO_PAST = Past(np.empty(0), np.empty(0))


def past_of(figures: HostFigures, uuid: str, curves: Sequence[CurveSpec], *, device: str) -> Past:
    """The sum of some curves over the last hour; of one device over as long as it is kept."""
    parts = [_series(figures, uuid, curve, device) for curve in curves]
    if not parts or any(len(times) != len(parts[0][0]) for times, _ in parts):
        return NO_PAST
    return Past(parts[0][0], np.sum([np.asarray(values, dtype=np.float64) for _, values in parts], axis=0))


def _series(
    figures: HostFigures, uuid: str, curve: CurveSpec, device: str
) -> tuple[Floats, NDArray[np.float32] | Floats]:
    if device and curve.device_figure is not None:
        return figures.device_series(uuid, device, curve.device_figure)
    return figures.series(uuid, Figure(curve.figure), PAST_S)


def excess(times: Floats, values: Floats, level: float) -> tuple[Floats, Floats] | None:
    """The outline of what lies above ``level``, to be filled; None where nothing does."""
    with np.errstate(invalid="ignore"):
        if math.isinf(level) or not times.size or not bool((values > level).any()):
            return None
        above = np.where(values > level, values, level)
    ends = np.array([times[-1], times[0]])
    return np.concatenate([times, ends]), np.concatenate([above, [level, level]])
