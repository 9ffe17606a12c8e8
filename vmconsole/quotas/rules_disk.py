# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of disks. Sources: QEMU util/throttle.c, throttle_is_valid; libvirt «Hard drives», «Block I/O Tuning»."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory.limits import LimitRef
from vmconsole.quotas.disk_rows import THROTTLE_MAX
from vmconsole.quotas.problems import Problem
from vmconsole.quotas.rows import Call, Place, Scope
from vmconsole.quotas.situation import DEVICE_WEIGHT_ENDS_DAEMON, ends_the_daemon
from vmconsole.quotas.table import BY_KEY
from vmconsole.quotas.weights import behind_systemd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.inventory.limits import Limits
    from vmconsole.quotas.situation import Situation

_WEIGHTED = frozenset({"bfq", "cfq"})


def total_excludes_read_and_write(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    for target in situation.targets(Scope.DISK):
        for what in ("bytes", "iops"):
            for suffix in ("", "_burst"):
                total = LimitRef(f"disk_total_{what}{suffix}", target)
                parts = [LimitRef(f"disk_{way}_{what}{suffix}", target) for way in ("read", "write")]
                if limits[total] is not None and any(limits[part] is not None for part in parts):
                    yield Problem(
                        total, f"{target}: {BY_KEY[total.key].title.lower()} and those of reading or writing exclude "
                        "each other.", "QEMU takes either one for both ways, or one for each.",
                        "Take one of them away.",
                    )  # fmt: skip


def bursts_are_whole(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    for target in situation.targets(Scope.DISK):
        for way in ("total", "read", "write"):
            for what in ("bytes", "iops"):
                yield from _burst(f"disk_{way}_{what}", target, limits)


def _burst(key: str, target: str, limits: Limits) -> Iterator[Problem]:
    title = f"{target}: {BY_KEY[key].title.lower()}"
    rate, burst = limits.number(key, target), limits.number(f"{key}_burst", target)
    length = limits.number(f"{key}_burst_length", target)
    at_burst, at_length = LimitRef(f"{key}_burst", target), LimitRef(f"{key}_burst_length", target)
    if burst is not None and rate is None:
        yield Problem(at_burst, f"{title} has a burst without a rate.", "QEMU does not start such a guest.",
                      "Set the rate as well, or take the burst away.")  # fmt: skip
    elif burst is not None and rate is not None and burst < rate:
        yield Problem(at_burst, f"{title} has a burst below its rate.", "QEMU does not start such a guest.",
                      "Choose a burst of the rate or more.")  # fmt: skip
    if length is not None and burst is None:
        yield Problem(at_length, f"{title} has a burst length without a burst.", "QEMU does not start such a guest.",
                      "Set the burst as well, or take the length away.")  # fmt: skip
    elif length is not None and burst is not None and length * burst > THROTTLE_MAX:
        yield Problem(at_length, f"{title}: {length} s at its burst are more than QEMU can count.",
                      f"Burst times length may be at most {THROTTLE_MAX}.", "Choose a shorter length.")  # fmt: skip


def operation_size_has_operations(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    for target in situation.targets(Scope.DISK):
        ref = LimitRef("disk_iops_size", target)
        rates = [limits[LimitRef(f"disk_{way}_iops", target)] for way in ("total", "read", "write")]
        if limits[ref] is not None and not any(rates):
            yield Problem(ref, f"{target}: a size of operations without a limit of operations.",
                          "QEMU does not start such a guest.", "Set a limit of operations, or take the size away.",
                          )  # fmt: skip


def groups_agree(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    """Disks of one group have one set of rates: QEMU takes those that were set last."""
    seen: dict[object, tuple[str, tuple[object, ...]]] = {}
    rows = [row.key for row in BY_KEY.values() if row.call is Call.BLOCK_IO_TUNE and row.key != "disk_group"]
    for target in situation.targets(Scope.DISK):
        ref = LimitRef("disk_group", target)
        group, mine = limits[ref], tuple(limits[LimitRef(key, target)] for key in rows)
        if group is None:
            continue
        if not any(value is not None for value in mine):
            yield Problem(ref, f"{target}: a throttle group without a rate.", "libvirt takes a group only with rates.",
                          "Set a rate as well, or take the group away.")  # fmt: skip
        other, theirs = seen.setdefault(group, (target, mine))
        if theirs != mine:
            yield Problem(ref, f"{other} and {target} are of the group «{group}» and have different rates.",
                          "A group has one set of rates.", "Give both the same rates, or another group.")  # fmt: skip


def devices_can(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    schedulers = {device.path: device.scheduler for device in situation.resources.block_devices}
    for ref in limits.values:
        if BY_KEY[ref.key].scope is not Scope.HOST_DEVICE:
            continue
        scheduler = schedulers.get(ref.target)
        if schedulers and scheduler is None:
            yield Problem(ref, f"{ref.target} is no block device of {situation.host.name}.",
                          "A guest with a limit on it does not start.", "Choose a device of the host's list.",
                          )  # fmt: skip
        elif ref.key == "device_weight" and ends_the_daemon(situation):
            yield Problem(ref, f"A weight for {ref.target} alone cannot be given on this host.",
                          f"{DEVICE_WEIGHT_ENDS_DAEMON} A guest with it would end the daemon at every start.",
                          "Use the disk weight of the whole guest, or rates.")  # fmt: skip
        elif ref.key == "device_weight" and scheduler and scheduler not in _WEIGHTED:
            yield Problem(ref, f"{ref.target} uses the scheduler {scheduler}, which knows no weights.",
                          "Weights need the scheduler bfq.", "Use rates, or set the device's scheduler to bfq.",
                          )  # fmt: skip


def weights_have_a_scheduler(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    """libvirt takes a weight, and on cgroup v2 keeps it, where no disk minds it."""
    schedulers = {device.scheduler for device in situation.resources.block_devices}
    usual = BY_KEY["block_weight"].range_on(situation.layout)
    weight = limits.number("block_weight")
    if weight is None or not schedulers or schedulers & _WEIGHTED or (usual and weight == usual.default):
        return
    yield Problem(LimitRef("block_weight"), "No disk of this host minds weights.", "Weights need the scheduler bfq.",
                  "Use rates, or set a disk's scheduler to bfq.", is_fatal=False)  # fmt: skip


def stored_weights_are_squeezed(limits: Limits, situation: Situation, place: Place) -> Iterator[Problem]:
    """At the next boot libvirt hands the stored number to systemd as it is (``quotas.weights``)."""
    weight, resources = limits.number("block_weight"), situation.resources
    has_bfq = any(device.scheduler == "bfq" for device in resources.block_devices)
    if place is Place.LIVE or situation.layout != "v2" or not resources.has_systemd or not has_bfq or weight is None:
        return
    squeezed = behind_systemd(weight)
    if squeezed != weight:
        yield Problem(LimitRef("block_weight"), f"At the next boot the disk weight {weight} becomes {squeezed}.",
                      "systemd squeezes weights above 100 for the scheduler bfq when a guest starts.",
                      "100 is the usual weight; below it nothing is squeezed.", is_fatal=False)  # fmt: skip


RULES = (
    total_excludes_read_and_write, bursts_are_whole, operation_size_has_operations, groups_agree, devices_can,
    weights_have_a_scheduler, stored_weights_are_squeezed,
)  # fmt: skip
