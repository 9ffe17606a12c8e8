# SPDX-License-Identifier: GPL-3.0-or-later
"""Guest paths and names: how they are put together, taken apart and shown. Pure functions, any thread.

Names come from inside the image and may be made to deceive: line breaks, control characters, or marks that turn the
writing direction so that «exe.txt» is read where «txt.exe» stands. All such characters are shown as escapes.
"""

from __future__ import annotations

import fnmatch
import posixpath
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NAME_BYTES_MAX = 255
"""NAME_MAX of Linux's filesystems (limits.h)."""


def shown(name: str) -> str:
    """The name with every invisible or direction-changing character as ``\\xNN`` or ``\\uNNNN``."""
    return name if name.isascii() and name.isprintable() else "".join(map(_shown_character, name))


def shown_words(text: str) -> str:
    """Sentences that may have names in them: the same, but line breaks and tabs stay."""
    return text if text.isascii() and text.isprintable() else "".join(map(_shown_in_words, text))


def typed(text: str, original: str, *, escape: Callable[[str], str] = shown) -> str:
    """What a person means who was shown ``escape(original)`` and left ``text``: escapes are for the eye, so those that
    still stand there are the characters which they stood for. What was typed anew is taken as it is."""
    pieces = [escape(c) for c in original]
    first, at = 0, 0
    while first < len(pieces) and text.startswith(pieces[first], at):
        at += len(pieces[first])
        first += 1
    last, end = len(pieces), len(text)
    while last > first and end - len(pieces[last - 1]) >= at and text.endswith(pieces[last - 1], at, end):
        last -= 1
        end -= len(pieces[last])
    between = text[at:end]
    for character in {c for c, piece in zip(original[first:last], pieces[first:last], strict=True) if c != piece}:
        between = between.replace(escape(character), character)
    return original[:first] + between + original[last:]


def _shown_in_words(character: str) -> str:
    return character if character in "\n\t" else _shown_character(character)


def _shown_character(character: str) -> str:
    if character.isprintable() and unicodedata.category(character) != "Cf":
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python's surrogateescape carries it
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def parent_of(path: str) -> str:
    return posixpath.dirname(path.rstrip("/")) or "/"


def base_of(path: str) -> str:
    """The last part of a path; ``/`` for the top."""
    return posixpath.basename(path.rstrip("/")) or "/"


def steps_to(path: str) -> list[str]:
    """Every folder from the top down to ``path`` itself."""
    steps = ["/"]
    for part in (p for p in path.split("/") if p):
        steps.append(join(steps[-1], part))
    return steps


def is_inside(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def name_problem(name: str) -> str:
    """Why a name cannot be given to a file: ``empty``, ``dots``, ``slash``, ``nul`` or ``long``; empty if it can."""
    if not name:
        return "empty"
    if name in {".", ".."}:
        return "dots"
    if "/" in name:
        return "slash"
    if "\0" in name:
        return "nul"
    return "long" if len(name.encode("utf-8", "surrogateescape")) > NAME_BYTES_MAX else ""


def stem_length(name: str) -> int:
    """How many characters of a name stand before its ending: what a rename selects at first."""
    for double in (".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst"):
        if name.lower().endswith(double) and len(name) > len(double):
            return len(name) - len(double)
    stem = posixpath.splitext(name)[0]
    return len(stem)


def matcher(words: str) -> Callable[[str], bool]:
    """What a filter's words mean: a pattern if they have ``*`` or ``?``, else a part of the name. Case is ignored."""
    wanted = words.strip().casefold()
    if not wanted:
        return lambda _name: True
    if any(c in wanted for c in "*?"):
        return lambda name: fnmatch.fnmatchcase(name.casefold(), wanted)
    return lambda name: wanted in name.casefold()


def mode_text(mode: int | None, letter: str) -> str:
    """``-rwxr-xr-x`` as ``ls -l`` writes it; ``letter`` is the kind's. Empty while unknown."""
    if mode is None:
        return ""
    bits = ["rwx"[i % 3] if mode & (0o400 >> i) else "-" for i in range(9)]
    for place, bit, low, high in ((2, 0o4000, "s", "S"), (5, 0o2000, "s", "S"), (8, 0o1000, "t", "T")):
        if mode & bit:
            bits[place] = low if bits[place] == "x" else high
    return letter + "".join(bits)
