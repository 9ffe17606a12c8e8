# SPDX-License-Identifier: GPL-3.0-or-later
"""A chart with its limits as lines over it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.quotas.situation import Situation
from vmconsole.ui.charts.card import ChartCard
from vmconsole.ui.charts.limit_lines import LimitLines
from vmconsole.ui.charts.limit_subject import HEADROOM

if TYPE_CHECKING:
    from vmconsole.inventory.facts import Guest, Host
    from vmconsole.store.figures import HostFigures
    from vmconsole.ui.charts.look import Look
    from vmconsole.ui.charts.specs import ChartSpec
    from vmconsole.ui.context import Context
    from vmconsole.ui.formats import Formats


class LimitedCard(ChartCard):
    def __init__(self, spec: ChartSpec, look: Look, formats: Formats, context: Context) -> None:
        super().__init__(spec, look, formats)
        self.reach_s = 0.0
        """How far back the figures are shown."""
        self.limits = LimitLines(self.plot, spec, look, context)
        self.limits.room_asked.connect(self.make_room)

    def set_look(self, look: Look) -> None:
        super().set_look(look)
        if hasattr(self, "limits"):
            self.limits.set_look(look)

    def take_facts(self, host: Host | None, guest: Guest | None, figures: HostFigures | None = None) -> None:
        """The guest as it is now; None for none."""
        if host is None or guest is None:
            self.limits.take(None, device="")
            return
        self.limits.take(self.situation(host, guest, figures), device=self.device)

    def situation(self, host: Host, guest: Guest, figures: HostFigures | None) -> Situation:
        return Situation(host, guest)

    def draw(self, figures: HostFigures, host: Host, guest: Guest, *, start: float, end: float, reach_s: float) -> None:
        """Read the figures, draw them, and put the limits over them."""
        before, self.reach_s = self.device, reach_s
        in_sight, least_top = self.axis(figures, guest)
        if self.limits.is_in_use:
            least_top = max(least_top, self.plot.top)
        self.refresh(
            figures, guest.id.uuid, start=start, end=end, reach_s=reach_s, in_sight=in_sight, least_top=least_top
        )
        if before != self.device or self.follows_figures:
            self.take_facts(host, guest, figures)
        self.limits.look_back(figures, guest.id.uuid, device=self.device)
        self.show_state(figures, guest)

    follows_figures = False
    """Whether what the lines may do depends on the figures."""

    def axis(self, figures: HostFigures, guest: Guest) -> tuple[float, float]:
        """What the axis must have in sight, and how far it reaches at least."""
        return self.limits.greatest() * HEADROOM, 0.0

    def show_state(self, figures: HostFigures, guest: Guest) -> None:
        """The words beside the title, and what else lies over the plot."""

    def make_room(self, top: float) -> None:
        """Let the axis reach to ``top``, now: a line is about to be moved."""
        self.plot.raise_top(top)
