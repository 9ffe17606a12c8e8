# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's bulk statistics as frames: counters to rates. It keeps the last counters; one thread at a time.

Source: libvirt virConnectGetAllDomainStats for the keys. ``net.N.rx`` is what the guest receives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmconsole.metrics.figures import FIGURE_COUNT, Figure
from vmconsole.metrics.frame import DeviceSample, Frame, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vmconsole.inventory.ids import HostId

Stats = dict[str, int | str]
_Counters = dict[tuple[str, ...], float]
_Counted = dict[tuple[str, ...], tuple[float, float]]
"""A counter's value, and when it was read (a time of ``time.monotonic``)."""
_BLOCK = ("rd.bytes", "wr.bytes", "rd.reqs", "wr.reqs")
_NET = ("rx.bytes", "tx.bytes", "rx.pkts", "tx.pkts")
_CPU = {Figure.CPU_CORES: "cpu.time", Figure.CPU_USER_CORES: "cpu.user", Figure.CPU_SYSTEM_CORES: "cpu.system"}
_NS = 1e-9


class StatsRates:
    """Turns one answer after the other into frames."""

    def __init__(self, host: HostId) -> None:
        self._host = host
        self._before: dict[str, _Counted] = {}
        self._before_at: float | None = None

    def frame(
        self, answer: Iterable[tuple[str, Stats]], *, at: float, monotonic: float, watched: frozenset[str]
    ) -> Frame:
        """``at``: ``time.time()`` of the answer. Devices are told for ``watched`` guests only."""
        interval = 0.0 if self._before_at is None else monotonic - self._before_at
        uuids: list[str] = []
        rows: list[list[float]] = []
        devices: dict[str, Mapping[str, DeviceSample]] = {}
        now: dict[str, _Counted] = {}
        for uuid, stats in answer:
            counters = _counters(stats)
            before = self._before.get(uuid, {})
            rates = _rates(before, counters, monotonic)
            # A guest whose QEMU is just asked something else comes without what only QEMU knows: the next answer goes
            # on from the last one that had it.
            now[uuid] = before | {key: (value, monotonic) for key, value in counters.items()}
            uuids.append(uuid)
            rows.append(_row(stats, rates))
            if uuid in watched:
                devices[uuid] = _devices(rates)
        self._before, self._before_at = now, monotonic
        values = np.array(rows, dtype=np.float64).reshape(len(rows), FIGURE_COUNT)
        return Frame(self._host, at, interval, Source.LIBVIRT, tuple(uuids), values, devices)


def _counters(stats: Stats) -> _Counters:
    found: _Counters = {("cpu", key): float(stats[key]) * _NS for key in _CPU.values() if key in stats}
    for group, fields in (("block", _BLOCK), ("net", _NET)):
        for number in range(int(stats.get(f"{group}.count", 0))):
            name = str(stats.get(f"{group}.{number}.name", number))
            for field in fields:
                value = stats.get(f"{group}.{number}.{field}")
                if value is not None and (group, name, field) not in found:  # backing files have the same name
                    found[group, name, field] = float(value)
    return found


def _rates(before: _Counted, now: _Counters, at: float) -> _Counters:
    """A counter that went back was started anew (a reboot, a re-plugged device): no rate this time."""
    rates: _Counters = {}
    for key, value in now.items():
        earlier, earlier_at = before.get(key, (np.inf, at))
        if value >= earlier and at > earlier_at:
            rates[key] = (value - earlier) / (at - earlier_at)
    return rates


def _sum(rates: _Counters, group: str, field: str) -> float:
    found = [rate for key, rate in rates.items() if key[0] == group and key[-1] == field]
    return sum(found) if found else np.nan


def _row(stats: Stats, rates: _Counters) -> list[float]:
    row = [np.nan] * FIGURE_COUNT
    for figure, key in _CPU.items():
        row[figure] = rates.get(("cpu", key), np.nan)
    row[Figure.MEMORY_BYTES] = float(stats["balloon.rss"]) * 1024 if "balloon.rss" in stats else np.nan
    for figure, group, field in (
        (Figure.DISK_READ_BYTES_PER_S, "block", "rd.bytes"),
        (Figure.DISK_WRITE_BYTES_PER_S, "block", "wr.bytes"),
        (Figure.DISK_READ_IOPS, "block", "rd.reqs"),
        (Figure.DISK_WRITE_IOPS, "block", "wr.reqs"),
        (Figure.NET_RX_BYTES_PER_S, "net", "rx.bytes"),
        (Figure.NET_TX_BYTES_PER_S, "net", "tx.bytes"),
    ):
        row[figure] = _sum(rates, group, field)
    return row


def _devices(rates: _Counters) -> dict[str, DeviceSample]:
    names = {(key[0], key[1]) for key in rates if key[0] != "cpu"}
    found: dict[str, DeviceSample] = {}
    for group, name in sorted(names):
        fields = _BLOCK if group == "block" else _NET
        first, second, third, fourth = (rates.get((group, name, field), np.nan) for field in fields)
        found[name] = (first, second, third, fourth)
    return found
