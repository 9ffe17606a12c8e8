# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's figures: frames from the sampler, completed by libvirt's slower statistics. GUI thread only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmconsole.metrics.devices import DeviceHistory
from vmconsole.metrics.figures import FIGURE_COUNT, Figure
from vmconsole.metrics.frame import Frame, Source
from vmconsole.metrics.history import History

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from vmconsole.metrics.figures import DeviceFigure

CGROUP_IS_FRESH_S = 5.0
"""While the sampler's last frame is younger, libvirt's figures only fill gaps."""
HELD_S = 25.0
"""How long one answer of libvirt's slow statistics stands in for the next."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure now: ``value`` None when it is not known."""

    value: float | None
    at: float | None
    """When it was taken (``time.time()`` seconds); None when there never was one."""


@dataclass(frozen=True, slots=True)
class _StandIn:
    """libvirt's last figures in the order of a frame's guests: made once for many frames."""

    uuids: tuple[str, ...]
    at: NDArray[np.float64]
    values: NDArray[np.float64]


def _stand_in_for(uuids: tuple[str, ...], held: Mapping[str, tuple[float, NDArray[np.float64]]]) -> _StandIn:
    nothing = (-np.inf, np.full(FIGURE_COUNT, np.nan))
    found = [held.get(uuid, nothing) for uuid in uuids]
    values = np.array([row for _, row in found]).reshape(len(found), FIGURE_COUNT)
    return _StandIn(uuids, np.array([at for at, _ in found]), values)


class HostFigures:
    """Current values, history and per-device series of one host's guests."""

    def __init__(self) -> None:
        self._history = History()
        self._devices = DeviceHistory()
        self._held: dict[str, tuple[float, NDArray[np.float64]]] = {}
        self._stand_in: _StandIn | None = None
        self._last_at: float | None = None
        self._last_cgroup_at = -np.inf

    @property
    def last_at(self) -> float | None:
        """When the newest frame was taken, or None before the first."""
        return self._last_at

    def take(self, frame: Frame) -> None:
        self._devices.append(frame.at, frame.devices)
        if frame.source is Source.LIBVIRT:
            self._hold(frame)
            if frame.at - self._last_cgroup_at < CGROUP_IS_FRESH_S:
                return
        else:
            self._last_cgroup_at = frame.at
        self._history.append(frame.at, frame.uuids, self._completed(frame))
        self._last_at = frame.at

    def _hold(self, frame: Frame) -> None:
        for uuid, row in zip(frame.uuids, frame.values, strict=True):
            self._held[uuid] = (frame.at, row)
        self._stand_in = None

    def _completed(self, frame: Frame) -> NDArray[np.float64]:
        if frame.source is not Source.CGROUP or not self._held:
            return frame.values
        stand_in = self._stand_in
        if stand_in is None or stand_in.uuids != frame.uuids:
            stand_in = self._stand_in = _stand_in_for(frame.uuids, self._held)
        fresh = (frame.at - stand_in.at < HELD_S)[:, np.newaxis]
        return np.where(np.isnan(frame.values) & fresh, stand_in.values, frame.values)

    def forget(self, uuid: str) -> None:
        self._history.forget(uuid)
        self._devices.forget(uuid)
        self._held.pop(uuid, None)
        self._stand_in = None

    def retain(self, uuids: Collection[str]) -> None:
        """Forget guests that the host does not list: another user's, say, or ones that are gone."""
        self._history.retain(uuids)
        self._devices.retain(uuids)
        self._held = {uuid: found for uuid, found in self._held.items() if uuid in uuids}
        self._stand_in = None

    # -- queries -----------------------------------------------------------------------------------------------

    def row(self, uuid: str) -> NDArray[np.float32] | None:
        """The newest values of a guest, by ``Figure`` column, NaN where unknown; None if it never had any."""
        return self._history.latest(uuid)

    def reading(self, uuid: str, figure: Figure) -> Reading:
        row = self.row(uuid)
        if row is None or np.isnan(row[figure]):
            return Reading(None, self._last_at)
        return Reading(float(row[figure]), self._last_at)

    def series(self, uuid: str, figure: Figure, span_s: float) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Times (``time.time()`` seconds) and values, oldest first, NaN in gaps; empty when nothing is known."""
        return self._history.series(uuid, figure, span_s)

    def has(self, uuid: str) -> bool:
        return uuid in self._history

    def rows(self, uuids: Sequence[str]) -> NDArray[np.float32]:
        """``row`` of guests for which ``has`` is true: shape (len(uuids), FIGURE_COUNT)."""
        return self._history.rows(uuids)

    def tails(self, uuids: Sequence[str], figure: Figure, points: int) -> NDArray[np.float32]:
        """Sparklines of guests for which ``has`` is true: shape (len(uuids), ≤ points)."""
        return self._history.tails(uuids, figure, points)

    def devices(self, uuid: str) -> tuple[str, ...]:
        return self._devices.names(uuid)

    def device_series(
        self, uuid: str, device: str, figure: DeviceFigure
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._devices.series(uuid, device, figure)
