# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that the host refuses, and what a guest's state forbids: entry of the catalogue → how to provoke it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libvirt

from tests.errors.bench import CONFIG, IMAGES, LIVE, disk, domain, nic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.errors.bench import Bench

DIMM = "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>"
NOBODY = "0e0e0e0e-0000-4000-8000-000000000009"


def vcpu_above_guest(bench: Bench) -> None:
    bench.running.setSchedulerParametersFlags({"vcpu_quota": 50000}, LIVE)
    try:
        bench.running.setSchedulerParametersFlags({"global_quota": 10000}, LIVE)
    finally:
        bench.running.setSchedulerParametersFlags({"vcpu_quota": -1}, LIVE)


def longer_period_for_the_guest(bench: Bench) -> None:
    bench.running.setSchedulerParametersFlags({"global_quota": 60000}, LIVE)
    bench.running.setSchedulerParametersFlags({"vcpu_quota": 50000}, LIVE)
    try:
        bench.running.setSchedulerParametersFlags({"global_period": 200_000}, LIVE)
    finally:
        bench.running.setSchedulerParametersFlags({"vcpu_quota": -1}, LIVE)
        bench.running.setSchedulerParametersFlags({"global_quota": -1}, LIVE)


def move_to_node(bench: Bench) -> None:
    for nodes in ("0", "5"):
        bench.running.setNumaParameters({"numa_nodeset": nodes}, LIVE)


def change_transient(bench: Bench) -> None:
    with bench.transient() as guest:
        guest.setMemoryFlags(1000, CONFIG)


def ask_absent_agent(bench: Bench) -> None:
    with bench.transient() as guest:
        guest.resume()
        guest.fsFreeze()


def ask_silent_agent(bench: Bench) -> None:
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    with bench.transient(devices=channel) as guest:
        guest.resume()
        guest.fsFreeze()


def add_memory_without_room(bench: Bench) -> None:
    cells = "<cpu><numa><cell id='0' cpus='0' memory='65536' unit='KiB'/></numa></cpu>"
    with bench.transient(top=cells) as guest:
        guest.attachDeviceFlags(DIMM, LIVE)


def undefine_saved(bench: Bench) -> None:
    guest = bench.raw.defineXML(domain())
    try:
        guest.create()
        guest.managedSave()
        guest.undefine()
    finally:
        guest.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)


def picture_of_no_screen(bench: Bench) -> None:
    with bench.transient() as guest:
        guest.screenshot(bench.raw.newStream(), 0)


def console_of_none(bench: Bench) -> None:
    with bench.transient() as guest:
        guest.openConsole(None, bench.raw.newStream())


def second_console(bench: Bench) -> None:
    first = bench.raw.newStream()
    bench.running.openConsole(None, first)
    try:
        bench.running.openConsole(None, bench.raw.newStream())
    finally:
        first.abort()


def fill_slots(bench: Bench) -> None:
    with bench.transient() as guest:
        for _ in range(12):
            guest.attachDeviceFlags(nic(), LIVE)


def blkio(value: str) -> Callable[[Bench], object]:
    return lambda b: b.running.setBlkioParameters({"device_read_bytes_sec": value}, LIVE)


def throttle(**values: int) -> Callable[[Bench], object]:
    return lambda b: b.running.setBlockIoTune("vda", values, LIVE)


def attach(xml: str) -> Callable[[Bench], object]:
    return lambda b: b.running.attachDeviceFlags(xml, LIVE)


