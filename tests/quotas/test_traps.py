# SPDX-License-Identifier: GPL-3.0-or-later
"""None of the values that keep a guest from starting can be stored from here."""

from __future__ import annotations

import pytest

from tests.quotas.traps import NIC, TRAPS, Trap
from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.facts import Disk, Guest, GuestState, Host, HostState, Interface
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.inventory.limits import Limits
from vmconsole.inventory.topology import BlockDevice, HostCpu, HostResources
from vmconsole.quotas.problems import refuse
from vmconsole.quotas.rows import Place
from vmconsole.quotas.rules import problems
from vmconsole.quotas.situation import Situation

HOST = HostId("qemu+ssh://kvm1/system")
RESOURCES = HostResources(
    cpus=(HostCpu(0), HostCpu(1)), node_memory_kib=((0, 2**24),),
    block_devices=(BlockDevice("/dev/vda", "mq-deadline"),),
    controllers=frozenset({"cpu", "cpuset", "memory", "blkio"}), lockable_kib=8192, shaper_missing="no sfq",
)  # fmt: skip
DEFINED = Limits.of(vcpu_max=2, vcpu_count=1, memory_max=96 * 1024, memory_balloon=96 * 1024, cpu_weight=1024)


def situation(*, layout: str = "v1") -> Situation:
    host = Host(
        HOST, "kvm1", HostState.CONNECTED, cpus=2, cgroup_layout=layout, resources=RESOURCES, has_shell=True,
    )  # fmt: skip
    guest = Guest(
        GuestId(HOST, "u"), "trap", GuestState.SHUT_OFF, vcpus=2, memory_max_kib=96 * 1024, described=True,
        disks=(Disk("vda", "/images/trap.qcow2", "qcow2"),), interfaces=(Interface(NIC, "network", "default"),),
        iothreads=(1,), stored=DEFINED,
    )  # fmt: skip
    return Situation(host, guest)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_it_is_refused_in_words_before_it_is_stored(trap: Trap) -> None:
    layout = "v2" if trap.where == "v2" else "v1"
    found = problems(situation(layout=layout), Place.STORED, trap.wanted)
    fatal = [problem for problem in found if problem.is_fatal]
    assert fatal
    assert fatal[0].what.endswith((".", "sfq."))
    with pytest.raises(OutOfRange) as caught:
        refuse(found, where="trap on kvm1")
    assert caught.value.explanation.advice


def test_there_are_more_than_twenty() -> None:
    assert len({trap.name for trap in TRAPS}) == len(TRAPS) > 20
