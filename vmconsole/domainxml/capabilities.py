# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's CPUs and NUMA nodes from libvirt's capabilities XML. Source: libvirt «Driver capabilities XML format»."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from vmconsole.domainxml.sizes import kib
from vmconsole.inventory.errors import BadDescription, OutOfRange
from vmconsole.inventory.topology import HostCpu, HostResources
from vmconsole.quotas.sets import parse_set

if TYPE_CHECKING:
    from collections.abc import Iterator


def resources_of(text: str) -> HostResources:
    """CPUs and nodes; the rest is not libvirt's to tell. Raises BadDescription for what is no capabilities XML."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(text.encode("utf-8", errors="surrogateescape"), parser)
    except etree.XMLSyntaxError as error:
        raise BadDescription("The host's capabilities are not well-formed XML.", said=str(error.msg)) from error
    cells = root.findall("host/topology/cells/cell")
    memory = tuple((int(cell.get("id", "0")), kib(cell.find("memory")) or 0) for cell in cells)
    return HostResources(tuple(sorted(_cpus(cells), key=lambda cpu: cpu.number)), memory)


def _cpus(cells: list[etree._Element]) -> Iterator[HostCpu]:
    for cell in cells:
        for cpu in cell.iterfind("cpus/cpu"):
            number = int(cpu.get("id", "0"))
            try:
                siblings = tuple(sorted(parse_set(cpu.get("siblings", ""))))
            except OutOfRange:
                siblings = (number,)
            yield HostCpu(
                number, node=int(cell.get("id", "0")), socket=int(cpu.get("socket_id", "0")),
                core=int(cpu.get("core_id", "0")), siblings=siblings,
            )  # fmt: skip
