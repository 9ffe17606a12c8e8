# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits in a domain's XML, as ``inventory.limits``, with every «unlimited» and «never set» left out.

Sources: libvirt «Domain XML format» (CPU, NUMA Node, Memory and Block I/O Tuning, Hard drives, Quality of service);
unlimited is -1 on cgroup v1 and 17592186044415 on v2 for a quota, and 9007199254740991 KiB for memory; a stored
definition reads 0 for what was never set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.domainxml.sizes import kib, limit_kib
from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.limits import DEFAULT_PERIOD_US, CpuCap, LimitRef, Limits, Value
from vmconsole.quotas.rows import Call, Kind
from vmconsole.quotas.sets import format_set, parse_set
from vmconsole.quotas.table import rows_of_call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lxml import etree

UNLIMITED_QUOTA_US = 17592186044415
"""VIR_CGROUP_CPU_QUOTA_MAX: the highest quota, and how cgroup v2 shows none."""
Found = tuple[LimitRef, Value]


def cap_of(period_us: int | None, quota_us: int | None) -> CpuCap:
    """A cap from libvirt's two numbers: not set, 0, negative and the maximum all mean «none»."""
    period = period_us if period_us and period_us > 0 else DEFAULT_PERIOD_US
    capped = quota_us is not None and 0 < quota_us < UNLIMITED_QUOTA_US
    return CpuCap(period_us=period, quota_us=quota_us if capped else None)


def iothreads_of(root: etree._Element) -> tuple[int, ...]:
    """Numbers of the guest's I/O threads: as listed, else 1 to ``<iothreads>``."""
    listed = [_whole(found.get("id")) for found in root.iterfind("iothreadids/iothread")]
    count = _whole(root.findtext("iothreads")) or 0
    return tuple(sorted(number for number in listed if number is not None)) or tuple(range(1, count + 1))


def limits_of(root: etree._Element) -> Limits:
    """The limits of a ``<domain>`` element."""
    found: dict[LimitRef, Value] = {}
    for read in (_cpu, _vcpus, _pins, _memory, _numa, _blkio, _disks, _nics):
        found.update(read(root))
    return Limits(found)


def limits_from_parameters(call: Call, target: str, parameters: Mapping[str, int | str], *, base: Limits) -> Limits:
    """``base`` with what libvirt's getter of typed parameters says of one call's limits.

    For a running guest the getters read its cgroup, which is what holds. What they do not name keeps ``base``'s value.
    """
    found: dict[LimitRef, Value] = {}
    for row in rows_of_call(call):
        ref = LimitRef(row.key, target)
        if row.kind is Kind.CAP:
            if f"{row.parameter}_quota" in parameters:
                period, quota = (_number(parameters.get(f"{row.parameter}_{name}")) for name in ("period", "quota"))
                found[ref] = cap_of(period, quota)
        elif row.parameter in parameters:
            found[ref] = value_of(row.kind, parameters[row.parameter])
    return base.changed(found)


def polling_of(stats: Mapping[str, int | str], iothreads: tuple[int, ...]) -> dict[LimitRef, Value]:
    """The polling of I/O threads from the bulk statistics of a running guest, which ask QEMU."""
    found: dict[LimitRef, Value] = {}
    for row in rows_of_call(Call.IOTHREAD):
        for number in iothreads:
            value = stats.get(f"iothread.{number}.{row.parameter.replace('_', '-')}")
            if isinstance(value, int):
                found[LimitRef(row.key, str(number))] = value
    return found


def value_of(kind: Kind, value: int | str | None) -> Value:
    """A typed parameter's value as a limit: 0, an empty text and libvirt's «unlimited» are none. So is a burst of one
    second, which QEMU fills in by itself (include/qemu/throttle.h)."""
    if kind is Kind.KIB:
        return limit_kib(_number(value))
    return None if kind is Kind.SECONDS and value == 1 else value or None


def _number(value: int | str | None) -> int | None:
    return value if isinstance(value, int) else None


