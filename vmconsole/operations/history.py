# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be undone and redone in this session. Plain lists; the runner guards them with its lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.operations.base import AnyOperation

KEPT_STEPS = 200


@dataclass(frozen=True, slots=True)
class Step:
    """What one wish of the user (one or many guests) takes to be taken back."""

    text: str
    operations: tuple[AnyOperation, ...]


@dataclass(slots=True)
class UndoHistory:
    """Two stacks, the newest step last."""

    undo: list[Step] = field(default_factory=list)
    redo: list[Step] = field(default_factory=list)

    def did(self, text: str, back: Sequence[AnyOperation]) -> None:
        """A new act: what was undone before it cannot be redone any more."""
        if back:
            _push(self.undo, Step(text, tuple(back)))
            self.redo.clear()

    def undid(self, text: str, *, back: Sequence[AnyOperation], failed: Sequence[AnyOperation]) -> None:
        """An undo ended. What could not be taken back stays, to be tried again."""
        if failed:
            _push(self.undo, Step(text, tuple(failed)))
        if back:
            _push(self.redo, Step(text, tuple(back)))

    def redid(self, text: str, *, back: Sequence[AnyOperation], failed: Sequence[AnyOperation]) -> None:
        """A redo ended."""
        if failed:
            _push(self.redo, Step(text, tuple(failed)))
        if back:
            _push(self.undo, Step(text, tuple(back)))


def _push(stack: list[Step], step: Step) -> None:
    stack.append(step)
    del stack[:-KEPT_STEPS]
