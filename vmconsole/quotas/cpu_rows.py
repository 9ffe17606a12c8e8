# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the table of limits: CPU time, number and place of virtual CPUs, I/O threads. Plain data, any thread."""

from __future__ import annotations

from vmconsole.quotas import cpucap
from vmconsole.quotas.rows import Call, Kind, LimitRow, Range, Scope

CPU, PINNING, IOTHREADS = "CPU", "CPU pinning and NUMA", "I/O threads"
CPU_TUNING = "libvirt: Domain XML format, CPU Tuning"
_BANDWIDTH = f"{CPU_TUNING}; kernel: sched-bwc.rst"
POLL_MAX_NS = 32_768
"""QEMU's IOTHREAD_POLL_MAX_NS_DEFAULT where it can poll (iothread.c)."""
_QUOTA = Range(cpucap.MIN_QUOTA_US, cpucap.MAX_QUOTA_US)


def _cap(key: str, title: str, prefix: str, folder: str, meaning: str) -> LimitRow:
    """``folder`` holds the file below the guest's directory; empty for the guest's own."""
    return LimitRow(
        key, title, CPU, Scope.GUEST, Kind.CAP, "µs of CPU time per period", Call.SCHEDULER, prefix, meaning,
        _BANDWIDTH, v1=_QUOTA, v2=_QUOTA, proof_v1=f"cpu/{folder}cpu.cfs_quota_us", proof_v2=f"{folder}cpu.max",
        needs_cgroup="cpu", none_words="no cap",
    )  # fmt: skip


def _pin(key: str, title: str, scope: Scope, call: Call, folder: str, meaning: str) -> LimitRow:
    return LimitRow(
        key, title, PINNING, scope, Kind.CPUS, "host CPUs", call, "cpumap", meaning,
        f"{CPU_TUNING}; kernel: cgroup-v2.rst, Cpuset", proof_v1=f"cpuset/{folder}cpuset.cpus",
        proof_v2=f"{folder}cpuset.cpus", needs_cgroup="cpuset", none_words="any CPU",
    )  # fmt: skip


def _polling(
    key: str, title: str, parameter: str, unit: str, kind: Kind, meaning: str, *, default: int = 0
) -> LimitRow:
    found = Range(0, 2**31 - 1, default=default)
    return LimitRow(
        key, title, IOTHREADS, Scope.IOTHREAD, kind, unit, Call.IOTHREAD, parameter, meaning,
        "libvirt: virDomainSetIOThreadParams; QEMU: -object iothread", v1=found, v2=found,
        proof_v1="QMP query-iothreads", proof_v2="QMP query-iothreads", stored=False, none_words="QEMU's own",
    )  # fmt: skip


# The weight on v2: the kernel takes 1 as well, but libvirt refuses to start a guest with it (domain_validate.c).
ROWS: tuple[LimitRow, ...] = (
    _cap("guest_cap", "CPU cap, whole guest", "global", "",
         "The most CPU time that the guest may use in all, its vCPUs, emulator and disk threads together."),
    _cap("vcpu_cap", "CPU cap, each vCPU", "vcpu", "vcpu*/",
         "The most CPU time that each single vCPU may use; 1.00 core is one core kept busy all the time."),
    _cap("emulator_cap", "CPU cap, emulator", "emulator", "emulator/",
         "The most CPU time for QEMU's own threads: devices, display, migration."),
    _cap("iothread_cap", "CPU cap, each I/O thread", "iothread", "iothread*/",
         "The most CPU time that each I/O thread may use."),
    LimitRow(
        "cpu_weight", "CPU weight", CPU, Scope.GUEST, Kind.WEIGHT, "shares", Call.SCHEDULER, "cpu_shares",
        "How much the guest gets when guests compete: twice the weight, twice the time. It is no cap.",
        f"{CPU_TUNING}; kernel: cgroup-v2.rst, CPU Interface Files",
        v1=Range(2, 262_144, default=1024), v2=Range(2, 10_000, default=100),
        proof_v1="cpu/cpu.shares", proof_v2="cpu.weight", needs_cgroup="cpu", none_words="default",
    ),
    LimitRow(
        "vcpu_count", "vCPUs", CPU, Scope.GUEST, Kind.COUNT, "vCPUs", Call.VCPUS, "nvcpus",
        "How many virtual CPUs are plugged in. Taking one away from a running guest needs the guest's help.",
        "libvirt: virDomainSetVcpusFlags", v1=Range(1, 4096), v2=Range(1, 4096),
        proof_v1="QMP query-cpus-fast", proof_v2="QMP query-cpus-fast", none_words="unknown",
    ),
    LimitRow(
        "vcpu_max", "vCPUs, maximum", CPU, Scope.GUEST, Kind.COUNT, "vCPUs", Call.VCPUS_MAX, "nvcpus",
        "How many virtual CPUs can be plugged in without a reboot.",
        "libvirt: virDomainSetVcpusFlags, VIR_DOMAIN_VCPU_MAXIMUM", v1=Range(1, 4096), v2=Range(1, 4096),
        proof_v1="QMP query-hotpluggable-cpus", proof_v2="QMP query-hotpluggable-cpus", live=False,
        none_words="unknown",
    ),
    _pin("vcpu_pin", "vCPU pinning", Scope.VCPU, Call.PIN_VCPU, "vcpu{target}/",
         "On which of the host's CPUs this virtual CPU may run."),
    _pin("emulator_pin", "Emulator pinning", Scope.GUEST, Call.PIN_EMULATOR, "emulator/",
         "On which of the host's CPUs QEMU's own threads may run."),
    _pin("iothread_pin", "I/O thread pinning", Scope.IOTHREAD, Call.PIN_IOTHREAD, "iothread{target}/",
         "On which of the host's CPUs this I/O thread may run."),
    LimitRow(
        "numa_nodes", "NUMA nodes for memory", PINNING, Scope.GUEST, Kind.NODES, "host NUMA nodes", Call.NUMA,
        "numa_nodeset",
        "From which of the host's NUMA nodes the guest's memory comes; a running one moves only in mode restrictive.",
        "libvirt: Domain XML format, NUMA Node Tuning; kernel: cgroup-v2.rst, cpuset.mems",
        proof_v1="cpuset/emulator/cpuset.mems", proof_v2="emulator/cpuset.mems", needs_cgroup="cpuset",
        none_words="any node",
    ),
    LimitRow(
        "numa_mode", "NUMA mode", PINNING, Scope.GUEST, Kind.MODE, "strict, preferred, interleave or restrictive",
        Call.NUMA, "numa_mode", "How strictly the nodes are kept to.",
        "libvirt: Domain XML format, NUMA Node Tuning", proof_v1="libvirt numaParameters",
        proof_v2="libvirt numaParameters", live=False, none_words="strict",
    ),
    _polling("iothread_poll_max", "Polling, longest", "poll_max_ns", "ns", Kind.NANOSECONDS,
             "How long the thread looks for work before it sleeps: longer answers sooner and costs CPU; 0 is off.",
             default=POLL_MAX_NS),
    _polling("iothread_poll_grow", "Polling, growth", "poll_grow", "factor", Kind.COUNT,
             "By how much the polling time is multiplied when it was too short; 0 is QEMU's own choice."),
    _polling("iothread_poll_shrink", "Polling, shrinking", "poll_shrink", "divisor", Kind.COUNT,
             "By how much the polling time is divided when it was too long; 0 is straight down to nothing."),
)  # fmt: skip
