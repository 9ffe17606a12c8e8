# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that do not start, pools, volumes, networks, snapshots, connections: entry → how to provoke it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libvirt

from tests.errors.bench import IMAGES, NAME, disk, domain, nic, volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.errors.bench import Bench

OTHER = "<uuid>0e0e0e0e-0000-4000-8000-000000000001</uuid>"
NO_SECRET = (
    f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{IMAGES}/off1.qcow2'>"
    "<encryption format='luks'><secret type='passphrase' uuid='0e0e0e0e-0000-4000-8000-000000000009'/></encryption>"
    "</source><target dev='vda' bus='virtio'/></disk>"
)
AT_SLOT = "<address type='pci' domain='0' bus='0' slot='3' function='0'/></disk>"
PCI = (
    "<hostdev mode='subsystem' type='pci' managed='yes'><source>"
    "<address domain='0x0000' bus='0x00' slot='0x1f' function='0x0'/></source></hostdev>"
)
USB = "<hostdev mode='subsystem' type='usb'><source><vendor id='0xdead'/><product id='0xbeef'/></source></hostdev>"


def at_slot(file: str, target: str) -> str:
    return disk(file, target=target).replace("</disk>", AT_SLOT)


def start(**parts: str) -> Callable[[Bench], object]:
    return lambda bench: bench.start(**parts)


def define(**parts: str) -> Callable[[Bench], object]:
    return lambda bench: bench.define(**parts)


def start_without_network(bench: Bench) -> None:
    with bench.network():
        bench.start(devices=nic(NAME))


def start_network_twice_addressed(bench: Bench) -> None:
    used = re.search(r"ip address='([^']+)'", bench.raw.networkLookupByName("default").XMLDesc())
    assert used is not None
    address = f"<bridge name='virbrx'/><ip address='{used.group(1)}' netmask='255.255.255.0'/>"
    with bench.network(address) as network:
        network.create()


def start_network_on_taken_bridge(bench: Bench) -> None:
    taken = re.search(r"bridge name='([^']+)'", bench.raw.networkLookupByName("default").XMLDesc())
    assert taken is not None
    with bench.network(f"<bridge name='{taken.group(1)}'/>") as network:
        network.create()


def look_into_stopped_pool(bench: Bench) -> None:
    with bench.pool("dir") as pool:
        pool.refresh()


def start_pool(kind: str, source: str = "", path: str = "/srv/nowhere") -> Callable[[Bench], object]:
    def act(bench: Bench) -> None:
        with bench.pool(kind, source, path) as pool:
            pool.create()

    return act


def in_pool(act: Callable[..., object]) -> Callable[[Bench], object]:
    return lambda bench: act(bench.raw.storagePoolLookupByName("default"))


def with_snapshot(act: Callable[[Bench], object]) -> Callable[[Bench], object]:
    def inner(bench: Bench) -> None:
        snapshot = bench.off.snapshotCreateXML("<domainsnapshot><name>s1</name></domainsnapshot>")
        try:
            act(bench)
        finally:
            snapshot.delete()

    return inner


def opened(uri: str) -> Callable[[Bench], object]:
    return lambda _bench: libvirt.open(uri)


def look_only(bench: Bench) -> None:
    reader = libvirt.openReadOnly(bench.host.uri)
    try:
        reader.lookupByName(bench.host.guests[0]).destroy()
    finally:
        reader.close()


NFS = "<source><host name='127.0.0.1'/><dir path='/x'/><format type='nfs'/></source>"
ISCSI = "<source><host name='127.0.0.1'/><device path='iqn.2000.x:y'/></source>"

