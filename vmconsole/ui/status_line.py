# SPDX-License-Identifier: GPL-3.0-or-later
"""The status bar: the fleet in one line, the way to the next problem, and what ended last. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QLabel, QPushButton

from vmconsole.ui import status_summary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtWidgets import QStatusBar

    from vmconsole.inventory.ids import GuestId, HostId
    from vmconsole.ui.context import Context

TOLD_MS = 8000


class StatusLine(QObject):
    """``chosen`` gives what is selected, as the next problem is the one after it."""

    row_wanted = Signal(object)
    """A HostId or a GuestId."""

    def __init__(self, bar: QStatusBar, context: Context, chosen: Callable[[], Sequence[HostId | GuestId]]) -> None:
        super().__init__(bar)
        self._bar = bar
        self._context = context
        self._chosen = chosen
        self.summary = QLabel(bar)
        self.summary.setAccessibleDescription(self.tr("Summary"))
        self.problems = QPushButton(bar)
        self.problems.setFlat(True)
        self.problems.setToolTip(self.tr("Go to the next one"))
        self.problems.clicked.connect(self._on_problems)
        bar.addPermanentWidget(self.summary)
        bar.addPermanentWidget(self.problems)

    def refresh(self) -> None:
        store = self._context.store
        count = len(status_summary.problems(store))
        self.summary.setText(status_summary.summary(store))
        self.problems.setText(status_summary.problem_text(count))
        self.problems.setIcon(self._context.theme.icon("problem" if count else "task-done"))
        self.problems.setEnabled(bool(count))
        self.problems.setVisible(bool(store.hosts))

    @Slot(str)
    def tell(self, line: str) -> None:
        """For a few seconds."""
        self._bar.showMessage(line, TOLD_MS)

    @Slot()
    def _on_problems(self) -> None:
        found, chosen = status_summary.problems(self._context.store), self._chosen()
        if found:
            place = found.index(chosen[0]) + 1 if len(chosen) == 1 and chosen[0] in found else 0
            self.row_wanted.emit(found[place % len(found)])
