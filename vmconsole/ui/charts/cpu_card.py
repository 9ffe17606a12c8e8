# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPU chart: cores used, where the guest was held back, and its limits as lines to drag. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory import units
from vmconsole.metrics.figures import Figure
from vmconsole.ui.charts.limit_controls import LimitControls
from vmconsole.ui.charts.limit_subject import HEADROOM
from vmconsole.ui.charts.limited_card import LimitedCard
from vmconsole.ui.charts.plot import Stretch
from vmconsole.ui.charts.series import stretches, with_gaps
from vmconsole.ui.charts.specs import CPU

if TYPE_CHECKING:
    from vmconsole.inventory.facts import Guest
    from vmconsole.store.figures import HostFigures
    from vmconsole.ui.charts.limit_editor import LimitEditor
    from vmconsole.ui.charts.limit_line import LimitLine
    from vmconsole.ui.charts.look import Look
    from vmconsole.ui.context import Context
    from vmconsole.ui.formats import Formats

LEAST_HEIGHT = 110
HELD_BACK_FROM = 0.01
"""A smaller share of throttled periods is no news."""


class CpuCard(LimitedCard):
    def __init__(self, look: Look, formats: Formats, context: Context) -> None:
        super().__init__(CPU, look, formats, context)
        self.plot.setMinimumHeight(LEAST_HEIGHT)
        self.controls = LimitControls(self.editor)
        self.add_below(self.controls)
        self.controls.set_look(look)

    def set_look(self, look: Look) -> None:
        super().set_look(look)
        if hasattr(self, "controls"):
            self.controls.set_look(look)

    @property
    def editor(self) -> LimitEditor:
        """Of the whole guest's cap."""
        return self.limits.slots[0].editor

    @property
    def line(self) -> LimitLine:
        return self.limits.slots[0].line

    def axis(self, figures: HostFigures, guest: Guest) -> tuple[float, float]:
        """The whole capacity is always in sight, so that the line can be dragged over all of it."""
        subject = self.editor.subject
        most = subject.most if subject is not None else float(guest.vcpus or 1)
        return 0.0, max(1e-3, most * HEADROOM)

    def show_state(self, figures: HostFigures, guest: Guest) -> None:
        times, shares = with_gaps(*figures.series(guest.id.uuid, Figure.CPU_THROTTLED_SHARE, self.reach_s))
        self.plot.set_stretches([Stretch(*found) for found in stretches(times, shares, least=HELD_BACK_FROM)])
        text = self.tr("{used} of {all} cores").format(
            used=self._formats.cores(self.now("total")), all=guest.vcpus if guest.vcpus is not None else units.UNKNOWN
        )
        held_back = figures.reading(guest.id.uuid, Figure.CPU_THROTTLED_SHARE).value
        if held_back is not None and held_back >= HELD_BACK_FROM:
            share = units.share(held_back)
            text += " · " + self.tr("held back by its limit in {share} of the time").format(share=share)
        self.set_value(text)
