# SPDX-License-Identifier: GPL-3.0-or-later
"""History against a plain list of frames: gaps, growth, reuse of places, both tiers, clocks that go back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmconsole.metrics.devices import DeviceHistory
from vmconsole.metrics.figures import FIGURE_COUNT, DeviceFigure, Figure
from vmconsole.metrics.history import BLOCK_ROWS, COARSE_LENGTH, COARSE_STEP, FINE_LENGTH, History

CPU = Figure.CPU_CORES
NAN = float("nan")


def rows(*cpu: float) -> np.ndarray:
    found = np.full((len(cpu), FIGURE_COUNT), np.nan)
    found[:, CPU] = cpu
    return found


def test_a_series_is_oldest_first_and_only_as_long_as_asked() -> None:
    history = History()
    for second in range(100):
        history.append(1000.0 + second, ["a"], rows(second))
    times, values = history.series("a", CPU, 10)
    assert times.tolist() == [1000.0 + s for s in range(89, 100)]
    assert values.tolist() == list(range(89, 100))


def test_a_guest_that_a_frame_does_not_name_has_a_gap_there() -> None:
    history = History()
    history.append(1, ["a", "b"], rows(1, 10))
    history.append(2, ["b"], rows(20))
    history.append(3, ["b", "a"], rows(30, 3))
    np.testing.assert_array_equal(history.series("a", CPU, 60)[1], [1, NAN, 3])
    np.testing.assert_array_equal(history.series("b", CPU, 60)[1], [10, 20, 30])


def test_a_guest_that_came_later_has_nothing_before() -> None:
    history = History()
    for second in range(BLOCK_ROWS + 3):
        history.append(second, ["a"], rows(1))
    many = [f"new{n}" for n in range(200)]
    history.append(500, ["a", *many], rows(2, *range(200)))
    _, values = history.series("new199", CPU, 1e9)
    assert np.isnan(values[:-1]).all()
    assert values[-1] == 199
    assert history.series("a", CPU, 1e9)[1].tolist() == [1] * (BLOCK_ROWS + 3) + [2]


def test_a_place_given_to_another_guest_shows_nothing_of_the_first_one() -> None:
    history = History()
    for second in range(COARSE_STEP * 3):
        history.append(second, ["old", "stays"], rows(7, 8))
    history.forget("old")
    history.append(100, ["new", "stays"], rows(1, 8))
    _, values = history.series("new", CPU, 1e9)
    assert values[-1] == 1
    assert np.isnan(values[:-1]).all()
    assert "old" not in history
    assert history.series("old", CPU, 60)[0].size == 0
    assert history.latest("old") is None


def test_an_average_that_is_not_ready_forgets_the_guest_too() -> None:
    history = History()
    history.append(0, ["old"], rows(1000))
    history.forget("old")
    for second in range(1, FINE_LENGTH + COARSE_STEP + BLOCK_ROWS):
        history.append(second, ["new"], rows(1))
    assert np.nanmax(history.series("new", CPU, 1e9)[1]) == 1


def test_retain_forgets_all_others() -> None:
    history = History()
    history.append(0, ["a", "b", "c"], rows(1, 2, 3))
    history.retain({"b"})
    assert [uuid in history for uuid in "abc"] == [False, True, False]
    history.append(1, ["b"], rows(5))
    assert history.series("b", CPU, 60)[1].tolist() == [2, 5]


def test_memory_is_bounded_and_the_hour_is_kept_as_averages() -> None:
    history = History()
    hour = 3600
    for second in range(2 * hour):
        history.append(second, ["a"], rows(second))
    times, values = history.series("a", CPU, hour)
    assert 0.95 * hour <= times[-1] - times[0] <= hour
    assert (np.diff(times) > 0).all()
    assert len(times) <= FINE_LENGTH + BLOCK_ROWS + COARSE_LENGTH
    np.testing.assert_allclose(values, times, atol=0.51)  # a ramp's average stands at the middle of its time
    fine = times >= times[-1] - FINE_LENGTH + 1
    assert fine.sum() >= FINE_LENGTH


def test_an_average_is_over_the_known_values_only() -> None:
    history = History()
    for second in range(FINE_LENGTH + BLOCK_ROWS + COARSE_STEP):
        history.append(second, ["a", "b"] if second % 2 else ["b"], rows(4, 1) if second % 2 else rows(1))
    times, values = history.series("a", CPU, 1e9)
    assert values[0] == 4
    assert times[0] == pytest.approx((COARSE_STEP - 1) / 2)


def test_a_clock_that_is_set_back_keeps_times_in_order() -> None:
    history = History()
    for at in (1000.0, 1001.0, 400.0, 401.0):
        history.append(at, ["a"], rows(at))
    times, values = history.series("a", CPU, 60)
    assert (np.diff(times) > 0).all()
    assert times[-2:].tolist() == [400.0, 401.0]
    assert values.tolist() == [1000, 1001, 400, 401]


def test_unknown_values_of_the_newest_frame_are_filled_and_known_ones_kept() -> None:
    history = History()
    history.append(1, ["a", "b"], rows(1, NAN))
    history.fill_unknown(["b", "a", "newcomer"], rows(5, 6, 7))
    assert history.latest("a")[CPU] == 1
    assert history.latest("b")[CPU] == 5
    assert history.rows(["b", "newcomer", "a"])[:, CPU].tolist() == [5, 7, 1]


def test_tails_give_one_line_per_guest_in_the_asked_order() -> None:
    history = History()
    for second in range(BLOCK_ROWS + 5):
        history.append(second, ["a", "b", "c"], rows(second, 100 + second, NAN))
    found = history.tails(["c", "a", "b"], CPU, 10)
    assert found.shape == (3, 10)
    assert found[1].tolist() == list(range(BLOCK_ROWS - 5, BLOCK_ROWS + 5))
    assert found[2].tolist() == list(range(BLOCK_ROWS + 95, BLOCK_ROWS + 105))
    assert np.isnan(found[0]).all()
    with pytest.raises(KeyError):
        history.tails(["nobody"], CPU, 10)


def test_nothing_yet() -> None:
    history = History()
    assert history.series("a", CPU, 60)[0].size == 0
    assert history.latest("a") is None
    history.fill_unknown(["a"], rows(1))
    assert history.latest("a") is None
    assert history.tails(["a"], CPU, 5).shape == (1, 0)
    assert np.isnan(history.rows(["a"])).all()
    assert history.tails([], CPU, 5).shape[0] == 0


Step = st.one_of(
    st.tuples(st.just("frame"), st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 99))),
    st.tuples(st.just("forget"), st.sampled_from("abcdefgh")),
)


@settings(deadline=None)
@given(st.lists(Step, max_size=60))
def test_any_sequence_is_what_a_plain_list_of_frames_says(steps: list) -> None:
    history, frames = History(), []
    for at, (kind, what) in enumerate(steps):
        if kind == "frame":
            history.append(float(at), list(what), rows(*what.values()))
            frames.append((float(at), dict(what)))
        else:
            history.forget(what)
            for _, frame in frames:
                frame.pop(what, None)
    for uuid in "abcdefgh":
        times, values = history.series(uuid, CPU, 1e9)
        if uuid in history:
            assert times.tolist() == [at for at, _ in frames]
        expected = [frame.get(uuid, NAN) for _, frame in frames] if uuid in history else []
        np.testing.assert_array_equal(values, expected)
        assert any(uuid in frame for _, frame in frames) <= (uuid in history)


def test_devices_come_and_go_each_with_times_of_its_own() -> None:
    devices = DeviceHistory()
    devices.append(1.0, {"a": {"vda": (1.0, 2.0, 3.0, 4.0)}})
    devices.append(2.0, {"a": {"vda": (5.0, 6.0, 7.0, 8.0), "vnet0": (9.0, 0.0, 0.0, 0.0)}})
    times, values = devices.series("a", "vda", DeviceFigure.WRITE_BYTES_PER_S)
    assert (times.tolist(), values.tolist()) == ([1.0, 2.0], [2.0, 6.0])
    assert devices.series("a", "vnet0", DeviceFigure.READ_BYTES_PER_S)[1].tolist() == [9.0]
    assert devices.names("a") == ("vda", "vnet0")
    devices.forget("a")
    assert devices.names("a") == ()
    assert devices.series("a", "vda", DeviceFigure.READ_IOPS)[0].size == 0
