# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests of a scripted host: who they are, by seed, and their definitions as libvirt XML. Pure; any thread."""

from __future__ import annotations

import random
import uuid as uuids
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from vmconsole.domainxml.limit_edits import with_limits
from vmconsole.inventory.facts import GuestState
from vmconsole.inventory.limits import CpuCap, Limits
from vmconsole.quotas.table import BY_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLES = {
    "web": "Web server",
    "db": "Database",
    "mail": "Mail",
    "dns": "Name server",
    "git": "Source code",
    "ci": "Build worker",
    "cache": "Cache",
    "ldap": "Directory",
    "wiki": "Wiki",
    "mon": "Monitoring",
    "files": "File server",
    "node": "Cluster node",
    "proxy": "Proxy",
    "erp": "Bookkeeping",
    "desk": "Remote desktop",
    "test": "Test machine",
}
IMAGES = "/var/lib/libvirt/images"
BASE_IMAGE = f"{IMAGES}/base/debian-12.qcow2"


@dataclass(frozen=True, slots=True)
class ScriptedDisk:
    target: str
    path: str
    base: str = ""
    """The image it is based on."""


@dataclass(slots=True)
class ScriptedGuest:
    """One guest of the made-up hypervisor. Changed only by its ``ScriptedHost``, under a lock."""

    row: int
    uuid: str
    name: str
    title: str
    vcpus: int
    memory_kib: int
    disks: tuple[ScriptedDisk, ...]
    macs: tuple[str, ...]
    state: GuestState
    live: Limits
    stored: Limits
    number: int | None = None
    """libvirt's ID while it has a process."""
    started_at_tick: int = -1_000
    taps: tuple[str, ...] = field(default=())


def make_guests(count: int, *, seed: int, host: int, first_number: int) -> list[ScriptedGuest]:
    """The same guests for the same numbers. Names are unique in the fleet: they carry the guest's number in it."""
    chance = random.Random(f"{seed}/{host}")
    return [_make_guest(chance, row, first_number + row) for row in range(count)]


def _make_guest(chance: random.Random, row: int, number: int) -> ScriptedGuest:
    role = chance.choice(list(ROLES))
    name = f"{role}-{number:04d}"
    vcpus = chance.choice([1, 1, 2, 2, 2, 4, 4, 8])
    memory_kib = chance.choice([1, 2, 2, 4, 4, 8, 16]) * 2**20
    state = chance.choices([GuestState.RUNNING, GuestState.PAUSED, GuestState.SHUT_OFF], [80, 5, 15])[0]
    limits = _limits(chance, vcpus, memory_kib)
    base = BASE_IMAGE if chance.random() < 0.3 else ""
    disks = [ScriptedDisk("vda", f"{IMAGES}/{name}.qcow2", base)]
    if role in {"db", "files", "mail"}:
        disks.append(ScriptedDisk("vdb", f"{IMAGES}/{name}-data.qcow2"))
    return ScriptedGuest(
        row=row,
        uuid=str(uuids.UUID(int=chance.getrandbits(128), version=4)),
        name=name,
        title=f"{ROLES[role]} {number}" if chance.random() < 0.5 else "",
        vcpus=vcpus,
        memory_kib=memory_kib,
        disks=tuple(disks),
        macs=tuple(_mac(number, place) for place in range(chance.choice([1, 1, 2]))),
        state=state,
        live=limits,
        stored=limits,
    )


def _mac(number: int, place: int) -> str:
    return f"52:54:00:{number >> 8 & 255:02x}:{number & 255:02x}:{(number >> 16) * 16 + place & 255:02x}"


def _limits(chance: random.Random, vcpus: int, memory_kib: int) -> Limits:
    """Most guests have none; some a cap of the whole guest, a few one of each vCPU, a memory limit, a weight."""
    guest_cap, vcpu_cap = CpuCap(), CpuCap()
    what = chance.random()
    if what < 0.2:
        guest_cap = CpuCap(quota_us=chance.choice([25_000, 50_000, 75_000, 100_000]) * vcpus)
    elif what < 0.27:
        vcpu_cap = CpuCap(quota_us=chance.choice([20_000, 50_000]))
    return Limits.of(
        guest_cap=guest_cap,
        vcpu_cap=vcpu_cap,
        cpu_weight=chance.choice([None, None, None, 512, 2048]),
        memory_hard=memory_kib * 5 // 4 + 2**19 if chance.random() < 0.15 else None,
    )


# -- as libvirt would write it -----------------------------------------------------------------------------------------


def xml_of(guest: ScriptedGuest, *, stored: bool) -> str:
    """The domain's XML: with id, taps and chains of images while it runs; without for the next boot."""
    live = guest.state.has_process and not stored
    limits = guest.live if live else guest.stored
    order = list(BY_KEY)
    found = sorted(limits.values.items(), key=lambda one: (order.index(one[0].key), one[0].target))
    return with_limits(_bare_xml(guest, live=live), dict(found))


def _bare_xml(guest: ScriptedGuest, *, live: bool) -> str:
    number = f" id='{guest.number}'" if live and guest.number is not None else ""
    return "\n".join(
        [
            f"<domain type='kvm'{number}>",
            f"  <name>{escape(guest.name)}</name>",
            f"  <uuid>{guest.uuid}</uuid>",
            *([f"  <title>{escape(guest.title)}</title>"] if guest.title else []),
            f"  <memory unit='KiB'>{guest.memory_kib}</memory>",
            f"  <currentMemory unit='KiB'>{guest.memory_kib}</currentMemory>",
            f"  <vcpu placement='static'>{guest.vcpus}</vcpu>",
            "  <iothreads>1</iothreads>",
            "  <os>\n    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\n    <boot dev='hd'/>\n  </os>",
            "  <features>\n    <acpi/>\n    <apic/>\n  </features>",
            "  <cpu mode='host-passthrough' check='none' migratable='on'/>",
            "  <clock offset='utc'/>",
            "  <devices>",
            "    <emulator>/usr/bin/qemu-system-x86_64</emulator>",
            *(line for disk in guest.disks for line in _disk_xml(disk, live=live)),
            *(line for place in range(len(guest.macs)) for line in _interface_xml(guest, place, live=live)),
            "    <serial type='pty'>\n      <target port='0'/>\n    </serial>",
            "    <console type='pty'>\n      <target type='serial' port='0'/>\n    </console>",
            "    <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>",
            "    <video>\n      <model type='virtio'/>\n    </video>",
            "    <memballoon model='virtio'/>",
            "  </devices>",
            "</domain>\n",
        ]
    )


def _disk_xml(disk: ScriptedDisk, *, live: bool) -> Iterator[str]:
    yield "    <disk type='file' device='disk'>"
    yield "      <driver name='qemu' type='qcow2' discard='unmap'/>"
    yield f"      <source file={quoteattr(disk.path)}/>"
    if live and disk.base:
        yield "      <backingStore type='file'>\n        <format type='qcow2'/>"
        yield f"        <source file={quoteattr(disk.base)}/>\n        <backingStore/>\n      </backingStore>"
    yield f"      <target dev='{disk.target}' bus='virtio'/>"
    yield "    </disk>"


def _interface_xml(guest: ScriptedGuest, place: int, *, live: bool) -> Iterator[str]:
    yield "    <interface type='bridge'>"
    yield f"      <mac address='{guest.macs[place]}'/>"
    yield f"      <source bridge='br{place}'/>"
    if live and place < len(guest.taps):
        yield f"      <target dev='{guest.taps[place]}'/>"
    yield "      <model type='virtio'/>"
    yield "    </interface>"
