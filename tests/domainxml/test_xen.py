# SPDX-License-Identifier: GPL-3.0-or-later
"""Xen's domains. Not tried on Xen: the texts follow libvirt's «Domain XML format» and its Xen examples."""

from __future__ import annotations

import numpy as np
import pytest

from vmconsole.domainxml.reading import DomainDescription
from vmconsole.inventory.facts import GuestState
from vmconsole.inventory.ids import HostId
from vmconsole.links.domain_rows import DomainRow, guest_of
from vmconsole.links.stats import StatsRates
from vmconsole.metrics.figures import Figure

HOST = HostId("xen+ssh://root@dom0/")
PARAVIRTUAL = """\
<domain type='xen' id='3'>
  <name>pv1</name>
  <uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
  <memory unit='KiB'>1048576</memory><currentMemory unit='KiB'>524288</currentMemory>
  <vcpu placement='static' current='2'>4</vcpu>
  <bootloader>/usr/bin/pygrub</bootloader>
  <os><type arch='x86_64' machine='xenpv'>linux</type></os>
  <clock offset='utc' adjustment='reset'/>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>restart</on_crash>
  <devices>
    <disk type='block' device='disk'>
      <driver name='phy'/><source dev='/dev/vg0/pv1'/><target dev='xvda' bus='xen'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='tap' type='aio'/><source file='/srv/xen/data.img'/><target dev='xvdb' bus='xen'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='tap2' type='qcow2'/><source file='/srv/xen/log.qcow2'/><target dev='xvdc' bus='xen'/>
    </disk>
    <interface type='bridge'>
      <mac address='00:16:3E:5D:C7:9E'/><source bridge='xenbr0'/><script path='vif-bridge'/><target dev='vif3.0'/>
    </interface>
    <console type='pty' tty='/dev/pts/4'><source path='/dev/pts/4'/><target type='xen' port='0'/></console>
  </devices>
</domain>
"""
FULLY_VIRTUAL = """\
<domain type='xen'>
  <name>hvm1</name>
  <uuid>b5d70dd2-75cd-aca5-1776-9660b059d8bc</uuid>
  <memory unit='GiB'>2</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='xenfv'>hvm</type><loader type='rom'>/usr/lib/xen/boot/hvmloader</loader></os>
  <devices>
    <emulator>/usr/lib/xen/bin/qemu-system-i386</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='/srv/xen/hvm1.img'/><target dev='hda' bus='ide'/>
    </disk>
    <disk type='file' device='cdrom'><driver name='qemu'/><target dev='hdc' bus='ide'/><readonly/></disk>
    <interface type='network'>
      <mac address='00:16:3e:11:22:33'/><source network='default'/><model type='e1000'/>
    </interface>
    <graphics type='vnc' port='-1'/>
  </devices>
</domain>
"""


def test_a_paravirtual_guest() -> None:
    xen = DomainDescription(PARAVIRTUAL)
    assert (xen.name, xen.vcpus, xen.memory_max_kib) == ("pv1", 2, 1 << 20)
    assert [(d.target, d.bus, d.kind, d.format, d.source) for d in xen.disks()] == [
        ("xvda", "xen", "block", "raw", "/dev/vg0/pv1"),
        ("xvdb", "xen", "file", "raw", "/srv/xen/data.img"),
        ("xvdc", "xen", "file", "qcow2", "/srv/xen/log.qcow2"),
    ]
    (net,) = xen.interfaces()
    assert (net.mac, net.kind, net.source, net.tap) == ("00:16:3e:5d:c7:9e", "bridge", "xenbr0", "vif3.0")
    assert xen.limits().guest_cap.cores is None
    assert xen.image_files() == {"/dev/vg0/pv1", "/srv/xen/data.img", "/srv/xen/log.qcow2"}


def test_a_fully_virtual_guest() -> None:
    xen = DomainDescription(FULLY_VIRTUAL)
    disk, drive = xen.disks()
    assert (disk.format, disk.source, disk.bus) == ("raw", "/srv/xen/hvm1.img", "ide")
    assert (drive.device, drive.source, drive.read_only) == ("cdrom", "", True)
    assert xen.interfaces()[0].model == "e1000"
    assert xen.memory_max_kib == 2 << 20


@pytest.mark.parametrize(
    ("number", "state"), [(1, GuestState.RUNNING), (2, GuestState.RUNNING), (3, GuestState.PAUSED)]
)
def test_blocked_is_running_as_an_idle_guest_of_xen_is_most_of_the_time(number: int, state: GuestState) -> None:
    row = DomainRow("u", "pv1", 3, number, 2, 1 << 20, persistent=True)
    assert guest_of(row, HOST).state is state


def test_figures_from_what_virdomaingetinfo_says() -> None:
    """Xen's driver has no bulk statistics: CPU time and memory of each guest stand in for them."""
    rates = StatsRates(HOST)
    for second in (0, 4):
        answer = {"cpu.time": 3_000_000_000 + second * 250_000_000, "balloon.rss": 524_288}
        frame = rates.frame([("u", answer)], at=100.0 + second, monotonic=float(second), watched=frozenset({"u"}))
    row = frame.values[0]
    assert (row[Figure.CPU_CORES], row[Figure.MEMORY_BYTES]) == (0.25, 512 * 2**20)
    assert np.isnan(row[Figure.DISK_READ_BYTES_PER_S])
    assert np.isnan(row[Figure.NET_RX_BYTES_PER_S])
