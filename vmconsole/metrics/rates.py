# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters to rates: two samples of a host become the figures of its guests. Pure numpy; any thread.

A counter that went back (a device or a vCPU was replaced) gives «unknown» for that one interval, never a negative or
huge rate; a guest that was restarted is another guest to the sampler (its key changes), so it starts with gauges only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmconsole.metrics.cgroups import GuestField
from vmconsole.metrics.figures import FIGURE_COUNT, Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from vmconsole.metrics.cgroups import Device, Sample

    Array = NDArray[np.float64]

_RATES = (
    (Figure.CPU_CORES, GuestField.CPU_US),
    (Figure.CPU_USER_CORES, GuestField.USER_US),
    (Figure.CPU_SYSTEM_CORES, GuestField.SYSTEM_US),
)
_GAUGES = (
    (Figure.MEMORY_BYTES, GuestField.MEMORY),
    (Figure.MEMORY_ANON_BYTES, GuestField.ANON),
    (Figure.MEMORY_CACHE_BYTES, GuestField.CACHE),
)
_DISK = [
    Figure.DISK_READ_BYTES_PER_S,
    Figure.DISK_WRITE_BYTES_PER_S,
    Figure.DISK_READ_IOPS,
    Figure.DISK_WRITE_IOPS,
]
_NET = [Figure.NET_RX_BYTES_PER_S, Figure.NET_TX_BYTES_PER_S]


def seconds_between(before: Sample | None, now: Sample) -> float:
    """Length of the interval on the host's clock; NaN when there is no earlier sample, or when it is not earlier."""
    elapsed = (now.microseconds - before.microseconds) / 1e6 if before else np.nan
    return elapsed if elapsed > 0 else np.nan


def increase(before: Array, now: Array) -> Array:
    """By how much counters grew; NaN where one is unknown or was reset."""
    grown = now - before
    grown[grown < 0] = np.nan
    return grown


def guest_figures(before: Sample | None, now: Sample) -> Array:
    """Shape (guests, FIGURE_COUNT): rates since ``before``, gauges of ``now``, NaN where unknown."""
    seconds = seconds_between(before, now)
    grown = increase(_earlier_guests(before, now), now.guests)
    values = np.full((len(now.keys), FIGURE_COUNT), np.nan)
    for figure, column in _RATES:
        values[:, figure] = grown[:, column] / 1e6 / seconds
    for figure, column in _GAUGES:
        values[:, figure] = now.guests[:, column]
    values[:, Figure.CPU_THROTTLED_SHARE] = _throttled_share(grown) if seconds == seconds else np.nan
    values[:, Figure.CPU_CAP_CORES] = _cap_cores(now.guests)
    limit = now.guests[:, GuestField.LIMIT]
    values[:, Figure.MEMORY_LIMIT_BYTES] = np.where(limit < 0, np.nan, limit)
    _sum_devices(values, now, device_rates(before, now))
    return values


def device_rates(before: Sample | None, now: Sample) -> Array:
    """Shape (devices, 4): rates since ``before`` in the order of ``DeviceFigure``."""
    return increase(_earlier_devices(before, now), now.counters) / seconds_between(before, now)


def _throttled_share(grown: Array) -> Array:
    """Of the periods that had work, those that ended held back: in the guest's own group or its vCPUs', the larger."""
    with np.errstate(divide="ignore", invalid="ignore"):
        own = grown[:, GuestField.THROTTLED] / grown[:, GuestField.PERIODS]
        vcpus = grown[:, GuestField.VCPU_THROTTLED] / grown[:, GuestField.VCPU_PERIODS]
    own[grown[:, GuestField.PERIODS] == 0] = 0.0
    vcpus[grown[:, GuestField.VCPU_PERIODS] == 0] = 0.0
    share: Array = np.minimum(np.fmax(own, vcpus), 1.0)
    return share


def _cap_cores(guests: Array) -> Array:
    quota, period = guests[:, GuestField.QUOTA_US], guests[:, GuestField.PERIOD_US]
    cores = np.full(len(guests), np.nan)
    np.divide(quota, period, out=cores, where=(quota > 0) & (period > 0))
    return cores


def _sum_devices(values: Array, now: Sample, rates: Array) -> None:
    """Add up each guest's devices. A guest without any known device keeps «unknown»: another source may know more."""
    if not now.devices:
        return
    row_of = {key: row for row, key in enumerate(now.keys)}
    owners = np.array([row_of[device.guest] for device in now.devices], dtype=np.intp)
    network = np.array([device.is_network for device in now.devices])
    _add_up(values, _NET, owners[network], rates[network][:, :2])
    disks = ~network & _counts_once(now.devices)
    _add_up(values, _DISK, owners[disks], rates[disks])


def _add_up(values: Array, columns: Sequence[Figure], owners: NDArray[np.intp], rates: Array) -> None:
    total = np.zeros((len(values), len(columns)))
    known = np.zeros(total.shape, dtype=bool)
    np.add.at(total, owners, np.nan_to_num(rates))
    np.logical_or.at(known, owners, ~np.isnan(rates))
    values[:, columns] = np.where(known, total, np.nan)


def _counts_once(devices: Sequence[Device]) -> NDArray[np.bool_]:
    """False for a stacked device whose requests are counted again at the disks below it (LVM on a partition, say)."""
    listed: dict[int, set[str]] = {}
    for device in devices:
        if device.number:
            listed.setdefault(device.guest, set()).add(device.number)
    return np.array([not (device.under and device.under & listed[device.guest]) for device in devices])


def _earlier_guests(before: Sample | None, now: Sample) -> Array:
    if before is None:
        return np.full(now.guests.shape, np.nan)
    return before.guests if before.keys == now.keys else _aligned(before.keys, before.guests, now.keys)


def _earlier_devices(before: Sample | None, now: Sample) -> Array:
    if before is None:
        return np.full(now.counters.shape, np.nan)
    if before.devices == now.devices:
        return before.counters
    return _aligned([d.key for d in before.devices], before.counters, [d.key for d in now.devices])


def _aligned(old_keys: Sequence[int], old: Array, keys: Sequence[int]) -> Array:
    """The rows of ``old`` in the order of ``keys``; NaN for a key that it does not have."""
    row_of = {key: row for row, key in enumerate(old_keys)}
    width = old.shape[1]
    blank = np.full(width, np.nan)
    return np.array([old[row_of[key]] if key in row_of else blank for key in keys]).reshape(len(keys), width)
