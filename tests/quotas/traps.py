# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that libvirt stores, or takes in a definition, and with which a guest does not start. Each was provoked on a
real host; what keeps it from starting differs by host (``where``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.limits import CpuCap, LimitRef

if TYPE_CHECKING:
    from vmconsole.inventory.limits import Value

NIC = "52:54:00:00:00:01"
"""Stands for the MAC of whichever guest is asked."""


@dataclass(frozen=True, slots=True)
class Trap:
    name: str
    wanted: dict[LimitRef, Value]
    at_define: bool = False
    """libvirt refuses the definition already; its setter would take the value."""
    where: str = ""
    """«locked»: on hosts whose daemon may not let QEMU lock memory; «unshaped»: whose kernel has no traffic shaper;
    «v1», «v2»: with these cgroups."""


def _disk(**values: Value) -> dict[LimitRef, Value]:
    return {LimitRef(f"disk_{key}", "vda"): value for key, value in values.items()}


CAP, LESS = CpuCap(100_000, 50_000), CpuCap(100_000, 10_000)
TRAPS = (
    Trap("weight too high", {LimitRef("cpu_weight"): 9_999_999_999}, at_define=True),
    Trap("weight zero", {LimitRef("cpu_weight"): 0}),
    Trap("weight one", {LimitRef("cpu_weight"): 1}, at_define=True),
    Trap("weight beyond systemd's numbers", {LimitRef("cpu_weight"): 10_001}, where="v2"),
    Trap("period too short", {LimitRef("vcpu_cap"): CpuCap(999, 5000)}, at_define=True),
    Trap("quota too small", {LimitRef("vcpu_cap"): CpuCap(100_000, 999)}, at_define=True),
    Trap("vCPU cap above the whole", {LimitRef("vcpu_cap"): CAP, LimitRef("guest_cap"): LESS}, where="v1"),
    Trap("emulator cap above the whole", {LimitRef("emulator_cap"): CAP, LimitRef("guest_cap"): LESS}, where="v1"),
    Trap("I/O thread cap above the whole", {LimitRef("iothread_cap"): CAP, LimitRef("guest_cap"): LESS}, where="v1"),
    Trap("hard limit far below the memory", {LimitRef("memory_hard"): 4096}),
    Trap("hard limit below the memory", {LimitRef("memory_hard"): 48 * 1024}, where="locked"),
    Trap("hard limit that cannot be locked", {LimitRef("memory_hard"): 2**20}, where="locked"),
    Trap("swap below hard", {LimitRef("memory_hard"): 2**20, LimitRef("memory_swap_hard"): 2**19}, where="locked"),
    Trap("swap without hard", {LimitRef("memory_swap_hard"): 2**20}, where="v1"),
    Trap("block weight too high", {LimitRef("block_weight"): 9999}, where="v1"),
    Trap("device weight without bfq", {LimitRef("device_weight", "/dev/vda"): 500}, where="v1"),
    Trap("throttle of what is no block device", {LimitRef("device_read_bytes", "/dev/zero"): 500}),
    Trap("throttle of a device that is not there", {LimitRef("device_write_iops", "/dev/nothing"): 500}),
    Trap("NUMA node that is not there", {LimitRef("numa_nodes"): "5"}),
    Trap("vCPU on a CPU that is not there", {LimitRef("vcpu_pin", "0"): "97"}),
    Trap("emulator on a CPU that is not there", {LimitRef("emulator_pin"): "97"}),
    Trap("I/O thread on a CPU that is not there", {LimitRef("iothread_pin", "1"): "97"}),
    Trap("burst below the rate", _disk(read_bytes=2_000_000, read_bytes_burst=1_000_000)),
    Trap("burst without a rate", _disk(write_iops_burst=1000)),
    Trap("burst length alone", _disk(read_bytes_burst_length=10)),
    Trap("burst length without a burst", _disk(read_bytes=10_000, read_bytes_burst_length=10)),
    Trap("burst that is too long",
         _disk(read_bytes=1000, read_bytes_burst=900_000_000_000_000, read_bytes_burst_length=10)),
    Trap("rate beyond QEMU's numbers", _disk(total_bytes=10**15 + 1), at_define=True),
    Trap("total beside read", _disk(total_bytes=1_000_000, read_bytes=1_000_000), at_define=True),
    Trap("size of operations alone", _disk(iops_size=4096)),
    Trap("group alone", _disk(group="x"), at_define=True),
    Trap("more vCPUs than the maximum", {LimitRef("vcpu_count"): 9}, at_define=True),
    Trap("inbound without a shaper", {LimitRef("nic_in_average", NIC): 1000}, where="unshaped"),
    Trap("outbound without a shaper", {LimitRef("nic_out_average", NIC): 1000}, where="unshaped"),
    Trap("peak without an average", {LimitRef("nic_in_peak", NIC): 1000}, at_define=True),
    Trap("burst beyond tc's numbers",
         {LimitRef("nic_in_average", NIC): 1000, LimitRef("nic_in_burst", NIC): 8_000_000}),
    Trap("floor on a network without a rate", {LimitRef("nic_in_floor", NIC): 1000}),
)  # fmt: skip
