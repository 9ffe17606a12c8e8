# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits set and taken away in a domain's text: read back as they were given, and every other byte stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.domainxml.limit_edits import with_limits
from vmconsole.domainxml.reading import DomainDescription
from vmconsole.domainxml.spans import XmlText
from vmconsole.inventory.errors import BadDescription
from vmconsole.inventory.limits import CpuCap, LimitRef, Value
from vmconsole.quotas.rows import Kind, LimitRow, Scope
from vmconsole.quotas.table import TABLE

BASE = """\
<domain type='kvm' id="7" xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>a&amp;b</name>
  <memory unit='KiB'>2097152</memory>
  <currentMemory unit='KiB'>2097152</currentMemory>
  <vcpu placement='static' current='2'>4</vcpu>
  <metadata>
    <my:note xmlns:my="urn:x" text='a > b'>kept  as   it is<!-- and this --></my:note>
  </metadata>
  <devices>
    <disk type='file' device='disk'>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <source file='/images/x&lt;y.img'/>
      <target dev='vdb'/>
    </disk>
    <interface type='bridge'>
      <mac address='52:54:00:AA:00:01'/>
      <source bridge='br0'/>
    </interface>
    <graphics type='vnc' passwd='s&apos;cret'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-S'/>
  </qemu:commandline>
</domain>
"""
TARGETS = {
    Scope.GUEST: [""], Scope.VCPU: ["0", "3"], Scope.IOTHREAD: ["1"], Scope.DISK: ["vda", "vdb"],
    Scope.NIC: ["52:54:00:aa:00:01"], Scope.HOST_DEVICE: ["/dev/sda", "/dev/vg/a&b"],
}  # fmt: skip
STORED = [row for row in TABLE if row.stored]
ALWAYS_THERE = {"vcpu_count", "vcpu_max", "memory_max", "memory_balloon"}


def values_of(row: LimitRow) -> st.SearchStrategy[Value]:
    match row.kind:
        case Kind.CAP:
            return st.builds(CpuCap, st.integers(1000, 10**6), st.integers(1000, 10**9))
        case Kind.CPUS | Kind.NODES:
            return st.sampled_from(["0", "0-3", "1,3", "2-3,7"])
        case Kind.MODE:
            return st.sampled_from(["preferred", "interleave", "restrictive"])
        case Kind.NAME:
            return st.text("abc<&'\">é ", min_size=1).filter(lambda text: text == text.strip())
        case Kind.SECONDS:
            return st.integers(2, 10**9)
    return st.integers(1, 2**40)


ONE = st.sampled_from(STORED).flatmap(
    lambda row: st.tuples(st.builds(LimitRef, st.just(row.key), st.sampled_from(TARGETS[row.scope])), values_of(row))
)
MANY = st.lists(ONE, max_size=12).map(dict)


@given(MANY)
def test_what_is_set_is_read_back_and_nothing_else_changes(changes: dict[LimitRef, Value]) -> None:
    before = DomainDescription(BASE).limits()
    found = DomainDescription(with_limits(BASE, changes)).limits()
    wanted = before.changed(changes)
    if LimitRef("numa_mode") in changes and LimitRef("numa_nodes") not in changes:
        wanted = wanted.changed({LimitRef("numa_nodes"): "0"})  # a mode needs nodes
    assert found == wanted


@given(MANY)
def test_taken_away_again_every_byte_is_as_before(changes: dict[LimitRef, Value]) -> None:
    before = DomainDescription(BASE).limits()
    edited = with_limits(BASE, changes)
    away = {ref: before[ref] for ref in changes} | (
        {LimitRef("numa_mode"): None, LimitRef("numa_nodes"): None} if any("numa" in ref.key for ref in changes) else {}
    )
    assert with_limits(edited, away) == BASE


@given(MANY, MANY)
def test_the_last_value_holds(one: dict[LimitRef, Value], other: dict[LimitRef, Value]) -> None:
    twice = DomainDescription(with_limits(with_limits(BASE, one), other)).limits()
    assert {ref: twice[ref] for ref in other} == other


def test_a_device_that_is_not_there_is_said() -> None:
    with pytest.raises(BadDescription, match="no disk sdz"):
        with_limits(BASE, {LimitRef("disk_read_bytes", "sdz"): 5})


@pytest.mark.parametrize("text", ["", "<domain>", "<!DOCTYPE d [<!ENTITY a 'b'>]><domain>&a;</domain>"])
def test_what_is_no_definition_is_refused(text: str) -> None:
    with pytest.raises(BadDescription):
        XmlText(text)
