# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits under a name, as TOML that can be shared: text in, wishes out, and back. Pure functions, any thread.

The form is told in ``resources/presets/README.md``.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass

from vmconsole.inventory.errors import OutOfRange
from vmconsole.quotas.bulk import Wish
from vmconsole.quotas.rows import Scope
from vmconsole.quotas.table import BY_KEY

MOST_CHARACTERS = 100_000
MOST_LIMITS = 500


@dataclass(frozen=True, slots=True)
class Preset:
    """``name`` is the file's, without its ending; empty for one that came by the clipboard."""

    title: str
    about: str
    wishes: tuple[Wish, ...]
    name: str = ""
    is_own: bool = False


def preset_of(text: str, *, name: str = "", is_own: bool = False) -> Preset:
    """Raises OutOfRange for what is no preset, naming the line or the limit."""
    if len(text) > MOST_CHARACTERS:
        raise _wrong("the text is too long", name)
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong(str(error), name) from error
    limits = found.get("limits")
    if not isinstance(limits, dict) or not limits or len(limits) > MOST_LIMITS:
        raise _wrong("it has no [limits]", name)
    wishes = tuple(_wish(str(key), value, name) for key, value in limits.items())
    return Preset(str(found.get("title", name)), str(found.get("about", "")), wishes, name, is_own)


def _wish(key: str, text: object, name: str) -> Wish:
    limit, _, target = key.partition("@")
    row = BY_KEY.get(limit)
    if row is None:
        raise _wrong(f"there is no limit «{limit}»", name)
    if (row.scope is Scope.GUEST) is bool(target):
        part = f"name a {row.scope.value}, or all: {limit}@*" if not target else "it is of the whole guest"
        raise _wrong(f"«{key}»: {part}", name)
    if not isinstance(text, str | int):
        raise _wrong(f"«{key}» must be a text or a number", name)
    return Wish(limit, str(text), target)


def text_of(preset: Preset) -> str:
    """TOML."""
    lines = [f"title = {_quoted(preset.title)}", f"about = {_quoted(preset.about)}", "", "[limits]"]
    lines += [f"{_key(wish)} = {_quoted(wish.text)}" for wish in preset.wishes]
    return "\n".join(lines) + "\n"


def _key(wish: Wish) -> str:
    return _quoted(str(wish)) if wish.target else wish.key


def _quoted(text: str) -> str:
    """A JSON text is a TOML one, but for DEL, which TOML wants escaped, and surrogates, which it does not know."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _wrong(why: str, name: str) -> OutOfRange:
    return OutOfRange(
        f"This is no preset of limits: {why}.",
        cause=f"Read from {name}." if name else "",
        advice="A preset is a TOML text with a title and a table [limits].",
    )