def _cpu(root: etree._Element) -> Iterator[Found]:
    for prefix, key in (("global_", "guest_cap"), ("", "vcpu_cap"), ("emulator_", "emulator_cap"),
                        ("iothread_", "iothread_cap")):  # fmt: skip
        period, quota = (_whole(root.findtext(f"cputune/{prefix}{name}")) for name in ("period", "quota"))
        yield LimitRef(key), cap_of(period, quota)
    yield LimitRef("cpu_weight"), _whole(root.findtext("cputune/shares")) or None


def _vcpus(root: etree._Element) -> Iterator[Found]:
    vcpu = root.find("vcpu")
    if vcpu is not None:
        most = _whole(vcpu.text)
        yield LimitRef("vcpu_max"), most
        yield LimitRef("vcpu_count"), _whole(vcpu.get("current")) or most


def _pins(root: etree._Element) -> Iterator[Found]:
    vcpu = root.find("vcpu")
    usual = _set(vcpu.get("cpuset")) if vcpu is not None else None
    if usual is not None and vcpu is not None:  # it holds for whatever has no pinning of its own
        for number in range(_whole(vcpu.text) or 0):
            yield LimitRef("vcpu_pin", str(number)), usual
        yield LimitRef("emulator_pin"), usual
    for pin in root.iterfind("cputune/vcpupin"):
        yield LimitRef("vcpu_pin", pin.get("vcpu", "")), _set(pin.get("cpuset"))
    for pin in root.iterfind("cputune/emulatorpin"):
        yield LimitRef("emulator_pin"), _set(pin.get("cpuset"))
    for pin in root.iterfind("cputune/iothreadpin"):
        yield LimitRef("iothread_pin", pin.get("iothread", "")), _set(pin.get("cpuset"))


def _memory(root: etree._Element) -> Iterator[Found]:
    most = kib(root.find("memory"))
    yield LimitRef("memory_max"), most
    yield LimitRef("memory_balloon"), kib(root.find("currentMemory")) or most
    for row in rows_of_call(Call.MEMORY):
        yield LimitRef(row.key), limit_kib(kib(root.find(f"memtune/{row.parameter}")))


def _numa(root: etree._Element) -> Iterator[Found]:
    memory = root.find("numatune/memory")
    if memory is not None:
        yield LimitRef("numa_nodes"), _set(memory.get("nodeset"))
        mode = memory.get("mode")
        yield LimitRef("numa_mode"), None if mode == "strict" else mode


def _blkio(root: etree._Element) -> Iterator[Found]:
    yield LimitRef("block_weight"), _whole(root.findtext("blkiotune/weight")) or None
    for device in root.iterfind("blkiotune/device"):
        path = (device.findtext("path") or "").strip()
        for row in rows_of_call(Call.BLKIO):
            if row.parameter.startswith("device_"):
                text = device.findtext(row.parameter.removeprefix("device_"))
                yield LimitRef(row.key, path), _whole(text) or None


def _disks(root: etree._Element) -> Iterator[Found]:
    for disk in root.iterfind("devices/disk"):
        target, tune = disk.find("target"), disk.find("iotune")
        if target is None or tune is None:
            continue
        for row in rows_of_call(Call.BLOCK_IO_TUNE):
            text = (tune.findtext(row.parameter) or "").strip()
            value = text if row.kind is Kind.NAME else _whole(text)
            yield LimitRef(row.key, target.get("dev", "")), value_of(row.kind, value)


def _nics(root: etree._Element) -> Iterator[Found]:
    for nic in root.iterfind("devices/interface"):
        mac = nic.find("mac")
        if mac is None:
            continue
        for row in rows_of_call(Call.INTERFACE):
            way, name = row.parameter.split(".")
            bound = nic.find(f"bandwidth/{way}")
            value = None if bound is None else _whole(bound.get(name))
            yield LimitRef(row.key, mac.get("address", "").lower()), value or None


def _set(text: str | None) -> str | None:
    """In the one way that sets are written here; as it stands where it is no set."""
    try:
        return format_set(parse_set(text or "")) or None
    except OutOfRange:
        return text


def _whole(text: str | None) -> int | None:
    try:
        return int((text or "").strip())
    except ValueError:
        return None