LIMITS: tuple[tuple[str, Callable[[Bench], object]], ...] = (
    ("flags-exclusive", lambda b: b.running.setSchedulerParametersFlags({"cpu_shares": 100}, LIVE | CONFIG)),
    ("shares-range", lambda b: b.running.setSchedulerParametersFlags({"cpu_shares": 1}, LIVE)),
    ("period-range", lambda b: b.running.setSchedulerParametersFlags({"vcpu_period": 1}, LIVE)),
    ("quota-range", lambda b: b.running.setSchedulerParametersFlags({"global_quota": 1}, LIVE)),
    ("quota-hierarchy", vcpu_above_guest),
    ("period-hierarchy", longer_period_for_the_guest),
    ("setting-unknown", lambda b: b.running.setSchedulerParametersFlags({"nonsense": 1}, LIVE)),
    ("value-too-large", lambda b: b.running.setSchedulerParametersFlags({"cpu_shares": -1}, LIVE)),
    ("value-not-a-number", lambda b: b.running.setMemoryFlags("much", LIVE)),
    ("swap-below-memory",
     lambda b: b.running.setMemoryParameters({"hard_limit": 1000000, "swap_hard_limit": 500000}, LIVE)),
    ("memory-below-use", lambda b: b.running.setMemoryParameters({"hard_limit": 4096}, LIVE)),
    ("memory-above-maximum", lambda b: b.running.setMemoryFlags(10**9, LIVE)),
    ("memory-zero", lambda b: b.running.setMemoryFlags(0, LIVE)),
    ("maximum-while-running",
     lambda b: b.running.setMemoryFlags(10**6, LIVE | libvirt.VIR_DOMAIN_MEM_MAXIMUM)),
    ("vcpus-above-maximum", lambda b: b.running.setVcpusFlags(50, LIVE)),
    ("vcpu-not-removable", lambda b: b.running.setVcpu("0", 0, LIVE)),
    ("pin-nowhere", lambda b: b.running.pinVcpuFlags(0, (False, False), LIVE)),
    ("invalid-argument", lambda b: b.running.pinVcpuFlags(9, (True, True), LIVE)),
    ("block-weight-range", lambda b: b.running.setBlkioParameters({"weight": 9999}, LIVE)),
    ("device-weight-scheduler", lambda b: b.running.setBlkioParameters({"device_weight": "/dev/sda,100"}, LIVE)),
    ("not-a-block-device", blkio("/dev/zero,100")),
    ("burst-below-average", throttle(read_iops_sec=100, read_iops_sec_max=10)),
    ("burst-without-average", throttle(total_bytes_sec_max=1000000)),
    ("throttle-total-and-parts", throttle(total_iops_sec=100, read_iops_sec=10)),
    ("throttle-too-high", throttle(total_iops_sec=10**17)),
    ("throttle-refused", throttle(size_iops_sec=100)),
    ("disk-not-found", lambda b: b.running.setBlockIoTune("vdz", {"total_iops_sec": 100}, LIVE)),
    ("guest-interface-unknown",
     lambda b: b.running.setInterfaceParameters("vnet99", {"inbound.average": 100}, LIVE)),
    ("perf-events", lambda b: b.running.setPerfEvents({"cmt": True}, LIVE)),
    ("numa-live", move_to_node),
    ("unsupported-flags", lambda b: b.running.setMemoryFlags(1000, 1 << 20)),
)  # fmt: skip

STATES: tuple[tuple[str, Callable[[Bench], object]], ...] = (
    ("not-running", lambda b: b.off.suspend()),
    ("already-running", lambda b: b.running.create()),
    ("rename-running", lambda b: b.running.rename("other")),
    ("transient", change_transient),
    ("agent-not-configured", ask_absent_agent),
    ("agent-silent", ask_silent_agent),
    ("max-memory-undefined", add_memory_without_room),
    ("undefine-with-managed-save", undefine_saved),
    ("no-such-domain", lambda b: b.raw.lookupByUUIDString(NOBODY)),
    ("screen-missing", picture_of_no_screen),
    ("console-missing", console_of_none),
    ("console-busy", second_console),
    ("not-suspended", lambda b: b.running.pMWakeup()),
    ("no-block-job", lambda b: b.running.blockJobAbort("vda")),
    ("migration-unsafe", lambda b: b.running.migrate3(b.raw, {}, libvirt.VIR_MIGRATE_LIVE)),
    ("migration-same-host", lambda b: b.running.migrateToURI3(
        "qemu:///system", {}, libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER)),
    ("save-file-missing", lambda b: b.raw.restore("/nowhere/x")),
    ("save-file-garbage", lambda b: b.raw.restore("/etc/hostname")),
    ("snapshot-missing", lambda b: b.running.snapshotLookupByName("none")),
    ("host-device-missing", lambda b: b.raw.nodeDeviceLookupByName("none")),
    ("network-filter-missing", lambda b: b.raw.nwfilterLookupByName("none")),
    ("no-hotplug-bus", attach(disk(f"{IMAGES}/off1.qcow2", target="hdc", bus="ide"))),
    ("no-hotplug-slot", fill_slots),
    ("memory-module-needs-numa",
     attach(DIMM)),
    ("device-live-attach", attach("<sound model='ich6'/>")),
    ("device-not-found", lambda b: b.running.detachDeviceFlags(disk("/none", target="vdq"), LIVE)),
    ("disk-target-taken", attach(disk(f"{IMAGES}/off1.qcow2"))),
    ("live-change-unsupported",
     lambda b: b.running.updateDeviceFlags(disk(f"{IMAGES}/{b.host.guests[0]}.qcow2", extra=" cache='none'"), LIVE)),
)  # fmt: skip
