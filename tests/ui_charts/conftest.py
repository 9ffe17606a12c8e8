# SPDX-License-Identifier: GPL-3.0-or-later
"""An Overview of a rig, shown and drawn, and a hand on the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from tests.ui_charts.rig import Rig
from vmconsole.ui.overview import OverviewTab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vmconsole.inventory.facts import Guest
    from vmconsole.ui.charts.limit_line import LimitLine


class Page:
    """An Overview in a window of its own."""

    def __init__(self, qtbot: object, folder: Path, guest: Guest | None = None, *, layout: str = "v1") -> None:
        self.qtbot = qtbot
        self.rig = Rig(folder, guest, layout=layout)
        self.rig.fill(120)
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
    def plot(self):
        return self.tab.cpu.plot

    def at(self, cores: float) -> QPoint:
        """Where a cap is, in the window: a third of the way along the line."""
        area = self.plot.area()
        viewport = self.plot.viewport()
        return viewport.mapTo(self.tab, QPoint(round(area.left() + area.width() / 3), round(self.plot.y_of(cores))))

    def top_edge(self) -> QPoint:
        point = self.at(0.0)
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
        """What the host was asked to write."""
        return [call[2:] for call in self.rig.verbs.written()]

    def settled(self) -> None:
        """Until the host has answered."""
        self.qtbot.waitUntil(lambda: not self.tab.editor.is_waiting)

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
