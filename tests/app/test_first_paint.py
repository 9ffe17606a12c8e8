# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start leaves for later begins once, after the window was painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from vmconsole.app.first_paint import LATEST_MS, FirstPaint

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent
    from pytestqt.qtbot import QtBot


class Painted(QWidget):
    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self._seen = seen

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802  # the name is Qt's
        self._seen.append("painted")


def test_it_comes_after_the_first_paint_and_once(qtbot: QtBot) -> None:
    seen: list[str] = []
    window = Painted(seen)
    qtbot.addWidget(window)
    FirstPaint(window, lambda: seen.append("begun"))
    window.show()
    qtbot.waitUntil(lambda: "begun" in seen)
    window.repaint()
    qtbot.wait(LATEST_MS + 100)
    assert seen[0] == "painted"
    assert seen.count("begun") == 1


def test_a_window_that_is_never_painted_begins_all_the_same(qtbot: QtBot) -> None:
    seen: list[str] = []
    window = Painted(seen)
    qtbot.addWidget(window)
    FirstPaint(window, lambda: seen.append("begun"))
    qtbot.waitUntil(lambda: seen == ["begun"], timeout=LATEST_MS + 5000)
