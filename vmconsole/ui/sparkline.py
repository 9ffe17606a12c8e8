# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves of the last minute inside the tree's cells, for all visible rows of a host at once. GUI thread.

One call per host and column turns the history into points; a cell's paint only draws them. Measured: building
Python points one by one costs four times as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QDataStream, QPointF
from PySide6.QtGui import QColor, QPolygonF

from vmconsole.ui import columns
from vmconsole.ui.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PySide6.QtGui import QBrush, QPainter, QPen

    from vmconsole.inventory.ids import GuestId, HostId
    from vmconsole.store.store import Store

POINTS = 60
TINT = 0.24
Curve = tuple[QPolygonF, ...]
"""Pieces of a curve, broken where nothing is known; each starts and ends on the base line."""


class Sparklines:
    """Curves by guest and column, in pixels of a cell's box, until the host's next figures."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[HostId, dict[tuple[GuestId, int, int, int], Curve]] = {}

    def forget(self, hosts: Iterable[HostId]) -> None:
        for host in hosts:
            self._kept.pop(host, None)

    def curve(self, guest: GuestId, column: int, size: tuple[int, int], together: Sequence[GuestId]) -> Curve:
        """The guest's curve in a box of ``size``. Where it is not there yet, ``together`` (guests of the same host
        that are visible too) are worked out in the same pass."""
        kept = self._kept.setdefault(guest.host, {})
        found = kept.get((guest, column, *size))
        if found is None:
            wanted = [other for other in {guest, *together} if (other, column, *size) not in kept]
            for other, curve in zip(wanted, self._curves(guest.host, wanted, column, size), strict=True):
                kept[(other, column, *size)] = curve
            found = kept[(guest, column, *size)]
        return found

    def _curves(self, host: HostId, guests: Sequence[GuestId], column: int, size: tuple[int, int]) -> Sequence[Curve]:
        figures = self._store.figures(host)
        known = [place for place, guest in enumerate(guests) if figures.has(guest.uuid)]
        curves: list[Curve] = [()] * len(guests)
        if not known:
            return curves
        values = self._values(host, [guests[place].uuid for place in known], column)
        tops = [self._top(guests[place], column) for place in known]
        for place, curve in zip(known, curves_of(values, tops, size), strict=True):
            curves[place] = curve
        return curves

    def _values(self, host: HostId, uuids: Sequence[str], column: int) -> NDArray[np.float32]:
        figures = self._store.figures(host)
        first, *more = [figures.tails(uuids, figure, POINTS) for figure in COLUMNS[column].figures]
        return sum(more, first)

    def _top(self, guest: GuestId, column: int) -> float | None:
        facts = self._store.guest(guest)
        return None if facts is None else columns.full_scale(column, facts)


def curves_of(values: NDArray[np.float32], tops: Sequence[float | None], size: tuple[int, int]) -> Sequence[Curve]:
    """Curves of several guests: ``values`` has a row for each, the newest value last, which stands at the right edge.
    A top of None is the row's own peak, but never less than a quiet disk's."""
    import numpy as np  # late: the first window is painted before numpy is needed

    width, height = size
    count = values.shape[1]
    good = np.isfinite(values)
    peaks = np.where(good, values, 0).max(axis=1, initial=columns.QUIET_BYTES_PER_S)
    full = np.array([peak if top is None else top for peak, top in zip(peaks, tops, strict=True)])
    xs = width - (np.arange(count)[::-1] * (width / (POINTS - 1)))
    ys = height - np.clip(np.where(good, values, 0.0).astype(np.float64) / full[:, None], 0, 1) * (height - 1)
    return [_pieces(xs, row, known, float(height)) for row, known in zip(ys, good, strict=True)]


def _pieces(xs: NDArray[np.floating], ys: NDArray[np.floating], known: NDArray[np.bool_], base: float) -> Curve:
    import numpy as np  # late: same

    if known.all():
        return (_closed(xs, ys, base),) if len(xs) > 1 else ()
    edges = np.flatnonzero(np.diff(np.concatenate(([False], known, [False]))))
    runs = zip(edges[::2], edges[1::2], strict=True)
    return tuple(_closed(xs[first:end], ys[first:end], base) for first, end in runs if end - first > 1)


def _closed(xs: NDArray[np.floating], ys: NDArray[np.floating], base: float) -> QPolygonF:
    """The points, with one on the base line before and one behind. Read in by Qt's own stream: one call for all."""
    import numpy as np  # late: same

    points = np.empty((len(xs) + 2, 2), dtype=">f8")
    points[1:-1, 0], points[1:-1, 1] = xs, ys
    points[0] = xs[0], base
    points[-1] = xs[-1], base
    polygon = QPolygonF()
    QDataStream(QByteArray(len(points).to_bytes(4, "big") + points.tobytes())) >> polygon
    return polygon


def mixed(colour: QColor, ground: QColor) -> QColor:
    """The area's colour: a quarter of the line's on the row's. Mixed here, as blending costs the raster three times
    as much as a solid fill."""
    return QColor(
        *(round(part * TINT + other * (1 - TINT))
          for part, other in zip(colour.getRgb()[:3], ground.getRgb()[:3], strict=True))  # type: ignore[index]  # a tuple
    )  # fmt: skip


def draw(painter: QPainter, curve: Curve, at: QPointF, colours: tuple[QPen, QBrush]) -> None:
    """A tinted area under a thin line. The painter stands as it stood before, but for pen and brush."""
    painter.translate(at)
    painter.setPen(colours[0])
    painter.setBrush(colours[1])
    for piece in curve:
        painter.drawPolygon(piece)
    painter.translate(-at)
