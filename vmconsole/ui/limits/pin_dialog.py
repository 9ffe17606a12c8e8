# SPDX-License-Identifier: GPL-3.0-or-later
"""Pinning as a grid in a window beside the console; it edits the page's draft, which applies it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from vmconsole.quotas.pins import PIN_KEYS, place_of_pins
from vmconsole.quotas.rows import Place
from vmconsole.ui.describer import Describer
from vmconsole.ui.limits.pin_model import PinModel
from vmconsole.ui.limits.pin_view import PinView

if TYPE_CHECKING:
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context
    from vmconsole.ui.limits.draft import LimitsDraft


class PinDialog(QDialog):
    """Not modal: other guests and charts can be looked at meanwhile."""

    def __init__(self, draft: LimitsDraft, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._context = context
        self._describer = Describer(context, self)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Pin CPUs"))
        self.resize(760, 420)
        self.model = PinModel(draft, context, self)
        self.view = PinView(self.model, context.theme, self)
        self.where, self.any_button, self.words = QComboBox(self), QPushButton(self.tr("&Any CPU"), self), QLabel(self)
        self.apply_button = QPushButton(self.tr("A&pply"), self)
        self._lay_out()
        self._describer.progressed.connect(self._on_progress)
        draft.changed.connect(self._show_words)
        context.bridge.store_changed.connect(self._on_store_changed)
        situation = draft.situation
        if situation is not None:
            self._describer.want(situation.host.id)
            self.where.setCurrentIndex(self.where.findData(place_of_pins(situation)))
        self._show_words()

    def _lay_out(self) -> None:
        for place, name in ((Place.LIVE, self.tr("Now")), (Place.STORED, self.tr("Next boot"))):
            self.where.addItem(name, place)
        self.where.setAccessibleName(self.tr("Which of the two definitions"))
        self.where.currentIndexChanged.connect(lambda: self.model.set_place(self.where.currentData()))
        self.any_button.setToolTip(self.tr("Take all pinning of this guest away"))
        self.any_button.clicked.connect(self._on_any)
        top = QHBoxLayout()
        top.addWidget(self.where)
        top.addWidget(self.any_button)
        top.addStretch(1)
        hint = QLabel(
            self.tr(
                "Click or drag: filled may run there. Neighbours are threads of one core; a tint marks every other "
                "NUMA node."
            ),
            self,
        )
        hint.setWordWrap(True)
        self.words.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.close)
        buttons.addButton(self.apply_button, QDialogButtonBox.ButtonRole.ApplyRole)
        self.apply_button.setToolTip(self.tr("Ask the host for all changes that the Limits page lists"))
        self.apply_button.clicked.connect(self._draft.apply)
        column = QVBoxLayout(self)
        column.addLayout(top)
        column.addWidget(hint)
        column.addWidget(self.view, 1)
        column.addWidget(self.words)
        column.addWidget(buttons)

    def _on_any(self) -> None:
        for ref in self.model.refs:
            if ref.key in PIN_KEYS and not self._draft.why_not(self.model.place, ref):
                self._draft.edit(self.model.place, ref, None)

    def _on_progress(self) -> None:
        self.model.refresh()
        self._show_words()

    def _on_store_changed(self, changes: ChangeSet) -> None:
        situation = self._draft.situation
        seen = changes.guests_changed | changes.guests_added
        if situation is not None and any(guest.host == situation.host.id for guest in seen):
            self.model.refresh()

    def _show_words(self) -> None:
        situation = self._draft.situation
        self.apply_button.setEnabled(self._draft.operation() is not None and not self._draft.is_waiting)
        if situation is None or not situation.resources.cpus:
            self.words.setText(self.tr("The host's CPUs are not known yet."))
            return
        missing = self._describer.missing
        reading = self.tr("Reading {n} other guests…").format(n=missing) if missing else ""
        told = [problem.what for change in self._draft.planned() for problem in change.problems]
        self.words.setText(reading or (told[0] if told else ""))

    def closeEvent(self, event: object) -> None:
        self._describer.stop()
        super().closeEvent(event)  # type: ignore[arg-type]  # Qt's own event type
