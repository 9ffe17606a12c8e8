# SPDX-License-Identifier: GPL-3.0-or-later
"""Series made ready to be drawn: gaps as NaN, and no more points than pixels. numpy only, no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmconsole.metrics.history import COARSE_STEP, FINE_LENGTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GAP_STEPS = 3.5
"""Silence longer than this many usual steps is a gap."""


def with_gaps(times: Floats, samples: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Break the line where no frame came: a NaN is put between two samples that lie too far apart.

    The newest ten minutes come every second (or as slowly as their median says), what is older every ten.
    """
    values: Floats = samples.astype(np.float64)
    if times.size < 2:
        return times, values
    steps = np.diff(times)
    if steps.max() <= GAP_STEPS:  # the usual case, once a second: no median is needed
        return times, values
    is_fine = times[:-1] >= times[-1] - FINE_LENGTH
    usual = max(1.0, float(np.median(steps[is_fine])))
    holes = np.flatnonzero(steps > np.where(is_fine, GAP_STEPS * usual, GAP_STEPS * max(usual, COARSE_STEP)))
    if not holes.size:
        return times, values
    middle = (times[holes] + times[holes + 1]) / 2
    return np.insert(times, holes + 1, middle), np.insert(values, holes + 1, np.nan)


def reduced(times: Floats, values: Floats, *, step_s: float) -> tuple[Floats, Floats]:
    """The least and greatest value of each ``step_s`` of time (one pixel column), so that no peak is lost.

    Columns begin at multiples of ``step_s`` and not at the first sample: a curve that moves left keeps its shape.
    Returned as they are where that would not make them fewer. A column with nothing known stays a gap.
    """
    if step_s <= 0 or times.size < 3:
        return times, values
    column = np.floor(times / step_s)
    starts = np.flatnonzero(np.concatenate([[True], column[1:] != column[:-1]]))
    if 2 * starts.size >= times.size:
        return times, values
    low, high = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    out_times = np.repeat(times[starts], 2)
    out_times[1::2] = times[np.concatenate([starts[1:], [times.size]]) - 1]
    out = np.empty(2 * starts.size)
    rising = values[starts] <= values[np.concatenate([starts[1:], [times.size]]) - 1]
    out[0::2] = np.where(rising, low, high)
    out[1::2] = np.where(rising, high, low)
    return out_times, out


def value_at(times: Floats, values: Floats, at: float, *, within_s: float) -> float | None:
    """The value of the sample nearest to ``at``, or None where there is none within ``within_s`` or it is unknown."""
    if not times.size:
        return None
    i = int(np.searchsorted(times, at))
    best = min((j for j in (i - 1, i) if 0 <= j < times.size), key=lambda j: abs(times[j] - at))
    value = float(values[best])
    return None if abs(times[best] - at) > within_s or np.isnan(value) else value


def stretches(times: Floats, shares: Floats, *, least: float = 0.0) -> list[tuple[float, float, float]]:
    """(begin, end, mean share) of each run of samples above ``least``: where a guest was held back."""
    on = np.nan_to_num(shares) > least
    if not on.any():
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    return [
        (float(times[max(0, a - 1)]), float(times[b - 1]), float(np.mean(shares[a:b])))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
