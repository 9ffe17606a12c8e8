# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host encodes is what is decoded here, and counters become rates: resets, gaps, stacked disks, throttling."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.links.sampler_remote import encode
from vmconsole.metrics.cgroups import (
    DEVICE_FIELDS,
    GUEST_FIELDS,
    Device,
    FrameDecoder,
    GarbledFrame,
    GuestField,
    Sample,
)
from vmconsole.metrics.figures import DeviceFigure, Figure
from vmconsole.metrics.rates import device_rates, guest_figures

NAN = math.nan
Values = st.lists(st.one_of(st.none(), st.integers(-1, 2**53)), min_size=GUEST_FIELDS, max_size=GUEST_FIELDS)


def guest_line(key: int, uuid: str) -> str:
    return f"+ {key} " + json.dumps({"kind": "g", "uuid": uuid, "name": uuid})


def as_floats(row: list) -> list:
    return [NAN if value is None else float(value) for value in row]


@given(st.lists(Values, min_size=1, max_size=6), st.sets(st.integers(1, 5)))
def test_any_values_come_through_the_delta_coding(rows: list, keyframes: set) -> None:
    """Also over keyframes, and from unknown to known and back."""
    decoder, before = FrameDecoder(), [None] * GUEST_FIELDS
    for number, row in enumerate(rows):
        is_key = number == 0 or number in keyframes
        assert decoder.take(f"F {number} {number * 1_000_000} {'K' if is_key else 'D'}") is None
        if is_key:
            before = [None] * GUEST_FIELDS
            decoder.take(guest_line(3, "u"))
        fields = encode(before, row)
        if fields is not None:
            decoder.take(f"3 {fields}")
        before = row
        sample = decoder.take(f"E {number}")
        assert sample is not None
        np.testing.assert_array_equal(sample.guests, [as_floats(row)])
        assert sample.uuids == ("u",)


def test_an_unchanged_row_costs_nothing_and_a_change_costs_its_difference() -> None:
    row = [5] * GUEST_FIELDS
    assert encode(row, list(row)) is None
    assert encode([1, 2, 3], [1, 2, 4]) == "0,0,1"
    assert encode([10, 2, 3], [12, 2, 3]) == "2"
    assert encode([1, 2, 3], [1, None, 3]) == "0,"
    assert encode([None, 2], [7, 2]) == "7"
    assert encode([7, 2], [None, 2]) == ""


def test_an_entity_that_goes_is_gone_and_one_that_comes_starts_unknown() -> None:
    decoder = FrameDecoder()
    for line in ("F 0 0 K", guest_line(0, "a"), guest_line(1, "b"), "0 5", "1 6", "E 0", "F 1 1 D", "- 0"):
        decoder.take(line)
    decoder.take(guest_line(2, "c"))
    sample = decoder.take("E 1")
    assert sample is not None
    assert sample.uuids == ("b", "c")
    assert sample.guests[0, 0] == 6
    assert np.isnan(sample.guests[1]).all()


@pytest.mark.parametrize(
    "bad",
    [
        "77 1,2",
        "0 x",
        "0 " + ",".join("1" * 40),
        "+ nonsense",
        "+ 5 {",
        "- 99",
        "E 7",
        "what is this",
        "F 2 2 D",
        "\ufffd",
    ],
)
def test_a_garbled_frame_is_lost_once_and_the_next_keyframe_mends_it(bad: str) -> None:
    decoder = FrameDecoder()
    for line in ("F 0 0 K", guest_line(0, "a"), "0 5", "E 0", "F 1 1 D"):
        decoder.take(line)
    with pytest.raises(GarbledFrame):
        decoder.take(bad)
    assert decoder.needs_key
    for line in ("0 1", "E 1", "F 2 2 D", "0 1", "E 2"):
        assert decoder.take(line) is None
    for line in ("F 3 3 K", guest_line(0, "a"), "0 9"):
        decoder.take(line)
    sample = decoder.take("E 3")
    assert sample is not None
    assert sample.guests[0, 0] == 9


