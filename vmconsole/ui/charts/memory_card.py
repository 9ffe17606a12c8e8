# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory chart: what the guest holds on the host, and its hard limit where that is near. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmconsole.metrics.figures import Figure

if TYPE_CHECKING:
    from vmconsole.inventory.facts import Guest
    from vmconsole.store.figures import HostFigures
    from vmconsole.ui.charts.card import ChartCard
    from vmconsole.ui.formats import Formats

NEAR = 3.0
"""A limit above this many times what is used would flatten the curves: then it is only named."""
ROOM = 1.25
"""Above the limit there is room for its label."""


def draw_memory(
    card: ChartCard, figures: HostFigures, guest: Guest, *, formats: Formats, start: float, end: float, reach_s: float
) -> None:
    """``refresh`` with the limit line, and «used of limit» beside the title."""
    uuid = guest.id.uuid
    limit = figures.reading(uuid, Figure.MEMORY_LIMIT_BYTES).value
    used = figures.reading(uuid, Figure.MEMORY_BYTES).value
    is_near = limit is not None and used is not None and limit <= NEAR * used
    in_sight = limit * ROOM if limit is not None and is_near else 0.0
    card.refresh(figures, uuid, start=start, end=end, reach_s=reach_s, in_sight=in_sight)
    label = QCoreApplication.translate("charts", "hard limit {size}").format(size=formats.size(limit))
    card.set_level("limit", limit if is_near else None, colour="limit", label=label)
    card.set_value(_value_words(used, limit, guest, formats))


def _value_words(used: float | None, limit: float | None, guest: Guest, formats: Formats) -> str:
    """QEMU's own memory is charged too, so «of» is said of the limit alone: used may exceed what the guest has."""
    text = formats.size(used)
    if limit is not None:
        return QCoreApplication.translate("charts", "{used} of {all}").format(used=text, all=formats.size(limit))
    if guest.memory_max_kib:
        whole = formats.size(guest.memory_max_kib * 1024)
        return QCoreApplication.translate("charts", "{used} · guest has {all}").format(used=text, all=whole)
    return text
