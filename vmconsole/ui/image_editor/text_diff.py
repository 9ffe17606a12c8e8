# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference between two texts, line by line. Pure functions; not for the GUI thread, for long texts take long."""

from __future__ import annotations

import difflib
import enum
from dataclasses import dataclass

from vmconsole.ui.image_editor.text_file import read_text

_LINES_MAX = 20_000
_SHOWN_MAX = 5_000
_CONTEXT = 3


class LineKind(enum.Enum):
    SAME = " "
    REMOVED = "-"
    ADDED = "+"
    PLACE = "@"
    """Where the next lines are: «lines 10 to 14»."""
    NOTE = "!"
    """A remark of ours."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    kind: LineKind
    text: str
    first: int = 0
    """Number of the line in the first text, from 1; 0 if it is not in it. ``second`` likewise."""
    second: int = 0


def text_diff(first: bytes | None, second: bytes | None) -> list[DiffLine]:
    """What to show of two contents (None: there is no such file on that side)."""
    one, two = (read_text(data) if data else None for data in (first, second))
    if (first and one is None) or (second and two is None):
        return [DiffLine(LineKind.NOTE, _bytes_words(first, second))]
    if first == second:
        return [DiffLine(LineKind.NOTE, "The contents are the same.")]
    old, new = ((file.text.split("\n") if file else []) for file in (one, two))
    found: list[DiffLine] = []
    if one is not None and two is not None:
        found = [DiffLine(LineKind.NOTE, words) for words in _form_words(one, two)]
    if len(old) > _LINES_MAX or len(new) > _LINES_MAX:
        return [*found, DiffLine(LineKind.NOTE, f"Texts of more than {_LINES_MAX} lines are not compared here.")]
    found += _lines(old, new)
    if len(found) > _SHOWN_MAX:
        found = [*found[:_SHOWN_MAX], DiffLine(LineKind.NOTE, f"Only the first {_SHOWN_MAX} lines are shown.")]
    return found


def _bytes_words(first: bytes | None, second: bytes | None) -> str:
    if first is None or second is None:
        return "It is not text."
    at = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second)))
    if first == second:
        return "The contents are the same."
    return f"It is not text. The contents differ from byte {at} (0x{at:x}) on."


def _form_words(one: object, two: object) -> list[str]:
    found = []
    for what, words in (
        ("encoding", "The encoding"),
        ("bom", "The byte order mark"),
        ("main_line_end", "The line end"),
    ):
        a, b = getattr(one, what), getattr(two, what)
        if a != b:
            found.append(f"{words} changed from {a!r} to {b!r}.")
    return found


def _lines(old: list[str], new: list[str]) -> list[DiffLine]:
    found: list[DiffLine] = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=len(old) > 2000).get_grouped_opcodes(_CONTEXT):
        begin, end = group[0][3] + 1, group[-1][4]
        place = f"lines {begin} to {end}" if end > begin else f"line {begin}"
        found.append(DiffLine(LineKind.PLACE, place))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                found += [DiffLine(LineKind.SAME, old[i], i + 1, j1 + i - i1 + 1) for i in range(i1, i2)]
                continue
            found += [DiffLine(LineKind.REMOVED, old[i], i + 1) for i in range(i1, i2)]
            found += [DiffLine(LineKind.ADDED, new[j], 0, j + 1) for j in range(j1, j2)]
    return found
