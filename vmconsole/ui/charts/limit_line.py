# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit as a line over a chart: drag it, or focus it and use the arrow keys. GUI thread.

It is a widget of its own on top of the plot: it gets its mouse, keys, cursor and focus from Qt as any control does,
and moving it never repaints a curve by our doing. Nothing is applied before the mouse is let go or Enter is pressed.
Where there is no limit it is a small handle at the plot's top, which can be dragged down. For programs of
accessibility it is a slider, whose value is in hundredths of a core, MiB, KiB a second or operations a second.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QAbstractSlider

from vmconsole.quotas.rows import Kind
from vmconsole.ui.charts.ghost import NO_PAST, Past
from vmconsole.ui.charts.limit_scale import NO_LIMIT
from vmconsole.ui.charts.limit_tag import LimitTag

if TYPE_CHECKING:
    from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPaintEvent, QWheelEvent

    from vmconsole.ui.charts.limit_editor import LimitEditor
    from vmconsole.ui.charts.limit_subject import LimitSubject
    from vmconsole.ui.charts.limit_words import LineWords
    from vmconsole.ui.charts.look import Look
    from vmconsole.ui.charts.plot import TimePlot

GRAB_PX = 8
"""Half the height of the stripe that can be grabbed."""
NARROW, MOST_TAG_PX = 0.55, 420
"""An idle line's words take no more than this share of the width, else they are shortened; and never so many pixels."""
STILL_PX = 2
"""A hand that trembles by so little does not drag."""
KNOB_WIDTH, KNOB_HEIGHT, KNOB_GAP = 28, 8, 6
TOLD = {Kind.CAP: 0.01, Kind.KIB: 2.0**20, Kind.BYTES_PER_S: 1024.0, Kind.KB_PER_S: 1024.0}
"""What a program of accessibility counts, on the axis."""
MOST_TOLD = 2**31 - 1
_UP = {Qt.Key.Key_Up, Qt.Key.Key_Right, Qt.Key.Key_PageUp}
_DOWN = {Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_PageDown}
_BIG = {Qt.Key.Key_PageUp, Qt.Key.Key_PageDown}
_TAKES_AWAY = {Qt.Key.Key_Delete, Qt.Key.Key_Backspace}


