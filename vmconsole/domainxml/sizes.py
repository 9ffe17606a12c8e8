# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes with units in domain XML, as KiB. Source: libvirt «Domain XML format», scaled integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml import etree

UNLIMITED_KIB = 9007199254740991
"""What libvirt writes and reads for «no memory limit» (VIR_DOMAIN_MEMORY_PARAM_UNLIMITED)."""

_BYTES = {"b": 1, "bytes": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "pb": 10**15,
          "k": 2**10, "kib": 2**10, "m": 2**20, "mib": 2**20, "g": 2**30, "gib": 2**30, "t": 2**40, "tib": 2**40,
          "p": 2**50, "pib": 2**50}  # fmt: skip


def kib(element: etree._Element | None) -> int | None:
    """The element's size in KiB, rounded up as libvirt does; None when it is missing or no number."""
    if element is None:
        return None
    scale = _BYTES.get(element.get("unit", "KiB").lower())
    try:
        number = int((element.text or "").strip())
    except ValueError:
        return None
    return None if scale is None or number < 0 else -(-number * scale // 1024)


def limit_kib(value: int | None) -> int | None:
    """A memory limit, None where there is none: 0 («never set» of a stored definition) and libvirt's «unlimited»."""
    return None if value is None or value <= 0 or value >= UNLIMITED_KIB else value
