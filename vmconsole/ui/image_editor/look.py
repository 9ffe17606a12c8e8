# SPDX-License-Identifier: GPL-3.0-or-later
"""The editor's few colours and icons, for light and dark alike. GUI thread."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from PySide6.QtGui import QColor, QIcon, QPalette
from PySide6.QtWidgets import QLabel, QStyle, QWidget

if TYPE_CHECKING:
    from PySide6.QtCore import Qt


class Tone(enum.Enum):
    """What a coloured strip means; the text always says it too."""

    CALM = "calm"
    DRAFT = "draft"
    LOOK_ONLY = "look only"
    PROBLEM = "problem"


_LIGHT = {
    Tone.CALM: ("#e8f1fb", "#1b4b7a"),
    Tone.DRAFT: ("#e6f4ea", "#1d5c33"),
    Tone.LOOK_ONLY: ("#fdf3d8", "#6b4e00"),
    Tone.PROBLEM: ("#fde7e7", "#8a1f1f"),
}
_DARK = {
    Tone.CALM: ("#1d2b3a", "#a9cbee"),
    Tone.DRAFT: ("#1b3324", "#a3d9b5"),
    Tone.LOOK_ONLY: ("#3a3013", "#f0d37e"),
    Tone.PROBLEM: ("#421d1d", "#f3b0b0"),
}


def is_dark(palette: QPalette) -> bool:
    return palette.color(QPalette.ColorRole.Window).lightness() < 128


def tone_colours(tone: Tone, palette: QPalette) -> tuple[QColor, QColor]:
    """Background and text colour of a strip; their contrast is above 7:1 in both themes."""
    back, front = (_DARK if is_dark(palette) else _LIGHT)[tone]
    return QColor(back), QColor(front)


def paint_tone(widget: QWidget, tone: Tone) -> None:
    """Give a widget (and its labels) the colours of a tone."""
    palette = QPalette(widget.parentWidget().palette() if widget.parentWidget() is not None else widget.palette())
    back, front = tone_colours(tone, palette)
    palette.setColor(QPalette.ColorRole.Window, back)
    palette.setColor(QPalette.ColorRole.WindowText, front)
    widget.setAutoFillBackground(True)
    widget.setPalette(palette)


def plain_label(text: str = "", parent: QWidget | None = None, *, name: str = "") -> QLabel:
    """A label that shows its text and nothing else: never rich text, for names come from inside the image."""
    label = QLabel(parent)
    label.setTextFormat(_plain())
    label.setText(text)
    if name:
        label.setAccessibleName(name)
    return label


def _plain() -> Qt.TextFormat:
    from PySide6.QtCore import Qt

    return Qt.TextFormat.PlainText


def folder_icon(widget: QWidget) -> QIcon:
    return _icon(widget, "folder", QStyle.StandardPixmap.SP_DirIcon)


def file_icon(widget: QWidget) -> QIcon:
    return _icon(widget, "text-x-generic", QStyle.StandardPixmap.SP_FileIcon)


def link_icon(widget: QWidget) -> QIcon:
    return _icon(widget, "emblem-symbolic-link", QStyle.StandardPixmap.SP_FileLinkIcon)


def disk_icon(widget: QWidget) -> QIcon:
    return _icon(widget, "drive-harddisk", QStyle.StandardPixmap.SP_DriveHDIcon)


def _icon(widget: QWidget, theme_name: str, fallback: QStyle.StandardPixmap) -> QIcon:
    icon = QIcon.fromTheme(theme_name)
    return icon if not icon.isNull() else widget.style().standardIcon(fallback)
