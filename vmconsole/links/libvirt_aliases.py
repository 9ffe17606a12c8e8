# SPDX-License-Identifier: GPL-3.0-or-later
"""``uri_aliases`` of libvirt's client configuration. Blocks on one small file; any thread.

Source: libvirt «Connection URIs», section «Configuring URI aliases», and the syntax of its virconf.c: comments begin
with ``#``, texts stand in single or double quotes, lists in brackets.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 1 << 20
_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)|(?P<text>\"\"\".*?\"\"\"|"(?:[^"\\]|\\.)*"|'[^']*')|(?P<word>[A-Za-z_][A-Za-z0-9_-]*)|(?P<mark>[=\[\],])""",
    re.DOTALL | re.VERBOSE,
)
_ALIAS = re.compile(r"([A-Za-z0-9_-]+)\s*=\s*(\S.*)")


def read_aliases(file: Path) -> tuple[tuple[str, str], ...]:
    """(alias, URI) in the order of the file; none where it cannot be read."""
    try:
        if not file.is_file():
            return ()
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return ()
    found = (_ALIAS.fullmatch(entry) for entry in _entries(text))
    return tuple((match[1], match[2].strip()) for match in found if match is not None)


def _entries(text: str) -> list[str]:
    tokens = [match for match in _TOKEN.finditer(text) if match.lastgroup != "comment"]
    for place, token in enumerate(tokens):
        if token["word"] == "uri_aliases" and [t.group() for t in tokens[place + 1 : place + 3]] == ["=", "["]:
            return _texts(tokens[place + 3 :])
    return []


def _texts(tokens: list[re.Match[str]]) -> list[str]:
    """Up to the closing bracket."""
    texts: list[str] = []
    for token in tokens:
        if token.group() == "]":
            break
        if token["text"] is not None:
            texts.append(_unquoted(token["text"]))
    return texts


def _unquoted(quoted: str) -> str:
    if quoted.startswith('"""'):
        return quoted[3:-3]
    inner = quoted[1:-1]
    return re.sub(r"\\(.)", r"\1", inner) if quoted.startswith('"') else inner
