# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the table of limits: memory. Plain data, any thread."""

from __future__ import annotations

from vmconsole.quotas.rows import Call, Kind, LimitRow, Range, Scope

MEMORY = "Memory"
UNLIMITED_KIB = 9_007_199_254_740_991
"""libvirt's VIR_DOMAIN_MEMORY_PARAM_UNLIMITED: 2^53 - 1 KiB."""
_TUNING = "libvirt: Domain XML format, Memory Tuning; kernel: cgroup-v2.rst, Memory Interface Files"
_KIB = Range(1, UNLIMITED_KIB - 1)


def _tuned(key: str, title: str, parameter: str, meaning: str, v1: str, v2: str) -> LimitRow:
    return LimitRow(
        key, title, MEMORY, Scope.GUEST, Kind.KIB, "KiB", Call.MEMORY, parameter, meaning, _TUNING, v1=_KIB, v2=_KIB,
        proof_v1=f"memory/{v1}", proof_v2=v2, needs_cgroup="memory",
    )  # fmt: skip


ROWS: tuple[LimitRow, ...] = (
    LimitRow(
        "memory_balloon", "Memory for the guest", MEMORY, Scope.GUEST, Kind.KIB, "KiB", Call.BALLOON, "memory",
        "How much memory the guest is asked to keep (balloon): a guest without the driver goes on as before.",
        "libvirt: virDomainSetMemoryFlags", v1=_KIB, v2=_KIB, proof_v1="QMP query-balloon",
        proof_v2="QMP query-balloon", none_words="unknown",
    ),
    LimitRow(
        "memory_max", "Memory, maximum", MEMORY, Scope.GUEST, Kind.KIB, "KiB", Call.MEMORY_MAX, "memory",
        "How much memory the guest boots with; the balloon can only give less.",
        "libvirt: virDomainSetMemoryFlags, VIR_DOMAIN_MEM_MAXIMUM", v1=_KIB, v2=_KIB,
        proof_v1="QMP query-memory-size-summary", proof_v2="QMP query-memory-size-summary", live=False,
        none_words="unknown",
    ),
    _tuned("memory_hard", "Memory hard limit", "hard_limit",
           "The most host memory that the guest with QEMU and page cache may hold; above it the guest is killed.",
           "memory.limit_in_bytes", "memory.max"),
    _tuned("memory_soft", "Memory soft limit", "soft_limit",
           "What the guest is pushed back to when the host runs short of memory; on cgroup v2 it is slowed at once.",
           "memory.soft_limit_in_bytes", "memory.high"),
    _tuned("memory_swap_hard", "Memory and swap, hard limit", "swap_hard_limit",
           "The most memory and swap together, never less than the hard limit; on cgroup v2 the most swap alone.",
           "memory.memsw.limit_in_bytes", "memory.swap.max"),
)  # fmt: skip
