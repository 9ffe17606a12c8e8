# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from vmconsole.inventory.limits import CpuCap, Limits
from vmconsole.quotas.table import TABLE, UNLIMITED_KIB

CAPPED = Limits.of(guest_cap=CpuCap(100_000, 150_000))
ROWS = {row.key: row for row in TABLE}


def test_keys_are_unique_and_every_row_is_whole():
    assert len(ROWS) == len(TABLE)
    for row in TABLE:
        assert all((row.title, row.unit, row.call, row.parameter, row.file_v1, row.file_v2, row.source))
        assert row.meaning.endswith(".")
        assert row.v1.low < row.v1.high
        assert row.v2.low < row.v2.high


def test_weight_has_another_range_on_v2():
    weight = ROWS["cpu_weight"]
    assert (weight.range_on("v1").high, weight.range_on("hybrid").high, weight.range_on("v2").high) == (
        262_144,
        262_144,
        10_000,
    )
    both = weight.range_on("")
    assert (both.low, both.high) == (2, 10_000)


@pytest.mark.parametrize(
    ("key", "limits", "shown", "raw"),
    [
        ("guest_cap", CAPPED, "1.50 cores", "global_quota=150000 global_period=100000"),
        ("vcpu_cap", Limits(), "no cap", "vcpu_quota=-1 vcpu_period=100000"),
        ("cpu_weight", Limits.of(cpu_weight=512), "512", "cpu_shares=512"),
        ("cpu_weight", Limits(), "not set", ""),
        ("memory_hard", Limits.of(memory_hard=2 * 2**20), "2.00 GiB", "hard_limit=2097152 KiB"),
        ("memory_hard", Limits(), "no limit", ""),
    ],
)  # fmt: skip
def test_values_for_people_and_for_libvirt(key, limits, shown, raw):
    assert (ROWS[key].show(limits), ROWS[key].raw(limits)) == (shown, raw)


def test_unlimited_memory_is_libvirts():
    assert UNLIMITED_KIB == 2**53 - 1
