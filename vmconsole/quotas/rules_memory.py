# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of memory. Sources: libvirt «Memory Tuning»; kernel cgroup-v1/memory.rst, cgroup-v2.rst.

What QEMU needs beside its guest was measured: a guest of 512 MiB held 613 to 835 MiB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory import units
from vmconsole.inventory.limits import LimitRef
from vmconsole.quotas.problems import Problem
from vmconsole.quotas.rows import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.inventory.limits import Limits
    from vmconsole.quotas.situation import Situation

LEAST_BALLOON_KIB = 32 * 1024
"""libvirt takes 1 MiB without a word, and the guest's kernel dies of it."""
MARGIN = 1.1
"""A live hard limit keeps this distance to what is in use: at once below it, cgroup v2 kills the guest."""
OVERHEAD_KIB = 320 * 1024
"""What QEMU needs beside the guest's memory, at least."""


def hard_limit_leaves_room(limits: Limits, situation: Situation, place: Place) -> Iterator[Problem]:
    hard, memory = limits.number("memory_hard"), limits.number("memory_max") or situation.guest.memory_max_kib
    ref, used = LimitRef("memory_hard"), situation.memory_used_kib
    if hard is None:
        return
    if place is Place.LIVE and used is not None and hard < used * MARGIN:
        yield Problem(
            ref, f"The guest holds {_size(used)} already: {_size(hard)} is too little.",
            "cgroup v1 refuses a limit below what is in use; cgroup v2 kills the guest.",
            f"Choose {_size(int(used * MARGIN))} or more, or take memory away by the balloon first.",
        )  # fmt: skip
    elif memory is not None and hard < memory:
        yield Problem(
            ref, f"A hard limit of {_size(hard)} is less than the guest's memory of {_size(memory)}.",
            "QEMU could not hold the guest's memory: it would not start, or be killed.",
            f"Choose {_size(memory + OVERHEAD_KIB)} or more, or no limit.",
        )  # fmt: skip
    elif memory is not None and hard < memory + OVERHEAD_KIB:
        yield Problem(
            ref, f"A hard limit of {_size(hard)} leaves QEMU little beside the guest's {_size(memory)}.",
            "QEMU needs memory of its own and page cache counts too; at the limit the guest is killed.",
            f"{_size(memory + OVERHEAD_KIB)} or more is safer.", is_fatal=False,
        )  # fmt: skip


def hard_limit_can_be_locked(limits: Limits, situation: Situation, place: Place) -> Iterator[Problem]:
    """At the start libvirt raises QEMU's limit of locked memory to the hard limit (qemuDomainGetMemLockLimit)."""
    hard, most = limits.number("memory_hard"), situation.resources.lockable_kib
    if place is Place.STORED and hard is not None and most is not None and hard > most:
        yield Problem(
            LimitRef("memory_hard"), f"A guest with a hard limit of {_size(hard)} does not start on this host.",
            f"libvirt's daemon may not let QEMU lock more than {_size(most)}: it runs without CAP_SYS_RESOURCE.",
            "Set the hard limit for the running guest alone, or start the daemon with a higher LimitMEMLOCK.",
        )  # fmt: skip


def swap_holds_memory(limits: Limits, _: Situation, __: Place) -> Iterator[Problem]:
    hard, both = limits.number("memory_hard"), limits.number("memory_swap_hard")
    if both is not None and (hard is None or hard > both):
        yield Problem(
            LimitRef("memory_swap_hard"),
            f"Memory and swap together ({_size(both)}) must hold the memory hard limit "
            f"({_size(hard) if hard is not None else 'none'}).",
            "Memory alone is never more than memory and swap.",
            f"Set a hard limit of {_size(both)} or less, or take the swap limit away.",
        )  # fmt: skip


def soft_is_below_hard(limits: Limits, _: Situation, __: Place) -> Iterator[Problem]:
    soft, hard = limits.number("memory_soft"), limits.number("memory_hard")
    if soft is not None and hard is not None and soft > hard:
        yield Problem(
            LimitRef("memory_soft"),
            f"A soft limit of {_size(soft)} above the hard limit of {_size(hard)} does nothing.",
            advice="Choose less than the hard limit.", is_fatal=False,
        )  # fmt: skip


def soft_limit_slows(limits: Limits, situation: Situation, place: Place) -> Iterator[Problem]:
    """On cgroup v2 the soft limit is memory.high: what goes above it is throttled and made to give memory back at once
    (cgroup-v2.rst), also on a host that has plenty."""
    soft, memory = limits.number("memory_soft"), limits.number("memory_max") or situation.guest.memory_max_kib
    if situation.layout != "v2" or soft is None:
        return
    ref, used = LimitRef("memory_soft"), situation.memory_used_kib
    cause = "On a host with cgroup v2 QEMU is held up as soon as it has more, however much memory the host has."
    if place is Place.LIVE and used is not None and soft < used:
        yield Problem(
            ref,
            f"The guest holds {_size(used)} already: with a soft limit of {_size(soft)} it may nearly stand still.",
            cause, f"Choose {_size(int(used * MARGIN))} or more, or take memory away by the balloon first.",
            is_fatal=False,
        )  # fmt: skip
    elif memory is not None and soft < memory:
        yield Problem(
            ref, f"A soft limit of {_size(soft)} is less than the guest's memory of {_size(memory)}.",
            cause, f"Choose {_size(memory)} or more if the guest shall be able to use its memory.", is_fatal=False,
        )  # fmt: skip


def swap_is_counted_alone(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    """libvirt writes the number to memory.swap.max as it is, which counts swap alone; seen on a real host."""
    hard, both = limits.number("memory_hard"), limits.number("memory_swap_hard")
    if situation.layout == "v2" and hard is not None and both is not None:
        yield Problem(
            LimitRef("memory_swap_hard"),
            f"{_size(both)} is the most swap alone here: with its memory the guest may hold {_size(hard + both)}.",
            "cgroup v2 counts swap by itself, and libvirt hands the number on as it is.",
            f"{_size(hard)}, the hard limit, is the least that libvirt takes.", is_fatal=False,
        )  # fmt: skip


def balloon_is_sane(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    balloon, most = limits.number("memory_balloon"), limits.number("memory_max") or situation.guest.memory_max_kib
    ref = LimitRef("memory_balloon")
    if balloon is None:
        return
    if most is not None and balloon > most:
        yield Problem(
            ref, f"{_size(balloon)} is more than the guest's maximum of {_size(most)}.",
            "The balloon can only take memory away.", f"Choose {_size(most)} or less, or raise the maximum.",
        )  # fmt: skip
    elif balloon < min(LEAST_BALLOON_KIB, most or LEAST_BALLOON_KIB):
        yield Problem(
            ref, f"No operating system lives in {_size(balloon)}.",
            "libvirt would take it without a word, and the guest's kernel would die.",
            f"Choose {_size(LEAST_BALLOON_KIB)} or more.",
        )  # fmt: skip
    elif most is not None and balloon < most // 4:
        yield Problem(
            ref, f"{_size(balloon)} is less than a quarter of the guest's {_size(most)}.",
            "Most guests run out of memory when this much is taken at once.", "Go down in steps.", is_fatal=False,
        )  # fmt: skip


def _size(kib: int) -> str:
    return units.binary(kib * 1024)


RULES = (
    hard_limit_leaves_room, hard_limit_can_be_locked, swap_holds_memory, soft_is_below_hard, soft_limit_slows,
    swap_is_counted_alone, balloon_is_sane,
)  # fmt: skip
