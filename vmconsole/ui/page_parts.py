# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages of a host and of a group are made of: a head, boxes of values, the room around. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFormLayout, QGroupBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from vmconsole.ui.formats import UNKNOWN
from vmconsole.ui.scrolling import scroll_inside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PySide6.QtWidgets import QScrollArea

ICON = 32
WIDEST = 720
LABEL_LETTERS = 26


def head(icon: QLabel, name: QLabel, state: QLabel) -> QHBoxLayout:
    """The icon, and beside it the name, large, over the state."""
    big = name.font()
    big.setPointSizeF(big.pointSizeF() * 1.5)
    big.setBold(True)
    name.setFont(big)
    name.setTextFormat(Qt.TextFormat.PlainText)
    titles = QVBoxLayout()
    titles.setSpacing(0)
    titles.addWidget(name)
    titles.addWidget(state)
    row = QHBoxLayout()
    row.setSpacing(10)
    row.addWidget(icon)
    row.addLayout(titles, 1)
    return row


def box_of_values(
    title: str, rows: Sequence[tuple[str, str]], parent: QWidget, *, special: Mapping[str, QLabel] | None = None
) -> tuple[QGroupBox, dict[str, QLabel]]:
    """A box with a value for each (key, text), and the values by key. ``special``: labels of another kind."""
    box = QGroupBox(title, parent)
    form = QFormLayout(box)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    form.setHorizontalSpacing(24)
    values: dict[str, QLabel] = {}
    for key, text in rows:
        value = (special or {}).get(key) or QLabel(UNKNOWN, box)
        value.setAccessibleDescription(text)  # its name is what it says
        value.setTextFormat(Qt.TextFormat.PlainText)
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        value.setWordWrap(True)
        label = QLabel(text, box)
        label.setMinimumWidth(box.fontMetrics().averageCharWidth() * LABEL_LETTERS)
        form.addRow(label, value)
        values[key] = value
    return box, values


def fill(area: QScrollArea, column: QVBoxLayout) -> None:
    """Put the column into the area, no wider than can be read."""
    column.setSpacing(12)
    column.setContentsMargins(0, 0, 0, 0)
    inner = QWidget()
    inner.setLayout(column)
    inner.setMaximumWidth(WIDEST)
    around = QWidget()
    sides = QHBoxLayout(around)
    sides.setContentsMargins(16, 12, 16, 12)
    sides.addWidget(inner, 1)
    sides.addStretch(0)
    scroll_inside(area, around)
