# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a request is: words, bytes, rate, time left, and Cancel. GUI thread.

It shows itself only when a request takes longer than a moment, so that quick ones do not make the window flicker.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QTimer, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton, QWidget

from vmconsole.ui.image_editor.look import plain_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.messages import Progressed
    from vmconsole.ui.formats import Formats

SHOWN_AFTER_MS = 400
RATE_WINDOW_S = 3.0
_STEPS = 1000


class Rate:
    """Bytes a second over the last few seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def take(self, position: int) -> None:
        if self._seen and position < self._seen[-1][1]:
            self._seen.clear()  # another file, another count
        now = self._clock()
        self._seen.append((now, position))
        while len(self._seen) > 2 and now - self._seen[0][0] > RATE_WINDOW_S:
            self._seen.popleft()

    @property
    def bytes_per_s(self) -> float | None:
        if len(self._seen) < 2:
            return None
        (began, low), (ended, high) = self._seen[0], self._seen[-1]
        return (high - low) / (ended - began) if ended > began else None

    def clear(self) -> None:
        self._seen.clear()


class Gauge:
    """How far something is, in words: the amount, the rate, the time left."""

    def __init__(self, formats: Formats, clock: Callable[[], float] = time.monotonic) -> None:
        self._formats, self._rate = formats, Rate(clock)

    @property
    def has_rate(self) -> bool:
        return bool(self._rate.bytes_per_s)

    def take(self, progress: Progressed) -> str:
        self._rate.take(progress.position)
        rate = self._rate.bytes_per_s
        if progress.total > 0:
            parts = [self._formats.size_of(progress.position, progress.total)]
        else:
            parts = [self._formats.size(progress.position)] if progress.position else []
        if rate:
            parts.append(self._formats.rate(rate))
            if progress.total > progress.position:
                left = self._formats.age((progress.total - progress.position) / rate)
                parts.append(QCoreApplication.translate("Gauge", "{time} left").format(time=left))
        return " · ".join(parts)

    def clear(self) -> None:
        self._rate.clear()


def move_bar(bar: QProgressBar, progress: Progressed) -> None:
    """As far as it is; to and fro where nobody knows the whole."""
    if progress.total > 0:
        bar.setRange(0, _STEPS)
        bar.setValue(min(_STEPS, progress.position * _STEPS // progress.total))
    else:
        bar.setRange(0, 0)


class ProgressStrip(QFrame):
    """``cancel_wanted`` when the user has enough of waiting."""

    cancel_wanted = Signal()

    def __init__(
        self, formats: Formats, parent: QWidget | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(parent)
        self._formats = formats
        self._clock = clock
        self._began = 0.0
        self._gauge = Gauge(formats, clock)
        self.words = plain_label("", self, name=self.tr("What is being done"))
        self.figures = plain_label("", self, name=self.tr("How far it is"))
        self.bar = QProgressBar(self)
        self.bar.setAccessibleName(self.tr("Progress"))
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(180)
        self.cancel = QPushButton(self.tr("Cancel"), self)
        self.cancel.setAccessibleName(self.tr("Cancel what is being done"))
        self.cancel.setToolTip(self.tr("Stop; nothing half-done stays behind"))
        self.cancel.clicked.connect(self.cancel_wanted)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 4, 8, 4)
        row.addWidget(self.words, 1)
        row.addWidget(self.figures)
        row.addWidget(self.bar)
        row.addWidget(self.cancel)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(SHOWN_AFTER_MS)
        self._delay.timeout.connect(self._on_delay)
        self._tick = QTimer(self)
        self._tick.setInterval(1000)
        self._tick.timeout.connect(self._on_tick)
        self.hide()

    def begin(self, words: str) -> None:
        self._began = self._clock()
        self._gauge.clear()
        self.words.setText(words)
        self.figures.clear()
        self.bar.setRange(0, 0)
        self.cancel.setEnabled(True)
        self._delay.start()

    def end(self) -> None:
        self._delay.stop()
        self._tick.stop()
        self.hide()

    def take(self, progress: Progressed) -> None:
        """A word from the session on how far it is."""
        if progress.words:
            self.words.setText(progress.words)
        move_bar(self.bar, progress)
        self.figures.setText(self._gauge.take(progress))

    @Slot()
    def _on_delay(self) -> None:
        self.show()
        self._tick.start()

    @Slot()
    def _on_tick(self) -> None:
        if not self._gauge.has_rate and self.bar.maximum() == 0:
            self.figures.setText(self._formats.age(self._clock() - self._began))
