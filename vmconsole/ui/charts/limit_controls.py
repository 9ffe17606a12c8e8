# SPDX-License-Identifier: GPL-3.0-or-later
"""The row below the CPU chart: the cap as a number, «Also for the next boot», Apply and Revert. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from vmconsole.inventory.limits import CpuCap
from vmconsole.quotas.cpucap import words
from vmconsole.ui.charts.cores_box import CoresBox
from vmconsole.ui.charts.limit_scale import same

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent

    from vmconsole.ui.charts.limit_editor import LimitEditor
    from vmconsole.ui.charts.limit_subject import LimitSubject
    from vmconsole.ui.charts.look import Look

FIELD_PERCENT = 120


class LimitControls(QWidget):
    """Views of one LimitEditor."""

    def __init__(self, editor: LimitEditor, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._editor = editor
        self._label = QLabel(self.tr("CPU &limit"))
        self._box = CoresBox()
        self._unit = QLabel(self.tr("cores"))
        self._also = QCheckBox(self.tr("Also for the next &boot"))
        self._apply = QPushButton(self.tr("Apply"))
        self._revert = QPushButton(self.tr("Revert"))
        self._words = QLabel()
        self._lay_out()
        self._box.valueChanged.connect(lambda _: editor.propose(self._box.cores))
        self._also.toggled.connect(self._on_also)
        self._apply.clicked.connect(editor.apply)
        self._revert.clicked.connect(editor.revert)
        editor.changed.connect(self._show)
        self._show()

    def _lay_out(self) -> None:
        self._label.setBuddy(self._box)
        self._words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._also.setToolTip(self.tr("Write the same cap to the stored definition, which the next boot uses"))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self._label, self._box, self._unit, self._also, self._apply, self._revert):
            row.addWidget(widget)
        row.addWidget(self._words, 1)

    def set_look(self, look: Look) -> None:
        """Fields on a dark card are lighter than it: the style draws their frames darker, which nobody would see."""
        palette = QPalette()
        if look.is_dark:
            palette.setColor(QPalette.ColorRole.Base, palette.color(QPalette.ColorRole.Button).lighter(FIELD_PERCENT))
        for field in (self._box, self._also):
            field.setPalette(palette)

    def _on_also(self, checked: bool) -> None:  # noqa: FBT001 - Qt's signal
        self._editor.also_stored = checked

    def _show(self) -> None:
        editor, subject = self._editor, self._editor.subject
        for widget in (self._box, self._also):
            widget.setEnabled(editor.can_edit)
        has_news = editor.would_change()
        self._apply.setEnabled(has_news)
        self._revert.setEnabled(editor.proposed is not None)
        for button in (self._apply, self._revert):  # shown when there is something to press: the words need the room
            button.setVisible(button.isEnabled())
        self._apply.setToolTip(editor.preview())
        if subject is None or editor.number is None:
            self._words.clear()
            return
        self._box.set_most(subject.most)
        self._box.show_cores(editor.number)
        has_choice = subject.is_live and subject.has_stored
        self._also.setVisible(has_choice)
        self._also.setChecked(editor.also_stored)
        text = subject.blocked or editor.why or self._state_words(subject)
        self._words.setText(text)
        self._words.setToolTip(text)

    def _state_words(self, subject: LimitSubject) -> str:
        if subject.notice:
            return subject.notice
        stored = subject.stored
        if subject.is_live and subject.has_stored and isinstance(stored, CpuCap) and not same(subject.live, stored):
            return self.tr("next boot: {cap}").format(cap=words(stored))
        return ""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter in the box applies, Escape reverts, as on the line."""
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and self._editor.proposed is not None:
            self._editor.apply()
        elif event.key() == Qt.Key.Key_Escape and self._editor.proposed is not None:
            self._editor.revert()
        else:
            super().keyPressEvent(event)
