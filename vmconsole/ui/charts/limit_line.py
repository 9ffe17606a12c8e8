# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPU limit as a line over the chart: drag it, or focus it and use the arrow keys. GUI thread.

It is a widget of its own on top of the plot: it gets its mouse, keys, cursor and focus from Qt as any control does,
and moving it never repaints a curve by our doing. Nothing is applied before the mouse is let go or Enter is pressed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from vmconsole.quotas.cpucap import words
from vmconsole.ui.charts.cap_subject import BIG_STEP_CORES, STEP_CORES, drag_step
from vmconsole.ui.charts.limit_tag import LimitTag

if TYPE_CHECKING:
    from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPaintEvent

    from vmconsole.ui.charts.limit_editor import LimitEditor
    from vmconsole.ui.charts.look import Look
    from vmconsole.ui.charts.plot import TimePlot

GRAB_PX = 8
"""Half the height of the stripe that can be grabbed."""
HEADROOM = 1.12
"""The CPU axis ends this much above the greatest cap: dragged into that strip, the line becomes «no cap»."""


class LimitLine(QWidget):
    """Shows and moves ``editor``'s cap over ``plot``."""

    def __init__(self, plot: TimePlot, editor: LimitEditor, look: Look) -> None:
        super().__init__(plot.viewport())
        self._plot, self._editor, self._look = plot, editor, look
        self._grabbed_at: float | None = None
        self._tag = LimitTag(plot.viewport())
        self.setObjectName("cpu_limit_line")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setAccessibleName(self.tr("CPU limit line"))
        editor.changed.connect(self.place)
        plot.laid_out.connect(self.place)
        self.place()

    def set_look(self, look: Look) -> None:
        self._look = look
        self.place()

    @property
    def is_dragged(self) -> bool:
        return self._grabbed_at is not None

    # -- where it is and what it says --------------------------------------------------------------------------

    def place(self) -> None:
        """Move to the cap's height, with its tag beside it."""
        cores = self._editor.cores
        self.setVisible(cores is not None)
        self._tag.setVisible(cores is not None)
        if cores is None:
            return
        area = self._plot.area()
        y = area.top() if math.isinf(cores) else min(area.bottom(), max(area.top(), self._plot.y_of(cores)))
        self.setGeometry(round(area.left()), round(y) - GRAB_PX, round(area.width()), 2 * GRAB_PX + 1)
        self._set_state()
        self._tag.show_text(self._text(), colour=self._colour(), look=self._look, is_strong=self._is_active())
        self._tag.put(area, y)
        self.raise_()
        self.update()

    def _set_state(self) -> None:
        subject, can_edit = self._editor.subject, self._editor.can_edit
        if subject is None:
            return
        self.setEnabled(can_edit)
        self.setCursor(Qt.CursorShape.SplitVCursor if can_edit else Qt.CursorShape.ArrowCursor)
        self.setToolTip(subject.blocked or subject.notice or self.tr("Drag to limit the guest's CPU time"))
        self.setAccessibleDescription(self._text())

    def _text(self) -> str:
        editor, subject = self._editor, self._editor.subject
        if subject is None or editor.cores is None:
            return ""
        text = self._cap_text(editor.cores)
        if editor.proposed is not None and not self.is_dragged:
            return self.tr("{cap} · Enter applies, Esc reverts").format(cap=text)
        if editor.proposed is None and editor.is_waiting:
            return self.tr("{cap} · asking the host…").format(cap=text)
        return text if subject.is_live else self.tr("{cap} · next boot").format(cap=text)

    def _cap_text(self, cores: float) -> str:
        subject = self._editor.subject
        if subject is None:
            return ""
        if math.isinf(cores):
            if not self._editor.can_edit:
                return self.tr("no cap")
            return self.tr("no cap") if self.is_dragged else self.tr("no cap: drag down to set one")
        text = words(subject.cap(cores))
        short = text.replace(" (quota ", " · quota ").replace(" of ", "/").removesuffix(")")
        if self.is_dragged and cores <= subject.least and subject.least > STEP_CORES:
            return self.tr("{cap} · not less: each vCPU may use that much").format(cap=short)
        return short if self._is_active() else self.tr("limit {cores}").format(cores=text.split(" (")[0])

    def _is_active(self) -> bool:
        return self.is_dragged or self.hasFocus() or self.underMouse() or self._editor.proposed is not None

    def _colour(self) -> QColor:
        return self._look.curve("limit") if self._editor.can_edit else QColor(self._look.quiet)

    # -- painting ----------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._editor.cores is None:
            return
        painter = QPainter(self)
        colour, middle = self._colour(), GRAB_PX + 0.5
        is_active = self._is_active() and self.isEnabled()
        is_none = math.isinf(self._editor.cores)
        pen = QPen(colour, 3.0 if is_active else 2.0)
        subject = self._editor.subject
        if is_none or (subject is not None and not subject.is_live):
            pen.setDashPattern([6, 4])
        if is_none and not is_active:
            colour.setAlphaF(0.5)
            pen.setColor(colour)
        painter.setPen(pen)
        painter.drawLine(QPointF(0, middle), QPointF(self.width(), middle))
        if self.isEnabled():
            self._paint_grip(painter, middle)

    def _paint_grip(self, painter: QPainter, middle: float) -> None:
        """A knob in the middle: the line can be moved. A ring around it is the keyboard's focus."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        knob = QRectF(self.width() / 2 - 14, middle - 4, 28, 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colour())
        painter.drawRoundedRect(knob, 4, 4)
        painter.setPen(QPen(self._look.background, 1))
        for dy in (-1.5, 1.5):
            painter.drawLine(QPointF(knob.center().x() - 6, middle + dy), QPointF(knob.center().x() + 6, middle + dy))
        if self.hasFocus():
            painter.setPen(QPen(self._look.text, 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(knob.adjusted(-3, -3, 3, 3), 6, 6)

    # -- the mouse ---------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self._grabbed_at = event.position().y() - GRAB_PX
            self.place()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        subject = self._editor.subject
        if self._grabbed_at is None or subject is None:
            return
        y = self.mapToParent(event.position()).y() - self._grabbed_at
        step = drag_step(self._plot.top / max(1.0, self._plot.area().height()))
        self._editor.propose(subject.snapped(self._plot.value_of(y), step=step))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton and self._grabbed_at is not None:
            self._grabbed_at = None
            self._editor.apply()
            self.place()

    # -- the keyboard ------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key == Qt.Key.Key_Escape and (self._editor.proposed is not None or self.is_dragged):
            self._grabbed_at = None
            self._editor.revert()
            self.place()
        elif key in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and not self.is_dragged:
            self._editor.apply()
        elif not self.is_dragged and (target := self._by_key(event)) is not None:
            self._editor.propose(target)
        else:
            super().keyPressEvent(event)

    def _by_key(self, event: QKeyEvent) -> float | None:
        subject, cores, key = self._editor.subject, self._editor.cores, event.key()
        if subject is None or cores is None:
            return None
        is_big = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier) or key in {
            Qt.Key.Key_PageUp,
            Qt.Key.Key_PageDown,
        }
        step = BIG_STEP_CORES if is_big else STEP_CORES
        if key in {Qt.Key.Key_Up, Qt.Key.Key_Right, Qt.Key.Key_PageUp}:
            return subject.stepped(cores, step)
        if key in {Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_PageDown}:
            return subject.stepped(cores, -step)
        return {Qt.Key.Key_Home: subject.least, Qt.Key.Key_End: subject.most}.get(Qt.Key(key))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.place()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.place()

    def enterEvent(self, event: object) -> None:
        self.place()

    def leaveEvent(self, event: object) -> None:
        self.place()
