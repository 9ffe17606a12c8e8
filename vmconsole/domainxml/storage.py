# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools and volumes of a host: libvirt's XML → facts. Pure; any thread.

Source: libvirt's formatstorage document.
"""

from __future__ import annotations

from lxml import etree

from vmconsole.inventory.errors import BadDescription
from vmconsole.inventory.facts import Volume

Element = etree._Element  # noqa: SLF001  lxml's public name for the type of an element

_FOLDER_POOLS = {"dir", "fs", "netfs"}
"""Kinds of pools whose volumes are files in one folder."""
_IMAGES = {"file", "block", ""}
_UNITS = {"": 1, "bytes": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def pool_folder(xml: str) -> str:
    """Where a pool's volumes are files; empty if they are not."""
    root = _root(xml)
    return (root.findtext("target/path") or "") if root.get("type") in _FOLDER_POOLS else ""


def volume_of(pool: str, xml: str) -> Volume:
    """A volume's facts. A volume that is no file and no device has no path here."""
    root = _root(xml)
    capacity = root.find("capacity")
    target_format = root.find("target/format")
    kind = target_format.get("type", "") if target_format is not None else ""
    path = root.findtext("target/path") or ""
    return Volume(
        pool=pool,
        name=root.findtext("name") or "",
        path=path if root.get("type", "") in _IMAGES and path.startswith("/") else "",
        format="" if kind in {"unknown", "auto"} else kind,
        size_bytes=_bytes(capacity.text, capacity.get("unit", "")) if capacity is not None else None,
    )


def _bytes(text: str | None, unit: str) -> int | None:
    if text is None or not text.strip().isdecimal() or unit not in _UNITS:
        return None
    return int(text) * _UNITS[unit]


def _root(xml: str) -> Element:
    try:
        return etree.fromstring(xml.encode(), parser=etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        raise BadDescription("A storage definition of the host is not XML.", said=str(error)) from error
