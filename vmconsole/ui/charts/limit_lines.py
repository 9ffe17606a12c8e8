# SPDX-License-Identifier: GPL-3.0-or-later
"""All limit lines of one chart: which there are for the guest and device in it, their words side by side, the dashed
lines of the next boot, and what of the curves lies above. GUI thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QPen
from PySide6.QtWidgets import QLabel

from vmconsole.ui.charts.chart_limits import LINES, LineSpec, lines_of
from vmconsole.ui.charts.ghost import NO_PAST, excess, past_of
from vmconsole.ui.charts.limit_editor import LimitEditor
from vmconsole.ui.charts.limit_line import LimitLine
from vmconsole.ui.charts.limit_scale import same
from vmconsole.ui.charts.limit_subject import subject
from vmconsole.ui.charts.limit_words import LineWords, tr, value_words
from vmconsole.ui.charts.plot import Patch

if TYPE_CHECKING:
    from vmconsole.inventory.limits import LimitRef
    from vmconsole.quotas.situation import Situation
    from vmconsole.store.figures import HostFigures
    from vmconsole.ui.charts.look import Look
    from vmconsole.ui.charts.plot import TimePlot
    from vmconsole.ui.charts.specs import ChartSpec
    from vmconsole.ui.context import Context

TINT = 0.35
CROWDED = 0.75
"""Handles' words stand only where they take no more than this share of the width: knobs have places of their own."""


@dataclass(frozen=True, slots=True)
class _Slot:
    spec: LineSpec
    editor: LimitEditor
    line: LimitLine


