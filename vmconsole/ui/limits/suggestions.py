# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that are often wanted for a limit, as texts that can be typed. Pure, GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory import units
from vmconsole.quotas.rows import Kind
from vmconsole.quotas.sets import format_set

if TYPE_CHECKING:
    from vmconsole.quotas.rows import LimitRow
    from vmconsole.quotas.situation import Situation


def suggestions(row: LimitRow, situation: Situation) -> tuple[str, ...]:
    """At most six, the one that takes the limit away last."""
    none = () if row.none_words == "unknown" else (row.none_words,)
    match row.kind:
        case Kind.CAP:
            whole = ("25 % of this host", "50 % of this host") if row.key == "guest_cap" else ("0.25 cores",)
            return ("0.5 cores", "1 core", *whole, *none)
        case Kind.WEIGHT:
            return ("0.5x", "2x", "4x", *none)
        case Kind.CPUS:
            nodes = {node: [c.number for c in situation.resources.cpus if c.node == node]
                     for node in situation.resources.nodes}  # fmt: skip
            return (*[format_set(cpus) for cpus in list(nodes.values())[:4] if len(nodes) > 1], *none)
        case Kind.NODES:
            return (*[str(node) for node in situation.resources.nodes[:4]], *none)
        case Kind.MODE:
            return ("strict", "preferred", "interleave", "restrictive")
        case Kind.KIB:
            return (*_memory(row, situation), *none)
        case Kind.BYTES_PER_S:
            return ("10 MB/s", "50 MB/s", "200 MB/s", *none)
        case Kind.IOPS:
            return ("100 IOPS", "500 IOPS", "2k IOPS", *none)
        case Kind.KB_PER_S:
            return ("10 Mbit/s", "100 Mbit/s", "1 Gbit/s", *none)
        case Kind.SECONDS:
            return ("1 s", "10 s", "60 s", *none)
    return none


def _memory(row: LimitRow, situation: Situation) -> tuple[str, ...]:
    """A hard limit of the guest's memory and what QEMU needs; a balloon of parts of it."""
    memory = situation.guest.memory_max_kib
    if memory is None or row.key == "memory_max":
        return ()
    if row.key == "memory_balloon":
        return tuple(units.binary(memory * 1024 * part / 4) for part in (2, 3, 4))
    return tuple(units.binary((memory + more) * 1024) for more in (2**19, 2**20, 2**21))