class LimitLine(QAbstractSlider):
    """Shows and moves ``editor``'s limit over ``plot``. Whoever made it calls ``place`` when something has changed."""

    room_asked = Signal()
    """The axis must hold this limit: it is about to be moved."""
    passed = Signal(QPointF)
    """The mouse moves over it, there in the plot's viewport."""
    woken = Signal()
    """The mouse or the keyboard came, or went: place all again."""

    def __init__(self, plot: TimePlot, editor: LimitEditor, look: Look, *, words: LineWords, rests_at: float) -> None:
        """The handle rests at ``rests_at`` (0–1) of the width."""
        super().__init__(plot.viewport())
        self._plot, self._editor, self._look = plot, editor, look
        self._rests_at = rests_at
        self._grabbed_at: float | None = None
        self._pressed_y: float | None = None
        self._is_listed = self._is_telling = self._is_compact = False
        self._words = words
        self.past = NO_PAST
        self.tag = LimitTag(plot.viewport())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setMouseTracking(True)
        self.valueChanged.connect(self._on_told)
        self.hide()
        self.tag.hide()

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def editor(self) -> LimitEditor:
        return self._editor

    @property
    def is_dragged(self) -> bool:
        return self._grabbed_at is not None

    @property
    def is_in_use(self) -> bool:
        """The axis must stay as it is: someone is at it."""
        return self.is_dragged or self._editor.proposed is not None

    @property
    def is_none(self) -> bool:
        return self._editor.number is None or math.isinf(self._editor.number)

    def set_look(self, look: Look) -> None:
        self._look = look

    def set_listed(self, *, listed: bool) -> None:
        """Whether the chart has this line at all."""
        self._is_listed = listed

    @property
    def handle_width(self) -> float:
        """What its handle takes with words; 0 where there is none."""
        is_there = self._is_listed and self._editor.number is not None and self._is_handle()
        words = self._words.of_handle(self._editor, is_wide=False)
        return KNOB_WIDTH + 2 * KNOB_GAP + self.fontMetrics().horizontalAdvance(words) if is_there else 0.0

    def set_compact(self, *, compact: bool) -> None:
        """Whether its handle has words only while someone is near: there is no room for those of all."""
        self._is_compact = compact

    def set_past(self, past: Past) -> None:
        self.past = past

    def distance(self, at: QPointF) -> tuple[int, float]:
        """How far it is from a place in the viewport: up and down by a few pixels, then its knob to the side."""
        middle = QPointF(self.x() + self.width() * self._rests_at, self.y() + GRAB_PX)
        if self._is_handle():
            middle.setX(self.x() + KNOB_WIDTH / 2)
        return abs(round((at.y() - middle.y()) / 4)), abs(at.x() - middle.x())

    # -- where it is and what it says --------------------------------------------------------------------------

    def place(self) -> None:
        """Move to the limit's height, with its words."""
        subject, number = self._editor.subject, self._editor.number
        is_shown = self._is_listed and subject is not None and number is not None
        self.setVisible(is_shown)
        self.tag.setVisible(is_shown and self._has_tag())
        if subject is None or number is None or not is_shown:
            return
        area, y = self._plot.area(), self._y_of(number)
        if self._is_handle():
            text = self._handle_text()
            width = KNOB_WIDTH + (2 * KNOB_GAP + self.fontMetrics().horizontalAdvance(text) if text else 0)
            left = area.left() + area.width() * self._rests_at - KNOB_WIDTH / 2
            left = max(area.left(), min(left, area.right() - width))
            self.setGeometry(round(left), round(y) - GRAB_PX, width, 3 * GRAB_PX)
        else:
            self.setGeometry(round(area.left()), round(y) - GRAB_PX, round(area.width()), 2 * GRAB_PX + 1)
        self._set_state(subject, number)
        self.update()

    def _y_of(self, number: float) -> float:
        area = self._plot.area()
        return area.top() if math.isinf(number) else min(area.bottom(), max(area.top(), self._plot.y_of(number)))

    def _set_state(self, subject: LimitSubject, number: float) -> None:
        can_edit = self._editor.can_edit
        self.setEnabled(can_edit)
        self.setCursor(Qt.CursorShape.SplitVCursor if can_edit else Qt.CursorShape.ArrowCursor)
        self.setToolTip(subject.blocked or "\n".join(filter(None, (subject.row.meaning, subject.notice))))
        lines = self._lines()
        self.setAccessibleDescription(". ".join(line for line in lines if line))
        if self._has_tag():
            room = self._plot.area().width() - GRAB_PX
            if not self.is_active and self.fontMetrics().horizontalAdvance(lines[0]) > room * NARROW:
                lines = self._lines(is_short=True)
            room = min(room, MOST_TAG_PX)
            self.tag.show_text(*lines, colour=self._colour(), look=self._look, is_strong=self.is_active, room=room)
        self._tell(subject, number)

    def _tell(self, subject: LimitSubject, number: float) -> None:
        """The slider's own value, for programs of accessibility."""
        one = TOLD.get(subject.row.kind, 1.0)
        most = subject.most if not math.isinf(subject.most) else subject.usual_room(self._plot.top)
        top = min(MOST_TOLD, max(1, round(most / one)) + 1)
        told = top if math.isinf(number) else min(top, round(number / one))
        blocked = self.blockSignals(True)  # noqa: FBT003 - Qt's own
        self.setRange(0, top)
        self.blockSignals(blocked)
        if told != self.value():
            self._is_telling = True
            self.setValue(told)
            self._is_telling = False

    def _on_told(self, value: int) -> None:
        """A program of accessibility moved the slider."""
        subject = self._editor.subject
        if subject is not None and not self._is_telling and not self.is_dragged:
            one = TOLD.get(subject.row.kind, 1.0)
            self._editor.propose(NO_LIMIT if value >= self.maximum() else max(subject.scale.least, value * one))

    def height_of_line(self) -> float | None:
        """Where the line is, in the viewport; None for a handle, and where there is none."""
        number = self._editor.number
        return None if self.isHidden() or number is None or self._is_handle() else self._y_of(number)

    def put_tag(self, others: list[QRectF], lines: list[float]) -> QRectF | None:
        """Beside the tags that stand already, not across the other lines; where it went. Where there is no room for it,
        it is not shown."""
        if self._is_handle() and not self.isHidden():
            return QRectF(self.geometry())
        if self.tag.isHidden() or self._editor.number is None:
            return None
        y = self._y_of(self._editor.number)
        if not self.tag.put(self._plot.area(), y, others=others, lines=lines) and others:
            self.tag.hide()
            return None
        return QRectF(self.tag.geometry())

    def _has_tag(self) -> bool:
        return not self._is_handle() or self._editor.is_waiting

    def _is_handle(self) -> bool:
        """No line, but something to make one with."""
        return self.is_none and not self.is_in_use

    def _handle_text(self) -> str:
        if self._is_compact and not self.is_active:
            return ""
        return self._words.of_handle(self._editor, is_wide=self.is_active)

    def _lines(self, *, is_short: bool = False) -> tuple[str, ...]:
        is_above = not self.is_none and self._plot.y_of(self._editor.number or 0.0) < self._plot.area().top() - 1
        return self._words.of_line(
            self._editor, self.past, is_dragged=self.is_dragged, is_active=self.is_active, is_above=is_above,
            is_short=is_short,
        )  # fmt: skip

    @property
    def is_active(self) -> bool:
        """Whether someone is at it, or near."""
        return self.is_in_use or self.hasFocus() or self.underMouse()

    def _colour(self) -> QColor:
        return self._look.curve("limit") if self._editor.can_edit else QColor(self._look.quiet)

    # -- painting ----------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._editor.number is None:
            return
        painter = QPainter(self)
        middle = GRAB_PX + 0.5
        if self._is_handle():
            self._paint_handle(painter, middle)
            return
        subject = self._editor.subject
        pen = QPen(self._colour(), 3.0 if self.is_active and self.isEnabled() else 2.0)
        if self.is_none or (subject is not None and not subject.is_live):
            pen.setDashPattern([6, 4])
        painter.setPen(pen)
        painter.drawLine(QPointF(0, middle), QPointF(self.width(), middle))
        if self.isEnabled():
            left = self.width() * self._rests_at - KNOB_WIDTH / 2
            self._paint_knob(painter, QRectF(left, middle - KNOB_HEIGHT / 2, KNOB_WIDTH, KNOB_HEIGHT), self._colour())

    def _paint_handle(self, painter: QPainter, middle: float) -> None:
        colour = self._colour() if self.is_active and self.isEnabled() else QColor(self._look.quiet)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QColor(self._look.background)
        ground.setAlphaF(0.8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(self.rect(), 4, 4)
        knob = QRectF(KNOB_GAP / 2, middle - 1, KNOB_WIDTH - KNOB_GAP, KNOB_HEIGHT)
        self._paint_knob(painter, knob, colour)
        painter.setPen(colour)
        words = QRectF(KNOB_WIDTH + KNOB_GAP / 2, 0, self.width(), self.height())
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._handle_text())

    def _paint_knob(self, painter: QPainter, knob: QRectF, colour: QColor) -> None:
        """It can be moved. A ring around it is the keyboard's focus."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen if self.isEnabled() else QPen(colour, 1))
        painter.setBrush(colour if self.isEnabled() else Qt.BrushStyle.NoBrush)  # hollow: it cannot be moved
        painter.drawRoundedRect(knob, 4, 4)
        painter.setPen(QPen(self._look.background, 1))
        for dy in (-1.5, 1.5):
            middle = knob.center() + QPointF(0, dy)
            painter.drawLine(middle - QPointF(6, 0), middle + QPointF(6, 0))
        if self.hasFocus():
            painter.setPen(QPen(self._look.text, 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(knob.adjusted(-3, -3, 3, 3), 6, 6)

    # -- the mouse ---------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is not Qt.MouseButton.LeftButton or self._editor.number is None:
            return
        y = self.mapToParent(event.position()).y()
        self._grabbed_at, self._pressed_y = 0.0, y
        self.room_asked.emit()  # first: the axis may move under the mouse
        self._grabbed_at = y - self._y_of(self._editor.number)
        self.woken.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        subject = self._editor.subject
        if self._grabbed_at is None or subject is None:
            self.passed.emit(self.mapToParent(event.position()))
            return
        y = self.mapToParent(event.position()).y()
        if self._pressed_y is not None and abs(y - self._pressed_y) <= STILL_PX:
            return
        self._pressed_y, y = None, y - self._grabbed_at
        step = subject.scale.round_step(self._plot.top / max(1.0, self._plot.area().height()))
        is_above = y <= self._plot.area().top() and subject.can_be_none
        number = NO_LIMIT if is_above else subject.snapped(self._plot.value_of(y), step)
        self._editor.propose(number, step=step)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton and self._grabbed_at is not None:
            self._grabbed_at = None
            self._editor.apply()
            self.woken.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # the page scrolls; a limit is not changed by passing over it

    # -- the keyboard ------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key == Qt.Key.Key_Escape and self.is_in_use:
            self._grabbed_at = None
            self._editor.revert()
            self.woken.emit()
        elif key in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and not self.is_dragged:
            self._editor.apply()
        elif not self.is_dragged and (found := self._by_key(event)) is not None:
            number, step = found
            self._editor.propose(number, step=step)
            self.room_asked.emit()
        else:
            event.ignore()

    def _by_key(self, event: QKeyEvent) -> tuple[float, float] | None:
        """Where a key sends the line, and in which step."""
        subject, number, key = self._editor.subject, self._editor.number, Qt.Key(event.key())
        if subject is None or number is None:
            return None
        is_big = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier) or key in _BIG
        top = subject.room(self._plot.top)
        step = subject.scale.key_step(top if math.isinf(number) else number, is_big=is_big)
        if key in _UP or key in _DOWN:
            return subject.stepped(number, step if key in _UP else -step, top=top), step
        if key in _TAKES_AWAY:
            return NO_LIMIT, step
        ends = {Qt.Key.Key_Home: subject.scale.least, Qt.Key.Key_End: subject.most}
        return (ends[key], step) if key in ends else None

    # -- Qt ----------------------------------------------------------------------------------------------------

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.woken.emit()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.woken.emit()

    def enterEvent(self, event: object) -> None:
        self.woken.emit()

    def leaveEvent(self, event: object) -> None:
        self.woken.emit()
