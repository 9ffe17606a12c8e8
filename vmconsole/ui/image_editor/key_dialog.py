# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks for the key of a locked volume until it opens. GUI thread; nothing waits in it.

What is typed goes to ``try_key`` and nowhere else; the field is emptied when the dialog goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from vmconsole.ui.error_view import ErrorView
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import bold, plain_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.messages import Filesystem
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.image_editor.look import Look

BITLOCKER = "BitLocker"


class KeyDialog(QDialog):
    """``try_key(key)`` is called for each try; its end is told by ``opened`` or ``refused``."""

    def __init__(
        self, locked: Filesystem, look: Look, parent: QWidget | None, *, try_key: Callable[[str], object]
    ) -> None:
        super().__init__(parent)
        self._try_key = try_key
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        device = names.shown(locked.device.removeprefix("/dev/"))
        self.setWindowTitle(self.tr("Unlock {device}").format(device=device))
        is_bitlocker = locked.type == BITLOCKER
        what = self.tr("BitLocker") if is_bitlocker else self.tr("LUKS")
        size = look.formats.size(locked.size_bytes)
        self.heading = bold(
            plain_label(
                self.tr("{device} is encrypted ({what}, {size})").format(device=device, what=what, size=size), self
            )
        )
        self.prompt = plain_label(
            self.tr("&Password or recovery key:") if is_bitlocker else self.tr("&Passphrase:"), self
        )
        self.line = QLineEdit(self)
        self.line.setEchoMode(QLineEdit.EchoMode.Password)
        self.line.setAccessibleName(self.tr("Key"))
        self.prompt.setBuddy(self.line)
        self.shown = QCheckBox(self.tr("&Show it"), self)
        self.note = plain_label(self.tr("It is kept in memory until this window is closed, and written nowhere."), self)
        self.note.setWordWrap(True)
        self.bar = QProgressBar(self)
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Unlocking"))
        self.problem = ErrorView(look.theme, self)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.unlock: QPushButton = self.buttons.addButton(self.tr("&Unlock"), QDialogButtonBox.ButtonRole.AcceptRole)
        self._lay_out()
        self._wire()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setSpacing(8)
        for widget in (self.heading, self.prompt, self.line, self.shown, self.problem, self.bar, self.note):
            column.addWidget(widget)
        column.addStretch(1)
        column.addWidget(self.buttons)
        self.setMinimumWidth(self.fontMetrics().averageCharWidth() * 64)
        self.problem.hide()
        self._show_busy(on=False)

    def _wire(self) -> None:
        self.shown.toggled.connect(self._on_shown)
        self.line.textChanged.connect(self._on_text)
        self.buttons.accepted.connect(self._on_unlock)
        self.buttons.rejected.connect(self.reject)
        self.finished.connect(self.line.clear)
        self._on_text()

    @Slot()
    def _on_shown(self) -> None:
        mode = QLineEdit.EchoMode.Normal if self.shown.isChecked() else QLineEdit.EchoMode.Password
        self.line.setEchoMode(mode)

    @Slot()
    def _on_text(self) -> None:
        self.unlock.setEnabled(bool(self.line.text()))

    @Slot()
    def _on_unlock(self) -> None:
        if not self.line.text() or not self.line.isEnabled():
            return
        self.problem.hide()
        self._show_busy(on=True)
        self._try_key(self.line.text())

    def opened(self) -> None:
        """The key was right."""
        self.accept()

    def refused(self, problem: Explanation) -> None:
        """It was not, or something else went wrong: the key can be corrected and tried again."""
        self._show_busy(on=False)
        self.problem.show_explanation(problem)
        self.problem.show()
        self.line.selectAll()
        self.line.setFocus()
        self.adjustSize()

    def _show_busy(self, *, on: bool) -> None:
        self.bar.setVisible(on)
        for widget in (self.line, self.shown, self.unlock):
            widget.setEnabled(not on)
        if not on:
            self._on_text()
