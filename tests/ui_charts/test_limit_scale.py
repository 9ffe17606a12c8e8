# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw values and numbers of an axis, round steps, where rules stop a line, and the share of the past above it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.fakes import a_guest, situation_of
from vmconsole.inventory.facts import Disk, Interface
from vmconsole.inventory.limits import CpuCap, LimitRef, Limits
from vmconsole.inventory.topology import BlockDevice, HostResources
from vmconsole.quotas.cpucap import MIN_CORES
from vmconsole.quotas.rows import Kind
from vmconsole.quotas.rules import problems
from vmconsole.ui.charts.chart_limits import lines_of
from vmconsole.ui.charts.ghost import Past, excess
from vmconsole.ui.charts.limit_scale import NO_LIMIT, Scale
from vmconsole.ui.charts.limit_subject import subject

AMOUNTS = (Kind.KIB, Kind.BYTES_PER_S, Kind.KB_PER_S, Kind.IOPS)
MIB = 2**20


@given(kind=st.sampled_from(AMOUNTS), value=st.integers(1, 2**43))
def test_a_raw_value_comes_back_from_the_axis(kind: Kind, value: int) -> None:
    scale = Scale(kind)
    assert scale.value(scale.number(value), before=None) == value


@pytest.mark.parametrize(
    ("scale", "value", "number"),
    [
        (Scale(Kind.CAP), CpuCap(100_000, 150_000), 1.5),
        (Scale(Kind.CAP, 4), CpuCap(50_000, 25_000), 2.0),
        (Scale(Kind.KIB), 1024, 2.0**20),
        (Scale(Kind.BYTES_PER_S), 25_000_000, 25e6),
        (Scale(Kind.KB_PER_S), 12_500, 12.5e6),
        (Scale(Kind.IOPS), 500, 500.0),
    ],
)
def test_what_a_raw_value_is_on_the_axis(scale: Scale, value: object, number: float) -> None:
    assert scale.number(value) == number


@given(cores=st.floats(MIN_CORES * 16, 1000), parts=st.integers(1, 16), period=st.integers(1000, 1_000_000))
def test_a_cap_comes_back_to_half_a_microsecond(cores: float, parts: int, period: int) -> None:
    scale = Scale(Kind.CAP, parts)
    value = scale.value(cores, before=CpuCap(period, 1000))
    assert isinstance(value, CpuCap)
    assert scale.number(value) == pytest.approx(cores, abs=parts / value.period_us)
    assert scale.value(scale.number(value), before=value) == value


@pytest.mark.parametrize("kind", [*AMOUNTS, Kind.CAP])
def test_no_limit_is_above_everything(kind: Kind) -> None:
    scale = Scale(kind)
    assert scale.number(None) == NO_LIMIT
    assert scale.number(scale.value(NO_LIMIT, before=CpuCap(50_000, 1000) if kind is Kind.CAP else 5)) == NO_LIMIT


@given(kind=st.sampled_from([*AMOUNTS, Kind.CAP]), per_pixel=st.floats(1e-4, 1e9))
def test_a_round_step_can_be_told_apart_and_is_round(kind: Kind, per_pixel: float) -> None:
    step = Scale(kind).round_step(per_pixel)
    assert step >= min(per_pixel, 10.0) * 0.999 if kind is Kind.CAP else step >= per_pixel * 0.999
    if kind in {Kind.KIB, Kind.BYTES_PER_S}:
        assert math.log2(step) == int(math.log2(step))
    elif kind is not Kind.CAP:
        assert f"{step:.6e}"[0] in "125"
        assert f"{step:.6e}"[1:8] == ".000000"


# -- the rules ------------------------------------------------------------------------------------------------------


def a_subject(ref: LimitRef, live: dict[LimitRef, object], *, used_kib: int | None = None, **facts: object):
    guest = dataclasses.replace(a_guest(), live=Limits(live), stored=Limits(live), **facts)
    return subject(dataclasses.replace(situation_of(guest), memory_used_kib=used_kib), ref)


HARD, READ = LimitRef("memory_hard"), LimitRef("disk_read_bytes", "vda")
DISKS = (Disk("vda", "/a", "raw"),)


