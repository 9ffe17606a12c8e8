# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's files and QEMU say of limits, held against what was asked for."""

import pytest

from tests.quotas.test_typed import V1, V2
from vmconsole.inventory.limits import CpuCap, LimitRef
from vmconsole.quotas.proofs import proved

GROUP, RATE = LimitRef("disk_group", "vda"), LimitRef("disk_read_bytes", "vda")
QEMUS_OWN = "/machine/peripheral/virtio-disk0/virtio-backend"


def test_a_disk_without_a_group_is_in_a_group_of_its_own_by_qemus_name():
    assert proved(V1, {GROUP: None, RATE: 3000}, {GROUP: QEMUS_OWN, RATE: "3000"}) == ()
    assert proved(V1, {GROUP: None}, {GROUP: "slow"}) == (
        "Throttle group: libvirt says own, QMP query-block says slow",
    )
    assert proved(V1, {GROUP: "slow"}, {GROUP: QEMUS_OWN}) == (
        "Throttle group: libvirt says slow, QMP query-block says own",
    )


def test_a_burst_without_a_length_lasts_a_second():
    length = LimitRef("disk_write_bytes_burst_length", "vda")
    for libvirt in (None, 1):
        assert proved(V1, {length: libvirt}, {length: "1"}) == ()
    assert proved(V1, {length: 7}, {length: "1"}) != ()
    assert proved(V1, {length: None}, {length: "7"}) != ()


@pytest.mark.parametrize(
    ("situation", "ref", "value", "right", "wrong"),
    [
        (V1, LimitRef("guest_cap"), CpuCap(100_000, 50_000), "50000 100000", "-1 100000"),
        (V2, LimitRef("guest_cap"), None, "max 100000", "50000 100000"),
        (V2, LimitRef("memory_hard"), 1024, "max\n1048576", "max\nmax"),
        (V1, LimitRef("memory_hard"), None, "9223372036854771712", "1048576"),
        (V2, LimitRef("device_read_bytes", "/dev/sda"), 5000, "8:0 rbps=5000 wbps=max", "8:0 rbps=max wbps=5000"),
        (V1, LimitRef("device_read_bytes", "/dev/sda"), 5000, "8:0 5000", ""),
        (V2, LimitRef("block_weight"), 300, "default 300", "default 301"),
        (V1, LimitRef("vcpu_pin", "0"), "0-1", "0-1", "0-7"),
        (V1, LimitRef("nic_in_average", "aa"), 1000, "class htb 1:1 root rate 8Mbit ceil 8Mbit", ""),
    ],
)  # fmt: skip
def test_the_right_words_prove_it_and_others_do_not(situation, ref, value, right, wrong):
    assert proved(situation, {ref: value}, {ref: right}) == ()
    assert len(proved(situation, {ref: value}, {ref: wrong})) == 1
