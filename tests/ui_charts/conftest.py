# SPDX-License-Identifier: GPL-3.0-or-later
"""An Overview of a rig, shown and drawn, and a hand on the mouse."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QScrollArea

from tests.ui_charts.rig import Rig
from vmconsole.ui.charts.limit_line import GRAB_PX, KNOB_WIDTH
from vmconsole.ui.overview import OverviewTab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vmconsole.inventory.facts import Guest
    from vmconsole.ui.charts.limit_line import LimitLine


class Page:
    """An Overview in a window of its own."""

    def __init__(
        self, qtbot: object, folder: Path, guest: Guest | None = None, *, layout: str = "v1", past_s: int = 120
    ) -> None:
        self.qtbot = qtbot
        self.rig = Rig(folder, guest, layout=layout)
        self.rig.fill(past_s)
        self.tab = OverviewTab(self.rig.context, formats=self.rig.formats)
        self.tab.resize(900, 640)
        self.tab.show_guest(self.rig.guest.id)
        self.tab.show()
        qtbot.waitExposed(self.tab)
        self.drawn()

    def drawn(self) -> None:
        """Until all charts have been drawn."""
        self.qtbot.waitUntil(lambda: not self.tab._one_by_one.isActive())

    @property
    def line(self) -> LimitLine:
        return self.tab.cpu.line

    @property
    def editor(self):
        return self.tab.cpu.editor

    @property
    def plot(self):
        return self.tab.cpu.plot

    def at(self, cores: float) -> QPoint:
        """Where a cap is, in the window: a third of the way along the line."""
        area = self.plot.area()
        viewport = self.plot.viewport()
        return viewport.mapTo(self.tab, QPoint(round(area.left() + area.width() / 3), round(self.plot.y_of(cores))))

    def top_edge(self) -> QPoint:
        point = self.at(0.0) if not self.line.is_none else self.grip("cpu")
        point.setY(self.plot.viewport().mapTo(self.tab, self.plot.area().topLeft().toPoint()).y())
        return point

    def press(self, point: QPoint) -> None:
        QTest.mousePress(self.tab.windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)

    def move(self, point: QPoint) -> None:
        QTest.mouseMove(self.tab.windowHandle(), point)

    def release(self, point: QPoint) -> None:
        QTest.mouseRelease(self.tab.windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)

    def drag(self, start: QPoint, end: QPoint, *, let_go: bool = True) -> None:
        """In a dozen steps, as a hand does."""
        self.press(start)
        for i in range(1, 13):
            self.move(start + (end - start) * i / 12)
        if let_go:
            self.release(end)

    def asked(self) -> list[tuple]:
        """What the host was asked to write: the limit, its value, and whether it is the next boot's."""
        found = []
        for call in self.rig.verbs.written():
            if call[0] == "write_limits":
                found += [(str(ref), value, call[3]) for ref, value in call[2].items()]
        return found

    def limit(self, chart: str, index: int = 0):
        """The editor of one of a chart's limits and its line."""
        slot = self.card(chart).limits.slots[index]
        return slot.editor, slot.line

    def card(self, chart: str):
        return next(card for card in self.tab.cards if card.spec.key == chart)

    def grip(self, chart: str, index: int = 0, number: float | None = None) -> QPoint:
        """Where the hand takes a line, or brings it (``number``), in the window."""
        editor, line = self.limit(chart, index)
        plot = self.card(chart).plot
        x = line.mapTo(self.tab, QPoint(KNOB_WIDTH // 2, GRAB_PX)).x()
        if not line.is_none:
            x = line.mapTo(self.tab, QPoint(round(line.width() * line._rests_at), 0)).x()
        value = editor.number if number is None else number
        y = plot.area().top() if math.isinf(value) else max(plot.area().top(), plot.y_of(value))
        return QPoint(x, plot.viewport().mapTo(self.tab, QPoint(0, round(y))).y())

    def take_to(self, chart: str, index: int, number: float, *, let_go: bool = True) -> None:
        """Press on a line, see how the axis lies now, and bring the line to ``number``."""
        self.tab_scrolls_to(chart)
        start = self.grip(chart, index)
        self.move(start)
        self.press(start)
        editor, _ = self.limit(chart, index)
        plot = self.card(chart).plot
        now_at = plot.area().top() if math.isinf(editor.number) else plot.y_of(editor.number)
        end = start + QPoint(0, round(plot.y_of(number) - now_at) if not math.isinf(number) else -400)
        for i in range(1, 13):
            self.move(start + (end - start) * i / 12)
        if let_go:
            self.release(end)

    def tab_scrolls_to(self, chart: str) -> None:
        scroll = self.tab.findChild(QScrollArea)
        scroll.ensureWidgetVisible(self.card(chart))

    def settled(self) -> None:
        """Until the host has answered."""
        editors = [slot.editor for card in self.tab.cards for slot in card.limits.slots]
        self.qtbot.waitUntil(lambda: not any(editor.is_waiting for editor in editors))

    def close(self) -> None:
        self.tab.close()
        self.rig.close()


@pytest.fixture
def open_page(qtbot, tmp_path) -> Iterator[Callable[..., Page]]:
    pages = []

    def opened(guest: Guest | None = None, **options: object) -> Page:
        pages.append(Page(qtbot, tmp_path / str(len(pages)), guest, **options))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()
