# SPDX-License-Identifier: GPL-3.0-or-later
"""The legend of a chart: a button for each curve, with its value, that shows or hides it. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

FLAT = """QToolButton { border: none; border-radius: 4px; padding: 1px 3px; }
QToolButton:hover, QToolButton:focus { background: palette(midlight); }"""


class Legend(QWidget):
    """``toggled``: a curve's key, and whether it is shown."""

    toggled = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._buttons: dict[str, tuple[QToolButton, str]] = {}
        self._widths: dict[str, int] = {}
        self._lesser: set[str] = set()
        self._is_compact = False
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(2)

    def add(self, key: str, label: str, *, widest: str, is_main: bool) -> None:
        """``widest`` is the longest value text: the button keeps that width, so that nothing jumps.

        A curve that is not ``is_main`` loses its value where there is little room.
        """
        button = QToolButton(self)
        button.setCheckable(True)
        button.setChecked(True)
        button.setAutoRaise(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setIconSize(QSize(14, 14))
        button.setAccessibleName(self.tr("Show {curve}").format(curve=label))
        button.setToolTip(self.tr("Show or hide «{curve}»").format(curve=label))
        self._widths[key] = button.fontMetrics().horizontalAdvance(f"{label} {widest}") + 26
        if not is_main:
            self._lesser.add(key)
        button.setMinimumWidth(self._widths[key])
        button.setStyleSheet(FLAT)
        button.toggled.connect(lambda on: self.toggled.emit(key, on))
        self._buttons[key] = (button, label)
        self._row.addWidget(button)

    def set_colour(self, key: str, colour: QColor) -> None:
        self._buttons[key][0].setIcon(_swatch(colour, self.devicePixelRatioF()))

    def set_value(self, key: str, text: str) -> None:
        button, label = self._buttons[key]
        button.setText(label if self._is_compact and key in self._lesser else f"{label} {text}".rstrip())

    def set_compact(self, *, compact: bool) -> None:
        """Little room: the lesser curves show no values."""
        self._is_compact = compact
        for key in self._lesser:
            self._buttons[key][0].setMinimumWidth(0 if compact else self._widths[key])

    def is_on(self, key: str) -> bool:
        return self._buttons[key][0].isChecked()


def _swatch(colour: QColor, ratio: float) -> QIcon:
    """A stroke when shown, a hollow ring when hidden."""
    icon = QIcon()
    for state in (QIcon.State.On, QIcon.State.Off):
        pixmap = QPixmap(round(14 * ratio), round(14 * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if state is QIcon.State.On:
            painter.setPen(QPen(colour, 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawLine(QPointF(2, 7), QPointF(12, 7))
        else:
            painter.setPen(QPen(colour, 1.5))
            painter.drawEllipse(QPointF(7, 7), 4, 4)
        painter.end()
        icon.addPixmap(pixmap, QIcon.Mode.Normal, state)
    return icon