@given(st.text(max_size=40))
def test_no_line_whatever_breaks_the_decoder(line: str) -> None:
    decoder = FrameDecoder()
    for good in ("F 0 0 K", guest_line(0, "a"), "0 5"):
        decoder.take(good)
    try:
        decoder.take(line)
    except GarbledFrame:
        assert decoder.needs_key


# -- rates -------------------------------------------------------------------------------------------------------------


def sample_of(seconds: float, *guests: dict, keys: tuple = (), devices: tuple = (), counters: tuple = ()) -> Sample:
    values = np.full((len(guests), GUEST_FIELDS), NAN)
    for row, guest in enumerate(guests):
        for field, value in guest.items():
            values[row, field] = value
    keys = keys or tuple(range(len(guests)))
    return Sample(
        int(seconds * 1e6),
        keys,
        tuple(f"u{key}" for key in keys),
        values,
        devices,
        np.array(counters, dtype=float).reshape(len(devices), DEVICE_FIELDS),
    )


def test_cpu_time_per_time_is_cores() -> None:
    before = sample_of(10, {GuestField.CPU_US: 1_000_000, GuestField.USER_US: 0, GuestField.SYSTEM_US: 5})
    now = sample_of(12, {GuestField.CPU_US: 4_000_000, GuestField.USER_US: 2_000_000, GuestField.SYSTEM_US: 1_000_005})
    found = guest_figures(before, now)[0]
    assert found[[Figure.CPU_CORES, Figure.CPU_USER_CORES, Figure.CPU_SYSTEM_CORES]].tolist() == [1.5, 1.0, 0.5]


def test_the_first_sample_has_gauges_only() -> None:
    found = guest_figures(None, sample_of(1, {GuestField.CPU_US: 9, GuestField.MEMORY: 77, GuestField.LIMIT: 100}))[0]
    assert found[Figure.MEMORY_BYTES] == 77
    assert found[Figure.MEMORY_LIMIT_BYTES] == 100
    assert np.isnan(found[[Figure.CPU_CORES, Figure.CPU_THROTTLED_SHARE, Figure.DISK_READ_IOPS]]).all()


def test_a_counter_that_went_back_is_unknown_for_one_interval_only() -> None:
    one, two, three = (sample_of(t, {GuestField.CPU_US: cpu}) for t, cpu in ((1, 9e6), (2, 1e6), (3, 1.5e6)))
    assert np.isnan(guest_figures(one, two)[0, Figure.CPU_CORES])
    assert guest_figures(two, three)[0, Figure.CPU_CORES] == 0.5


def test_a_restarted_guest_is_a_new_one_and_others_keep_their_rates() -> None:
    before = sample_of(1, {GuestField.CPU_US: 0}, {GuestField.CPU_US: 10e6}, keys=(0, 1))
    now = sample_of(2, {GuestField.CPU_US: 11e6}, {GuestField.CPU_US: 50e6}, keys=(1, 2))
    assert guest_figures(before, now)[0, Figure.CPU_CORES] == 1.0
    assert np.isnan(guest_figures(before, now)[1, Figure.CPU_CORES])


def test_two_samples_of_one_moment_give_no_rate_and_no_warning() -> None:
    same = sample_of(1, {GuestField.CPU_US: 1, GuestField.PERIODS: 0, GuestField.THROTTLED: 0})
    assert np.isnan(guest_figures(same, same)[0, [Figure.CPU_CORES, Figure.CPU_THROTTLED_SHARE]]).all()


