# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of a text is a comment, a string, a keyword: by Pygments. Pure functions, any thread; never the GUI's, for
a long file takes a second. The only importer of Pygments.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, ClassVar

from pygments.lexer import Lexer, RegexLexer
from pygments.lexers import find_lexer_class_by_name, find_lexer_class_for_filename
from pygments.token import Comment, Generic, Keyword, Literal, Name, Number, Operator, String, Text, Token
from pygments.util import ClassNotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

COLOURED_CHARACTERS_MAX = 256 * 1024
"""A longer text stays without colours."""
_CALLED = {
    "crontab": "bash", "profile": "bash", ".bashrc": "bash", ".profile": "bash", "bash.bashrc": "bash",
    "environment": "bash", "sources.list": "debsources", "nginx.conf": "nginx", "httpd.conf": "apacheconf",
    "apache2.conf": "apacheconf", "grub": "bash", "interfaces": "", "makefile": "make", "dockerfile": "docker",
}  # fmt: skip
"""Names without a telling ending."""
_ENDINGS = {
    ".service": "ini", ".socket": "ini", ".timer": "ini", ".mount": "ini", ".target": "ini", ".network": "ini",
    ".netdev": "ini", ".desktop": "ini", ".reg": "registry", ".inf": "ini", ".rules": "", ".repo": "ini", ".conf": "",
    ".cfg": "", ".txt": "", ".list": "", ".log": "", ".service.d": "ini",
}  # fmt: skip


class Kind(enum.Enum):
    """What is coloured. Italic and bold tell some apart without colour."""

    COMMENT = "comment"
    STRING = "string"
    NUMBER = "number"
    KEYWORD = "keyword"
    NAME = "name"
    HEADING = "heading"


Span = tuple[int, int, Kind]
"""Start and length in UTF-16 units, as Qt counts, within a line."""

_KINDS = (
    (Comment, Kind.COMMENT),
    (String, Kind.STRING),
    (Number, Kind.NUMBER),
    (Literal, Kind.STRING),
    (Generic.Heading, Kind.HEADING),
    (Generic.Subheading, Kind.HEADING),
    (Keyword, Kind.KEYWORD),
    (Operator.Word, Kind.KEYWORD),
    (Name.Tag, Kind.KEYWORD),
    (Name.Attribute, Kind.NAME),
    (Name.Builtin, Kind.NAME),
    (Name.Function, Kind.NAME),
    (Name.Class, Kind.NAME),
    (Name.Decorator, Kind.NAME),
    (Name.Variable, Kind.NAME),
    (Name.Namespace, Kind.NAME),
)


class _ConfigurationLexer(RegexLexer):
    """What most files below /etc look like: comments, sections, names before values, quoted text."""

    name = "Configuration"
    tokens: ClassVar = {
        "root": [
            (r"^[ \t]*[#;!].*$", Comment),
            (r"^[ \t]*\[[^\]\n]*\]", Keyword),
            (r"[ \t]#.*$", Comment),
            (r'"(\\.|[^"\\\n])*"', String),
            (r"'[^'\n]*'", String),
            (r"^[ \t]*[\w.+-]+(?=[ \t]*[=:])", Name.Attribute),
            (r"^[A-Za-z][\w.-]*(?=[ \t])", Name.Attribute),
            (r"\b\d+(\.\d+)*\b", Number),
            (r"\b(yes|no|true|false|on|off|none)\b", Keyword),
            (r"\w+", Text),
            (r".|\n", Text),
        ]
    }


def language_of(file_name: str, beginning: str) -> str:
    """What kind of text it is, in a word for the status line; empty if it is not coloured."""
    found = _lexer(file_name, beginning)
    return str(found.name) if found is not None else ""


def spans_of(text: str, file_name: str) -> list[list[Span]]:
    """The coloured spans of each line. Empty for a text that is too long, or of no kind that is known."""
    lexer = _lexer(file_name, text[:200]) if len(text) <= COLOURED_CHARACTERS_MAX else None
    if lexer is None:
        return []
    lines = text.split("\n")
    spans: list[list[Span]] = [[] for _ in lines]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    number = 0
    for start, kind, length in _pieces(lexer, text):
        end = start + length
        while number + 1 < len(lines) and starts[number + 1] <= start:
            number += 1
        row = number
        while row < len(lines) and starts[row] < end:
            begin, stop = max(start, starts[row]) - starts[row], min(end - starts[row], len(lines[row]))
            if stop > begin:
                spans[row].append((*_units(lines[row], begin, stop), kind))
            row += 1
    return spans


def _pieces(lexer: Lexer, text: str) -> Iterable[tuple[int, Kind, int]]:
    for start, token, value in lexer.get_tokens_unprocessed(text):
        kind = _kind(token)
        if kind is not None and value.strip():
            yield start, kind, len(value)


def _kind(token: object) -> Kind | None:
    return next((kind for family, kind in _KINDS if token in family), None) if token is not Token else None


def _units(line: str, begin: int, stop: int) -> tuple[int, int]:
    """Start and length of a part of a line as Qt counts: characters beyond U+FFFF are two."""
    if line.isascii():
        return begin, stop - begin
    before = len(line[:begin].encode("utf-16-le", "surrogatepass")) // 2
    return before, len(line[begin:stop].encode("utf-16-le", "surrogatepass")) // 2


def _lexer(file_name: str, beginning: str) -> Lexer | None:
    name = file_name.rpartition("/")[2].lower()
    called = _CALLED.get(name)
    if called is None:
        called = next((lexer for end, lexer in _ENDINGS.items() if name.endswith(end)), None)
    try:
        if beginning.startswith("#!"):
            return _by_name(_interpreter(beginning))
        if called is not None:
            return _by_name(called) if called else _ConfigurationLexer()
        found = find_lexer_class_for_filename(name)
    except ClassNotFound:
        found = None
    if found is not None:
        return found()
    return _ConfigurationLexer() if "." not in name.strip(".") or file_name.startswith("/etc/") else None


def _interpreter(beginning: str) -> str:
    words = beginning.partition("\n")[0][2:].split()
    program = (words[-1] if words and words[0].endswith("/env") else words[0] if words else "").rpartition("/")[2]
    return {"sh": "bash", "dash": "bash", "python3": "python", "node": "javascript"}.get(program, program)


def _by_name(name: str) -> Lexer:
    found = find_lexer_class_by_name(name)
    return found()
