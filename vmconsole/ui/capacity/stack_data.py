# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves of a host's guests laid one upon another. Numbers only; GUI thread, where the Store's history lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from vmconsole.metrics.figures import Figure
    from vmconsole.store.figures import HostFigures

MOST_LAYERS = 7
"""More could not be told apart; the others are one layer."""
POINTS = 240


@dataclass(frozen=True, slots=True)
class Layer:
    """One guest, or the others together (``uuid`` empty)."""

    uuid: str
    name: str
    values: NDArray[np.float64]
    """Shape (n,): of this guest alone, 0 where nothing is known."""
    latest: float


@dataclass(frozen=True, slots=True)
class Stack:
    """``layers`` from the bottom up; all have the times ``times`` (seconds of ``time.time()``), shape (n,)."""

    times: NDArray[np.float64]
    layers: tuple[Layer, ...]

    @property
    def total(self) -> float:
        return sum(layer.latest for layer in self.layers)


def stack_of(figures: HostFigures, names: Mapping[str, str], figure: Figure, *, span_s: float, others: str) -> Stack:
    """The guests that took most in the span, the largest at the bottom; ``names`` is uuid → name of those to show."""
    known = [uuid for uuid in names if figures.has(uuid)]
    end = figures.last_at
    if not known or end is None:
        return Stack(np.empty(0), ())
    times = np.linspace(end - span_s, end, POINTS)
    curves = np.array([_on_grid(figures, uuid, figure, times) for uuid in known])
    first = int(np.argmax(curves.any(axis=0))) if curves.any() else 0
    times, curves = times[first:], curves[:, first:]
    order = np.argsort(-curves.mean(axis=1))
    top = [int(place) for place in order[:MOST_LAYERS]]
    layers = [Layer(known[p], names[known[p]], curves[p], float(curves[p, -1])) for p in top]
    rest = curves[[int(place) for place in order[MOST_LAYERS:]]]
    if len(rest):
        total = rest.sum(axis=0)
        layers.append(Layer("", others, total, float(total[-1])))
    return Stack(times, tuple(layers))


def _on_grid(figures: HostFigures, uuid: str, figure: Figure, times: NDArray[np.float64]) -> NDArray[np.float64]:
    found_times, values = figures.series(uuid, figure, float(times[-1] - times[0]))
    known = ~np.isnan(values)
    if not known.any():
        return np.zeros(len(times))
    return np.interp(times, found_times[known], values[known].astype(np.float64), left=0.0, right=0.0)
