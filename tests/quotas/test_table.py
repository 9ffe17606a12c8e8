# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from vmconsole.inventory.limits import CpuCap
from vmconsole.quotas.memory_rows import UNLIMITED_KIB
from vmconsole.quotas.rows import Call, Kind
from vmconsole.quotas.table import BY_KEY, TABLE, rows_of_call
from vmconsole.quotas.words import raw, shown


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.key)
def test_every_row_is_whole(row):
    assert BY_KEY[row.key] is row
    assert all(
        (row.title, row.unit, row.section, row.parameter, row.proof_v1, row.proof_v2, row.source, row.none_words)
    )
    assert row.meaning.endswith(".")
    assert row.live or row.stored
    assert (row.v1 is None) == (row.v2 is None) == (row.kind.is_text or False)
    for found in filter(None, (row.v1, row.v2)):
        assert found.low < found.high
        assert found.default is None or found.low <= found.default <= found.high


def test_keys_and_parameters_of_a_call_are_unique():
    assert len(BY_KEY) == len(TABLE)
    for call in Call:
        names = [row.parameter for row in rows_of_call(call)]
        assert names
        assert len(set(names)) == len(names)


def test_weight_has_another_range_on_v2():
    weight = BY_KEY["cpu_weight"]
    tops = [weight.range_on(layout).high for layout in ("v1", "hybrid", "v2")]
    assert tops == [262_144, 262_144, 10_000]
    both = weight.range_on("")
    assert (both.low, both.high) == (2, 10_000)


@pytest.mark.parametrize(
    ("key", "value", "words", "text"),
    [
        ("guest_cap", CpuCap(100_000, 150_000), "1.50 cores", "global_quota=150000 global_period=100000"),
        ("vcpu_cap", CpuCap(), "no cap", "vcpu_quota=-1 vcpu_period=100000"),
        ("cpu_weight", 512, "512", "cpu_shares=512"),
        ("cpu_weight", None, "default", ""),
        ("memory_hard", 2 * 2**20, "2.00 GiB", "hard_limit=2097152 KiB"),
        ("memory_hard", None, "no limit", ""),
        ("vcpu_pin", "0-1", "0-1", "cpumap=0-1"),
        ("vcpu_pin", None, "any CPU", ""),
        ("disk_read_bytes", 25 * 2**20, "25.0 MiB/s", "read_bytes_sec=26214400"),
        ("disk_total_iops", 400, "400 IOPS", "total_iops_sec=400"),
        ("nic_in_average", 1_049, "1.00 MiB/s", "inbound.average=1049"),
    ],
)  # fmt: skip
def test_values_for_people_and_for_libvirt(key, value, words, text):
    assert (shown(BY_KEY[key], value), raw(BY_KEY[key], value)) == (words, text)


def test_kinds_are_all_used():
    assert {row.kind for row in TABLE} == set(Kind)


def test_unlimited_memory_is_libvirts():
    assert UNLIMITED_KIB == 2**53 - 1
