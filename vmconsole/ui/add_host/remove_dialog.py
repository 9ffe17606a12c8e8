# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a connection goes from the list: whether its login goes from the keyring too. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QCheckBox, QMessageBox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtWidgets import QWidget

translate = QCoreApplication.translate
MOST_NAMED = 8
TEXT_WIDTH = 380


def ask_to_remove(
    parent: QWidget, names: Sequence[str], *, may_know_login: bool, then: Callable[[bool], None]
) -> QMessageBox:
    """``then`` is told on a yes whether logins are to be forgotten. ``may_know_login``: something was remembered once,
    so that this is worth a question."""
    box = QMessageBox(parent)
    box.setObjectName("remove-connection")
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(translate("HostActions", "Remove Connection"))
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setStyleSheet(f"QLabel#qt_msgbox_informativelabel {{ min-width: {TEXT_WIDTH}px; }}")
    box.setText(translate("HostActions", "Remove {names} from the list?").format(names=_named(names)))
    box.setInformativeText(
        translate(
            "HostActions",
            "The host and its guests stay as they are. Charts kept for them here are dropped. "
            "Undo (Ctrl+Z) brings the connection back; a forgotten login is then asked for again.",
        )
        if may_know_login
        else translate(
            "HostActions",
            "The host and its guests stay as they are. Charts kept for them here are dropped. "
            "Undo (Ctrl+Z) brings the connection back.",
        )
    )
    yes = box.addButton(translate("HostActions", "Remove"), QMessageBox.ButtonRole.AcceptRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(yes)
    forget = QCheckBox(translate("HostActions", "Forget its login in the keyring too"), box)
    forget.setChecked(True)
    if may_know_login:
        box.setCheckBox(forget)
    else:
        forget.hide()

    def on_finished() -> None:
        if box.clickedButton() is yes:
            then(may_know_login and forget.isChecked())

    box.finished.connect(on_finished)
    box.open()
    return box


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return translate("HostActions", "{names} and {n} more").format(names=shown, n=more) if more > 0 else shown
