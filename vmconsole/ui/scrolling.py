# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that scroll where the window is small: at 200 % scaling a laptop has 640 by 360 points. GUI thread."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QScrollArea, QWidget


def scroll_inside(area: QScrollArea, content: QWidget) -> None:
    """Put ``content`` into the area, as wide as it, without a frame or a ground of its own."""
    area.setWidget(content)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.viewport().setAutoFillBackground(False)
    content.setAutoFillBackground(False)