STARTING: tuple[tuple[str, Callable[[Bench], object]], ...] = (
    ("storage-missing", start(devices=disk("/srv/gone.qcow2"))),
    ("image-locked", lambda b: b.start(devices=disk(f"{IMAGES}/{b.host.guests[0]}.qcow2"))),
    ("image-wrong-format", start(devices=disk("/etc/hostname"))),
    ("image-is-folder", start(devices=disk("/etc"))),
    ("storage-permission", start(devices=disk("/root/.ssh/a.qcow2"))),
    ("network-missing", start(devices=nic("nonet"))),
    ("network-inactive", start_without_network),
    ("bridge-missing", start(devices="<interface type='bridge'><source bridge='nobr0'/></interface>")),
    ("interface-missing",
     start(devices="<interface type='direct'><source dev='nodev0' mode='bridge'/></interface>")),
    ("emulator-missing", define(emulator="<emulator>/usr/bin/qemu-nope</emulator>")),
    ("emulator-other-arch", define(boot="<type arch='sparc99'>hvm</type>")),
    ("virtualisation-kind-unsupported", define(kind="xen")),
    ("machine-type-unknown", define(boot="<type arch='x86_64' machine='pc-q35-99.9'>hvm</type>")),
    ("firmware-needs-acpi", start(firmware=" firmware='efi'")),
    ("boot-file-missing", start(boot="<type arch='x86_64' machine='q35'>hvm</type><kernel>/nope</kernel>")),
    ("cpu-model-unknown",
     start(top="<cpu mode='custom' match='exact'><model fallback='forbid'>NoSuchCPU</model></cpu>")),
    ("cpu-not-offered", start(top="<cpu mode='host-passthrough'/>")),
    ("passthrough-missing", start(devices=PCI)),
    ("usb-device-missing", start(devices=USB)),
    ("huge-pages-missing", start(top="<memoryBacking><hugepages/></memoryBacking>")),
    ("host-memory-short", start(mib="90000000")),
    ("numa-node-missing", start(top="<numatune><memory mode='strict' nodeset='5'/></numatune>")),
    ("cpus-missing-at-start", start(vcpu="<vcpu cpuset='77'>1</vcpu>")),
    ("partition-missing", start(top="<resource><partition>/prod</partition></resource>")),
    ("shares-stored-range", start(top="<cputune><shares>1</shares></cputune>")),
    ("qemu-ended-at-start", start(top="<memtune><hard_limit unit='MiB'>8</hard_limit></memtune>")),
    ("display-port-taken", start(devices="<graphics type='vnc' port='5900' listen='127.0.0.1'/>")),
    ("display-address-missing", start(devices="<graphics type='vnc' port='5977' listen='203.0.113.7'/>")),
    ("vcpus-beyond-machine", start(vcpu="<vcpu>999</vcpu>")),
    ("tpm-unsupported",
     start(devices="<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>")),
    ("virtiofs-needs-shared-memory", start(devices=(
        "<filesystem type='mount'><driver type='virtiofs'/><source dir='/tmp'/><target dir='x'/></filesystem>"))),
    ("secret-missing", start(devices=NO_SECRET)),
    ("device-model-unknown", start(devices=nic(model="nonsense"))),
    ("device-address-taken", start(devices=at_slot("/a", "vda") + at_slot("/b", "vdb"))),
    ("mac-address-bad", define(devices=nic(mac="01:00:5e:00:00:01"))),
    ("name-taken", lambda b: b.raw.defineXML(domain(name=b.host.guests[0], uuid=OTHER))),
    ("xml-malformed", lambda b: b.raw.defineXML("<domain><name></domain>")),
    ("xml-refused", lambda b: b.raw.defineXML("<network/>")),
    ("configuration-unsupported", define(vcpu="<vcpu current='9'>2</vcpu>")),
)  # fmt: skip

HOST: tuple[tuple[str, Callable[[Bench], object]], ...] = (
    ("pool-missing", lambda b: b.raw.storagePoolLookupByName("nopool")),
    ("pool-inactive", look_into_stopped_pool),
    ("pool-folder-missing", start_pool("dir")),
    ("pool-mount-failed", start_pool("netfs", NFS)),
    ("volume-group-missing", start_pool("logical", "<source><name>novg</name></source>", "/dev/novg")),
    ("iscsi-failed", start_pool("iscsi", ISCSI, "/dev/disk/by-path")),
    ("pool-type-unsupported",
     lambda b: b.raw.storagePoolDefineXML("<pool type='zfs'><name>z</name><source><name>z</name></source></pool>")),
    ("pool-place-taken", start_pool("dir", path=IMAGES)),
    ("pool-name-taken", lambda b: b.raw.storagePoolDefineXML(
        f"<pool type='dir'><name>default</name>{OTHER}<target><path>/srv/zz</path></target></pool>")),
    ("pool-already-active", in_pool(lambda pool: pool.create())),
    ("pool-still-active", in_pool(lambda pool: pool.undefine())),
    ("volume-missing", in_pool(lambda pool: pool.storageVolLookupByName("novol"))),
    ("volume-exists", in_pool(lambda pool: pool.createXML(volume("off1.qcow2")))),
    ("volume-name", in_pool(lambda pool: pool.createXML(volume("a/b")))),
    ("volume-format-unknown", in_pool(lambda pool: pool.createXML(volume("zzz", kind="nonsense")))),
    ("volume-too-large", in_pool(lambda pool: pool.createXML(volume("zzz", mib=10**14)))),
    ("volume-shrink", in_pool(lambda pool: pool.storageVolLookupByName("off1.qcow2").resize(1))),
    ("network-already-active", lambda b: b.raw.networkLookupByName("default").create()),
    ("network-name-taken",
     lambda b: b.raw.networkDefineXML(f"<network><name>default</name>{OTHER}</network>")),
    ("network-address-taken", start_network_twice_addressed),
    ("bridge-name-taken", start_network_on_taken_bridge),
    ("snapshot-exists",
     with_snapshot(lambda b: b.off.snapshotCreateXML("<domainsnapshot><name>s1</name></domainsnapshot>"))),
    ("undefine-with-snapshots", with_snapshot(lambda b: b.off.undefine())),
    ("read-only", look_only),
    ("transport-unknown", opened("qemu+nonsense://kvm1/system")),
    ("driver-unknown", lambda b: libvirt.open(b.host.uri.replace("qemu+", "nonsense+"))),
    ("tcp-refused", opened("qemu+tcp://127.0.0.1:1/system")),
    ("tcp-host-unknown", opened("qemu+tcp://nohost.invalid/system")),
    ("tls-certificate-missing", opened("qemu+tls://kvm1/system")),
    ("daemon-missing", opened("qemu+unix:///system?socket=/nowhere/libvirt-sock")),
    ("remote-helper-missing", lambda b: libvirt.open(f"{b.host.uri}&socket=/nowhere/libvirt-sock")),
    ("ssh-host-unknown", opened("qemu+ssh://nohost.invalid/system")),
    ("login-prints-text", lambda b: libvirt.open(b.host.uri.replace("root@", "nobody@"))),
)  # fmt: skip
