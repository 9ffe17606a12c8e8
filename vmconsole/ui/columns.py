# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree's columns in one list: title, figures, unit and scale. Pure, GUI thread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmconsole.metrics.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.facts import Guest
    from vmconsole.ui.formats import Formats

translate = QCoreApplication.translate
NAME, STATE, CPU, MEMORY, DISK, NETWORK = range(6)
QUIET_BYTES_PER_S = 64 * 1024.0
"""A disk or network curve below this does not fill its height: noise must not look like load."""


@dataclass(frozen=True, slots=True)
class Column:
    """``figures`` are summed up: reading and writing together are the disk column."""

    key: str
    figures: tuple[Figure, ...]


COLUMNS = (
    Column("name", ()),
    Column("state", ()),
    Column("cpu", (Figure.CPU_CORES,)),
    Column("memory", (Figure.MEMORY_BYTES,)),
    Column("disk", (Figure.DISK_READ_BYTES_PER_S, Figure.DISK_WRITE_BYTES_PER_S)),
    Column("network", (Figure.NET_RX_BYTES_PER_S, Figure.NET_TX_BYTES_PER_S)),
)


def title(column: int) -> str:
    return {
        NAME: translate("Columns", "Name"),
        STATE: translate("Columns", "State"),
        CPU: translate("Columns", "CPU"),
        MEMORY: translate("Columns", "Memory"),
        DISK: translate("Columns", "Disk"),
        NETWORK: translate("Columns", "Network"),
    }[column]


def hint(column: int) -> str:
    """What the column says, for the header's tooltip."""
    return {
        NAME: translate("Columns", "Hosts, and the guests on each of them"),
        STATE: translate("Columns", "The state in words"),
        CPU: translate("Columns", "CPU cores in use: 1.00 is one core kept busy"),
        MEMORY: translate("Columns", "Memory in use on the host, page cache included"),
        DISK: translate("Columns", "Bytes read and written per second"),
        NETWORK: translate("Columns", "Bytes received and sent per second"),
    }[column]


def value_of(column: int, row: Sequence[float] | None) -> float | None:
    """The column's figure from a row of all figures; None when nothing of it is known."""
    if row is None:
        return None
    known = [row[figure] for figure in COLUMNS[column].figures if not math.isnan(row[figure])]
    return sum(known) if known else None


def text_of(column: int, value: float | None, formats: Formats) -> str:
    if column == CPU:
        return formats.cores(value)
    return formats.size(value) if column == MEMORY else formats.rate(value)


def spoken_of(column: int, value: float | None, formats: Formats) -> str:
    """The text for a screen reader, which does not see the header."""
    if value is None:
        return translate("Columns", "{column} unknown").format(column=title(column))
    text = text_of(column, value, formats)
    return translate("Columns", "{value} cores").format(value=text) if column == CPU else text


def full_scale(column: int, guest: Guest) -> float | None:
    """The value at the top of the guest's curve; None where the curve's own peak is the top."""
    if column == CPU and guest.vcpus:
        return float(guest.vcpus)
    if column == MEMORY and guest.memory_max_kib:
        return guest.memory_max_kib * 1024.0
    return None
