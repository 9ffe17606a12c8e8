# SPDX-License-Identifier: GPL-3.0-or-later
"""The field «Filter» above the tree. GUI thread. It filters while one types, once per turn of the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QLineEdit, QWidget

from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent, QResizeEvent

    from vmconsole.ui.theme import Theme


class FilterField(QLineEdit):
    """``filter_changed`` carries the text; ``down_pressed`` asks to go on in the tree by keyboard."""

    filter_changed = Signal(str)
    down_pressed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setObjectName("filter")
        self.setAccessibleName(self.tr("Filter"))
        self.setAccessibleDescription(
            self.tr("Shows only guests that match, by name or host, or by state as in state:running")
        )
        self.setPlaceholderText(self.tr("Filter: a name, a host, state:running  (Ctrl+F)"))
        self.setToolTip(
            self.tr(
                "All words must match. A word is looked for in names of guests and hosts.\n"
                "name:web  host:kvm2  group:production  state:running  state:off do so in one place only;\n"
                'a hyphen turns a word round: -state:running; blanks stand in quotes: group:"data centre"'
            )
        )
        self._glass = QAction(theme.icon("filter"), "", self)
        self.addAction(self._glass, QLineEdit.ActionPosition.LeadingPosition)
        self.setClearButtonEnabled(True)
        self._count = QLabel(self)
        self._count.setAccessibleDescription(self.tr("Number of matching guests"))
        self._count.hide()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._on_soon)
        self.textChanged.connect(self._on_text)
        theme.changed.connect(self._on_theme)
        self._on_theme()

    def show_count(self, found: int, known: int) -> None:
        """«12 of 60» at the end of the field while something is filtered."""
        is_filtered = bool(self.text().strip())
        self._count.setVisible(is_filtered)
        if is_filtered:
            self._count.setText(self.tr("{found} of {known}").format(found=found, known=known))
            self._place_count()

    def _place_count(self) -> None:
        self._count.adjustSize()
        self.setTextMargins(0, 0, self._count.width() + 6, 0)
        left = self.width() - self._count.width() - 30  # before the clear button
        self._count.move(left, (self.height() - self._count.height()) // 2)

    @Slot(str)
    def _on_text(self, text: str) -> None:
        if not text.strip():
            self._count.hide()
            self.setTextMargins(0, 0, 0, 0)
        self._soon.start()

    @Slot()
    def _on_soon(self) -> None:
        self.filter_changed.emit(self.text())

    @Slot()
    def _on_theme(self) -> None:
        self._glass.setIcon(self._theme.icon("filter"))
        fade(self._count, self._theme)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        elif event.key() in {Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self.down_pressed.emit()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._count.isVisible():
            self._place_count()
