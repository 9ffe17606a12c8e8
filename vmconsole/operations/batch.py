# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that were asked for together: when the last has ended, they are one step of undo or redo."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmconsole.inventory.tasks import TaskState

if TYPE_CHECKING:
    from vmconsole.operations.base import AnyOperation
    from vmconsole.operations.history import UndoHistory


class Kind(enum.Enum):
    """The value stands before the operation's title in the task list."""

    NEW = ""
    UNDO = "Undo: "
    REDO = "Redo: "


@dataclass(slots=True)
class Batch:
    """Guarded by the runner's lock."""

    kind: Kind
    text: str
    waiting: int
    back: list[AnyOperation] = field(default_factory=list)
    """What takes back those that are done."""
    failed: list[AnyOperation] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        return self.kind.value

    @property
    def is_over(self) -> bool:
        return self.waiting == 0

    def ended(self, operation: AnyOperation, state: TaskState, undo: AnyOperation | None) -> None:
        self.waiting -= 1
        if state is not TaskState.DONE:
            self.failed.append(operation)
        elif undo is not None:
            self.back.append(undo)

    def enter(self, history: UndoHistory) -> None:
        """Last first: two changes of one guest must be taken back in the opposite order."""
        back, failed = self.back[::-1], self.failed
        if self.kind is Kind.NEW:
            history.did(self.text, back)
        elif self.kind is Kind.UNDO:
            history.undid(self.text, back=back, failed=failed)
        else:
            history.redid(self.text, back=back, failed=failed)
