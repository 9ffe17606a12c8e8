# SPDX-License-Identifier: GPL-3.0-or-later
"""Every limit of the table on a host with systemd and cgroup2 alone: the lab's list, in another kernel's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.limits_bench import Bench
from tests.links.limits_of_the_table import NEXT_BOOT_ONLY, EveryLiveLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.v2 import V2Host
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def bench(v2_machine: V2Host, event_loop: LibvirtLoop) -> Iterator[Bench]:
    v2_machine.repair()
    name = v2_machine.guests[0]
    if v2_machine.virsh("vcpucount", name, "--live", "--current") != "1":  # it has no system that gives one back
        v2_machine.virsh("destroy", name)
        v2_machine.virsh("start", name, timeout_s=240)
    made = Bench(v2_machine, event_loop, v2_machine.guests[0])
    made.start(within_s=180)
    yield made
    made.close()
    v2_machine.repair()


class TestOnV2(EveryLiveLimit):
    """The stored definition does not know of cgroups, so the lab's tests of it hold here."""

    guest_helps = False

    def not_live(self, bench: Bench) -> frozenset[str]:
        return NEXT_BOOT_ONLY | {"numa_nodes", "device_weight", "nic_in_floor"}

    def not_proved(self, bench: Bench) -> frozenset[str]:
        return frozenset({"block_weight", "nic_out_peak"})  # its disks have no scheduler; libvirt leaves the peak out
