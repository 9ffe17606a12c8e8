# SPDX-License-Identifier: GPL-3.0-or-later
"""The mode of a file as check boxes and as octal digits, which always agree. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QRegularExpression, Qt, Signal, Slot
from PySide6.QtGui import QRegularExpressionValidator
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from vmconsole.ui.image_editor.look import plain_label, plain_tip
from vmconsole.ui.image_editor.names import mode_text

ALL_BITS = 0o7777
_TRISTATE = Qt.CheckState.PartiallyChecked


class PermissionGrid(QWidget):
    """Several files with different modes show a third state: such bits stay as each file has them."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes: dict[int, QCheckBox] = {}
        self._letter = "-"
        self._writing = False
        grid = QGridLayout()
        grid.setHorizontalSpacing(18)
        rows = ((self.tr("Owner"), 6), (self.tr("Group"), 3), (self.tr("Others"), 0))
        rights = ((self.tr("Read"), 4), (self.tr("Write"), 2), (self.tr("Execute"), 1))
        for column, (right, _) in enumerate(rights):
            grid.addWidget(plain_label(right, self), 0, column + 1)
        for line, (who, shift) in enumerate(rows):
            grid.addWidget(plain_label(who, self), line + 1, 0)
            for column, (right, bit) in enumerate(rights):
                grid.addWidget(self._box("", f"{who}: {right}", bit << shift), line + 1, column + 1)
        grid.setColumnStretch(4, 1)
        special = QHBoxLayout()
        special.addWidget(self._box(self.tr("Set &user ID"), "", 0o4000, self.tr("A program runs as the file's owner")))
        tip = self.tr("A program runs with the file's group; new files in a folder get its group")
        special.addWidget(self._box(self.tr("Set &group ID"), "", 0o2000, tip))
        tip = self.tr("In a folder: only the owner of a file deletes it")
        special.addWidget(self._box(self.tr("Stick&y"), "", 0o1000, tip))
        special.addStretch(1)
        self.octal = QLineEdit(self)
        self.octal.setAccessibleName(self.tr("Mode in octal"))
        self.octal.setValidator(QRegularExpressionValidator(QRegularExpression("[0-7]{1,4}"), self))
        self.octal.setMaximumWidth(self.fontMetrics().averageCharWidth() * 10)
        self.octal.textEdited.connect(self._on_octal)
        self.letters = plain_label("", self, name=self.tr("Mode in letters"))
        typed = QHBoxLayout()
        typed.addWidget(plain_label(self.tr("Octal:"), self))
        typed.addWidget(self.octal)
        typed.addWidget(self.letters)
        typed.addStretch(1)
        column_of_all = QVBoxLayout(self)
        column_of_all.setContentsMargins(0, 0, 0, 0)
        for part in (grid, special, typed):
            column_of_all.addLayout(part)

    def _box(self, text: str, name: str, bit: int, tip: str = "") -> QCheckBox:
        box = QCheckBox(text, self)
        box.setAccessibleName(name or text.replace("&", ""))
        box.setToolTip(plain_tip(tip or name))
        box.checkStateChanged.connect(self._on_box)
        self._boxes[bit] = box
        return box

    def show_modes(self, modes: list[int], letter: str) -> None:
        """The modes of all files concerned; ``letter`` is the kind's, as ``ls -l`` writes it."""
        self._letter = letter
        self._writing = True
        for bit, box in self._boxes.items():
            have = sum(bool(mode & bit) for mode in modes)
            box.setTristate(0 < have < len(modes))
            state = _TRISTATE if 0 < have < len(modes) else Qt.CheckState.Checked if have else Qt.CheckState.Unchecked
            box.setCheckState(state)
        self._writing = False
        self._say()

    @property
    def mode(self) -> int:
        """The bits that are set."""
        return sum(bit for bit, box in self._boxes.items() if box.checkState() is Qt.CheckState.Checked)

    @property
    def known_bits(self) -> int:
        """The bits that are known: those in the third state are left alone."""
        return sum(bit for bit, box in self._boxes.items() if box.checkState() is not _TRISTATE)

    def set_editable(self, *, on: bool) -> None:
        for box in self._boxes.values():
            box.setEnabled(on)
        self.octal.setReadOnly(not on)

    @Slot()
    def _on_box(self) -> None:
        if not self._writing:
            self._say()
            self.changed.emit()

    @Slot(str)
    def _on_octal(self, text: str) -> None:
        if not text:
            return
        self._writing = True
        mode = int(text, 8)
        for bit, box in self._boxes.items():
            box.setTristate(False)
            box.setChecked(bool(mode & bit))
        self._writing = False
        self.letters.setText(mode_text(mode, self._letter))
        self.changed.emit()

    def _say(self) -> None:
        is_known = self.known_bits == ALL_BITS
        self.octal.setText(f"{self.mode:04o}" if is_known else "")
        self.octal.setPlaceholderText("" if is_known else self.tr("differs"))
        self.letters.setText(mode_text(self.mode, self._letter) if is_known else "")
