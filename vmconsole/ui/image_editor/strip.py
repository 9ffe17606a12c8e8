# SPDX-License-Identifier: GPL-3.0-or-later
"""A coloured line of text with buttons: the banner, a problem, a note over a file. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from vmconsole.ui.image_editor.look import Tone, bold, paint_tone, plain_label, plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable


class Strip(QFrame):
    """A headline in bold, text after it that wraps, and buttons on the right."""

    def __init__(self, name: str, *, tone: Tone = Tone.CALM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self._tone = tone
        self.headline = bold(plain_label("", self, name=name))
        self.text = plain_label("", self, name=self.tr("{what}, details").format(what=name))
        for label in (self.headline, self.text):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(self.headline)
        words.addWidget(self.text)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(10, 6, 8, 6)
        self._row.addLayout(words, 1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        paint_tone(self, tone)

    def say(self, headline: str, text: str = "", *, tone: Tone | None = None) -> None:
        self.headline.setText(headline)
        self.headline.setVisible(bool(headline))
        self.text.setText(text)
        self.text.setVisible(bool(text))
        if tone is not None and tone is not self._tone:
            self._tone = tone
            paint_tone(self, tone)
        self.show()

    def add_button(self, text: str, pressed: Callable[[], object], *, tip: str = "") -> QPushButton:
        button = QPushButton(text, self)
        button.setAccessibleName(text.replace("&", ""))
        button.setToolTip(plain_tip(tip))
        button.clicked.connect(lambda _checked=False: pressed())
        self._row.addWidget(button)
        return button

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.ApplicationPaletteChange:
            paint_tone(self, self._tone)
