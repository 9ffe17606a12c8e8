# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPU chart: cores used, where the guest was held back, and its limit as a line to drag. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory import units
from vmconsole.metrics.figures import Figure
from vmconsole.quotas.cpucap import same_limit
from vmconsole.ui.charts.card import ChartCard
from vmconsole.ui.charts.limit_controls import LimitControls
from vmconsole.ui.charts.limit_line import HEADROOM, LimitLine
from vmconsole.ui.charts.plot import Stretch
from vmconsole.ui.charts.series import stretches, with_gaps
from vmconsole.ui.charts.specs import CPU

if TYPE_CHECKING:
    from vmconsole.inventory.facts import Guest
    from vmconsole.store.figures import HostFigures
    from vmconsole.ui.charts.limit_editor import LimitEditor
    from vmconsole.ui.charts.look import Look
    from vmconsole.ui.formats import Formats

LEAST_HEIGHT = 110
HELD_BACK_FROM = 0.01
"""A smaller share of throttled periods is no news."""


class CpuCard(ChartCard):
    def __init__(self, look: Look, formats: Formats, editor: LimitEditor) -> None:
        super().__init__(CPU, look, formats)
        self._editor = editor
        self.plot.setMinimumHeight(LEAST_HEIGHT)
        self.line = LimitLine(self.plot, editor, look)
        self.controls = LimitControls(editor)
        self.add_below(self.controls)
        editor.changed.connect(self._show_levels)

    def set_look(self, look: Look) -> None:
        super().set_look(look)
        if hasattr(self, "line"):
            self.line.set_look(look)
            self._show_levels()

    def draw(self, figures: HostFigures, guest: Guest, *, start: float, end: float, reach_s: float) -> None:
        """The whole capacity is always in sight, so that the line can be dragged over all of it."""
        subject = self._editor.subject
        most = subject.most if subject is not None else float(guest.vcpus or 1)
        self.refresh(
            figures, guest.id.uuid, start=start, end=end, reach_s=reach_s, least_top=max(1e-3, most * HEADROOM)
        )
        times, shares = with_gaps(*figures.series(guest.id.uuid, Figure.CPU_THROTTLED_SHARE, reach_s))
        self.plot.set_stretches([Stretch(*found) for found in stretches(times, shares, least=HELD_BACK_FROM)])
        self._show_value(figures, guest)

    def _show_value(self, figures: HostFigures, guest: Guest) -> None:
        text = self.tr("{used} of {all} cores").format(
            used=self._formats.cores(self.now("total")), all=guest.vcpus if guest.vcpus is not None else units.UNKNOWN
        )
        held_back = figures.reading(guest.id.uuid, Figure.CPU_THROTTLED_SHARE).value
        if held_back is not None and held_back >= HELD_BACK_FROM:
            share = units.share(held_back)
            text += " · " + self.tr("held back by its limit in {share} of the time").format(share=share)
        self.set_value(text)

    def _show_levels(self) -> None:
        """The stored cap where it differs, and the vCPUs' caps together: these are not dragged."""
        subject = self._editor.subject
        stored = subject.stored if subject is not None else None
        differs = subject is not None and subject.live is not None and stored is not None
        is_shown = differs and subject is not None and stored is not None and not same_limit(stored, subject.current)
        cores = stored.cores if is_shown and stored is not None else None
        label = self.tr("next boot {cores}").format(cores=self._formats.cores(cores))
        self.set_level("stored", cores, colour="limit", label=label)
        each = subject.vcpu_cap.cores if subject is not None else None
        together = each * subject.vcpus if each is not None and subject is not None else None
        label = self.tr("vCPU caps together {cores}").format(cores=self._formats.cores(together))
        self.set_level("vcpus", together, colour="quiet", label=label, dotted=True)
