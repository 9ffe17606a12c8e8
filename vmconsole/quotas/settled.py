# SPDX-License-Identifier: GPL-3.0-or-later
"""What «none» is in a running guest: the kernel and QEMU always have some value, so taking a weight away is setting its
default, and taking a place away is giving all of them. Pure functions, any thread.

A stored definition can be without. Sources: cgroup-v1 and cgroup-v2 documents of the kernel (defaults of weights);
QEMU's -object iothread (polling).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.quotas.rows import Kind, Place
from vmconsole.quotas.sets import format_set
from vmconsole.quotas.table import row_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmconsole.inventory.limits import LimitRef, Value
    from vmconsole.quotas.situation import Situation


def settled(situation: Situation, place: Place, wanted: Mapping[LimitRef, Value]) -> dict[LimitRef, Value]:
    """``wanted`` as it can be written and found again in that place."""
    return {ref: settled_value(situation, place, ref, value) for ref, value in wanted.items()}


def settled_value(situation: Situation, place: Place, ref: LimitRef, value: Value) -> Value:
    row = row_of(ref)
    if row.kind is Kind.SECONDS and value == 1:
        return None  # what QEMU takes where none is given
    if place is not Place.LIVE or value is not None:
        return value
    if row.kind is Kind.NODES and situation.resources.nodes:
        return format_set(situation.resources.nodes)
    found = row.range_on(situation.layout)
    return None if found is None else found.default