@given(used_mib=st.integers(64, 4096), wish_mib=st.integers(1, 6000), step_mib=st.sampled_from([1, 8, 64]))
def test_a_line_that_is_held_stands_at_the_first_step_that_no_rule_forbids(
    used_mib: int, wish_mib: int, step_mib: int
) -> None:
    what = a_subject(HARD, {}, used_kib=used_mib * 1024, memory_max_kib=512 * 1024)
    step, wish = float(step_mib * MIB), float(wish_mib * MIB)
    fit = what.fitted(wish, step=step)

    def is_allowed(number: float) -> bool:
        told = problems(what.situation, what.place, {HARD: what.value(number)})
        return not any(problem.is_fatal for problem in told)

    assert is_allowed(fit.number)
    assert fit.is_held == (not is_allowed(wish))
    if fit.is_held:
        assert fit.why
        assert not is_allowed(fit.number - step)
    else:
        assert fit.number == wish


def test_a_rate_is_held_below_its_burst() -> None:
    burst = LimitRef("disk_read_bytes_burst", "vda")
    what = a_subject(READ, {READ: 20 * MIB, burst: 40 * MIB}, disks=DISKS)
    fit = what.fitted(90.0 * MIB, step=float(MIB))
    assert fit.number == 40 * MIB
    assert "burst below its rate" in fit.why


def test_a_rate_that_nothing_allows_stays_where_it_is() -> None:
    what = a_subject(LimitRef("disk_total_bytes", "vda"), {READ: 20 * MIB}, disks=DISKS)
    fit = what.fitted(90.0 * MIB, step=float(MIB))
    assert (fit.number, fit.is_held) == (NO_LIMIT, True)


# -- which lines ----------------------------------------------------------------------------------------------------

SDA = HostResources(block_devices=(BlockDevice("/dev/sda", "mq-deadline"),))


@pytest.mark.parametrize(
    ("disks", "device", "live", "expected"),
    [
        ("vda", "", {}, ["disk_total_bytes@vda", "disk_read_bytes@vda", "disk_write_bytes@vda"]),
        ("vda", "", {READ: 5}, [None, "disk_read_bytes@vda", "disk_write_bytes@vda"]),
        ("vda", "", {LimitRef("disk_total_bytes", "vda"): 5}, ["disk_total_bytes@vda", None, None]),
        ("vda vdb", "", {}, [None, None, None]),
        ("vda vdb", "vdb", {}, ["disk_total_bytes@vdb", "disk_read_bytes@vdb", "disk_write_bytes@vdb"]),
        ("vda", "8:0 sda", {}, [None, "device_read_bytes@/dev/sda", "device_write_bytes@/dev/sda"]),
        ("vda", "8:16 sdb", {}, [None, None, None]),
    ],
)
def test_a_disk_charts_lines(disks: str, device: str, live: dict, expected: list) -> None:
    facts = tuple(Disk(target, "/x", "raw") for target in disks.split())
    guest = dataclasses.replace(a_guest(), live=Limits(live), disks=facts)
    found = lines_of("disk", situation_of(guest, resources=SDA), device=device)
    assert [ref and str(ref) for ref in found.refs] == expected
    assert bool(found.hint) == (disks == "vda vdb" and not device)


def test_a_tap_is_its_interface() -> None:
    nics = tuple(Interface(f"52:54:00:00:00:0{i}", "network", "default", tap=f"vnet{i}") for i in (1, 2))
    situation = situation_of(dataclasses.replace(a_guest(), interfaces=nics))
    assert lines_of("network", situation, device="").hint
    refs = lines_of("network", situation, device="vnet2").refs
    assert [str(ref) for ref in refs] == [f"nic_{way}_average@52:54:00:00:00:02" for way in ("in", "out")]


# -- the past -------------------------------------------------------------------------------------------------------


@given(
    steps=st.lists(st.floats(0.5, 60), min_size=2, max_size=60),
    values=st.lists(st.one_of(st.floats(0, 10), st.just(math.nan)), min_size=61, max_size=61),
    level=st.floats(0, 10),
)
def test_the_share_above_is_what_counting_says(steps: list[float], values: list[float], level: float) -> None:
    times = np.concatenate([[0.0], np.cumsum(steps)])
    past = Past(times, np.array(values[: len(times)]))
    known = above = 0.0
    for i, value in enumerate(past.values):
        lasting = min(30.0, times[i] - times[i - 1] if i else times[1] - times[0])
        if not math.isnan(value):
            known += lasting
            above += lasting if value > level else 0.0
    expected = above / known if known else None
    assert past.share_above(level) == (None if expected is None else pytest.approx(expected))


def test_what_lies_above_is_outlined() -> None:
    times, values = np.arange(5.0), np.array([1.0, 3.0, np.nan, 4.0, 1.0])
    outline = excess(times, values, 2.0)
    assert outline is not None
    assert outline[0].tolist() == [0, 1, 2, 3, 4, 4, 0]
    assert outline[1].tolist() == [2, 3, 2, 4, 2, 2, 2]
    assert excess(times, values, 4.0) is None
