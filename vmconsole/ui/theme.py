# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours and icons for light and dark, taken from the desktop's palette. GUI thread.

A state is told by its icon's shape as well as by its colour. Icons are SVG files of our own; in them ``currentColor``
stands for the palette's text colour, and the light theme's colours are swapped for the dark one's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer

from vmconsole.inventory.facts import GuestState, HostState
from vmconsole.inventory.resources import resource

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

SIZES = (16, 20, 24, 32, 48, 64)

GUEST_ICONS = {
    GuestState.RUNNING: "state-running",
    GuestState.PAUSED: "state-paused",
    GuestState.SHUTTING_DOWN: "state-shutting-down",
    GuestState.SHUT_OFF: "state-shut-off",
    GuestState.CRASHED: "state-crashed",
    GuestState.SUSPENDED: "state-suspended",
    GuestState.UNKNOWN: "state-unknown",
}
HOST_ICONS = {
    HostState.CONNECTED: "host-connected",
    HostState.CONNECTING: "host-connecting",
    HostState.NOT_ANSWERING: "host-not-answering",
    HostState.DISCONNECTED: "host-disconnected",
    HostState.FAILED: "host-failed",
}


@dataclass(frozen=True, slots=True)
class Colours:
    """All have a contrast of at least 4.5 to 1 against the lists' background of their theme."""

    ok: str
    warning: str
    problem: str
    quiet: str
    """Secondary text, and what is not present."""
    cpu: str
    memory: str
    disk: str
    network: str
    demo: str
    """Background of the «Demo data» label; its text is ``on_demo``."""
    on_demo: str


LIGHT = Colours(
    ok="#1a7f37", warning="#8a5a00", problem="#b3261e", quiet="#5b6067", cpu="#1f62c6", memory="#7b3fb3",
    disk="#955600", network="#0b7268", demo="#ffd75e", on_demo="#3a2c00",
)  # fmt: skip
DARK = Colours(
    ok="#6bd08a", warning="#f2c14e", problem="#ff8f85", quiet="#a9afb6", cpu="#80b4ff", memory="#d0a8f7",
    disk="#f0b35a", network="#52d1c3", demo="#6b5200", on_demo="#ffe9a8",
)  # fmt: skip


class Theme(QObject):
    """The colours of now. ``changed`` tells those who keep colours or icons; widgets with a palette need nothing."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._icons: dict[str, QIcon] = {}
        self.is_dark = False
        self.colours = LIGHT
        self._text = ""
        self.refresh()

    def refresh(self) -> None:
        """Look at the application's palette again; call it when that has changed."""
        palette = QGuiApplication.palette()
        text = palette.color(QPalette.ColorRole.WindowText).name()
        if text == self._text:
            return
        self._text = text
        self.is_dark = palette.color(QPalette.ColorRole.Window).lightness() < palette.color(
            QPalette.ColorRole.WindowText
        ).lightness()  # fmt: skip
        self.colours = DARK if self.is_dark else LIGHT
        self._icons.clear()
        self.changed.emit()

    def colour(self, name: str) -> QColor:
        """By the field names of ``Colours``."""
        return QColor(getattr(self.colours, name))

    def icon(self, name: str) -> QIcon:
        """One of ``resources/icons`` in the theme's colours."""
        if name not in self._icons:
            self._icons[name] = self._draw(name)
        return self._icons[name]

    def guest_icon(self, state: GuestState) -> QIcon:
        return self.icon(GUEST_ICONS[state])

    def host_icon(self, state: HostState) -> QIcon:
        return self.icon(HOST_ICONS[state])

    def _draw(self, name: str) -> QIcon:
        drawing = resource(f"icons/{name}.svg").read_text(encoding="utf-8")
        faded = QColor(self.colours.quiet)
        icon = QIcon()
        for mode, text in ((QIcon.Mode.Normal, self._text), (QIcon.Mode.Disabled, faded.name())):
            renderer = QSvgRenderer(QByteArray(self._coloured(drawing, text).encode()))
            for size in SIZES:
                icon.addPixmap(_pixmap(renderer, size, opacity=1.0 if mode == QIcon.Mode.Normal else 0.45), mode)
        return icon

    def _coloured(self, drawing: str, text: str) -> str:
        drawing = drawing.replace("currentColor", text)
        if self.is_dark:
            for field in fields(Colours):
                drawing = drawing.replace(getattr(LIGHT, field.name), getattr(DARK, field.name))
        return drawing


def fade(widget: QWidget, theme: Theme, colour: str = "quiet") -> None:
    """Give a label's text one of the theme's colours."""
    palette = widget.palette()
    palette.setColor(QPalette.ColorRole.WindowText, theme.colour(colour))
    widget.setPalette(palette)


def set_scheme(name: str) -> None:
    """``light``, ``dark``, or anything else for what the desktop says."""
    schemes = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}
    QGuiApplication.styleHints().setColorScheme(schemes.get(name, Qt.ColorScheme.Unknown))


def _pixmap(renderer: QSvgRenderer, size: int, *, opacity: float) -> QPixmap:
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setOpacity(opacity)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return pixmap
