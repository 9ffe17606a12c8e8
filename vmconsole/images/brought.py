# SPDX-License-Identifier: GPL-3.0-or-later
"""How the draft's list tells of what was brought in. Pure, any thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images.messages import ChangeVerb

if TYPE_CHECKING:
    from vmconsole.images.messages import Transferred

NAMED = 20
"""As many things that came together are changes of their own; more are one."""


@dataclass(frozen=True, slots=True)
class Line:
    verb: ChangeVerb
    path: str
    detail: str = ""
    size_bytes: int = 0


def brought(done: Transferred, folder: str) -> tuple[Line, ...]:
    """Thousands of lines would make the list useless, and writing each down takes minutes."""
    if len(done.paths) > NAMED:
        return (Line(ChangeVerb.WRITTEN, folder, f"({done.files} files added)", done.bytes),)
    detail = "" if len(done.paths) == done.files else f"({done.files} files in all)"
    return tuple(Line(ChangeVerb.ADDED, path, detail) for path in done.paths)
