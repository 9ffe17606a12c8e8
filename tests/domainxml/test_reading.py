# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain XML as facts, on a definition with one of everything, and on text that is none."""

from __future__ import annotations

import contextlib
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.domainxml.limits import UNLIMITED_QUOTA_US, cap_of, limits_from_parameters
from vmconsole.domainxml.reading import DomainDescription
from vmconsole.domainxml.sizes import UNLIMITED_KIB
from vmconsole.inventory.errors import BadDescription
from vmconsole.inventory.facts import Disk, Interface
from vmconsole.inventory.limits import CpuCap, Limits
from vmconsole.quotas.rows import Call

FULL = """
<domain type='kvm' id='7'>
  <name>wéb 1</name>
  <uuid>0e0e0e0e-0000-4000-8000-000000000001</uuid>
  <title>The shop</title>
  <memory unit='GiB'>2</memory>
  <currentMemory unit='KiB'>1048576</currentMemory>
  <vcpu placement='static' current='2'>4</vcpu>
  <memtune>
    <hard_limit unit='MiB'>3072</hard_limit>
    <soft_limit unit='G'>1</soft_limit>
    <swap_hard_limit unit='KiB'>9007199254740991</swap_hard_limit>
  </memtune>
  <cputune>
    <shares>2048</shares>
    <period>50000</period>
    <quota>-1</quota>
    <global_period>100000</global_period>
    <global_quota>150000</global_quota>
  </cputune>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/images/top.qcow2' index='1'/>
      <backingStore type='file' index='2'>
        <format type='qcow2'/>
        <source file='/images/middle.qcow2'/>
        <backingStore type='block' index='3'>
          <format type='raw'/><source dev='/dev/vg/base'/><backingStore/>
        </backingStore>
      </backingStore>
      <mirror type='file' job='copy'><source file='/images/copy.qcow2'/></mirror>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='volume' device='disk'>
      <driver name='qemu' type='raw'/><source pool='default' volume='data.img'/><target dev='vdb' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='sda' bus='sata'/><readonly/>
    </disk>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw'/><source protocol='rbd' name='pool/img'/><target dev='vdc' bus='virtio'/>
    </disk>
    <interface type='network'>
      <mac address='52:54:00:AA:00:01'/><source network='default' bridge='virbr0'/>
      <target dev='vnet3'/><model type='virtio'/>
    </interface>
    <interface type='user'><mac address='52:54:00:aa:00:02'/></interface>
  </devices>
</domain>
"""


def test_disks() -> None:
    file, volume, empty, network = DomainDescription(FULL).disks()
    assert file == Disk("vda", "/images/top.qcow2", "qcow2", bus="virtio")
    assert volume == Disk("vdb", "default/data.img", "raw", bus="virtio", kind="volume")
    assert empty == Disk("sda", "", "", device="cdrom", bus="sata", read_only=True)
    assert network == Disk("vdc", "", "raw", bus="virtio", kind="network")


def test_interfaces_with_the_tap_of_a_running_guest() -> None:
    assert DomainDescription(FULL).interfaces() == (
        Interface("52:54:00:aa:00:01", "network", "default", "virtio", "vnet3"),
        Interface("52:54:00:aa:00:02", "user", ""),
    )


def test_plain_facts() -> None:
    found = DomainDescription(FULL)
    assert (found.name, found.title, found.vcpus) == ("wéb 1", "The shop", 2)
    assert found.uuid == "0e0e0e0e-0000-4000-8000-000000000001"
    assert found.memory_max_kib == 2 * 1024 * 1024


def test_every_image_that_a_disk_stands_on_is_known() -> None:
    found = DomainDescription(FULL)
    wanted = {"/images/top.qcow2", "/images/middle.qcow2", "/dev/vg/base", "/images/copy.qcow2"}
    assert found.image_files() == wanted
    assert found.image_volumes() == {("default", "data.img")}


def test_limits_in_one_unit_with_none_for_unlimited() -> None:
    assert DomainDescription(FULL).limits() == Limits.of(
        guest_cap=CpuCap(100_000, 150_000),
        vcpu_cap=CpuCap(50_000, None),
        cpu_weight=2048,
        memory_hard=3072 * 1024,
        memory_soft=1024 * 1024,
        memory_swap_hard=None,
        memory_max=2 * 1024 * 1024,
        memory_balloon=1024 * 1024,
        vcpu_max=4,
        vcpu_count=2,
    )


def test_a_guest_without_limits_has_none() -> None:
    assert DomainDescription("<domain><name>a</name></domain>").limits() == Limits()


@pytest.mark.parametrize("text", ["", "no xml", "<domain>", "<domain><name></domain>", "<network/>", "\0", "<a:b/>"])
def test_what_is_no_definition_is_said_to_be_none(text: str) -> None:
    with pytest.raises(BadDescription) as caught:
        DomainDescription(text)
    assert caught.value.explanation.what


def test_entities_of_a_hostile_host_are_not_followed() -> None:
    text = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]><domain><title>&x;</title></domain>'
    assert DomainDescription(text).title == ""


def test_an_entity_bomb_is_refused_or_stays_small() -> None:
    levels = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    text = f'<!DOCTYPE d [<!ENTITY e0 "ha">{levels}]><domain><title>&e9;</title></domain>'
    with contextlib.suppress(BadDescription):
        assert len(DomainDescription(text).title) < 100


@given(st.text(max_size=200))
def test_any_text_is_a_definition_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(BadDescription):
        DomainDescription(text).limits()


@given(st.text(max_size=20), st.text(max_size=20))
def test_odd_numbers_leave_a_limit_empty(number: str, unit: str) -> None:
    def clean(text: str) -> str:
        return "".join(ch for ch in text if ch.isprintable())

    text = (
        f"<domain><memtune><hard_limit unit={quoteattr(clean(unit))}>{escape(clean(number))}</hard_limit></memtune>"
        f"<cputune><global_quota>{escape(clean(number))}</global_quota></cputune></domain>"
    )
    limits = DomainDescription(text).limits()
    assert (limits.number("memory_hard") or 1) > 0
    assert limits.guest_cap.quota_us is None or limits.guest_cap.quota_us > 0


@pytest.mark.parametrize("quota", [None, -1, 0, -17, UNLIMITED_QUOTA_US, UNLIMITED_QUOTA_US + 5])
def test_every_way_to_say_no_cap(quota: int | None) -> None:
    assert cap_of(50_000, quota) == CpuCap(50_000, None)


def test_a_period_never_set_is_the_kernels_default() -> None:
    assert cap_of(0, 20_000) == CpuCap(100_000, 20_000)


def test_parameters_of_the_running_guest_win_over_its_xml() -> None:
    base = Limits.of(guest_cap=CpuCap(100_000, 90_000), vcpu_cap=CpuCap(100_000, 80_000), cpu_weight=7, memory_soft=5)
    scheduler = {"global_quota": -1, "global_period": 100_000, "cpu_shares": 1024}
    found = limits_from_parameters(Call.SCHEDULER, "", scheduler, base=base)
    memory: dict[str, int | str] = {"hard_limit": 4096, "swap_hard_limit": UNLIMITED_KIB}
    found = limits_from_parameters(Call.MEMORY, "", memory, base=found)
    assert found == Limits.of(
        guest_cap=CpuCap(100_000, None),
        vcpu_cap=base.vcpu_cap,
        cpu_weight=1024,
        memory_hard=4096,
        memory_soft=5,
    )
