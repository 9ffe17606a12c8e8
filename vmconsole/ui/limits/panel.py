# SPDX-License-Identifier: GPL-3.0-or-later
"""One limit explained and set: what it means, now and next boot, in people's units and raw, all in step. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QBoxLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from vmconsole.quotas.rows import LimitRow, Place
from vmconsole.quotas.table import row_of
from vmconsole.quotas.typed import examples
from vmconsole.quotas.words import raw, shown
from vmconsole.ui.limits.suggestions import suggestions

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

    from vmconsole.inventory.limits import LimitRef
    from vmconsole.ui.limits.draft import LimitsDraft
    from vmconsole.ui.theme import Theme

translate = QCoreApplication.translate
CHIPS_IN_A_ROW, CHIPS_BESIDE = 3, 2
"""Below the explanation, and beside it, where there is half the room."""


@dataclass(slots=True)
class _Side:
    """The fields of one of the two definitions."""

    place: Place
    value: QLineEdit
    raw: QLineEdit
    why: QLabel


class LimitPanel(QWidget):
    """``show_limit`` says which; what is typed goes to the draft."""

    def __init__(self, draft: LimitsDraft, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._theme = theme
        self._ref: LimitRef | None = None
        self.title, self.meaning, self.facts, self.source = (QLabel(self) for _ in range(4))
        self.sides = tuple(self._side(place) for place in Place)
        self.to_stored = QPushButton(self.tr("Now → next boot"), self)
        self.to_live = QPushButton(self.tr("Next boot → now"), self)
        self._chips = QGridLayout()
        self._chips.setContentsMargins(0, 0, 0, 0)
        self._chips.setSpacing(4)
        self._buttons: list[QToolButton] = []
        self._chips_in_a_row = CHIPS_IN_A_ROW
        self._lay_out()
        draft.changed.connect(self.refresh)
        self.refresh()

    def _side(self, place: Place) -> _Side:
        value, plain, why = QLineEdit(self), QLineEdit(self), QLabel(self)
        when = self.tr("now") if place is Place.LIVE else self.tr("next boot")
        value.setAccessibleName(self.tr("Value, {when}").format(when=when))
        plain.setAccessibleName(self.tr("Raw value, {when}").format(when=when))
        plain.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        why.setWordWrap(True)
        side = _Side(place, value, plain, why)
        for field in (value, plain):
            field.editingFinished.connect(lambda field=field: self._on_typed(side, field))
        return side

    def _lay_out(self) -> None:
        bold = self.title.font()
        bold.setBold(True)
        self.title.setFont(bold)
        for label in (self.title, self.meaning, self.facts, self.source):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        fields = QGridLayout()
        fields.setContentsMargins(0, 0, 0, 0)
        for column, side in enumerate(self.sides):
            name = self.tr("Now") if side.place is Place.LIVE else self.tr("Next boot")
            fields.addWidget(QLabel(name, self), 0, column)
            fields.addWidget(side.value, 1, column)
            fields.addWidget(side.raw, 2, column)
            fields.addWidget(side.why, 3, column, Qt.AlignmentFlag.AlignTop)
        self.to_stored.clicked.connect(lambda: self._level(Place.STORED))
        self.to_live.clicked.connect(lambda: self._level(Place.LIVE))
        levels = QHBoxLayout()
        levels.addWidget(self.to_stored)
        levels.addWidget(self.to_live)
        about, setting = QVBoxLayout(), QVBoxLayout()
        for item in (self.title, self.meaning):
            about.addWidget(item)
        setting.addLayout(fields)
        setting.addLayout(self._chips)
        setting.addLayout(levels)
        setting.addStretch(1)
        self._facts_box = QVBoxLayout()
        for label in (self.facts, self.source):
            self._facts_box.addWidget(label)
        about.addLayout(self._facts_box)
        about.addStretch(1)
        self._page = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        self._page.setContentsMargins(6, 4, 4, 4)
        self._page.setSpacing(10)
        self._page.addLayout(about, 1)
        self._page.addLayout(setting, 1)

    def set_wide(self, wide: bool) -> None:  # noqa: FBT001 - a setter
        """Explanation and fields side by side, for a place that is wide and low."""
        direction = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        self._page.setDirection(direction)
        self._chips_in_a_row = CHIPS_BESIDE if wide else CHIPS_IN_A_ROW
        self._make_chips()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._keep_height()

    def _keep_height(self) -> None:
        """What the texts need at this width; a scroll area reckons without its own bar, and would squeeze fields."""
        self.setMinimumHeight(self._page.totalHeightForWidth(self.width()))

    def show_limit(self, ref: LimitRef | None) -> None:
        if ref != self._ref:
            self._ref = ref
            self._make_chips()
            self.refresh()

    def refresh(self) -> None:
        ref, situation = self._ref, self._draft.situation
        self.setEnabled(ref is not None and situation is not None)
        if ref is None or situation is None:
            self.title.setText(self.tr("Choose a limit"))
            self.meaning.setText(self.tr("What it means and how far it goes is told here."))
            for label in (self.facts, self.source):
                label.clear()
            for side in self.sides:
                side.value.clear()
                side.raw.clear()
                side.why.clear()
            return
        row = row_of(ref)
        self.title.setText(f"{row.title} · {ref.target}" if ref.target else row.title)
        self.meaning.setText(row.meaning)
        for side in self.sides:
            self._show_side(side, row, ref)
        differs = self._draft.differs(ref)
        self.to_stored.setEnabled(differs and not self._draft.why_not(Place.STORED, ref))
        self.to_live.setEnabled(differs and not self._draft.why_not(Place.LIVE, ref))
        self.facts.setText(_facts(row, situation.layout))
        self.source.setText(self.tr("Source: {source}").format(source=row.source))
        self._fade(self.facts, "quiet")
        self._fade(self.source, "quiet")
        self._keep_height()

    def _show_side(self, side: _Side, row: LimitRow, ref: LimitRef) -> None:
        value, why = self._draft.value(side.place, ref), self._draft.why_not(side.place, ref)
        is_there = self._draft.there(side.place) is not None
        wrong = self._draft.wrong(side.place, ref)
        for field, text in ((side.value, shown(row, value)), (side.raw, raw(row, value))):
            if not (wrong and field.isModified()):
                field.setText(text if is_there else "")
                field.setCursorPosition(0)
            field.setReadOnly(bool(why))
            field.setEnabled(not why)
            field.setPlaceholderText("" if why else examples(row))
            field.setToolTip(why or self.tr("For example: {texts}").format(texts=examples(row)))
        side.why.setText(wrong or why)
        self._fade(side.why, "problem" if wrong else "quiet")

    def _fade(self, label: QLabel, colour: str) -> None:
        palette = label.palette()
        palette.setColor(label.foregroundRole(), self._theme.colour(colour))
        label.setPalette(palette)

    def _make_chips(self) -> None:
        for button in self._buttons:
            self._chips.removeWidget(button)
            button.deleteLater()
        self._buttons = []
        if self._ref is None or self._draft.situation is None:
            return
        for number, text in enumerate(suggestions(row_of(self._ref), self._draft.situation)):
            button = QToolButton(self)
            button.setText(text)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setToolTip(self.tr("Now where the guest runs, else at the next boot"))
            button.clicked.connect(lambda _=False, text=text: self._choose(text))
            self._chips.addWidget(button, *divmod(number, self._chips_in_a_row))
            self._buttons.append(button)

    # -- what is done ----------------------------------------------------------------------------------------------

    def _choose(self, text: str) -> None:
        if self._ref is None:
            return
        place = next((place for place in Place if not self._draft.why_not(place, self._ref)), None)
        if place is not None:
            self._draft.type_text(place, self._ref, text)

    def _on_typed(self, side: _Side, field: QLineEdit) -> None:
        if self._ref is not None and field.isModified():
            if self._draft.type_text(side.place, self._ref, field.text()):
                field.setModified(False)
            self.refresh()

    def _level(self, place: Place) -> None:
        if self._ref is not None:
            self._draft.level(self._ref, place)


def _facts(row: LimitRow, layout: str) -> str:
    found = row.range_on(layout)
    lines = []
    if found is not None:
        span = translate("Limits", "Range here: {low} to {high} {unit}")
        lines.append(span.format(low=found.low, high=found.high, unit=row.unit))
        if found.default is not None:
            lines.append(translate("Limits", "Default: {value}").format(value=found.default))
    lines.append(translate("Limits", "Set by: {call}").format(call=row.call.value))
    lines.append(translate("Limits", "Seen in: {proof}").format(proof=row.proof_on(layout)))
    return "\n".join(lines)
