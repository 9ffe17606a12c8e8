# SPDX-License-Identifier: GPL-3.0-or-later
"""The push button of the editor's windows. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QPushButton, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable


def push_button(text: str, pressed: Callable[[], object], parent: QWidget) -> QPushButton:
    """Named for screen readers by its words, and never what Enter presses by itself."""
    button = QPushButton(text, parent)
    button.setAccessibleName(text.replace("&", "").rstrip("…"))
    button.setAutoDefault(False)
    button.clicked.connect(lambda _checked=False: pressed())
    return button
