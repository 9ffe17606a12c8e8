# SPDX-License-Identifier: GPL-3.0-or-later
"""Random plans of limits on one real guest, applied and undone: the stored definition is as before to the letter, and
so is every file of the guest's cgroups."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.links.limits_bench import Bench, value_for
from vmconsole.inventory.limits import CpuCap, LimitRef, Value
from vmconsole.operations.limits import ChangeLimits
from vmconsole.quotas.rows import Kind, LimitRow, Place
from vmconsole.quotas.rules import problems
from vmconsole.quotas.settled import settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import Lab
    from vmconsole.links.libvirt_link import LibvirtLoop
    from vmconsole.quotas.situation import Situation

pytestmark = pytest.mark.lab
PLANS, SLOW_PLANS = 20, 200
NOT_HERE = frozenset({"vcpu_count", "memory_balloon"})
"""What the guest itself must help with: other tests wait for that."""
FILES = """for d in cpu cpuset memory blkio; do
find /sys/fs/cgroup/$d/machine -path '*-%s.libvirt-qemu*' -type f \\( -name 'cpu.*' -o -name 'cpuset.*' \
-o -name '*limit_in_bytes' -o -name 'blkio.throttle.*_device' -o -name 'blkio*weight*' \\) \
! -name '*stat*' ! -name 'cpuset.memory_pressure' -exec grep -H '' {} +; done | sort"""


@pytest.fixture(scope="module")
def bench(lab: Lab, event_loop: LibvirtLoop) -> Iterator[Bench]:
    host = lab.host("kvm1")
    host.repair()
    made = Bench(host, event_loop, "g12")
    made.start()
    yield made
    made.close()


def a_value(chance: random.Random, row: LimitRow, layout: str) -> Value:
    if chance.random() < 0.2 and row.none_words != "unknown":
        return None
    if row.kind is Kind.CAP:
        return CpuCap(chance.choice([50_000, 100_000]), chance.randrange(10_000, 200_000))
    if row.kind in {Kind.IOPS, Kind.BYTES_PER_S}:
        return chance.randrange(1000, 10**7)
    if row.key == "cpu_weight":
        return chance.randrange(2, 10_000)
    return value_for(row, layout)


def a_plan(chance: random.Random, situation: Situation, place: Place) -> dict[LimitRef, Value]:
    """Some limits that may be set together."""
    refs = [(row, ref) for row, ref in situation.refs() if row.key not in NOT_HERE]
    wanted: dict[LimitRef, Value] = {}
    for row, ref in chance.sample(refs, min(len(refs), 14)):
        more = {**wanted, ref: a_value(chance, row, situation.layout)}
        if not any(problem.is_fatal for problem in problems(situation, place, settled(situation, place, more))):
            wanted = more
    return wanted


def applied_and_undone(bench: Bench, chance: random.Random, *, deep: int) -> int:
    """A plan, others on top of it (which change what the first has set), and all of it back again."""
    situation = bench.situation()
    live, stored = (a_plan(chance, situation, place) for place in Place)
    definition, files, before = bench.definition(), _files(bench), situation.guest
    outcome = bench.run(ChangeLimits(situation, live, stored))
    assert "says" not in outcome.note, outcome.note
    assert "not as asked" not in outcome.note, outcome.note
    changed = applied_and_undone(bench, chance, deep=deep - 1) if deep > 1 else 0
    undo = outcome.undo
    assert isinstance(undo, ChangeLimits)
    redo = bench.run(undo).undo
    assert bench.definition() == definition
    assert _files(bench) == files
    now = bench.guest()
    assert (now.live, now.stored) == (before.live, before.stored)
    assert isinstance(redo, ChangeLimits)
    return changed + len(live) + len(stored)


def plans_from(bench: Bench, start: int, *, plans: int, deep: int) -> int:
    """How many limits were changed. The number of the plan that fails is its seed."""
    changed = 0
    for seed in range(start, start + plans, deep):
        try:
            changed += applied_and_undone(bench, random.Random(seed), deep=deep)
        except Exception as error:  # whatever it is: the seed must be told
            error.add_note(f"seed {seed}")
            raise
    return changed


def _files(bench: Bench) -> str:
    found = bench.host.exec("sh", "-c", FILES % bench.name).stdout
    assert found.count("\n") > 30
    return found


def test_applied_and_undone_nothing_is_left(bench: Bench) -> None:
    start = int(os.environ.get("VMCONSOLE_TEST_SEED", "4"))
    assert plans_from(bench, start, plans=PLANS, deep=2) > 4 * PLANS


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_applied_and_undone(bench: Bench) -> None:
    start = int(os.environ.get("VMCONSOLE_TEST_SEED", "1000"))
    assert plans_from(bench, start, plans=SLOW_PLANS, deep=2) > 4 * SLOW_PLANS


def test_a_cap_of_the_whole_guest_goes_while_its_vcpus_keep_theirs(bench: Bench) -> None:
    """libvirt alone refuses: for a moment the old quota would stand in the new, longer period."""
    files = _files(bench)
    whole, each = LimitRef("guest_cap"), LimitRef("vcpu_cap")
    bench.change(live={whole: CpuCap(50_000, 50_000), each: CpuCap(100_000, 80_000)})
    bench.change(live={whole: None})
    live = bench.guest().live
    assert live is not None
    assert (live.guest_cap.quota_us, live.vcpu_cap.quota_us) == (None, 80_000)
    bench.change(live={each: None})
    assert _files(bench) == files


@pytest.mark.parametrize(
    ("whole", "each", "new_whole", "new_each"),
    [
        (CpuCap(50_000, 50_000), CpuCap(100_000, 80_000), CpuCap(100_000, 90_000), CpuCap(100_000, 80_000)),
        (CpuCap(100_000, 90_000), CpuCap(100_000, 80_000), CpuCap(100_000, 90_000), CpuCap(50_000, 40_000)),
        (CpuCap(100_000, 100_000), CpuCap(200_000, 150_000), CpuCap(100_000, 100_000), None),
        (CpuCap(100_000, 90_000), CpuCap(100_000, 80_000), CpuCap(20_000, 10_000), CpuCap(10_000, 5_000)),
        (CpuCap(20_000, 10_000), CpuCap(10_000, 5_000), CpuCap(200_000, 180_000), CpuCap(40_000, 36_000)),
    ],
    ids=["whole, longer", "part, shorter", "part, gone", "both, shorter and less", "both, longer and more"],
)  # fmt: skip
def test_caps_that_get_another_period_hold_on_the_way(
    bench: Bench, whole: CpuCap, each: CpuCap, new_whole: CpuCap, new_each: CpuCap | None
) -> None:
    files = _files(bench)
    at_whole, at_each = LimitRef("guest_cap"), LimitRef("vcpu_cap")
    bench.change(live={at_whole: whole, at_each: each})
    outcome = bench.change(live={at_whole: new_whole, at_each: new_each})
    live = bench.guest().live
    assert live is not None
    assert (live.guest_cap, live.vcpu_cap) == (new_whole, new_each or CpuCap())
    assert outcome.undo is not None
    bench.run(outcome.undo)
    live = bench.guest().live
    assert live is not None
    assert (live.guest_cap, live.vcpu_cap) == (whole, each)
    bench.change(live={at_whole: None, at_each: None})
    assert _files(bench) == files
