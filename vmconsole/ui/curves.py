# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of values to polygons, for the sparklines. Brings numpy: imported with the first figures. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QByteArray, QDataStream
from PySide6.QtGui import QPolygonF

from vmconsole.ui.columns import QUIET_BYTES_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

POINTS = 60
Curve = tuple[QPolygonF, ...]
"""Pieces of a curve, broken where nothing is known; each starts and ends on the base line."""


def curves_of(values: NDArray[np.float32], tops: Sequence[float | None], size: tuple[int, int]) -> Sequence[Curve]:
    """Curves of several guests: ``values`` has a row for each, the newest value last, which stands at the right edge.
    A top of None is the row's own peak, but never less than a quiet disk's."""
    width, height = size
    good = np.isfinite(values)
    filled = np.where(good, values, 0.0).astype(np.float64)
    peaks = filled.max(axis=1, initial=QUIET_BYTES_PER_S)
    full = np.array([peak if top is None else top for peak, top in zip(peaks, tops, strict=True)])
    count = values.shape[1]
    xs = width - (np.arange(count)[::-1] * (width / (POINTS - 1)))
    ys = height - np.clip(filled / full[:, None], 0, 1) * (height - 1)
    whole: list[bool] = np.all(good, axis=1).tolist()
    return [
        _closed(xs, row, float(height)) if is_whole else _pieces(xs, row, known, float(height))
        for row, known, is_whole in zip(ys, good, whole, strict=True)
    ]


def _pieces(xs: NDArray[np.floating], ys: NDArray[np.floating], known: NDArray[np.bool_], base: float) -> Curve:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], known, [False]))))
    runs = zip(edges[::2], edges[1::2], strict=True)
    return tuple(piece for first, end in runs for piece in _closed(xs[first:end], ys[first:end], base))


def _closed(xs: NDArray[np.floating], ys: NDArray[np.floating], base: float) -> Curve:
    """The points, with one on the base line before and one behind. Read in by Qt's own stream: one call for all."""
    if len(xs) < 2:
        return ()
    points = np.empty((len(xs) + 2, 2), dtype=">f8")
    points[1:-1, 0], points[1:-1, 1] = xs, ys
    points[0] = xs[0], base
    points[-1] = xs[-1], base
    polygon = QPolygonF()
    QDataStream(QByteArray(len(points).to_bytes(4, "big") + points.tobytes())) >> polygon
    return (polygon,)
