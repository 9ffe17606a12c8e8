# SPDX-License-Identifier: GPL-3.0-or-later
"""At the start: what killed programs left in the temporary folder goes, and kept drafts are offered. GUI thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from vmconsole.images import leftovers

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from vmconsole.ui.context import Context
    from vmconsole.ui.image_editor.kept_dialog import KeptDialog

AFTER_MS = 1500
"""The window and its hosts come first."""


def offer_drafts(context: Context, window: QWidget) -> KeptDialog:
    """``close_down`` what this returns at the end."""
    from vmconsole.ui.image_editor.editors import ImageEditors  # late: the first window needs no editor
    from vmconsole.ui.image_editor.kept_dialog import KeptDialog

    threading.Thread(target=leftovers.clean, name="clean leftovers", daemon=True).start()
    dialog = KeptDialog(context, ImageEditors(context, window), window)
    QTimer.singleShot(AFTER_MS, dialog, dialog.look)
    return dialog
