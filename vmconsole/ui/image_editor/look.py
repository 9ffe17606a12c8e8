# SPDX-License-Identifier: GPL-3.0-or-later
"""What the editor's parts share to look like one: the theme, the formats, the coloured strips' tones. GUI thread."""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass

from PySide6.QtCore import QDateTime, QLocale, Qt
from PySide6.QtGui import QAction, QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QLabel, QWidget

from vmconsole.ui.formats import Formats
from vmconsole.ui.image_editor.names import shown_words
from vmconsole.ui.theme import Theme


@dataclass(frozen=True, slots=True)
class Look:
    """Handed to every part of an editor window."""

    theme: Theme
    formats: Formats

    @classmethod
    def make(cls, theme: Theme) -> Look:
        return cls(theme, Formats())

    def follow_palette(self, window: QWidget) -> None:
        """The application's palette has changed: the window's actions with a named icon get it in the new colours."""
        self.theme.refresh()
        for action in window.findChildren(QAction):
            if action.property("icon-name"):
                action.setIcon(self.theme.icon(action.property("icon-name")))


class Tone(enum.Enum):
    """What a coloured strip means; the text always says it too."""

    CALM = "calm"
    DRAFT = "draft"
    LOOK_ONLY = "look only"
    PROBLEM = "problem"
    LIVE = "live"
    """Inside a running guest: what is changed is changed at once."""


_LIGHT = {
    Tone.CALM: ("#e8f1fb", "#1b4b7a"),
    Tone.DRAFT: ("#e6f4ea", "#1d5c33"),
    Tone.LOOK_ONLY: ("#fdf3d8", "#6b4e00"),
    Tone.PROBLEM: ("#fde7e7", "#8a1f1f"),
    Tone.LIVE: ("#f0e6fb", "#5b2a86"),
}
_DARK = {
    Tone.CALM: ("#1d2b3a", "#a9cbee"),
    Tone.DRAFT: ("#1b3324", "#a3d9b5"),
    Tone.LOOK_ONLY: ("#3a3013", "#f0d37e"),
    Tone.PROBLEM: ("#421d1d", "#f3b0b0"),
    Tone.LIVE: ("#33204a", "#d9b8f7"),
}


def tone_colours(tone: Tone, *, dark: bool) -> tuple[str, str]:
    """Background and text colour of a strip. Their contrast is above 6 to 1 (a test measures it)."""
    return (_DARK if dark else _LIGHT)[tone]


def paint_tone(widget: QWidget, tone: Tone) -> None:
    """Give a widget, and the labels in it, the colours of a tone."""
    palette = QGuiApplication.palette()
    dark = palette.color(QPalette.ColorRole.Window).lightness() < 128
    back, front = tone_colours(tone, dark=dark)
    palette.setColor(QPalette.ColorRole.Window, QColor(back))
    palette.setColor(QPalette.ColorRole.WindowText, QColor(front))
    widget.setAutoFillBackground(True)
    widget.setPalette(palette)


class _PlainLabel(QLabel):
    """Shows every character that it is given, also those that cannot be seen."""

    def setText(self, text: str) -> None:
        super().setText(shown_words(text))


def plain_label(text: str = "", parent: QWidget | None = None, *, name: str = "") -> QLabel:
    """A label that shows its text and nothing else: never rich text, for names come from inside the image."""
    label = _PlainLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setText(text)
    if name:
        label.setAccessibleName(name)
    return label


def bold(label: QLabel, *, larger: float = 1.0) -> QLabel:
    font = label.font()
    font.setBold(True)
    font.setPointSizeF(font.pointSizeF() * larger)
    label.setFont(font)
    return label


def in_order(*parts: QWidget) -> None:
    """Tab goes through them as the eye does, not as they were made."""
    for before, after in itertools.pairwise(parts):
        QWidget.setTabOrder(before, after)


def plain_tip(text: str) -> str:
    """A tooltip that Qt cannot take for rich text, whatever a file is called; none of an empty text."""
    if not text:
        return ""
    escaped = shown_words(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<p style='white-space:pre-wrap'>{escaped}</p>"


def time_text(seconds: float | None) -> str:
    """A time in the user's own zone and format; empty while unknown, or beyond what can be shown."""
    if seconds is None or not -6e10 < seconds < 2.5e11:
        return ""
    moment = QDateTime.fromSecsSinceEpoch(int(seconds))
    if QLocale().language() == QLocale.Language.C:
        return moment.toString("yyyy-MM-dd HH:mm")
    date = QLocale().toString(moment.date(), QLocale.FormatType.ShortFormat)
    return f"{date} {QLocale().toString(moment.time(), QLocale.FormatType.ShortFormat)}"
