# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting and taking away limits in the text of a domain's XML, row by row; every other byte stays as it was.

libvirt's setters cannot unset everything in a stored definition: a CPU weight once stored stays there, a pinning can
only be made wide. Where an element belongs is read from libvirt «Domain XML format». Pure; any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.domainxml.spans import Span, XmlText, element
from vmconsole.inventory.errors import BadDescription
from vmconsole.inventory.limits import NO_CAP, CpuCap, LimitRef, Value
from vmconsole.quotas.rows import Call
from vmconsole.quotas.table import row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CAPS = {"guest_cap": "global_", "vcpu_cap": "", "emulator_cap": "emulator_", "iothread_cap": "iothread_"}
_PINS = {
    "vcpu_pin": ("vcpupin", "vcpu"),
    "emulator_pin": ("emulatorpin", ""),
    "iothread_pin": ("iothreadpin", "iothread"),
}


def with_limits(text: str, changes: Mapping[LimitRef, Value]) -> str:
    """The XML with these limits; None takes one away. Limits that libvirt does not store are left out.

    Raises BadDescription where the definition has no such disk or interface.
    """
    xml = XmlText(text)
    for ref, value in changes.items():
        edit = _EDITS.get(row_of(ref).call)
        if edit is not None:
            edit(xml, ref, value)
    return str(xml)


def _scheduler(xml: XmlText, ref: LimitRef, value: Value) -> None:
    if ref.key == "cpu_weight":
        _set_child(xml, "cputune", "shares", value)
        return
    prefix = _CAPS[ref.key]
    cap = value if isinstance(value, CpuCap) else NO_CAP
    _set_child(xml, "cputune", f"{prefix}period", cap.period_us if cap != NO_CAP else None)
    _set_child(xml, "cputune", f"{prefix}quota", cap.quota_us)


def _pin(xml: XmlText, ref: LimitRef, value: Value) -> None:
    name, number = _PINS[ref.key]
    found = [pin for pin in xml.root.all(f"cputune/{name}") if not number or pin.attributes.get(number) == ref.target]
    if value is None:
        if found:
            xml.remove(found[0])
    elif found:
        xml.set_attributes(found[0], {"cpuset": str(value)})
    else:
        mine = {number: ref.target} if number else {}
        xml.add(xml.made("cputune"), element(name, attributes={**mine, "cpuset": str(value)}))


def _vcpus(xml: XmlText, ref: LimitRef, value: Value) -> None:
    vcpu = xml.root.first("vcpu")
    if vcpu is None or not isinstance(value, int):
        raise BadDescription("A guest must have a number of vCPUs.")
    most = int(vcpu.text.strip() or 1)
    count = int(vcpu.attributes.get("current") or most)
    most, count = (value, count) if ref.key == "vcpu_max" else (most, value)
    place = xml.place_of(vcpu)
    xml.set_text(vcpu, str(most))
    xml.set_attributes(xml.again(place), {"current": None if count == most else str(count)})


def _memory_size(xml: XmlText, ref: LimitRef, value: Value) -> None:
    name = "memory" if ref.key == "memory_max" else "currentMemory"
    if not isinstance(value, int):
        raise BadDescription("A guest must have a size of memory.")
    found = xml.root.first(name)
    if found is None:
        xml.add(xml.root, element(name, str(value), {"unit": "KiB"}))
    else:
        place = xml.place_of(found)
        xml.set_text(found, str(value))
        xml.set_attributes(xml.again(place), {"unit": "KiB"})


def _memory(xml: XmlText, ref: LimitRef, value: Value) -> None:
    _set_child(xml, "memtune", row_of(ref).parameter, value, {"unit": "KiB"})


def _numa(xml: XmlText, ref: LimitRef, value: Value) -> None:
    memory = xml.root.first("numatune/memory")
    name = "nodeset" if ref.key == "numa_nodes" else "mode"
    if memory is None and value is None:
        return
    if memory is None:
        attributes = {"mode": "strict", "nodeset": "0"} | {name: str(value)}
        xml.add(xml.made("numatune"), element("memory", attributes=attributes))
    elif value is None and name == "nodeset":
        xml.remove(memory)
    else:
        xml.set_attributes(memory, {name: str(value or "strict")})