@pytest.mark.parametrize(
    ("own", "vcpus", "share"),
    [
        ((10, 5), (0, 0), 0.5),
        ((0, 0), (20, 15), 0.75),
        ((10, 2), (20, 15), 0.75),
        ((0, 0), (0, 0), 0.0),
        ((4, 9), (0, 0), 1.0),
        ((NAN, NAN), (10, 1), 0.1),
        ((NAN, NAN), (NAN, NAN), NAN),
    ],
)
def test_throttling_is_the_larger_of_the_guests_own_and_its_vcpus(own: tuple, vcpus: tuple, share: float) -> None:
    fields = (GuestField.PERIODS, GuestField.THROTTLED, GuestField.VCPU_PERIODS, GuestField.VCPU_THROTTLED)
    before = sample_of(1, dict.fromkeys(fields, 100))
    now = sample_of(2, {f: 100 + grown for f, grown in zip(fields, (*own, *vcpus), strict=True)})
    np.testing.assert_equal(guest_figures(before, now)[0, Figure.CPU_THROTTLED_SHARE], share)


def test_cap_and_limit_are_unknown_where_there_is_none() -> None:
    capped = {GuestField.QUOTA_US: 150_000, GuestField.PERIOD_US: 100_000, GuestField.LIMIT: 2**30}
    free = {GuestField.QUOTA_US: -1, GuestField.PERIOD_US: 100_000, GuestField.LIMIT: -1}
    found = guest_figures(None, sample_of(1, capped, free, {}))
    np.testing.assert_equal(found[:, Figure.CPU_CAP_CORES], [1.5, NAN, NAN])
    np.testing.assert_equal(found[:, Figure.MEMORY_LIMIT_BYTES], [2.0**30, NAN, NAN])


SDA = Device(10, 0, is_network=False, name="8:0 sda", number="8:0")
LVM = Device(11, 0, is_network=False, name="253:0 vg-a", number="253:0", under=frozenset({"8:0"}))
TAP = Device(12, 1, is_network=True, name="vnet0")


def test_devices_add_up_per_guest_and_a_stacked_disk_is_not_counted_twice() -> None:
    devices = (SDA, LVM, TAP)
    before = sample_of(1, {}, {}, devices=devices, counters=((0, 0, 0, 0),) * 3)
    now = sample_of(3, {}, {}, devices=devices, counters=((100, 10, 4, 2), (80, 10, 2, 2), (500, 300, 5, 3)))
    found = guest_figures(before, now)
    assert found[0, Figure.DISK_READ_BYTES_PER_S : Figure.DISK_WRITE_IOPS + 1].tolist() == [50, 5, 2, 1]
    assert found[1, [Figure.NET_RX_BYTES_PER_S, Figure.NET_TX_BYTES_PER_S]].tolist() == [250, 150]
    assert np.isnan(found[0, Figure.NET_RX_BYTES_PER_S])
    assert np.isnan(found[1, Figure.DISK_READ_BYTES_PER_S])
    assert device_rates(before, now)[1, DeviceFigure.READ_BYTES_PER_S] == 40


def test_a_device_that_was_plugged_in_has_rates_from_its_second_frame_on() -> None:
    before = sample_of(1, {}, {}, devices=(SDA,), counters=((0, 0, 0, 0),))
    now = sample_of(2, {}, {}, devices=(SDA, TAP), counters=((7, 0, 0, 0), (9e9, 9e9, 1, 1)))
    found = guest_figures(before, now)
    assert found[0, Figure.DISK_READ_BYTES_PER_S] == 7
    assert np.isnan(found[1, Figure.NET_RX_BYTES_PER_S])


def test_a_stacked_disk_counts_where_the_disk_below_is_not_listed() -> None:
    before = sample_of(1, {}, devices=(LVM,), counters=((0, 0, 0, 0),))
    now = sample_of(2, {}, devices=(LVM,), counters=((8, 0, 0, 0),))
    assert guest_figures(before, now)[0, Figure.DISK_READ_BYTES_PER_S] == 8


def test_no_guests_at_all() -> None:
    assert guest_figures(None, sample_of(1)).shape[0] == 0
    assert guest_figures(sample_of(1), sample_of(2)).shape[0] == 0
    assert guest_figures(sample_of(1), sample_of(2, {GuestField.CPU_US: 1})).shape[0] == 1
