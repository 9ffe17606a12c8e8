# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of limits: what each is, in which unit, how far it goes on cgroup v1 and v2, how it is set and proved.

Form, chart lines, checks, plans, virsh lines and documentation come from these rows. Plain data, any thread.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from vmconsole.quotas import cpu_rows, disk_rows, memory_rows, net_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmconsole.inventory.limits import LimitRef
    from vmconsole.quotas.rows import Call, LimitRow

TABLE: tuple[LimitRow, ...] = (*cpu_rows.ROWS, *memory_rows.ROWS, *disk_rows.ROWS, *net_rows.ROWS)
BY_KEY: Mapping[str, LimitRow] = MappingProxyType({row.key: row for row in TABLE})


def row_of(ref: LimitRef) -> LimitRow:
    """Raises KeyError for a limit that the table does not have."""
    return BY_KEY[ref.key]


def rows_of_call(call: Call) -> tuple[LimitRow, ...]:
    """What one call of libvirt can set, in the table's order."""
    return tuple(row for row in TABLE if row.call is call)
