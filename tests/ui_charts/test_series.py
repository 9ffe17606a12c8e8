# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.ui.charts.series import reduced, stretches, value_at, with_gaps
from vmconsole.ui.charts.time_window import KEPT_S, LEAST_SPAN_S, TimeWindow
from vmconsole.ui.charts.units import Unit, mark_text, nice_step, nice_top, time_step

T0 = 1_700_000_000.0


def seconds(*parts):
    return np.concatenate([np.arange(a, b, s) + T0 for a, b, s in parts])


def test_silence_breaks_the_line():
    times = seconds((0, 100, 1), (160, 200, 1))
    out_times, out = with_gaps(times, np.ones(times.size, dtype=np.float32))
    assert np.isnan(out).sum() == 1
    (hole,) = np.flatnonzero(np.isnan(out))
    assert T0 + 99 < out_times[hole] < T0 + 160


def test_a_late_frame_is_no_gap_and_neither_is_the_older_tier():
    times = np.concatenate([seconds((-3600, 0, 10)), seconds((0, 50, 1)), seconds((52, 600, 1))])
    _, out = with_gaps(times, np.ones(times.size))
    assert not np.isnan(out).any()


def test_slow_figures_are_not_all_gaps():
    times = seconds((0, 600, 10))
    assert not np.isnan(with_gaps(times, np.ones(times.size))[1]).any()


values_st = st.lists(st.floats(0, 1e6) | st.just(float("nan")), min_size=3, max_size=400)


@given(values_st, st.floats(0.5, 60))
def test_no_peak_and_no_low_is_lost_by_reducing(values, step):
    times, values = T0 + np.arange(len(values), dtype=float), np.array(values)
    out_times, out = reduced(times, values, step_s=step)
    assert out.size <= values.size
    assert np.array_equal(np.nanmax(out), np.nanmax(values), equal_nan=True) if not np.isnan(values).all() else True
    assert np.array_equal(np.nanmin(out), np.nanmin(values), equal_nan=True) if not np.isnan(values).all() else True
    assert (np.diff(out_times) >= 0).all()
    assert out_times[0] >= times[0]
    assert out_times[-1] <= times[-1]


def test_a_curve_that_moves_on_keeps_its_shape():
    values = np.random.default_rng(1).random(4000)
    times = T0 + np.arange(4000.0)
    one = dict(zip(*reduced(times[:3600], values[:3600], step_s=5.0), strict=True))
    other = dict(zip(*reduced(times[7:3607], values[7:3607], step_s=5.0), strict=True))
    shared = sorted(set(one) & set(other))[2:-2]
    assert len(shared) > 1000
    assert all(one[t] == other[t] for t in shared)


def test_a_gap_stays_a_gap():
    times, values = T0 + np.arange(3000.0), np.ones(3000)
    values[1000:1100] = np.nan
    assert np.isnan(reduced(times, values, step_s=5.0)[1]).any()


def test_value_at():
    times, values = T0 + np.arange(10.0), np.arange(10.0)
    assert value_at(times, values, T0 + 3.4, within_s=2) == 3
    assert value_at(times, values, T0 + 40, within_s=2) is None
    assert value_at(times, np.full(10, np.nan), T0, within_s=2) is None
    assert value_at(np.empty(0), np.empty(0), T0, within_s=2) is None


def test_stretches_of_being_held_back():
    times = T0 + np.arange(10.0)
    shares = np.array([0, 0, 0.5, 0.7, np.nan, 0, 0.2, 0, 0, 1.0])
    found = stretches(times, shares, least=0.01)
    assert [(a - T0, b - T0) for a, b, _ in found] == [(1, 3), (5, 6), (8, 9)]
    assert stretches(times, np.zeros(10)) == []


@given(st.sampled_from(Unit), st.floats(0, 1e13))
def test_an_axis_has_room_and_few_marks(unit, greatest):
    top = nice_top(unit, greatest, before=0.0)
    assert top >= greatest
    step = nice_step(unit, top, marks=4)
    assert 1 <= top / step <= 5.01
    assert mark_text(unit, step, step=step)
    assert nice_top(unit, greatest, before=top) == top, "the axis keeps still"


def test_marks():
    assert mark_text(Unit.BYTES, 512 * 2**20, step=2**20) == "512 MiB"
    assert mark_text(Unit.BYTES_PER_S, 2.0**30, step=2**28) == "1 GiB"
    assert mark_text(Unit.CORES, 1.5, step=0.5) == "1.5"
    assert mark_text(Unit.IOPS, 5000, step=1000) == "5 k"
    assert time_step(300, marks=8) == 60


def test_the_window_of_time_stays_within_what_is_known(qtbot):
    window = TimeWindow(lambda: T0)
    assert window.range() == (T0 - 300, T0)
    window.hold(T0 - 100, T0 + 500)
    start, end = window.range()
    assert end <= T0
    assert end - start == 600
    window.hold(T0 - 2 * KEPT_S, T0 - 1.5 * KEPT_S)
    assert window.range()[0] >= T0 - KEPT_S
    window.hold(T0 - 20, T0 - 19)
    start, end = window.range()
    assert end - start == LEAST_SPAN_S
    assert not window.is_live
    window.reset()
    assert window.is_live
