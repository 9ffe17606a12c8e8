# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of CPU time, vCPUs, pinning and NUMA. Sources: sched-bwc.rst; libvirt «CPU Tuning», «NUMA Node Tuning»."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.limits import CpuCap, LimitRef
from vmconsole.quotas import cpucap
from vmconsole.quotas.problems import Problem
from vmconsole.quotas.rows import Kind, Place
from vmconsole.quotas.sets import format_set, parse_set
from vmconsole.quotas.table import BY_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.inventory.limits import Limits
    from vmconsole.quotas.situation import Situation

_PARTS = ("vcpu_cap", "emulator_cap", "iothread_cap")
_MODES = ("strict", "preferred", "interleave", "restrictive")


def caps_are_accepted(limits: Limits, _: Situation, __: Place) -> Iterator[Problem]:
    """Quota and period within what the kernel takes."""
    for ref, value in limits.values.items():
        if isinstance(value, CpuCap):
            try:
                cpucap.check_cap(value)
            except OutOfRange as error:
                told = error.explanation
                yield Problem(ref, f"{BY_KEY[ref.key].title}: {told.what}", told.cause, told.advice)


def parts_have_no_more_than_the_whole(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    """On cgroup v1 a group may not be allowed more than the group it lies in; v2 has no such rule."""
    for key in _PARTS:
        try:
            cpucap.check_against_vcpus(limits.guest_cap, limits.cap(key), cgroup_layout=situation.layout)
        except OutOfRange:
            whole, part = limits.guest_cap, limits.cap(key)
            yield Problem(
                LimitRef(key),
                f"{BY_KEY[key].title} of {cpucap.short_words(part)} is more than the whole guest's "
                f"{cpucap.short_words(whole)}.",
                "On a host with cgroup v1 a part may not have more than the whole: the guest would not start.",
                f"Lower it to {cpucap.short_words(whole)} or less, or raise the cap of the whole guest.",
            )


def cap_is_below_the_vcpus(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    """A guest cannot use more than its vCPUs, so a cap above them is no cap; QEMU's own threads add a little."""
    cores, vcpus = limits.guest_cap.cores, limits.number("vcpu_count") or situation.guest.vcpus
    if cores is not None and vcpus is not None and cores > vcpus + 1:
        yield Problem(
            LimitRef("guest_cap"), f"{cores:g} cores hardly hold a guest of {vcpus} vCPUs back.",
            advice="Choose less, or take the cap away.", is_fatal=False,
        )  # fmt: skip


def vcpus_fit(limits: Limits, situation: Situation, place: Place) -> Iterator[Problem]:
    count, most = limits.number("vcpu_count"), limits.number("vcpu_max")
    if count is not None and most is not None and count > most:
        yield Problem(
            LimitRef("vcpu_count"), f"{count} vCPUs are more than the maximum of {most}.",
            "Only as many as the maximum can be plugged in.", f"Choose {most} or fewer, or raise the maximum.",
        )  # fmt: skip
    now = situation.limits(Place.LIVE)
    plugged = now.number("vcpu_count") if now is not None else None
    if place is Place.LIVE and count is not None and plugged is not None and count < plugged:
        yield Problem(
            LimitRef("vcpu_count"), "Taking a vCPU away needs the guest's help.",
            "A guest that does not let go of it keeps it; the vCPUs it booted with cannot be taken away at all.",
            "Set it for the next boot as well, to be sure.", is_fatal=False,
        )  # fmt: skip


def places_exist(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    """Pinning to CPUs, and memory of NUMA nodes, that the host has."""
    resources = situation.resources
    cpus = {cpu.number for cpu in resources.cpus} or set(range(situation.host.cpus or 0))
    for ref, value in limits.values.items():
        kind = BY_KEY[ref.key].kind
        if isinstance(value, str) and kind in {Kind.CPUS, Kind.NODES}:
            yield from _set_problems(ref, value, cpus if kind is Kind.CPUS else set(resources.nodes))


def _set_problems(ref: LimitRef, text: str, there: set[int]) -> Iterator[Problem]:
    title = BY_KEY[ref.key].title
    try:
        members = parse_set(text)
    except OutOfRange as error:
        yield Problem(ref, f"{title}: {error.explanation.what}", advice=error.explanation.advice)
        return
    if not members:
        yield Problem(ref, f"{title}: the set is empty.", "It must run somewhere.", "Choose at least one.")
    elif there and members - there:
        yield Problem(
            ref, f"{title}: the host has no {format_set(members - there)}.",
            f"It has {format_set(there)}. A guest with a place that does not exist does not start.",
            "Choose of those that it has.",
        )  # fmt: skip


def numa_can_change(limits: Limits, situation: Situation, place: Place) -> Iterator[Problem]:
    mode, now = limits[LimitRef("numa_mode")], situation.limits(Place.LIVE)
    if mode is not None and mode not in _MODES:
        yield Problem(LimitRef("numa_mode"), f"There is no NUMA mode «{mode}».", advice=f"Use {', '.join(_MODES)}.")
    elif mode is not None and limits[LimitRef("numa_nodes")] is None:
        yield Problem(LimitRef("numa_mode"), "A NUMA mode needs NUMA nodes to keep to.", "libvirt refuses it alone.",
                      "Set the nodes as well, or take the mode away.")  # fmt: skip
    ref = LimitRef("numa_nodes")
    if place is Place.LIVE and now is not None and limits[ref] != now[ref] and mode != "restrictive":
        yield Problem(
            ref, "A running guest's memory moves to other nodes only in NUMA mode restrictive.",
            f"Its mode is {mode or 'strict'}.", "Set the nodes, or the mode, for the next boot.",
        )  # fmt: skip


RULES = (
    caps_are_accepted,
    parts_have_no_more_than_the_whole,
    cap_is_below_the_vcpus,
    vcpus_fit,
    places_exist,
    numa_can_change,
)
