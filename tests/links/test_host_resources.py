# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells of itself for limits, and of a guest's limits: the scripts' lines, and both on a real host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.limits_bench import Bench
from vmconsole.inventory.facts import HostState
from vmconsole.inventory.limits import LimitRef
from vmconsole.inventory.topology import NO_RESOURCES, BlockDevice
from vmconsole.links.host_resources import read_facts
from vmconsole.links.limit_proofs import answers, question

if TYPE_CHECKING:
    from tests.lab.vmlab import Lab
    from vmconsole.links.libvirt_link import LibvirtLoop

TEXT = """\
disk /dev/sda 1000 mq-deadline
disk /dev/dm-0 2000
disk /dev/broken x
controller cpu
controller blkio
controller cpu
lockable 8388608
lacks sfq
lacks police
systemd yes
odd line
done
"""


def test_the_scripts_lines_become_facts() -> None:
    found = read_facts(NO_RESOURCES, TEXT)
    assert found.block_devices == (BlockDevice("/dev/sda", "mq-deadline", 1000), BlockDevice("/dev/dm-0", "", 2000))
    assert found.controllers == {"cpu", "blkio"}
    assert found.lockable_kib == 8192
    assert found.has_systemd is True
    assert read_facts(NO_RESOURCES, TEXT.replace("systemd yes", "systemd no")).has_systemd is False
    assert read_facts(NO_RESOURCES, TEXT.replace("systemd yes\n", "")).has_systemd is None
    assert found.shaper_missing == "its kernel has no sfq, police"


@pytest.mark.parametrize("text", ["", "controller cpu\n", "done\nmore", "lacks sfq\ndone.\n"])
def test_a_script_that_did_not_end_is_not_believed(text: str) -> None:
    assert read_facts(NO_RESOURCES, text) == NO_RESOURCES


def test_questions_and_answers_of_proofs() -> None:
    refs = (LimitRef("guest_cap"), LimitRef("vcpu_pin", "3"), LimitRef("device_read_iops", "/dev/sda"),
            LimitRef("nic_in_average", "aa"), LimitRef("disk_group", "vda"), LimitRef("vcpu_count"))  # fmt: skip
    asked = [question(ref, number, {"aa": "vnet0"}) for number, ref in enumerate(refs)]
    assert asked == [
        "0|cpu|cpu.cfs_quota_us|cpu.max|",
        "1|cpuset|vcpu3/cpuset.cpus|vcpu3/cpuset.cpus|",
        "2|blkio|blkio.throttle.read_iops_device|io.max|/dev/sda",
        "3|tc|vnet0|class",
        "",
        "5|cpu|vcpus|vcpus|",
    ]
    assert answers(refs, "proof 0 1 2\nproof 2\nproof 0 3 4\nproof 77 x\ndone\n") == {refs[0]: "1 2\n3 4", refs[2]: ""}
    assert answers(refs, "proof 0 1 2\n") == {}


@pytest.mark.lab
def test_a_real_host_tells_after_it_is_shown(lab: Lab, event_loop: LibvirtLoop) -> None:
    host = lab.host("kvm1")
    host.repair()
    bench = Bench(host, event_loop, "g11")
    bench.start()
    try:
        resources, posted = bench.facts.resources, bench.posted
        assert len(resources.cpus) == bench.facts.cpus
        assert resources.nodes
        assert {"cpu", "cpuset", "memory", "blkio"} <= (resources.controllers or set())
        assert any(device.size_bytes and device.scheduler for device in resources.block_devices)
        assert posted.host(HostState.CONNECTED).resources == NO_RESOURCES, "the listing did not wait for it"
        missing = [name for name in ("sfq", "police") if name in resources.shaper_missing]
        works = host.exec(
            "sh", "-c", "ip link add t0 type dummy && tc qdisc add dev t0 root sfq; x=$?; ip link del t0; exit $x",
            check=False,
        ).returncode == 0  # fmt: skip
        assert works is ("sfq" not in missing)
    finally:
        bench.close()
