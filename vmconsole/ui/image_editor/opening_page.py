# SPDX-License-Identifier: GPL-3.0-or-later
"""What the window shows while an image is opened, and when it cannot be: steps, time, Cancel, Try Again. GUI thread."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, SignalInstance, Slot
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from vmconsole.ui.error_view import NOBODY, ErrorView
from vmconsole.ui.image_editor.look import bold, plain_label
from vmconsole.ui.image_editor.progress_strip import Gauge, move_bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.messages import Progressed
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.error_help import ErrorHelp
    from vmconsole.ui.image_editor.look import Look
    from vmconsole.ui.remedies import Subject


class OpeningPage(QWidget):
    """Three faces: under way, failed, and done with (after Apply). Signals tell what the user wants next."""

    cancel_wanted = Signal()
    open_wanted = Signal()
    close_wanted = Signal()
    take_back_wanted = Signal()
    forget_way_back_wanted = Signal()

    def __init__(
        self,
        look: Look,
        parent: QWidget | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        helped_by: ErrorHelp | None = None,
        subject: Subject = NOBODY,
    ) -> None:
        """``subject``: what the image belongs to, as far as that is known."""
        super().__init__(parent)
        self._subject = subject
        self._formats = look.formats
        self._clock = clock
        self._began = 0.0
        self._gauge, self._figures = Gauge(look.formats, clock), ""
        self.headline = bold(plain_label("", self, name=self.tr("What is happening")), larger=1.3)
        self.error = ErrorView(look.theme, self, helped_by=helped_by)
        self.steps = plain_label("", self, name=self.tr("Steps so far"))
        self.elapsed = plain_label("", self, name=self.tr("Time so far"))
        self.bar = QProgressBar(self)
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Under way"))
        self.cancel = self._button(self.tr("Cancel"), self.cancel_wanted)
        self.again = self._button(self.tr("Try Again"), self.open_wanted)
        self.close_button = self._button(self.tr("Close Window"), self.close_wanted)
        self.take_back = self._button(self.tr("Take Back…"), self.take_back_wanted)
        self.forget_way_back = self._button(self.tr("Free the Space"), self.forget_way_back_wanted)
        self.way_back = plain_label("", self, name=self.tr("The way back"))
        self._lay_out()
        self._tick = QTimer(self)
        self._tick.setInterval(500)
        self._tick.timeout.connect(self._on_tick)

    def _button(self, text: str, signal: SignalInstance) -> QPushButton:
        button = QPushButton(text, self)
        button.setAccessibleName(text)
        button.clicked.connect(signal)
        return button

    def _lay_out(self) -> None:
        middle = QVBoxLayout()
        middle.setSpacing(10)
        for label in (self.headline, self.steps, self.elapsed, self.way_back):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for widget in (self.headline, self.bar, self.steps, self.error, self.elapsed, self.way_back):
            middle.addWidget(widget)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        for button in (self.forget_way_back, self.take_back, self.again, self.close_button, self.cancel):
            buttons.addWidget(button)
        middle.addLayout(buttons)
        column = QWidget(self)
        column.setLayout(middle)
        column.setMaximumWidth(self.fontMetrics().averageCharWidth() * 90)
        column.setMinimumWidth(self.fontMetrics().averageCharWidth() * 50)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(column, 4)
        row.addStretch(1)
        outer = QVBoxLayout(self)
        outer.addStretch(2)
        outer.addLayout(row)
        outer.addStretch(3)

    # -- the three faces ---------------------------------------------------------------------------------------

    def begin(self, headline: str) -> None:
        """Under way: a bar that moves, the steps as they come, the time, Cancel."""
        self._began = self._clock()
        self.headline.setText(headline)
        self.steps.clear()
        self._forget_figures()
        self._show_only(self.bar, self.steps, self.elapsed, self.cancel)
        self._on_tick()
        self._tick.start()
        self.cancel.setFocus()

    def add_step(self, words: str) -> None:
        """The session names the step it is at; the ones before stay to be read, ticked off."""
        done = [line.removeprefix("▸ ").removeprefix("✓ ") for line in self.steps.text().splitlines()]
        if words and words not in done[-1:]:
            self.steps.setText("\n".join([*(f"✓ {line}" for line in done), f"▸ {words}"]))
            self._forget_figures()

    def take(self, progress: Progressed) -> None:
        """How far the step is: the bar stands for it, with the amount, the rate and the time left."""
        if self.bar.isHidden():
            return
        if progress.total > 0:
            self.add_step(progress.words)
        move_bar(self.bar, progress)
        self._figures = self._gauge.take(progress)
        self._on_tick()

    def _forget_figures(self) -> None:
        self._gauge.clear()
        self._figures = ""
        self.bar.setRange(0, 0)

    def show_problem(self, headline: str, problem: Explanation) -> None:
        """It did not work: why, and Try Again."""
        self._tick.stop()
        self.headline.setText(headline)
        self.error.show_explanation(problem, replace(self._subject, at=time.time()))
        self.again.setText(self.tr("Try Again"))
        self._show_only(self.error, self.again, self.close_button)
        self.again.setFocus()

    def show_end(self, headline: str, words: str, *, way_back: str = "") -> None:
        """The image is let go of: it can be opened again, or the window closed; with words on a way back, that can
        be gone, or its space be freed."""
        self._tick.stop()
        self.headline.setText(headline)
        self.steps.setText(words)
        self.again.setText(self.tr("Open Again"))
        self.way_back.setText(way_back)
        more = (self.way_back, self.take_back, self.forget_way_back) if way_back else ()
        self._show_only(self.steps, self.again, self.close_button, *more)
        self.close_button.setFocus()

    def _show_only(self, *shown: QWidget) -> None:
        for widget in (
            self.bar, self.steps, self.error, self.elapsed, self.cancel, self.again, self.close_button,
            self.way_back, self.take_back, self.forget_way_back,
        ):  # fmt: skip
            widget.setVisible(widget in shown)

    @Slot()
    def _on_tick(self) -> None:
        age = self._formats.age(self._clock() - self._began)
        self.elapsed.setText(f"{age} · {self._figures}" if self._figures else age)
