# SPDX-License-Identifier: GPL-3.0-or-later
"""The last minutes of every guest of a host, in rings of numpy arrays: nothing per sample is a Python object.

Two tiers: every second for ten minutes, and averages over ten seconds for an hour. All guests of a host share one
clock, so that one frame is one row of times and one block of values. GUI thread (the Store's).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from vmconsole.metrics.figures import FIGURE_COUNT, Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FINE_LENGTH = 600
COARSE_STEP = 10
COARSE_LENGTH = 360


class Ring:
    """A ring of frames: ``times[length]``, ``values[slot, figure, length]``, the newest at ``head - 1``."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.count = 0
        self._times = np.full(length, np.nan)
        self._values = np.full((0, FIGURE_COUNT, length), np.nan, dtype=np.float32)

    def grow(self, slots: int) -> None:
        have = self._values.shape[0]
        if slots > have:
            room = np.full((max(slots, 2 * have, 8), FIGURE_COUNT, self.length), np.nan, dtype=np.float32)
            room[:have] = self._values
            self._values = room

    def append(self, at: float, slots: NDArray[np.intp], values: NDArray[np.floating]) -> None:
        head = self.count % self.length
        self._times[head] = at
        self._values[:, :, head] = np.nan
        self._values[slots, :, head] = values
        self.count += 1

    def patch_last(self, slots: NDArray[np.intp], values: NDArray[np.floating]) -> None:
        """Fill what the newest frame does not know with ``values``, where those are known."""
        if not self.count:
            return
        head = (self.count - 1) % self.length
        now = self._values[slots, :, head]
        self._values[slots, :, head] = np.where(np.isnan(now), values, now)

    def forget(self, slot: int) -> None:
        self._values[slot] = np.nan

    def _order(self) -> NDArray[np.intp]:
        n = min(self.count, self.length)
        return (np.arange(self.count - n, self.count) % self.length).astype(np.intp)

    def series(self, slot: int, figure: Figure) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        order = self._order()
        return self._times[order], self._values[slot, figure, order]

    def latest(self, slot: int) -> NDArray[np.float32]:
        values: NDArray[np.float32] = self._values[slot, :, (self.count - 1) % self.length]
        return values

    def tail(self, slots: NDArray[np.intp], figure: Figure, points: int) -> NDArray[np.float32]:
        """The newest ``points`` of several guests at once: shape (len(slots), ≤ points)."""
        order = self._order()[-points:]
        found: NDArray[np.float32] = self._values[slots[:, None], figure, order[None, :]]
        return found

    def mean_of_last(self, points: int) -> NDArray[np.float32]:
        order = self._order()[-points:]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a guest without any value: its mean is NaN, as wanted
            mean: NDArray[np.float32] = np.nanmean(self._values[:, :, order], axis=2)
        return mean


class History:
    """Both tiers of one host."""

    def __init__(self) -> None:
        self._slot_of: dict[str, int] = {}
        self._free: list[int] = []
        self._fine = Ring(FINE_LENGTH)
        self._coarse = Ring(COARSE_LENGTH)

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._slot_of

    def append(self, at: float, uuids: Sequence[str], values: NDArray[np.floating]) -> None:
        """``values``: shape (len(uuids), FIGURE_COUNT), NaN where unknown. Guests not named get a gap."""
        slots = self._slots(uuids)
        self._fine.append(at, slots, values)
        if self._fine.count % COARSE_STEP == 0 and self._slot_of:
            everyone = np.arange(self._slots_made(), dtype=np.intp)
            self._coarse.append(at, everyone, self._fine.mean_of_last(COARSE_STEP)[everyone])

    def fill_unknown(self, uuids: Sequence[str], values: NDArray[np.floating]) -> None:
        """Complete the newest frame from a second source."""
        self._fine.patch_last(self._slots(uuids), values)

    def forget(self, uuid: str) -> None:
        slot = self._slot_of.pop(uuid, None)
        if slot is not None:
            self._fine.forget(slot)
            self._coarse.forget(slot)
            self._free.append(slot)

    def series(self, uuid: str, figure: Figure, span_s: float) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Times (``time.time()`` seconds) and values of the last ``span_s`` seconds, oldest first; empty if unknown."""
        slot = self._slot_of.get(uuid)
        if slot is None:
            return np.empty(0), np.empty(0, dtype=np.float32)
        times, values = self._fine.series(slot, figure)
        if span_s > FINE_LENGTH and self._coarse.count:
            old_times, old_values = self._coarse.series(slot, figure)
            older = old_times < times[0] if times.size else np.ones(old_times.shape, dtype=bool)
            times = np.concatenate([old_times[older], times])
            values = np.concatenate([old_values[older], values])
        if times.size:
            first = int(np.searchsorted(times, times[-1] - span_s))
            times, values = times[first:], values[first:]
        return times, values

    def latest(self, uuid: str) -> NDArray[np.float32] | None:
        """The newest frame's row, or None for a guest that has none."""
        slot = self._slot_of.get(uuid)
        return None if slot is None or not self._fine.count else self._fine.latest(slot)

    def tails(self, uuids: Sequence[str], figure: Figure, points: int) -> NDArray[np.float32]:
        """Sparkline data of several known guests: shape (len(uuids), ≤ points). KeyError for an unknown one."""
        return self._fine.tail(np.array([self._slot_of[u] for u in uuids], dtype=np.intp), figure, points)

    def _slots_made(self) -> int:
        return len(self._slot_of) + len(self._free)

    def _slots(self, uuids: Sequence[str]) -> NDArray[np.intp]:
        for uuid in uuids:
            if uuid not in self._slot_of:
                self._slot_of[uuid] = self._free.pop() if self._free else self._slots_made()
        made = self._slots_made()
        self._fine.grow(made)
        self._coarse.grow(made)
        return np.array([self._slot_of[u] for u in uuids], dtype=np.intp)
