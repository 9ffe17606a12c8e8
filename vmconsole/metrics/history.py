# SPDX-License-Identifier: GPL-3.0-or-later
"""The last minutes of every guest of a host, in blocks of numpy arrays: nothing per sample is a Python object.

Two tiers: every frame for the last ten minutes, and averages over twenty frames for about an hour. All guests of a host
share one clock, so one frame is one row: appending writes one contiguous piece of memory. GUI thread (the Store's).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from vmconsole.metrics.figures import FIGURE_COUNT, Figure

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    Slots = NDArray[np.intp]
    Places = Slots | slice
    """Slots, or all of the first so many: a slice is several times faster."""
    Values = NDArray[np.float32]

FINE_LENGTH = 600
COARSE_STEP = 20
COARSE_LENGTH = 180
BLOCK_ROWS = 30
LEAST_STEP_S = 0.001


class Block:
    """Up to BLOCK_ROWS frames: ``values[row, slot, figure]``. The system gives the memory only as rows are written."""

    __slots__ = ("count", "slots", "times", "values")

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.count = 0
        self.times = np.empty(BLOCK_ROWS)
        self.values = np.empty((BLOCK_ROWS, slots, FIGURE_COUNT), dtype=np.float32)


class Tier:
    """The newest ``length`` frames. A block ends when it is full, or too narrow for the guests that there are now."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._count = 0
        self._blocks: deque[Block] = deque()

    @property
    def is_empty(self) -> bool:
        return not self._blocks

    def append(self, at: float, width: int, places: Places, values: NDArray[np.floating]) -> None:
        """``width``: how many slots there are; those not in ``places`` get a gap."""
        self._keep_order(at)
        block = self._block(width)
        row = block.values[block.count]
        row[0 if len(values) < width else width :] = np.nan
        row[places] = values
        block.times[block.count] = at
        block.count += 1
        self._count += 1

    def _block(self, width: int) -> Block:
        last = self._blocks[-1] if self._blocks else None
        if last is not None and last.count < BLOCK_ROWS and width <= last.slots:
            return last
        spare: Block | None = None
        while self._blocks and self._count - self._blocks[0].count >= self._length:
            spare = self._blocks.popleft()
            self._count -= spare.count
        if spare is None or not width <= spare.slots <= 2 * width + 8:
            spare = Block(width + width // 16 + 4)
        spare.count = 0
        self._blocks.append(spare)
        return spare

    def _keep_order(self, at: float) -> None:
        """Times always grow. When this machine's clock was set back, what is older moves back with it."""
        if self._blocks:
            too_late = self._blocks[-1].times[self._blocks[-1].count - 1] + LEAST_STEP_S - at
            if too_late > 0:
                for block in self._blocks:
                    block.times[: block.count] -= too_late

    def patch_last(self, slots: Slots, values: NDArray[np.floating]) -> None:
        """Fill what the newest frame does not know with ``values``, where those are known."""
        if self._blocks:
            block = self._blocks[-1]
            fits = slots < block.slots
            row, slots, values = block.values[block.count - 1], slots[fits], values[fits]
            row[slots] = np.where(np.isnan(row[slots]), values, row[slots])

    def forget(self, slot: int) -> None:
        for block in self._blocks:
            if slot < block.slots:
                block.values[: block.count, slot] = np.nan

    def _newest(self, points: int) -> list[tuple[Block, slice]]:
        """Blocks and the rows in them that make up the newest frames, oldest first."""
        found: list[tuple[Block, slice]] = []
        for block in reversed(self._blocks):
            if points <= 0:
                break
            found.append((block, slice(max(0, block.count - points), block.count)))
            points -= block.count
        return found[::-1]

    def series(self, slot: int, figure: Figure) -> tuple[NDArray[np.float64], Values]:
        parts = self._newest(self._length)
        if not parts:
            return np.empty(0), np.empty(0, dtype=np.float32)
        return (
            np.concatenate([block.times[rows] for block, rows in parts]),
            np.concatenate([_column(block, rows, slot, figure) for block, rows in parts]),
        )

    def latest(self, slot: int) -> Values:
        block = self._blocks[-1]
        if slot >= block.slots:
            return np.full(FIGURE_COUNT, np.nan, dtype=np.float32)
        row: Values = block.values[block.count - 1, slot].copy()
        return row

    def latest_of(self, slots: Slots) -> Values:
        """The newest rows of several guests at once: shape (len(slots), FIGURE_COUNT)."""
        found = np.full((len(slots), FIGURE_COUNT), np.nan, dtype=np.float32)
        if self._blocks:
            block = self._blocks[-1]
            fits = slots < block.slots
            found[fits] = block.values[block.count - 1, slots[fits]]
        return found

    def tail(self, slots: Slots, figure: Figure, points: int) -> Values:
        """The newest ``points`` of several guests at once: shape (len(slots), ≤ points)."""
        parts = self._newest(min(points, self._length))
        if not parts:
            return np.empty((len(slots), 0), dtype=np.float32)
        found: Values = np.concatenate([_columns(block, rows, slots, figure) for block, rows in parts], axis=1)
        return found


def _column(block: Block, rows: slice, slot: int, figure: Figure) -> Values:
    if slot < block.slots:
        return block.values[rows, slot, figure]
    return np.full(rows.stop - rows.start, np.nan, dtype=np.float32)


def _columns(block: Block, rows: slice, slots: Slots, figure: Figure) -> Values:
    fits = slots < block.slots
    found = np.full((len(slots), rows.stop - rows.start), np.nan, dtype=np.float32)
    found[fits] = block.values[rows, :, figure].T[slots[fits]]
    return found


class Averager:
    """Sums up frames until a row of averages is due. A guest that some of the frames know is averaged over those."""

    def __init__(self) -> None:
        self._frames = 0
        self._began_at = 0.0
        self._sum = np.zeros((0, FIGURE_COUNT))
        self._known = np.zeros((0, FIGURE_COUNT))

    def add(
        self, at: float, width: int, places: Places, values: NDArray[np.floating]
    ) -> tuple[float, NDArray[np.float64]] | None:
        """When COARSE_STEP frames are together: the middle of their time, and averages of all slots, NaN for none."""
        if width > len(self._sum):
            more = ((0, width - len(self._sum)), (0, 0))
            self._sum, self._known = np.pad(self._sum, more), np.pad(self._known, more)
        known = ~np.isnan(values)
        self._sum[places] += np.where(known, values, 0.0)
        self._known[places] += known
        if not self._frames:
            self._began_at = at
        self._frames += 1
        if self._frames < COARSE_STEP:
            return None
        mean = np.full(self._sum.shape, np.nan)
        np.divide(self._sum, self._known, out=mean, where=self._known > 0)
        self._frames, self._sum[:], self._known[:] = 0, 0.0, 0.0
        return (self._began_at + at) / 2, mean

    def forget(self, slot: int) -> None:
        if slot < len(self._sum):
            self._sum[slot] = self._known[slot] = 0.0


class History:
    """Both tiers of one host."""

    def __init__(self) -> None:
        self._slot_of: dict[str, int] = {}
        self._free: list[int] = []
        self._fine = Tier(FINE_LENGTH)
        self._coarse = Tier(COARSE_LENGTH)
        self._average = Averager()
        self._last: tuple[tuple[str, ...], Slots] = ((), np.empty(0, dtype=np.intp))
        self._last_is_all = False

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._slot_of

    def append(self, at: float, uuids: Sequence[str], values: NDArray[np.floating]) -> None:
        """``values``: shape (len(uuids), FIGURE_COUNT), NaN where unknown. Guests not named get a gap."""
        slots = self._slots(uuids)
        width = self._width
        places: Places = slice(0, width) if self._last_is_all else slots
        self._fine.append(at, width, places, values)
        averaged = self._average.add(at, width, places, values)
        if averaged is not None:
            middle, mean = averaged
            self._coarse.append(middle, len(mean), slice(0, len(mean)), mean)

    def fill_unknown(self, uuids: Sequence[str], values: NDArray[np.floating]) -> None:
        """Complete the newest frame from a second source."""
        self._fine.patch_last(self._slots(uuids), values)

    def forget(self, uuid: str) -> None:
        slot = self._slot_of.pop(uuid, None)
        if slot is not None:
            self._last, self._last_is_all = ((), np.empty(0, dtype=np.intp)), False
            for part in (self._fine, self._coarse, self._average):
                part.forget(slot)
            self._free.append(slot)

    def retain(self, uuids: Collection[str]) -> None:
        """Forget all guests but these."""
        for uuid in [uuid for uuid in self._slot_of if uuid not in uuids]:
            self.forget(uuid)

    def series(self, uuid: str, figure: Figure, span_s: float) -> tuple[NDArray[np.float64], Values]:
        """Times (``time.time()`` seconds) and values of the last ``span_s`` seconds, oldest first; empty for none."""
        slot = self._slot_of.get(uuid)
        if slot is None or self._fine.is_empty:
            return np.empty(0), np.empty(0, dtype=np.float32)
        times, values = self._fine.series(slot, figure)
        if times[-1] - span_s < times[0] and not self._coarse.is_empty:
            old_times, old_values = self._coarse.series(slot, figure)
            older = old_times < times[0]
            times = np.concatenate([old_times[older], times])
            values = np.concatenate([old_values[older], values])
        first = int(np.searchsorted(times, times[-1] - span_s))
        return times[first:], values[first:]

    def latest(self, uuid: str) -> Values | None:
        """The newest frame's row, or None for a guest that has none."""
        slot = self._slot_of.get(uuid)
        return None if slot is None or self._fine.is_empty else self._fine.latest(slot)

    def rows(self, uuids: Sequence[str]) -> Values:
        """The newest rows of several known guests: shape (len(uuids), FIGURE_COUNT). KeyError for an unknown one."""
        return self._fine.latest_of(np.array([self._slot_of[u] for u in uuids], dtype=np.intp))

    def tails(self, uuids: Sequence[str], figure: Figure, points: int) -> Values:
        """Sparkline data of several known guests: shape (len(uuids), ≤ points). KeyError for an unknown one."""
        return self._fine.tail(np.array([self._slot_of[u] for u in uuids], dtype=np.intp), figure, points)

    @property
    def _width(self) -> int:
        """How many slots were ever given out: those in use and those given back."""
        return len(self._slot_of) + len(self._free)

    def _slots(self, uuids: Sequence[str]) -> Slots:
        """From frame to frame the guests are mostly the same: then nothing is looked up."""
        key = tuple(uuids)
        if key != self._last[0]:
            for uuid in key:
                if uuid not in self._slot_of:
                    self._slot_of[uuid] = self._free.pop() if self._free else self._width
            slots = np.array([self._slot_of[uuid] for uuid in key], dtype=np.intp)
            self._last, self._last_is_all = (key, slots), np.array_equal(slots, np.arange(self._width))
        return self._last[1]
