# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads what brings Qt once the window is painted: in the GUI thread, in pieces, with the window's events in between.

Not on another thread: PySide makes its classes when they are first used, and two threads that do so at once end the
program (seen with pyqtgraph on a thread, PySide 6.11). Not at the first click either, which it held for 0.4 s.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from vmconsole.app.warm_up import bring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PySide6.QtCore import QObject

SLICE_S = 0.008
"""How long the window waits for one turn; a single piece may take longer."""
QT = ("PySide6.QtCore", "PySide6.QtGui", "PySide6.QtWidgets")
"""pyqtgraph uses every class of them when it is loaded, at once: 0.1 s for PySide to make them."""
WINDOW = (
    *(f"PySide6.{name}" for name in ("QtTest", "QtSvg", "QtOpenGL", "QtOpenGLWidgets")), "pyqtgraph",
    *(f"vmconsole.ui.{name}" for name in (
        "charts.plot", "charts.limit_lines", "charts.cpu_card", "overview",
        "limits.limits_view", "limits.pin_dialog", "limits_tab",
        "image_editor.browser", "image_editor.draft_panel", "image_editor.diff_view", "image_editor.compare_window",
        "image_editor.config_window", "image_editor.properties", "image_editor.tool_actions", "image_editor.transfers",
        "image_editor.text_pane", "image_editor.window", "image_editor.live_window", "disks_tab",
        "capacity.page", "limits.bulk_dialog",
    )),
)  # fmt: skip
"""In the order in which they are wanted (the tabs of a guest, those of a host, its dialogs), each after what it is made
of."""


def window_pieces() -> Iterator[None]:
    """Everything, a piece at a time."""
    for name in QT:
        module = sys.modules[name]  # the window that is painted has brought it
        for attribute in dir(module):
            getattr(module, attribute)
            yield
    for name in WINDOW:
        bring(name)
        yield


def in_turn(parent: QObject, pieces: Iterator[None], *, then: Callable[[], object]) -> None:
    """Take piece after piece while ``parent`` lives, then call ``then``."""
    until = time.monotonic() + SLICE_S
    for _ in pieces:
        if time.monotonic() >= until:
            QTimer.singleShot(0, parent, lambda: in_turn(parent, pieces, then=then))
            return
    then()
