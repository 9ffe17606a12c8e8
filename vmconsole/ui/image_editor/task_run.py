# SPDX-License-Identifier: GPL-3.0-or-later
"""A search or a measurement of an image, step by step, as signals. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from vmconsole.images.tool_requests import Task
    from vmconsole.images.tool_values import Page
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.image_editor.desk import ImageDesk


class TaskRun(QObject):
    """One task from ``start()`` to ``ended``. Between two steps other requests to the image get their turn."""

    page = Signal(object)
    """A ``Page`` of what was found."""
    ended = Signal(object)
    """The last ``Page``, or None if it was stopped."""
    failed = Signal(object)
    """An ``Explanation``; nothing comes after it."""

    def __init__(self, desk: ImageDesk, task: Task, parent: QObject) -> None:
        super().__init__(parent)
        self._desk = desk
        self._task = task
        self._number: int | None = None
        self.is_over = False

    def start(self) -> None:
        self._desk.ask(
            self._desk.session.tools.begin(self._task), self._on_begun, failed=self._on_failed, cancelled=self.stop
        )

    def stop(self) -> None:
        """Nothing comes any more but ``ended``."""
        if self.is_over:
            return
        self.is_over = True
        if self._number is not None:
            # Whether that reaches the image does not matter to anybody.
            self._desk.ask(self._desk.session.tools.drop(self._number), failed=lambda _problem: None)
        self.ended.emit(None)

    def _on_begun(self, number: int) -> None:
        self._number = number
        if self.is_over:
            self._desk.ask(self._desk.session.tools.drop(number), failed=lambda _problem: None)
        else:
            self._step()

    def _step(self) -> None:
        assert self._number is not None
        self._desk.ask(
            self._desk.session.tools.step(self._number), self._on_page, failed=self._on_failed, cancelled=self.stop
        )

    def _on_page(self, page: Page) -> None:
        if self.is_over:
            return
        self.page.emit(page)
        if page.is_over:
            self.is_over = True
            self.ended.emit(page)
        elif not self.is_over:
            self._step()

    def _on_failed(self, problem: Explanation) -> None:
        if not self.is_over:
            self.is_over = True
            self.failed.emit(problem)
