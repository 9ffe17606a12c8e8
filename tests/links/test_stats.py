# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's statistics as frames."""

from __future__ import annotations

import numpy as np
import pytest

from vmconsole.inventory.ids import HostId
from vmconsole.links.stats import StatsRates
from vmconsole.metrics.figures import FIGURE_COUNT, Figure
from vmconsole.metrics.frame import Source

HOST = HostId("qemu+ssh://kvm1/system")


def answer(second: int, *, reset: bool = False) -> dict[str, int | str]:
    """A guest's statistics after so many seconds: half a core, 1000 B/s read, 10 B/s received."""
    counted = 0 if reset else second
    return {
        "cpu.time": counted * 500_000_000, "cpu.user": counted * 400_000_000, "balloon.rss": 1024,
        "block.count": 3,
        "block.0.name": "vda", "block.0.rd.bytes": counted * 1000, "block.0.wr.bytes": 0,
        "block.0.rd.reqs": counted * 2, "block.0.wr.reqs": 0,
        "block.1.name": "vda", "block.1.backingIndex": 3, "block.1.rd.bytes": counted * 77_000,
        "block.2.name": "vdb", "block.2.rd.bytes": counted * 500,
        "net.count": 1, "net.0.name": "vnet0", "net.0.rx.bytes": counted * 10, "net.0.tx.bytes": counted * 20,
        "net.0.rx.pkts": counted, "net.0.tx.pkts": counted * 2,
    }  # fmt: skip


def test_the_first_answer_has_gauges_only() -> None:
    frame = StatsRates(HOST).frame([("a", answer(5))], at=1000.0, monotonic=5.0, watched=frozenset({"a"}))
    assert (frame.host, frame.at, frame.source, frame.uuids) == (HOST, 1000.0, Source.LIBVIRT, ("a",))
    assert frame.values.shape == (1, FIGURE_COUNT)
    assert frame.values[0, Figure.MEMORY_BYTES] == 1024 * 1024
    assert np.isnan(frame.values[0, Figure.CPU_CORES])
    assert frame.devices["a"] == {}


def test_the_second_answer_has_rates_and_backing_files_are_not_counted_twice() -> None:
    rates = StatsRates(HOST)
    rates.frame([("a", answer(5))], at=1000.0, monotonic=5.0, watched=frozenset())
    frame = rates.frame([("a", answer(15))], at=1010.0, monotonic=15.0, watched=frozenset({"a"}))
    row = frame.values[0]
    assert frame.interval_s == 10
    assert row[Figure.CPU_CORES] == pytest.approx(0.5)
    assert row[Figure.CPU_USER_CORES] == pytest.approx(0.4)
    assert row[Figure.DISK_READ_BYTES_PER_S] == pytest.approx(1500)
    assert row[Figure.NET_RX_BYTES_PER_S] == pytest.approx(10)
    assert row[Figure.NET_TX_BYTES_PER_S] == pytest.approx(20)
    assert frame.devices["a"]["vda"] == pytest.approx((1000, 0, 2, 0))
    assert frame.devices["a"]["vnet0"] == pytest.approx((10, 20, 1, 2))
    assert frame.devices["a"]["vdb"][0] == pytest.approx(500)


def test_a_counter_that_went_back_gives_no_rate_rather_than_a_wrong_one() -> None:
    rates = StatsRates(HOST)
    rates.frame([("a", answer(100))], at=0, monotonic=0.0, watched=frozenset())
    row = rates.frame([("a", answer(110, reset=True))], at=10, monotonic=10.0, watched=frozenset()).values[0]
    assert np.isnan(row[Figure.CPU_CORES])
    assert np.isnan(row[Figure.DISK_READ_BYTES_PER_S])


def test_an_answer_without_what_qemu_knows_does_not_spoil_the_next() -> None:
    rates = StatsRates(HOST)
    rates.frame([("a", answer(10))], at=0, monotonic=10.0, watched=frozenset())
    without = {key: value for key, value in answer(20).items() if not key.startswith("block.")}
    gap = rates.frame([("a", without)], at=10, monotonic=20.0, watched=frozenset({"a"}))
    assert np.isnan(gap.values[0, Figure.DISK_READ_BYTES_PER_S])
    assert gap.values[0, Figure.CPU_CORES] == pytest.approx(0.5)
    frame = rates.frame([("a", answer(30))], at=20, monotonic=30.0, watched=frozenset({"a"}))
    assert frame.values[0, Figure.DISK_READ_BYTES_PER_S] == pytest.approx(1500)
    assert frame.values[0, Figure.CPU_CORES] == pytest.approx(0.5)
    assert frame.devices["a"]["vda"] == pytest.approx((1000, 0, 2, 0))


def test_guests_come_and_go_between_answers() -> None:
    rates = StatsRates(HOST)
    rates.frame([("a", answer(1))], at=0, monotonic=0.0, watched=frozenset())
    frame = rates.frame([("b", answer(2))], at=1, monotonic=1.0, watched=frozenset({"a"}))
    assert frame.uuids == ("b",)
    assert np.isnan(frame.values[0, Figure.CPU_CORES])
    assert frame.devices == {}


def test_no_guests_make_an_empty_frame() -> None:
    assert StatsRates(HOST).frame([], at=0, monotonic=0.0, watched=frozenset()).values.shape == (0, FIGURE_COUNT)
