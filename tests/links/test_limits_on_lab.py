# SPDX-License-Identifier: GPL-3.0-or-later
"""Every limit of the table on a host of the lab (cgroup v1), by the link's own lane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.limits_bench import Bench
from tests.links.limits_of_the_table import NEVER_STORED, NEXT_BOOT_ONLY, SHAPED, EveryLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import Lab
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def bench(lab: Lab, event_loop: LibvirtLoop) -> Iterator[Bench]:
    host = lab.host("kvm1")
    host.repair()
    if "<iotune>" in host.virsh("dumpxml", "g11") or host.virsh("vcpucount", "g11", "--live", "--current") != "1":
        host.virsh("destroy", "g11")  # another run on a lent lab ended in the middle
        host.virsh("start", "g11")
    host.wait_for_agent("g11")  # it must help: balloon, vCPUs
    made = Bench(host, event_loop, "g11")
    made.start()
    yield made
    made.close()
    host.repair()


class TestOnLab(EveryLimit):
    def not_live(self, bench: Bench) -> frozenset[str]:
        return NEXT_BOOT_ONLY | {"numa_nodes", "device_weight"} | self._unshaped(bench)

    def not_stored(self, bench: Bench) -> frozenset[str]:
        locked = {"memory_hard", "memory_swap_hard"} if bench.facts.resources.lockable_kib is not None else set()
        return NEVER_STORED | {"device_weight"} | locked | self._unshaped(bench)

    def _unshaped(self, bench: Bench) -> frozenset[str]:
        return SHAPED if bench.facts.resources.shaper_missing else frozenset({"nic_in_floor"})
