# SPDX-License-Identifier: GPL-3.0-or-later
"""One chart with its title, current value, legend and plot. GUI thread."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from vmconsole.ui.charts.curve_data import EMPTY, Series, read
from vmconsole.ui.charts.elided import ElidedLabel
from vmconsole.ui.charts.legend import Legend
from vmconsole.ui.charts.plot import TimePlot
from vmconsole.ui.charts.specs import ChartSpec, CurveSpec, is_interface
from vmconsole.ui.charts.units import nice_top, text_of

if TYPE_CHECKING:
    from vmconsole.store.figures import HostFigures
    from vmconsole.ui.charts.look import Look
    from vmconsole.ui.formats import Formats

WIDEST = {"cores": "8.88", "bytes": "8.88 GiB", "bytes/s": "8.88 MiB/s", "operations/s": "8.88 k/s"}
LEAST_PLOT_HEIGHT = 96
STALE_ALPHA = 0.4


class ChartCard(QFrame):
    """Draws what ``refresh`` finds in the Store. ``plot`` is for those who lay something over it."""

    device_chosen = Signal()
    """Another device, or all of them, are to be shown."""

    def __init__(self, spec: ChartSpec, look: Look, formats: Formats, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spec = spec
        self.title = QCoreApplication.translate("charts", spec.title)
        self.series: dict[str, Series] = {}
        self.device = ""
        """The device that is shown; empty for all together."""
        self._look, self._formats = look, formats
        self._top = 0.0
        self._is_stale = False
        self._is_narrow = False
        self._moment: float | None = None
        self.plot = TimePlot(spec.unit, look)
        self._legend = Legend()
        self._name, self._value, self._nothing = QLabel(self.title), ElidedLabel(), QLabel(self.plot.viewport())
        self._devices = QComboBox()
        self.setObjectName(f"chart_{spec.key}")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._lay_out()
        self._add_curves()
        self.set_look(look)

    def _lay_out(self) -> None:
        font = self._name.font()
        font.setBold(True)
        self._name.setFont(font)
        self._nothing.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._nothing.hide()
        self._devices.setVisible(False)
        self._devices.setAccessibleName(self.tr("Device in the chart «{title}»").format(title=self.title))
        self._devices.addItem(self.tr("all devices"), "")
        self._devices.activated.connect(lambda _: self.device_chosen.emit())
        self.plot.setMinimumHeight(LEAST_PLOT_HEIGHT)
        self.plot.setAccessibleName(self.tr("Chart: {title}").format(title=self.title))
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self._name)
        head.addWidget(self._value, 1)
        head.addWidget(self._devices)
        head.addWidget(self._legend)
        self._head = head
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 6, 8, 4)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(self.plot, 1)
        self._column = column

    def _add_curves(self) -> None:
        for curve in self.spec.curves:
            label = QCoreApplication.translate("charts", curve.label)
            self._legend.add(curve.key, label, widest=WIDEST[self.spec.unit.value], is_main=curve.is_main)
        self._legend.toggled.connect(lambda key, on: self.plot.show_curve(key, visible=on))

    def add_below(self, widget: QWidget) -> None:
        layout = self.layout()
        if layout is not None:
            layout.addWidget(widget)

    def set_look(self, look: Look) -> None:
        self._look = look
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.plot.set_look(look)
        for curve in self.spec.curves:
            self._legend.set_colour(curve.key, look.curve(curve.colour))
        self._colour_curves()

    def _colour_curves(self) -> None:
        for curve in self.spec.curves:
            colour = self._look.faded(curve.colour, STALE_ALPHA) if self._is_stale else self._look.curve(curve.colour)
            self.plot.add_curve(curve.key, colour=colour, is_main=curve.is_main)

    def set_stale(self, *, stale: bool) -> None:
        """Values that are not those of now are drawn paler, and their words are greyed."""
        if stale != self._is_stale:
            self._is_stale = stale
            self._value.setEnabled(not stale)
            self._colour_curves()

    def set_narrow(self, *, narrow: bool) -> None:
        """Little room: the legend stands below the title, and the lesser curves show no values."""
        if narrow == self._is_narrow:
            return
        self._is_narrow = narrow
        self._legend.set_compact(compact=narrow)
        (self._head if narrow else self._column).removeWidget(self._legend)
        if narrow:
            self._column.insertWidget(1, self._legend, 0, Qt.AlignmentFlag.AlignLeft)
        else:
            self._head.addWidget(self._legend)

    # -- data --------------------------------------------------------------------------------------------------

    def refresh(
        self,
        figures: HostFigures,
        uuid: str,
        *,
        start: float,
        end: float,
        reach_s: float,
        in_sight: float = 0.0,
        least_top: float = 0.0,
    ) -> None:
        """Read the series of a guest and draw them from ``start`` to ``end``.

        ``in_sight`` is a value that the axis must have room for; ``least_top`` is the axis' end unless a curve is
        above it.
        """
        device = self.device = self._device(figures, uuid)
        self.series = {c.key: read(figures, uuid, c, device=device, reach_s=reach_s) for c in self.spec.curves}
        shown = [c for c in self.spec.curves if self._legend.is_on(c.key)]
        greatest = max((self.series[c.key].greatest(start, end) for c in shown), default=0.0)
        greatest = max(greatest, in_sight)
        is_fixed = least_top > 0 and least_top >= greatest
        self._top = least_top if is_fixed else nice_top(self.spec.unit, greatest, before=self._top)
        self.plot.set_ranges(start, end, top=self._top)
        step = self.plot.seconds_per_pixel
        for curve in self.spec.curves:
            series = self.series[curve.key]
            self.plot.set_curve(curve.key, *series.drawn(step))
        self.show_values()

    def clear(self) -> None:
        self.series = {curve.key: EMPTY for curve in self.spec.curves}
        for curve in self.spec.curves:
            self.plot.set_curve(curve.key, EMPTY.times, EMPTY.values)
        self._top, self.device = 0.0, ""
        self.show_values()

    def _device(self, figures: HostFigures, uuid: str) -> str:
        if not self.spec.has_devices:
            return ""
        wants_net = self.spec.device_kind == "net"
        names = [name for name in figures.devices(uuid) if is_interface(name) == wants_net]
        have = [self._devices.itemData(i) for i in range(1, self._devices.count())]
        if names != have:
            chosen = self._devices.currentData()
            while self._devices.count() > 1:
                self._devices.removeItem(1)
            for name in names:
                self._devices.addItem(self._device_words(name), name)
            self._devices.setCurrentIndex(max(0, self._devices.findData(chosen)))
            self._devices.setVisible(len(names) > 1)
        return str(self._devices.currentData() or "")

    def _device_words(self, name: str) -> str:
        """«8:0 sda» is a block device of the host."""
        number, _, device = name.partition(" ")
        return self.tr("{device} of the host").format(device=device) if device and ":" in number else name

    # -- words -------------------------------------------------------------------------------------------------

    def set_value(self, text: str) -> None:
        """The words beside the title."""
        self._value.show_text(text)

    def set_moment(self, at: float | None) -> None:
        """The crosshair: the legend shows the values of that moment; None is now."""
        self._moment = at
        self.plot.set_cursor(at)
        self.show_values()

    def now(self, key: str) -> float | None:
        series = self.series.get(key, EMPTY)
        return None if not series.values.size else _known(float(series.values[-1]))

    def show_values(self) -> None:
        for curve in self.spec.curves:
            self._legend.set_value(curve.key, self._text_of(curve))

    def _text_of(self, curve: CurveSpec) -> str:
        value = self.now(curve.key) if self._moment is None else self.series.get(curve.key, EMPTY).at(self._moment)
        return text_of(self.spec.unit, value, self._formats)

    def set_nothing(self, reason: str) -> None:
        """Why the plot is empty, in its middle; an empty text takes it away."""
        self._nothing.setVisible(bool(reason))
        if reason:
            self._nothing.setText(reason)
            self._nothing.setStyleSheet(f"color: {self._look.quiet.name()}; background: transparent;")
            self._nothing.adjustSize()
            self._nothing.move((self.plot.area().center() - self._nothing.rect().center().toPointF()).toPoint())


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