def _blkio(xml: XmlText, ref: LimitRef, value: Value) -> None:
    if not ref.target:
        _set_child(xml, "blkiotune", "weight", value)
        return
    name = row_of(ref).parameter.removeprefix("device_")
    device = _device(xml, ref.target)
    if device is None:
        if value is None:
            return
        xml.add(xml.made("blkiotune"), "<device/>")
        place = xml.place_of(list(xml.root.all("blkiotune/device"))[-1])
        xml.add(xml.again(place), element("path", ref.target))
        xml.add(xml.again(place), element(name, str(value)))
        return
    _set_in(xml, device, name, value)
    device = _device(xml, ref.target)
    if device is not None and [child.name for child in device.children] == ["path"]:
        xml.remove(device.children[0])


def _device(xml: XmlText, path: str) -> Span | None:
    return next((d for d in xml.root.all("blkiotune/device") if _child_text(d, "path") == path), None)


def _disk(xml: XmlText, ref: LimitRef, value: Value) -> None:
    _inside(xml, _part(xml, "disk", ref.target), "iotune", row_of(ref).parameter, value)


def _nic(xml: XmlText, ref: LimitRef, value: Value) -> None:
    way, name = row_of(ref).parameter.split(".")
    nic = _part(xml, "interface", ref.target)
    bound = nic.first(f"bandwidth/{way}")
    if bound is None:
        if value is not None:
            _inside(xml, nic, "bandwidth", way, None, {name: str(value)})
        return
    if value is None and set(bound.attributes) <= {name}:
        xml.remove(bound)
    else:
        xml.set_attributes(bound, {name: None if value is None else str(value)})


def _part(xml: XmlText, kind: str, target: str) -> Span:
    child, attribute = ("target", "dev") if kind == "disk" else ("mac", "address")
    for part in xml.root.all(f"devices/{kind}"):
        found = part.first(child)
        if found is not None and found.attributes.get(attribute, "").lower() == target.lower():
            return part
    raise BadDescription(f"The definition has no {kind} {target}.")


def _inside(
    xml: XmlText, part: Span, holder: str, name: str, value: Value, attributes: Mapping[str, str] | None = None
) -> None:
    """``<holder><name>value</name></holder>`` in a device, or an element with attributes."""
    if part.first(holder) is None:
        if value is None and attributes is None:
            return
        place = xml.place_of(part)
        xml.add(part, f"<{holder}/>")
        part = xml.again(place)
    inner = part.first(holder)
    assert inner is not None
    if attributes is not None:
        xml.add(inner, element(name, attributes=attributes))
    else:
        _set_in(xml, inner, name, value)


def _set_child(xml: XmlText, path: str, name: str, value: Value, attributes: Mapping[str, str] | None = None) -> None:
    if xml.root.first(path) is None and value is None:
        return
    _set_in(xml, xml.made(path), name, value, attributes)


def _set_in(xml: XmlText, parent: Span, name: str, value: Value, attributes: Mapping[str, str] | None = None) -> None:
    found = parent.first(name)
    if value is None:
        if found is not None:
            xml.remove(found)
        return
    new = element(name, str(value), attributes)
    if found is None:
        xml.add(parent, new)
    else:
        place = xml.place_of(found)
        xml.set_text(found, str(value))
        if attributes:
            xml.set_attributes(xml.again(place), dict(attributes))


def _child_text(span: Span, name: str) -> str:
    found = span.first(name)
    return "" if found is None else found.text.strip()


_EDITS: Mapping[Call, Callable[[XmlText, LimitRef, Value], None]] = {
    Call.SCHEDULER: _scheduler, Call.PIN_VCPU: _pin, Call.PIN_EMULATOR: _pin, Call.PIN_IOTHREAD: _pin,
    Call.VCPUS: _vcpus, Call.VCPUS_MAX: _vcpus, Call.BALLOON: _memory_size, Call.MEMORY_MAX: _memory_size,
    Call.MEMORY: _memory, Call.NUMA: _numa, Call.BLKIO: _blkio, Call.BLOCK_IO_TUNE: _disk, Call.INTERFACE: _nic,
}  # fmt: skip
"""Without the I/O threads' polling, which libvirt 9 does not store."""
