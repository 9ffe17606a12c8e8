# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks for a new link: its name, what it points to, and of which kind it is. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import plain_label
from vmconsole.ui.image_editor.questions import name_problem_words

if TYPE_CHECKING:
    from collections.abc import Collection


class LinkDialog(QDialog):
    """``accepted`` when ``name`` is free and ``target`` says something."""

    def __init__(self, folder: str, taken: Collection[str], target: str, parent: QWidget) -> None:
        """``target`` is the selected file's path, or empty."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setWindowTitle(self.tr("New link in {folder}").format(folder=names.shown(folder)))
        self._taken = taken
        self._wanted = target
        self._line_target = QLineEdit(names.shown(target), self)
        self._line_target.setAccessibleName(self.tr("Points to"))
        base = names.shown(names.base_of(target)) if target else ""
        self.line = QLineEdit(self.tr("Link to {name}").format(name=base) if base else self.tr("link"), self)
        self.line.setAccessibleName(self.tr("Name of the link"))
        self.soft = QRadioButton(self.tr("&Symbolic link: points to a path"), self)
        self.hard = QRadioButton(self.tr("&Hard link: another name of the same file"), self)
        self.soft.setChecked(True)
        self.problem = plain_label(" ", self, name=self.tr("What is wrong"))
        self.buttons = QDialogButtonBox(self)
        self.buttons.setStandardButtons(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.addRow(self.tr("&Name:"), self.line)
        form.addRow(self.tr("&Points to:"), self._line_target)
        column = QVBoxLayout(self)
        column.addLayout(form)
        for part in (self.soft, self.hard, self.problem, self.buttons):
            column.addWidget(part)
        self.setMinimumWidth(480)
        self.line.textChanged.connect(self._check)
        self._line_target.textChanged.connect(self._check)
        self.hard.toggled.connect(self._check)
        self.line.selectAll()
        self._check()

    @property
    def name(self) -> str:
        return self.line.text()

    @property
    def target(self) -> str:
        return names.typed(self._line_target.text(), self._wanted)

    @property
    def is_hard(self) -> bool:
        return self.hard.isChecked()

    @Slot()
    def _check(self) -> None:
        words = name_problem_words(self, self.name, self._taken)
        if not words and not self.target:
            words = self.tr("Type where the link points to.")
        if not words and self.is_hard and not self.target.startswith("/"):
            words = self.tr("A hard link needs the whole path of a file in the image.")
        self.problem.setText(words)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not words)
