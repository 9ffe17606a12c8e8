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
    ok="#17752f", warning="#8a5a00", problem="#b3261e", quiet="#5b6067", cpu="#1f62c6", memory="#7b3fb3",
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
        self.is_dark = _is_dark(palette)
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
        for mode, text, opacity in (
            (QIcon.Mode.Normal, self._coloured(drawing, self._text), 1.0),
            (QIcon.Mode.Disabled, self._coloured(drawing, faded.name()), 0.45),
            (QIcon.Mode.Selected, _selected(drawing), 1.0),
        ):
            renderer = QSvgRenderer(QByteArray(text.encode()))
            for size in SIZES:
                icon.addPixmap(_pixmap(renderer, size, opacity=opacity), mode)
        return icon

    def _coloured(self, drawing: str, text: str) -> str:
        drawing = drawing.replace("currentColor", text)
        if self.is_dark:
            drawing = drawing.replace("#ffffff", _CUT_OUT)  # marks inside a light shape are dark
            for field in fields(Colours):
                drawing = drawing.replace(getattr(LIGHT, field.name), getattr(DARK, field.name))
        return drawing


def _selected(drawing: str) -> str:
    """On a selected row: shapes in the selection's text colour, what is cut out of them in its background."""
    palette = QGuiApplication.palette()
    ink = palette.color(QPalette.ColorRole.HighlightedText).name()
    drawing = drawing.replace("#ffffff", palette.color(QPalette.ColorRole.Highlight).name())
    for field in fields(Colours):
        drawing = drawing.replace(getattr(LIGHT, field.name), ink)
    return drawing.replace("currentColor", ink)


def fade(widget: QWidget, theme: Theme, colour: str = "quiet") -> None:
    """Give a label's text one of the theme's colours."""
    palette = widget.palette()
    palette.setColor(QPalette.ColorRole.WindowText, theme.colour(colour))
    widget.setPalette(palette)


def set_scheme(name: str) -> None:
    """``light``, ``dark``, or anything else for what the desktop says.

    Qt asks the desktop's platform theme for it; where there is none (a plain window manager), the palette is ours.
    """
    schemes = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}
    wanted = schemes.get(name, Qt.ColorScheme.Unknown)
    QGuiApplication.setPalette(QPalette())
    QGuiApplication.styleHints().setColorScheme(wanted)
    if wanted is not Qt.ColorScheme.Unknown and _is_dark(QGuiApplication.palette()) != (name == "dark"):
        QGuiApplication.setPalette(_own_palette(_DARK_ROLES if name == "dark" else _LIGHT_ROLES))


def _is_dark(palette: QPalette) -> bool:
    role = QPalette.ColorRole
    return palette.color(role.Window).lightness() < palette.color(role.WindowText).lightness()


_DARK_ROLES = {
    "Window": "#33383d", "WindowText": "#e4e7ea", "Base": "#1c1f22", "AlternateBase": "#22262a", "Text": "#e4e7ea",
    "Button": "#3d434a", "ButtonText": "#e4e7ea", "BrightText": "#ff8f85", "Highlight": "#2a65a8",
    "HighlightedText": "#ffffff", "Link": "#80b4ff", "LinkVisited": "#d0a8f7", "ToolTipBase": "#434a51",
    "ToolTipText": "#e4e7ea", "PlaceholderText": "#969ea6",
    "Light": "#4d545c", "Midlight": "#434a51", "Mid": "#2a2e33", "Dark": "#1f2326", "Shadow": "#0c0e0f",
}  # fmt: skip
_LIGHT_ROLES = {
    "Window": "#efefef", "WindowText": "#1b1d1f", "Base": "#ffffff", "AlternateBase": "#f6f6f6", "Text": "#1b1d1f",
    "Button": "#efefef", "ButtonText": "#1b1d1f", "BrightText": "#b3261e", "Highlight": "#2f6fb5",
    "HighlightedText": "#ffffff", "Link": "#1f62c6", "LinkVisited": "#7b3fb3", "ToolTipBase": "#ffffdc",
    "ToolTipText": "#1b1d1f", "PlaceholderText": "#6b7177",
    "Light": "#ffffff", "Midlight": "#cacaca", "Mid": "#b8b8b8", "Dark": "#9f9f9f", "Shadow": "#767676",
}  # fmt: skip
_CUT_OUT = "#1c1f22"
_DISABLED_ROLES = ("WindowText", "Text", "ButtonText")


def _own_palette(roles: dict[str, str]) -> QPalette:
    palette = QPalette()
    for name, colour in roles.items():
        palette.setColor(QPalette.ColorRole[name], QColor(colour))
    faint = QColor(roles["Text"])
    faint.setAlpha(110)
    for name in _DISABLED_ROLES:
        palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole[name], faint)
    palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Highlight, QColor(roles["Mid"]))
    return palette


def _pixmap(renderer: QSvgRenderer, size: int, *, opacity: float) -> QPixmap:
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setOpacity(opacity)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return pixmap
