# SPDX-License-Identifier: GPL-3.0-or-later
"""A word on what was just done, with what can be done about it; it goes away by itself. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtGui import QAccessible, QAccessibleEvent, QPalette
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHOWN_MS = 10_000
MARGIN_PX = 14


class Toast(QFrame):
    """Floats at the lower edge of ``parent``."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self.setObjectName("toast")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.ToolTipBase)
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setForegroundRole(QPalette.ColorRole.ToolTipText)
        self._buttons: list[QPushButton] = []
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(12, 6, 6, 6)
        self._row.addWidget(self._text, 1)
        close = QToolButton()
        close.setText("✕")
        close.setAutoRaise(True)
        close.setAccessibleName(self.tr("Close this message"))
        close.clicked.connect(self.hide)
        self._row.addWidget(close)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_time)
        parent.installEventFilter(self)
        self.hide()

    @property
    def text(self) -> str:
        return self._text.text()

    def say(self, text: str, *, actions: Sequence[tuple[str, Callable[[], object]]] = (), stays: bool = False) -> None:
        """Show a text with buttons; ``stays`` until it is closed."""
        for button in self._buttons:
            self._row.removeWidget(button)
            button.deleteLater()
        self._buttons = [self._button(word, act) for word, act in actions]
        self._text.setText(text)
        self.setAccessibleName(text)
        self.show()
        self._place()
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))
        self._timer.stop()
        if not stays:
            self._timer.start(SHOWN_MS)

    def _button(self, word: str, act: Callable[[], object]) -> QPushButton:
        button = QPushButton(word)
        button.clicked.connect(self.hide)
        button.clicked.connect(lambda: act())
        self._row.insertWidget(self._row.count() - 1, button)
        return button

    def _on_time(self) -> None:
        if self.underMouse() or self.isAncestorOf(self.focusWidget() or self):
            self._timer.start(SHOWN_MS)
        else:
            self.hide()

    def _place(self) -> None:
        room = self._parent.rect()
        width = min(room.width() - 2 * MARGIN_PX, max(320, self.sizeHint().width()))
        text_width = max(100, width - (self.sizeHint().width() - self._text.sizeHint().width()))
        height = max(self.sizeHint().height(), self._text.heightForWidth(text_width) + 16)
        self.setGeometry((room.width() - width) // 2, room.height() - height - MARGIN_PX, width, height)
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)
