# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of a host's counters become frames in this machine's time. Used on the sampler's thread."""

from __future__ import annotations

from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING

from vmconsole.metrics.frame import Frame, Source
from vmconsole.metrics.rates import device_rates, guest_figures, seconds_between

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vmconsole.inventory.ids import HostId
    from vmconsole.metrics.cgroups import Sample
    from vmconsole.metrics.frame import DeviceSample

REMEMBERED_DELAYS = 120
LATEST_S = 60.0
"""A frame that seems to be later than this was not delayed: a clock was set. Start anew with it."""


class HostClock:
    """Turns the host's monotonic time into this machine's ``time.time()``.

    The smallest of the recent differences is the one with the least delay, so frames that a stalled link has held up
    still stand where they belong, and their distance is the host's, without the link's jitter.
    """

    def __init__(self) -> None:
        self._offsets: deque[float] = deque(maxlen=REMEMBERED_DELAYS)

    def here(self, microseconds: int, received_at: float) -> float:
        offset = received_at - microseconds / 1e6
        if self._offsets and offset - min(self._offsets) > LATEST_S:
            self._offsets.clear()
        self._offsets.append(offset)
        return microseconds / 1e6 + min(self._offsets)


class FrameMaker:
    """Keeps the last sample, to which the next one's rates refer."""

    def __init__(self, host: HostId) -> None:
        self._host = host
        self._clock = HostClock()
        self._before: Sample | None = None

    def frame(self, sample: Sample, *, received_at: float, watched: Collection[str]) -> Frame:
        """``watched``: uuids of the guests whose devices are wanted."""
        before, self._before = self._before, sample
        seconds = seconds_between(before, sample)
        return Frame(
            host=self._host,
            at=self._clock.here(sample.microseconds, received_at),
            interval_s=seconds if seconds == seconds else 0.0,
            source=Source.CGROUP,
            uuids=sample.uuids,
            values=guest_figures(before, sample),
            devices=_watched_devices(before, sample, watched),
        )


def _watched_devices(
    before: Sample | None, now: Sample, watched: Collection[str]
) -> Mapping[str, Mapping[str, DeviceSample]]:
    found: dict[str, dict[str, DeviceSample]] = {}
    if watched and before:
        uuid_of = dict(zip(now.keys, now.uuids, strict=True))
        rates = device_rates(before, now)
        for row, device in enumerate(now.devices):
            uuid = uuid_of[device.guest]
            if uuid in watched:
                a, b, c, d = rates[row].tolist()
                found.setdefault(uuid, {})[device.name] = (a, b, c, d)
    return MappingProxyType(found)
