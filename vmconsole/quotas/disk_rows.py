# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the table of limits: disks, by the host's cgroup and by QEMU itself. Plain data, any thread."""

from __future__ import annotations

from vmconsole.quotas.rows import Call, Kind, LimitRow, Range, Scope

HOST_DISKS, DISKS = "Host's block devices", "Disks"
THROTTLE_MAX = 10**15
"""QEMU's THROTTLE_VALUE_MAX (include/qemu/throttle.h)."""
UINT_MAX = 2**32 - 1
_BLOCK_TUNING = (
    "libvirt: Domain XML format, Block I/O Tuning; kernel: cgroup-v1/blkio-controller.rst, cgroup-v2.rst, IO"
)
_IOTUNE = "libvirt: Domain XML format, Hard drives, iotune; QEMU: docs/throttle.txt"
_RATE = Range(1, THROTTLE_MAX)
_WAYS = {"total": "reading and writing together", "read": "reading", "write": "writing"}


def _device(key: str, title: str, parameter: str, kind: Kind, high: int, v1: str, v2: str) -> LimitRow:
    what = "bytes" if kind is Kind.BYTES_PER_S else "operations"
    way = "read from" if "read" in key else "written to"
    return LimitRow(
        key, title, HOST_DISKS, Scope.HOST_DEVICE, kind, kind.value, Call.BLKIO, parameter,
        f"How many {what} a second may be {way} this device of the host for the guest.", _BLOCK_TUNING,
        v1=Range(1, high), v2=Range(1, high), proof_v1=f"blkio/blkio.throttle.{v1}", proof_v2=f"io.max {v2}",
        needs_cgroup="blkio",
    )  # fmt: skip


def _disk(key: str, title: str, parameter: str, kind: Kind, meaning: str, *, found: Range = _RATE) -> LimitRow:
    return LimitRow(
        key, title, DISKS, Scope.DISK, kind, kind.value, Call.BLOCK_IO_TUNE, parameter, meaning, _IOTUNE,
        v1=found, v2=found, proof_v1="QMP query-block", proof_v2="QMP query-block",
    )  # fmt: skip


def _throttles(way: str, what: str) -> tuple[LimitRow, LimitRow, LimitRow]:
    """Rate, burst and burst length of one of «total», «read», «write» and one of «bytes», «iops»."""
    kind = Kind.BYTES_PER_S if what == "bytes" else Kind.IOPS
    key, name, unit = f"disk_{way}_{what}", f"{way}_{what}_sec", "bytes" if what == "bytes" else "operations"
    title = f"{way.capitalize()} {'rate' if what == 'bytes' else 'operations'}"
    return (
        _disk(key, title, name, kind, f"How many {unit} a second the disk may do: {_WAYS[way]}."),
        _disk(f"{key}_burst", f"{title}, burst", f"{name}_max", kind,
              f"How many {unit} a second it may do for a short while; never less than the rate."),
        _disk(f"{key}_burst_length", f"{title}, burst length", f"{name}_max_length", Kind.SECONDS,
              "For how many seconds a burst may last.", found=Range(1, THROTTLE_MAX)),
    )  # fmt: skip


ROWS: tuple[LimitRow, ...] = (
    LimitRow(
        "block_weight", "Disk weight", HOST_DISKS, Scope.GUEST, Kind.WEIGHT, "weight", Call.BLKIO, "weight",
        "How much of a disk the guest gets when guests compete; the host's disk must use the scheduler bfq.",
        _BLOCK_TUNING, v1=Range(1, 1000, default=100), v2=Range(1, 1000, default=100),
        proof_v1="blkio/blkio.bfq.weight", proof_v2="io.bfq.weight", needs_cgroup="blkio", none_words="default",
    ),
    LimitRow(
        "device_weight", "Weight on this device", HOST_DISKS, Scope.HOST_DEVICE, Kind.WEIGHT, "weight", Call.BLKIO,
        "device_weight", "As the disk weight, for this one device of the host.", _BLOCK_TUNING,
        v1=Range(10, 1000, default=100), v2=Range(1, 10_000, default=100), proof_v1="blkio/blkio.weight_device",
        proof_v2="io.weight", needs_cgroup="blkio", none_words="default",
    ),
    _device("device_read_bytes", "Read rate", "device_read_bytes_sec", Kind.BYTES_PER_S, 2**63 - 1,
            "read_bps_device", "rbps"),
    _device("device_write_bytes", "Write rate", "device_write_bytes_sec", Kind.BYTES_PER_S, 2**63 - 1,
            "write_bps_device", "wbps"),
    _device("device_read_iops", "Read operations", "device_read_iops_sec", Kind.IOPS, UINT_MAX,
            "read_iops_device", "riops"),
    _device("device_write_iops", "Write operations", "device_write_iops_sec", Kind.IOPS, UINT_MAX,
            "write_iops_device", "wiops"),
    *(row for what in ("bytes", "iops") for way in _WAYS for row in _throttles(way, what)),
    _disk("disk_iops_size", "Size of one operation", "size_iops_sec", Kind.BYTES,
          "An operation larger than this counts as several, so that few large ones are not free."),
    LimitRow(
        "disk_group", "Throttle group", DISKS, Scope.DISK, Kind.NAME, "name", Call.BLOCK_IO_TUNE, "group_name",
        "Disks of this guest with the same group share one set of rates.", _IOTUNE, proof_v1="QMP query-block",
        proof_v2="QMP query-block", none_words="own",
    ),
)  # fmt: skip
