# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.inventory import units
from vmconsole.inventory.limits import CpuCap, Limits


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "0.98 KiB"), (1536, "1.50 KiB"), (128 * 2**20, "128 MiB"), (2**40, "1.00 TiB")],
)
def test_bytes_have_three_digits_and_a_binary_unit(value: float, text: str) -> None:
    assert units.binary(value) == text
    assert units.binary(value, per_second=True) == f"{text}/s"


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_unknown_is_a_dash_never_zero(unknown: float | None) -> None:
    assert {units.binary(unknown), units.cores(unknown), units.count_per_s(unknown), units.share(unknown)} == {"–"}


@given(st.floats(min_value=0, max_value=1e17))
def test_no_number_gets_long(value: float) -> None:
    assert len(units.binary(value, per_second=True)) <= 11
    assert len(units.count_per_s(min(value, 9e8))) <= 9


def test_the_decimal_point_is_the_users() -> None:
    assert units.binary(1536, decimal_point=",") == "1,50 KiB"
    assert units.cores(1.5, decimal_point=",") == "1,50"


def test_the_tightest_cap_counts() -> None:
    assert Limits().tightest_cap_cores(4) is None
    assert Limits.of(guest_cap=CpuCap(100_000, 150_000)).tightest_cap_cores(4) == 1.5
    assert Limits.of(guest_cap=CpuCap(100_000, 150_000), vcpu_cap=CpuCap(100_000, 25_000)).tightest_cap_cores(4) == 1.0
