# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours of the charts, for light and dark, beside those of the theme. GUI thread.

Curves of one chart differ in lightness too, so that they can be told apart without seeing colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtGui import QColor, QPalette

from vmconsole.ui.theme import DARK, LIGHT

if TYPE_CHECKING:
    from vmconsole.ui.theme import Colours


@dataclass(frozen=True, slots=True)
class Look:
    """What a plot needs to paint itself."""

    is_dark: bool
    theme: Colours
    background: QColor
    text: QColor
    quiet: QColor
    grid: QColor

    def curve(self, name: str) -> QColor:
        """A curve's colour by name: a field of ``ui.theme.Colours``, or one of ``SECOND``."""
        second = SECOND.get(name)
        return QColor(getattr(self.theme, name) if second is None else second[self.is_dark])

    def faded(self, name: str, alpha: float) -> QColor:
        colour = self.curve(name)
        colour.setAlphaF(alpha)
        return colour


SECOND: dict[str, tuple[str, str]] = {
    "cpu_user": ("#4c9f9a", "#5fb8b0"),
    "cpu_system": ("#b0561a", "#f0a268"),
    "memory_anon": ("#b45fa8", "#f2a0dd"),
    "memory_cache": ("#6f7fa8", "#93a4cf"),
    "write": ("#c2410c", "#ff9d66"),
    "read": ("#1f62c6", "#80b4ff"),
    "receive": ("#0b7268", "#52d1c3"),
    "send": ("#8a5a00", "#f2c14e"),
    "band": ("#e8a317", "#d9a520"),
    "limit": ("#b3261e", "#ff8f85"),
}
"""Name → colour on light, on dark."""


def look_of(palette: QPalette) -> Look:
    window, text = palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Text)
    is_dark = window.lightness() < text.lightness()
    grid = _mixed(window, text, 0.13 if is_dark else 0.10)
    theme = DARK if is_dark else LIGHT
    return Look(is_dark, theme, window, text, QColor(theme.quiet), grid)


def _mixed(ground: QColor, ink: QColor, share: float) -> QColor:
    """Opaque: a transparent grid costs more than the curves."""
    parts = zip(ground.getRgb()[:3], ink.getRgb()[:3], strict=True)  # type: ignore[index]  # the stub says object
    return QColor(*(round(g + (i - g) * share) for g, i in parts))
