# SPDX-License-Identifier: GPL-3.0-or-later
"""The path of the shown folder as a row of buttons, and as a line to type in. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal, Slot
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QStackedLayout, QToolButton, QWidget

from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.escape_line import EscapeLine
from vmconsole.ui.image_editor.look import plain_label


class PathBar(QWidget):
    """``folder_wanted`` carries the path of a button that was pressed, or that was typed."""

    folder_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Path of the folder"))
        self._path = "/"
        self.crumbs = _Crumbs(self)
        self.crumbs.chosen.connect(self.folder_wanted)
        self.crumbs.typing_wanted.connect(self.begin_typing)
        self._line = EscapeLine(self)
        self._line.setAccessibleName(self.tr("Path to go to"))
        self._line.returnPressed.connect(self._on_typed)
        self._line.given_up.connect(self._show_crumbs)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self.crumbs)
        self._stack.addWidget(self._line)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def path(self) -> str:
        return self._path

    def set_path(self, path: str) -> None:
        self._path = path
        self.crumbs.set_path(path)
        self._show_crumbs()

    @Slot()
    def begin_typing(self) -> None:
        """Show the path as text, all selected (Ctrl+L)."""
        self._line.setText(names.shown(self._path))
        self._stack.setCurrentWidget(self._line)
        self._line.setFocus()
        self._line.selectAll()

    @Slot()
    def _on_typed(self) -> None:
        typed = self._line.text().strip()
        self._show_crumbs()
        if typed and typed != names.shown(self._path):
            self.folder_wanted.emit(typed if typed.startswith("/") else names.join(self._path, typed))

    @Slot()
    def _show_crumbs(self) -> None:
        self._stack.setCurrentWidget(self.crumbs)


class _Crumbs(QWidget):
    """A button for each folder down to the shown one. The first ones go away when there is no room."""

    chosen = Signal(object)
    typing_wanted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(0)
        self._buttons: list[QToolButton] = []
        self._marks: list[QLabel] = []
        self.before: QWidget | None = None
        """What Tab comes to before it; the buttons are made anew, and would come last in the window."""
        self.setToolTip(self.tr("Click beside the path to type one (Ctrl+L)"))

    def set_path(self, path: str) -> None:
        while (item := self._row.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.setParent(None)
        self._buttons, self._marks = [], []
        for step in names.steps_to(path):
            self._add_step(step, is_last=step == path)
        self._row.addStretch(1)
        self._fit()

    def _add_step(self, step: str, *, is_last: bool) -> None:
        button = QToolButton(self)
        shown = names.shown(names.base_of(step))
        button.setText(shown.replace("&", "&&"))
        button.setAutoRaise(True)
        button.setAccessibleName(self.tr("Go to {folder}").format(folder=names.shown(step)))
        if is_last:
            font = button.font()
            font.setBold(True)
            button.setFont(font)
        # not a property of the button: Qt would drop the bytes of a name that is not UTF-8
        button.clicked.connect(lambda _checked=False: self.chosen.emit(step))
        if len(self._buttons) > 1:
            mark = plain_label("/", self)
            self._row.addWidget(mark)
            self._marks.append(mark)
        self._row.addWidget(button)
        before = self._buttons[-1] if self._buttons else self.before
        if before is not None:
            QWidget.setTabOrder(before, button)
        self._buttons.append(button)

    def _fit(self) -> None:
        """Hide folders from the second on while the row is too long: the top and the end always stay."""
        widths = [b.sizeHint().width() + 6 for b in self._buttons]
        hidden = 0
        while hidden < len(widths) - 2 and widths[0] + sum(widths[1 + hidden :]) > self.width():
            hidden += 1
        for number, button in enumerate(self._buttons[1:]):
            button.setVisible(number >= hidden)
        for number, mark in enumerate(self._marks):
            mark.setVisible(number + 1 > hidden or (hidden > 0 and number + 1 == hidden))
            mark.setText("…/" if hidden and number + 1 == hidden else "/")

    def minimumSizeHint(self) -> QSize:
        return QSize(60, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.typing_wanted.emit()
        event.accept()
