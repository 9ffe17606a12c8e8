# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rule finds wrong with a value, before anything is written. Plain data, any thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import OutOfRange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.limits import LimitRef


@dataclass(frozen=True, slots=True)
class Problem:
    """One value that must not, or should not, be written."""

    ref: LimitRef
    what: str
    cause: str = ""
    advice: str = ""
    is_fatal: bool = True
    """False: it works, but it is hardly what is meant; the user is told and may go on."""


def refuse(problems: Sequence[Problem], *, where: str) -> None:
    """Raise OutOfRange with the first fatal problem, the others in its cause."""
    fatal = [problem for problem in problems if problem.is_fatal]
    if not fatal:
        return
    first, others = fatal[0], fatal[1:]
    also = "".join(f" Also: {problem.what}" for problem in others)
    raise OutOfRange(first.what, cause=first.cause + also, advice=first.advice, where=where)
