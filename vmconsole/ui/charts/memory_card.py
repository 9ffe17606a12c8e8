# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory chart: what the guest holds on the host, its hard limit and its balloon. GUI thread."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vmconsole.metrics.figures import Figure
from vmconsole.quotas.situation import Situation
from vmconsole.ui.charts.limit_subject import HEADROOM
from vmconsole.ui.charts.limited_card import LimitedCard
from vmconsole.ui.charts.specs import MEMORY

if TYPE_CHECKING:
    from vmconsole.inventory.facts import Guest, Host
    from vmconsole.store.figures import HostFigures
    from vmconsole.ui.charts.look import Look
    from vmconsole.ui.context import Context
    from vmconsole.ui.formats import Formats

NEAR = 3.0
"""A limit above this many times what is used would flatten the curves: then it waits at the top."""
USED_STEP_KIB = 4096
"""What is used changes with every frame; the rules need to know it so exactly only."""


class MemoryCard(LimitedCard):
    follows_figures = True

    def __init__(self, look: Look, formats: Formats, context: Context) -> None:
        super().__init__(MEMORY, look, formats, context)

    def situation(self, host: Host, guest: Guest, figures: HostFigures | None) -> Situation:
        """With what the guest holds now: a hard limit below it would kill it."""
        used = figures.reading(guest.id.uuid, Figure.MEMORY_BYTES).value if figures is not None else None
        used_kib = None if used is None else -(-int(used / 1024) // USED_STEP_KIB) * USED_STEP_KIB
        return Situation(host, guest, used_kib)

    def axis(self, figures: HostFigures, guest: Guest) -> tuple[float, float]:
        used = figures.reading(guest.id.uuid, Figure.MEMORY_BYTES).value or self._used_before()
        # Without a curve there is nothing to flatten: the limits of a guest that is off are what there is to see.
        return self.limits.greatest(below=NEAR * used if used else math.inf) * HEADROOM, 0.0

    def _used_before(self) -> float:
        """The highest of what was drawn last; 0 for a guest without a past."""
        return max((series.greatest(-math.inf, math.inf) for series in self.series.values()), default=0.0)

    def show_state(self, figures: HostFigures, guest: Guest) -> None:
        """QEMU's own memory is charged too, so «of» is said of the limit alone: used may exceed what the guest has."""
        used = self._formats.size(figures.reading(guest.id.uuid, Figure.MEMORY_BYTES).value)
        limit = figures.reading(guest.id.uuid, Figure.MEMORY_LIMIT_BYTES).value
        if limit is not None:
            self.set_value(self.tr("{used} of {all}").format(used=used, all=self._formats.size(limit)))
        elif guest.memory_max_kib:
            whole = self._formats.size(guest.memory_max_kib * 1024)
            self.set_value(self.tr("{used} · guest has {all}").format(used=used, all=whole))
        else:
            self.set_value(used)
