# SPDX-License-Identifier: GPL-3.0-or-later
"""A question before a dangerous act, with «Don't ask again». GUI thread; nothing waits in it: the answer is a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QCheckBox, QMessageBox

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

    from vmconsole.operations.base import Confirmation
    from vmconsole.settings.profile import Profile

translate = QCoreApplication.translate
TEXT_WIDTH = 360
PREFIX = "dont_ask."


def is_asked(profile: Profile, key: str) -> bool:
    return not profile.flag(PREFIX + key)


def ask_all_again(profile: Profile) -> None:
    """Forget every «Don't ask again»."""
    for key in [known for known in profile.values if known.startswith(PREFIX)]:
        profile.put(key, None)


def confirm(
    parent: QWidget, profile: Profile, what: Confirmation, *, verb: str, then: Callable[[], None]
) -> QMessageBox | None:
    """Ask, unless the user wished not to be asked, and call ``then`` on a yes. Returns the open question, or None."""
    if not is_asked(profile, what.key):
        then()
        return None
    box = QMessageBox(parent)
    box.setObjectName("confirm")
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(QCoreApplication.applicationName() or "vmconsole")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setStyleSheet(f"QLabel#qt_msgbox_informativelabel {{ min-width: {TEXT_WIDTH}px; }}")
    box.setText(what.question)
    box.setInformativeText(what.loses)
    yes = box.addButton(verb, QMessageBox.ButtonRole.AcceptRole)
    no = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(no)
    never = QCheckBox(translate("Confirm", "Don't ask again"), box)
    box.setCheckBox(never)

    def on_finished() -> None:
        if box.clickedButton() is not yes:
            return
        if never.isChecked():
            profile.put(PREFIX + what.key, value=True)
        then()

    box.finished.connect(on_finished)
    box.open()
    return box