class LimitLines(QObject):
    """Over ``plot``. ``ended``: an editor, and the Task that applied its limit, or failed to."""

    ended = Signal(object, object)
    room_asked = Signal(float)
    """The axis must reach so far before a line is moved."""

    def __init__(self, plot: TimePlot, chart: ChartSpec, look: Look, context: Context) -> None:
        super().__init__(plot)
        self._plot, self._chart, self._look = plot, chart, look
        self._hint = QLabel(plot.viewport())
        self._hint.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._hint.hide()
        self._is_arranging = False
        specs = LINES[chart.key]
        self.slots = tuple(self._slot(spec, i, len(specs), context) for i, spec in enumerate(specs))
        for slot in self.slots:
            slot.line.tag.raise_()  # a word is not crossed by another limit's line
        plot.laid_out.connect(self.arrange)

    def _slot(self, spec: LineSpec, i: int, count: int, context: Context) -> _Slot:
        editor = LimitEditor(context, self)
        short = QCoreApplication.translate("charts", spec.short)
        offered = sum(spec.is_offered for spec in LINES[self._chart.key])
        words = LineWords(short, is_alone=offered == 1)
        line = LimitLine(self._plot, editor, self._look, words=words, rests_at=(i + 1) / (count + 1))
        name = QCoreApplication.translate("charts", spec.name)
        line.setObjectName(f"{spec.key}_line")
        line.setAccessibleName(tr("{limit} line").format(limit=name))
        editor.changed.connect(self.arrange)
        editor.ended.connect(lambda task: self.ended.emit(editor, task))
        line.woken.connect(self.arrange)
        line.passed.connect(self._on_passed)
        line.room_asked.connect(lambda: self._ask_room(editor))
        return _Slot(spec, editor, line)

    @property
    def is_in_use(self) -> bool:
        return any(slot.line.is_in_use for slot in self.slots)

    def set_look(self, look: Look) -> None:
        self._look = look
        for slot in self.slots:
            slot.line.set_look(look)
        self.arrange()

    # -- whose limits ----------------------------------------------------------------------------------------------

    def take(self, situation: Situation | None, *, device: str) -> None:
        """The guest as it is now; None for none."""
        if situation is None:
            self._show(tuple(None for _ in self.slots), situation, "")
            return
        found = lines_of(self._chart.key, situation, device=device)
        self._show(found.refs, situation, found.hint)

    def _show(self, refs: tuple[LimitRef | None, ...], situation: Situation | None, hint: str) -> None:
        self._is_arranging = True  # each editor tells that it has changed; all are arranged once, in the end
        try:
            for slot, ref in zip(self.slots, refs, strict=True):
                slot.line.set_listed(listed=ref is not None)
                slot.editor.set_subject(subject(situation, ref) if ref is not None and situation is not None else None)
        finally:
            self._is_arranging = False
        self._hint.setText(QCoreApplication.translate("charts", hint))
        self._hint.setVisible(bool(hint))
        self.arrange()

    def look_back(self, figures: HostFigures, uuid: str, *, device: str) -> None:
        """Take the known past of each line's curves anew."""
        for slot in self.slots:
            curves = [curve for curve in self._chart.curves if curve.key in slot.spec.curves]
            is_asked = slot.editor.number is not None and (slot.line.is_in_use or not slot.line.is_none)
            slot.line.set_past(past_of(figures, uuid, curves, device=device) if is_asked else NO_PAST)
        self.arrange()

    def _on_passed(self, at: QPointF) -> None:
        """Where lines lie on one another, the mouse gets the one whose knob is nearest."""
        lines = [slot.line for slot in self.slots if slot.line.isVisible()]
        if len(lines) > 1:
            nearest = min(lines, key=lambda line: line.distance(at))
            nearest.raise_()
            nearest.tag.raise_()

    def greatest(self, *, below: float = math.inf) -> float:
        """The highest of the limits that are not above ``below``, be they in force, of the next boot or proposed; 0
        where there are none."""
        found = [0.0]
        for slot in self.slots:
            what = slot.editor.subject
            if what is not None and slot.editor.number is not None:
                found += [slot.editor.number, what.stored_number if what.has_stored else 0.0]
        return max(number for number in found if not math.isinf(number) and number <= below)

    def _ask_room(self, editor: LimitEditor) -> None:
        if editor.subject is not None and editor.number is not None:
            top = editor.subject.room(self._plot.top)
            self.room_asked.emit(top if math.isinf(editor.number) else max(top, editor.number * 1.1))

    # -- on the plot -----------------------------------------------------------------------------------------------

    def arrange(self) -> None:
        """Everything at its height: lines, words, dashes, tints."""
        if self._is_arranging:  # placing a line can end the keyboard's focus, which asks for this
            return
        self._is_arranging = True
        try:
            widths = sum(slot.line.handle_width for slot in self.slots)
            for slot in self.slots:
                slot.line.set_compact(compact=widths > self._plot.area().width() * CROWDED)
                slot.line.place()
                self._show_stored(slot)
                self._tint(slot)
            self._put_tags()
            self._place_hint()
        finally:
            self._is_arranging = False

    def _put_tags(self) -> None:
        """The one in use has the first choice, and lies above the others."""
        tags: list[QRectF] = []
        heights = {slot.spec.key: slot.line.height_of_line() for slot in self.slots}
        for slot in sorted(self.slots, key=lambda slot: (not slot.line.is_active, slot.line.handle_width == 0)):
            others = [y for key, y in heights.items() if y is not None and key != slot.spec.key]
            found = slot.line.put_tag(tags, others)
            tags += [found] if found is not None else []
        for slot in self.slots:
            if slot.line.is_active:
                if slot.line.handle_width:
                    slot.line.raise_()  # its words lie over the other handles
                slot.line.tag.raise_()

    def _show_stored(self, slot: _Slot) -> None:
        """The next boot's limit, dashed, where it differs."""
        what, key = slot.editor.subject, f"stored_{slot.spec.key}"
        number = None
        if what is not None and what.is_live and what.has_stored and not same(what.stored, what.current):
            number = None if math.isinf(what.stored_number) else what.stored_number
        label = ""
        if what is not None and number is not None:
            label = tr("next boot {value}").format(value=value_words(what, number))
        pen = QPen(self._look.curve("limit"), 1, Qt.PenStyle.DashLine)
        self._plot.set_level(key, number, pen=pen, label=label)

    def _tint(self, slot: _Slot) -> None:
        number, past = slot.editor.number, slot.line.past
        outline = excess(past.times, past.values, number) if number is not None and slot.line.isVisible() else None
        patch = None
        if outline is not None:
            patch = Patch(*outline, self._look.faded("limit", TINT), self._look.curve("limit"))
        self._plot.set_patch(slot.spec.key, patch)

    def _place_hint(self) -> None:
        if self._hint.isVisible():
            self._hint.setStyleSheet(f"color: {self._look.quiet.name()}; background: transparent;")
            self._hint.adjustSize()
            area = self._plot.area()
            self._hint.resize(min(self._hint.width(), round(area.width())), self._hint.height())
            self._hint.move(round(area.center().x() - self._hint.width() / 2), round(area.top()) + 2)
