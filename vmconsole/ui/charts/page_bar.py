# SPDX-License-Identifier: GPL-3.0-or-later
"""The row above the charts: how much time is shown, what is wrong, and saving. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QMenu, QPushButton, QSizePolicy, QToolButton, QWidget

from vmconsole.ui.charts.time_window import SPANS_S

if TYPE_CHECKING:
    from vmconsole.ui.charts.time_window import TimeWindow


class PageBar(QWidget):
    save_png_asked = Signal()
    save_csv_asked = Signal()

    def __init__(self, window: TimeWindow, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._window = window
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(4)
        self._spans = QButtonGroup(self)
        for span_s, label in zip(SPANS_S, (self.tr("5 min"), self.tr("10 min"), self.tr("1 h")), strict=True):
            self._add_span(span_s, label)
        self._reset = QToolButton()
        self._reset.setText(self.tr("Back to now"))
        self._reset.setToolTip(self.tr("Undo zooming and panning (double click in a chart)"))
        self._reset.clicked.connect(window.reset)
        self._status = QLabel()
        self._status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._row.addWidget(self._reset)
        self._row.addSpacing(8)
        self._row.addWidget(self._status, 1)
        self._row.addWidget(self._save_button())
        window.changed.connect(self._show)
        self._show()

    def _add_span(self, span_s: float, label: str) -> None:
        button = QToolButton()
        button.setText(label)
        button.setCheckable(True)
        button.setAutoRaise(True)
        button.setAccessibleName(self.tr("Show the last {span}").format(span=label))
        button.clicked.connect(lambda: self._window.set_span(span_s))
        self._spans.addButton(button)
        self._row.addWidget(button)

    def _save_button(self) -> QPushButton:
        menu = QMenu(self)
        menu.addAction(self.tr("Picture (PNG)…"), self.save_png_asked.emit)
        menu.addAction(self.tr("Values (CSV)…"), self.save_csv_asked.emit)
        button = QPushButton(self.tr("Save"))
        button.setToolTip(self.tr("Save the charts as a picture or their values as a table"))
        button.setMenu(menu)
        return button

    def set_status(self, text: str) -> None:
        self._status.setText(text)
        self._status.setToolTip(text)

    @property
    def status(self) -> str:
        return self._status.text()

    def _show(self) -> None:
        for button, span_s in zip(self._spans.buttons(), SPANS_S, strict=True):
            button.setChecked(span_s == self._window.span_s)
        self._reset.setVisible(not self._window.is_live)
