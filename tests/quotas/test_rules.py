# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that depend on the host: what cgroup v2 makes of memory limits, and which network can promise a floor."""

from __future__ import annotations

import dataclasses

import pytest

from tests.quotas.test_traps import situation
from tests.quotas.traps import NIC
from vmconsole.inventory.limits import LimitRef, Limits, Value
from vmconsole.inventory.topology import BlockDevice
from vmconsole.quotas.problems import Problem
from vmconsole.quotas.rows import Place
from vmconsole.quotas.rules import problems
from vmconsole.quotas.settled import settled
from vmconsole.quotas.situation import Situation

MIB = 1024
FLOOR = LimitRef("nic_in_floor", NIC)
SOFT, HARD, SWAP = (LimitRef(f"memory_{key}") for key in ("soft", "hard", "swap_hard"))


def running(layout: str, *, used_mib: int = 80) -> Situation:
    found = situation(layout=layout)
    guest = dataclasses.replace(found.guest, live=found.guest.stored)
    return dataclasses.replace(found, guest=guest, memory_used_kib=used_mib * MIB)


def told(place: Situation, wanted: dict[LimitRef, Value], where: Place = Place.LIVE) -> list[Problem]:
    return [problem for problem in problems(place, where, wanted) if problem.ref in wanted]


def test_a_soft_limit_below_what_is_in_use_is_warned_about_where_the_kernel_slows_the_guest() -> None:
    (problem,) = told(running("v2"), {SOFT: 64 * MIB})
    assert not problem.is_fatal
    assert "may nearly stand still" in problem.what
    assert told(running("v1"), {SOFT: 64 * MIB}) == []
    assert told(running("v2"), {SOFT: 96 * MIB}) == []


def test_a_soft_limit_below_the_guests_memory_is_warned_about_before_it_is_in_use() -> None:
    for where in Place:
        (problem,) = told(running("v2", used_mib=10), {SOFT: 64 * MIB}, where)
        assert "less than the guest's memory" in problem.what


def test_what_counts_swap_alone_says_so() -> None:
    wanted: dict[LimitRef, Value] = {HARD: 1024 * MIB, SWAP: 1536 * MIB}
    (problem,) = told(running("v2"), wanted)
    assert not problem.is_fatal
    assert "1.50 GiB is the most swap alone here" in problem.what
    assert "2.50 GiB" in problem.what
    assert told(running("v1"), wanted) == []


def test_a_weight_is_not_taken_away_where_the_usual_one_is_not_known() -> None:
    """libvirt takes no zero, and 1024 on one host is 100 on another."""
    weight = LimitRef("cpu_weight")
    (problem,) = told(running(""), {weight: None})
    assert "not known" in problem.what
    assert told(running(""), {weight: 500}) == []
    assert told(running(""), {weight: None}, Place.STORED) == []
    for layout in ("v1", "v2"):
        host = running(layout)
        assert told(host, {weight: None}) == []
        assert told(host, settled(host, Place.LIVE, {weight: None})) == []


def on_network(rates: tuple[tuple[str, int], ...] | None, *, floor: int | None = None) -> Situation:
    found = situation()
    resources = dataclasses.replace(found.resources, network_rates=rates, shaper_missing="")
    stored = (found.guest.stored or Limits()).changed({FLOOR: floor})
    host = dataclasses.replace(found.host, resources=resources)
    return dataclasses.replace(found, host=host, guest=dataclasses.replace(found.guest, stored=stored))


@pytest.mark.parametrize(
    ("rates", "before", "wanted", "what"),
    [
        ((("default", 5000),), None, 1000, ""),
        ((("default", 5000),), None, 5000, ""),
        ((("default", 5000),), None, 5001, "is more than the network's"),
        ((("default", 0), ("other", 9)), None, 1000, "The network default has no inbound rate of its own."),
        ((("default", 0),), 500, 1000, "has no inbound rate of its own"),
        ((("default", 0),), 500, None, ""),
        ((("other", 9000),), None, 1000, "The network default is not active."),
        (None, None, 1000, "A floor can be changed here, but not given."),
        (None, 500, 1000, ""),
    ],
)
def test_a_floor_needs_a_network_that_can_promise_it(
    rates: tuple[tuple[str, int], ...] | None, before: int | None, wanted: int | None, what: str
) -> None:
    found = told(on_network(rates, floor=before), {FLOOR: wanted}, Place.STORED)
    assert [problem.is_fatal for problem in found] == [True] * bool(what)
    assert all(what in problem.what for problem in found)


def with_disk(layout: str, *, scheduler: str, has_systemd: bool | None) -> Situation:
    found = running(layout)
    disk = BlockDevice("/dev/sda", scheduler)
    resources = dataclasses.replace(found.resources, block_devices=(disk,), has_systemd=has_systemd)
    return dataclasses.replace(found, host=dataclasses.replace(found.host, resources=resources))


@pytest.mark.parametrize(
    ("layout", "has_systemd", "is_refused"),
    [("v2", True, True), ("v2", None, True), ("", None, True), ("v2", False, False), ("v1", True, False)],
)
def test_a_weight_for_one_device_is_refused_where_it_would_end_the_daemon(
    layout: str, has_systemd: bool | None, is_refused: bool
) -> None:
    host, ref = with_disk(layout, scheduler="bfq", has_systemd=has_systemd), LimitRef("device_weight", "/dev/sda")
    for where in Place:
        found = told(host, {ref: 500}, where)
        assert any("daemon crashes" in problem.cause + problem.what for problem in found) == is_refused
        assert any(problem.is_fatal for problem in found) == is_refused
    assert told(host, {ref: None}, Place.STORED) == [], "what stands there can be taken away"


def test_a_stored_disk_weight_that_systemd_squeezes_is_warned_about() -> None:
    weight = LimitRef("block_weight")
    host = with_disk("v2", scheduler="bfq", has_systemd=True)
    (problem,) = told(host, {weight: 300}, Place.STORED)
    assert not problem.is_fatal
    assert problem.what == "At the next boot the disk weight 300 becomes 118."
    assert told(host, {weight: 300}, Place.LIVE) == []
    assert told(host, {weight: 90}, Place.STORED) == []
    assert told(with_disk("v1", scheduler="bfq", has_systemd=True), {weight: 300}, Place.STORED) == []
