# SPDX-License-Identifier: GPL-3.0-or-later
"""Two sources of figures: the cgroups' frames lead, libvirt's slow ones fill what those do not know."""

from __future__ import annotations

import numpy as np

from vmconsole.inventory.ids import HostId
from vmconsole.metrics.figures import FIGURE_COUNT, DeviceFigure, Figure
from vmconsole.metrics.frame import Frame, Source
from vmconsole.store.figures import CGROUP_IS_FRESH_S, HELD_S, HostFigures, Reading

HOST = HostId("qemu+ssh://kvm1/system")


def frame(at: float, source: Source, devices: dict | None = None, **guests: dict) -> Frame:
    values = np.full((len(guests), FIGURE_COUNT), np.nan)
    for row, known in enumerate(guests.values()):
        for figure, value in known.items():
            values[row, Figure[figure]] = value
    return Frame(HOST, at, 1.0, source, tuple(guests), values, devices or {})


def value(figures: HostFigures, uuid: str, figure: Figure) -> float | None:
    return figures.reading(uuid, figure).value


def test_libvirt_fills_what_the_cgroup_does_not_know_and_nothing_else() -> None:
    figures = HostFigures()
    figures.take(frame(100, Source.CGROUP, a={"CPU_CORES": 1}))
    figures.take(frame(101, Source.LIBVIRT, a={"CPU_CORES": 9, "NET_RX_BYTES_PER_S": 5}))
    figures.take(frame(102, Source.CGROUP, a={"CPU_CORES": 2}))
    assert value(figures, "a", Figure.CPU_CORES) == 2
    assert value(figures, "a", Figure.NET_RX_BYTES_PER_S) == 5
    assert figures.series("a", Figure.CPU_CORES, 60)[0].tolist() == [100, 102]


def test_an_old_answer_of_libvirt_stands_in_no_longer() -> None:
    figures = HostFigures()
    figures.take(frame(100, Source.LIBVIRT, a={"NET_RX_BYTES_PER_S": 5}))
    figures.take(frame(100 + HELD_S - 1, Source.CGROUP, a={"CPU_CORES": 2}))
    assert value(figures, "a", Figure.NET_RX_BYTES_PER_S) == 5
    figures.take(frame(100 + HELD_S, Source.CGROUP, a={"CPU_CORES": 2}))
    assert value(figures, "a", Figure.NET_RX_BYTES_PER_S) is None


def test_without_cgroup_frames_libvirts_make_the_history() -> None:
    figures = HostFigures()
    figures.take(frame(100, Source.CGROUP, a={"CPU_CORES": 1}))
    figures.take(frame(100 + CGROUP_IS_FRESH_S, Source.LIBVIRT, a={"CPU_CORES": 3}))
    assert value(figures, "a", Figure.CPU_CORES) == 3
    assert figures.last_at == 100 + CGROUP_IS_FRESH_S


def test_what_stands_in_follows_the_guests_of_the_frame() -> None:
    figures = HostFigures()
    figures.take(frame(1, Source.LIBVIRT, a={"DISK_READ_IOPS": 1}, b={"DISK_READ_IOPS": 2}))
    figures.take(frame(2, Source.CGROUP, a={}, b={}))
    figures.take(frame(3, Source.CGROUP, b={}, c={}, a={}))
    assert [value(figures, uuid, Figure.DISK_READ_IOPS) for uuid in "abc"] == [1, 2, None]
    figures.forget("a")
    figures.take(frame(4, Source.CGROUP, b={}, c={}, a={}))
    assert [value(figures, uuid, Figure.DISK_READ_IOPS) for uuid in "abc"] == [None, 2, None]


def test_a_guest_that_a_cgroup_frame_leaves_out_has_no_figures_now() -> None:
    figures = HostFigures()
    figures.take(frame(1, Source.CGROUP, a={"CPU_CORES": 1}, b={"CPU_CORES": 1}))
    figures.take(frame(2, Source.CGROUP, b={"CPU_CORES": 2}))
    assert figures.reading("a", Figure.CPU_CORES) == Reading(None, 2)
    assert figures.reading("never", Figure.CPU_CORES) == Reading(None, 2)
    assert figures.has("a")
    assert not figures.has("never")


def test_an_empty_frame_is_a_frame() -> None:
    figures = HostFigures()
    figures.take(frame(1, Source.LIBVIRT, a={"CPU_CORES": 1}))
    figures.take(frame(2, Source.CGROUP))
    assert figures.last_at == 2
    assert value(figures, "a", Figure.CPU_CORES) is None


def test_devices_are_kept_beside() -> None:
    figures = HostFigures()
    figures.take(frame(1, Source.CGROUP, {"a": {"vnet0": (1.0, 2.0, 3.0, 4.0)}}, a={}))
    assert figures.devices("a") == ("vnet0",)
    assert figures.device_series("a", "vnet0", DeviceFigure.WRITE_BYTES_PER_S)[1].tolist() == [2.0]
    figures.retain({"b"})
    assert figures.devices("a") == ()
    assert not figures.has("a")
