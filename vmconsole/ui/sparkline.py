# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves of the last minute inside the tree's cells, for all visible rows of a host at once. GUI thread.

One call per host and column turns the history into points; a cell's paint only draws them. Measured: building
Python points one by one costs four times as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QColor

from vmconsole.ui import columns
from vmconsole.ui.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PySide6.QtCore import QPointF
    from PySide6.QtGui import QBrush, QPainter, QPen

    from vmconsole.inventory.ids import GuestId, HostId
    from vmconsole.store.store import Store
    from vmconsole.ui.curves import Curve

TINT = 0.24


class Sparklines:
    """Curves by guest and column, in pixels of a cell's box, until the host's next figures."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[HostId, dict[tuple[str, int, tuple[int, int]], Curve]] = {}

    def forget(self, hosts: Iterable[HostId]) -> None:
        for host in hosts:
            self._kept.pop(host, None)

    def curve(self, guest: GuestId, column: int, size: tuple[int, int], together: Sequence[GuestId]) -> Curve:
        """The guest's curve in a box of ``size``. Where it is not there yet, ``together`` (guests of the same host
        that are visible too) are worked out in the same pass."""
        kept = self._kept.setdefault(guest.host, {})
        found = kept.get((guest.uuid, column, size))
        if found is None:
            wanted = [other for other in together if (other.uuid, column, size) not in kept]
            if guest not in wanted:
                wanted.append(guest)
            for other, curve in zip(wanted, self._curves(guest.host, wanted, column, size), strict=True):
                kept[(other.uuid, column, size)] = curve
            found = kept[(guest.uuid, column, size)]
        return found

    def _curves(self, host: HostId, guests: Sequence[GuestId], column: int, size: tuple[int, int]) -> Sequence[Curve]:
        figures = self._store.figures(host)
        known = [place for place, guest in enumerate(guests) if figures.has(guest.uuid)]
        curves: list[Curve] = [()] * len(guests)
        if not known:
            return curves
        from vmconsole.ui.curves import curves_of  # late: brings numpy, which the first window can do without

        values = self._values(host, [guests[place].uuid for place in known], column)
        tops = [self._top(guests[place], column) for place in known]
        for place, curve in zip(known, curves_of(values, tops, size), strict=True):
            curves[place] = curve
        return curves

    def _values(self, host: HostId, uuids: Sequence[str], column: int) -> NDArray[np.float32]:
        from vmconsole.ui.curves import POINTS  # late: same

        figures = self._store.figures(host)
        first, *more = [figures.tails(uuids, figure, POINTS) for figure in COLUMNS[column].figures]
        return sum(more, first)

    def _top(self, guest: GuestId, column: int) -> float | None:
        facts = self._store.guest(guest)
        return None if facts is None else columns.full_scale(column, facts)


def mixed(colour: QColor, ground: QColor) -> QColor:
    """The area's colour: a quarter of the line's on the row's. Mixed here, as blending costs the raster three times
    as much as a solid fill."""
    return QColor(
        round(colour.red() * TINT + ground.red() * (1 - TINT)),
        round(colour.green() * TINT + ground.green() * (1 - TINT)),
        round(colour.blue() * TINT + ground.blue() * (1 - TINT)),
    )


def draw(painter: QPainter, curve: Curve, at: QPointF, colours: tuple[QPen, QBrush]) -> None:
    """A tinted area under a thin line. The painter stands as it stood before, but for pen and brush."""
    painter.translate(at)
    painter.setPen(colours[0])
    painter.setBrush(colours[1])
    for piece in curve:
        painter.drawPolygon(piece)
    painter.translate(-at)
