# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain's XML as facts of ``inventory``: disks, interfaces, title, vCPUs. Source: libvirt «Domain XML format».

Pure functions. What is missing or odd in one element leaves a field empty; only XML that is none raises BadDescription.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from vmconsole.domainxml.behind import device_of, known_values
from vmconsole.domainxml.limits import iothreads_of, limits_of
from vmconsole.domainxml.sizes import kib
from vmconsole.inventory.errors import BadDescription
from vmconsole.inventory.facts import Disk, Interface

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.inventory.limits import Limits

Element = etree._Element  # noqa: SLF001  lxml's public name for the type of an element


class DomainDescription:
    """One parsed domain XML. The element tree is kept private; ask for facts."""

    def __init__(self, text: str) -> None:
        """Raises BadDescription for what is not a domain's XML."""
        self._root = _parse(text)

    @property
    def name(self) -> str:
        return _text(self._root, "name")

    @property
    def uuid(self) -> str:
        return _text(self._root, "uuid")

    @property
    def title(self) -> str:
        return _text(self._root, "title")

    @property
    def vcpus(self) -> int | None:
        """vCPUs switched on: ``current`` where given, else the maximum."""
        vcpu = self._root.find("vcpu")
        return None if vcpu is None else _whole(vcpu.get("current") or vcpu.text)

    @property
    def memory_max_kib(self) -> int | None:
        return kib(self._root.find("memory"))

    def disks(self) -> tuple[Disk, ...]:
        return tuple(_disk(element) for element in self._root.iterfind("devices/disk"))

    def interfaces(self) -> tuple[Interface, ...]:
        return tuple(_interface(element) for element in self._root.iterfind("devices/interface"))

    def known_behind(self) -> dict[tuple[str, str], str]:
        """As ``domainxml.behind.known_values``."""
        return known_values(self._root)

    def device(self, part: str) -> str:
        """As ``domainxml.behind.device_of``."""
        return device_of(self._root, part)

    def iothreads(self) -> tuple[int, ...]:
        return iothreads_of(self._root)

    def limits(self) -> Limits:
        return limits_of(self._root)

    def image_files(self) -> frozenset[str]:
        """Paths of all images that the disks use: sources, their backing files, and mirrors of a running copy."""
        return frozenset(path for disk in self._root.iterfind("devices/disk") for path in _files_below(disk))

    def image_volumes(self) -> frozenset[tuple[str, str]]:
        """(pool, volume) of disks that name a storage volume instead of a path."""
        return frozenset(
            (source.get("pool", ""), source.get("volume", ""))
            for source in self._root.iterfind("devices/disk//source")
            if source.get("volume")
        )


def _parse(text: str) -> Element:
    # No entities, no network, no DTD: the text comes from a host that need not be trusted.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(text.encode("utf-8", errors="surrogateescape"), parser)
    except etree.XMLSyntaxError as error:
        raise BadDescription(
            f"The guest's definition is not well-formed XML: line {error.lineno}.",
            advice="Correct that line.", said=str(error.msg),
        ) from error  # fmt: skip
    if root.tag not in {"domain", "domstatus"}:
        raise BadDescription(f"The text describes a <{root.tag}>, not a <domain>.", advice="Give a domain's XML.")
    return root


def _text(root: Element, path: str) -> str:
    return (root.findtext(path) or "").strip()


def _attribute(element: Element, path: str, name: str) -> str:
    found = element.find(path)
    return "" if found is None else found.get(name, "")


def _whole(text: str | None) -> int | None:
    try:
        return int((text or "").strip())
    except ValueError:
        return None


def _disk(element: Element) -> Disk:
    source = element.find("source")
    return Disk(
        target=_attribute(element, "target", "dev"),
        source="" if source is None else _source_name(source),
        format=_format(element),
        device=element.get("device", "disk"),
        bus=_attribute(element, "target", "bus"),
        read_only=element.find("readonly") is not None,
        kind=element.get("type", "file"),
    )


def _format(disk: Element) -> str:
    """Xen's own backends have names for raw: «phy» and «file» without a type, «tap» with «aio»."""
    name, kind = _attribute(disk, "driver", "name"), _attribute(disk, "driver", "type")
    return "raw" if kind == "aio" or (not kind and name in {"phy", "file"}) else kind


def _source_name(source: Element) -> str:
    if source.get("volume"):
        return f"{source.get('pool', '')}/{source.get('volume', '')}"
    return source.get("file") or source.get("dev") or source.get("dir") or ""


def _interface(element: Element) -> Interface:
    source = element.find("source")
    names = ("network", "bridge", "dev", "path", "portgroup", "portid", "address", "name")
    found = "" if source is None else next((source.get(name, "") for name in names if source.get(name)), "")
    return Interface(
        mac=_attribute(element, "mac", "address").lower(),
        kind=element.get("type", ""),
        source=found,
        model=_attribute(element, "model", "type"),
        tap=_attribute(element, "target", "dev"),
    )


def _files_below(disk: Element) -> Iterator[str]:
    for source in disk.iter("source"):
        path = source.get("file") or source.get("dev")
        if path:
            yield path
