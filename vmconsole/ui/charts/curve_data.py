# SPDX-License-Identifier: GPL-3.0-or-later
"""A chart's series out of the Store, for one guest. GUI thread; reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmconsole.ui.charts.series import reduced, value_at, with_gaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmconsole.store.figures import HostFigures
    from vmconsole.ui.charts.specs import CurveSpec

NEAR_S = 12.0
"""A value is that of a moment when its sample lies this near: the older tier has one every ten seconds."""


@dataclass(frozen=True, slots=True)
class Series:
    times: NDArray[np.float64]
    values: NDArray[np.float64]

    def at(self, moment: float) -> float | None:
        return value_at(self.times, self.values, moment, within_s=NEAR_S)

    def greatest(self, start: float, end: float) -> float:
        """Of what is known between two moments; 0 where nothing is."""
        inside = self.values[(self.times >= start) & (self.times <= end)]
        known = inside[~np.isnan(inside)]
        return float(known.max()) if known.size else 0.0

    @property
    def is_empty(self) -> bool:
        return not self.values.size or bool(np.isnan(self.values).all())

    def drawn(self, seconds_per_pixel: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return reduced(self.times, self.values, step_s=seconds_per_pixel)


EMPTY = Series(np.empty(0), np.empty(0))


def read(figures: HostFigures, uuid: str, curve: CurveSpec, *, device: str, reach_s: float) -> Series:
    """One curve, of the whole guest or (``device`` not empty) of one device."""
    if device and curve.device_figure is not None:
        return Series(*with_gaps(*figures.device_series(uuid, device, curve.device_figure)))
    return Series(*with_gaps(*figures.series(uuid, curve.figure, reach_s)))
