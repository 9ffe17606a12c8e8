# SPDX-License-Identifier: GPL-3.0-or-later
"""A file's bytes as text and back, byte for byte where nothing was edited. Pure functions, any thread.

A sysadmin who changes one line of /etc/fstab must not find every other line changed: the encoding, the byte order mark
and the line ends of the file are found once and kept.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from itertools import zip_longest

LINE_MAX = 8_000
"""Qt lays out each line as a whole: one of 10,000 characters takes it 30 ms, one of a megabyte seconds."""
_UNSEEN = re.compile("[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
"""Characters no text file has. Tab, line and form feeds are not among them, nor is escape (coloured logs)."""

_C1 = re.compile(rb"[\x80-\x9f]")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file as text. ``text`` has ``\\n`` as its only line end."""

    text: str
    encoding: str
    """``utf-8``, ``utf-16-le``, ``utf-16-be``, ``cp1252`` (Windows' Western letters), or ``latin-1`` for what is
    none of them (there every byte is a character)."""
    bom: bytes
    line_ends: tuple[str, ...]
    """The end of each line as found, in order."""

    @property
    def main_line_end(self) -> str:
        """The end that most lines have; new and changed lines get it."""
        found = self.line_ends
        return max(set(found), key=lambda end: (found.count(end), end == "\n")) if found else "\n"

    @property
    def has_mixed_line_ends(self) -> bool:
        return len(set(self.line_ends)) > 1


def read_text(data: bytes) -> TextFile | None:
    """The bytes as text, or None if they are not text."""
    bom, encoding = next(((b, e) for b, e in _BOMS if data.startswith(b)), (b"", ""))
    encoding = encoding or _utf_16_of(data)
    decoded = _decoded(data[len(bom) :], encoding)
    if decoded is None:
        return None
    text, encoding = decoded
    return TextFile(_LINE_END.sub("\n", text), encoding, bom, tuple(_LINE_END.findall(text)))


def read_beginning(data: bytes) -> TextFile | None:
    """The first bytes of a longer text, which may end in the middle of a character."""
    for cut in range(4):
        try:
            data[: len(data) - cut].decode()
        except UnicodeDecodeError:
            continue
        return read_text(data[: len(data) - cut])
    return read_text(data)


def _utf_16_of(data: bytes) -> str:
    """UTF-16 without its mark, as Windows' tools write it: at least every third character has a zero half."""
    sample = data[:4096]
    if len(data) % 2 or len(sample) < 4:
        return ""
    for encoding, zeros, letters in (
        ("utf-16-le", sample[1::2], sample[::2]),
        ("utf-16-be", sample[::2], sample[1::2]),
    ):
        if zeros.count(0) * 3 >= len(zeros) and not letters.count(0):
            return encoding
    return ""


def _decoded(body: bytes, encoding: str) -> tuple[str, str] | None:
    # ISO 8859-1 has no letters at 0x80 to 0x9f, Windows' code page has.
    others = ("cp1252", "latin-1") if _C1.search(body) else ("latin-1",)
    for candidate in (encoding,) if encoding else ("utf-8", *others):
        try:
            text = body.decode(candidate)
        except UnicodeDecodeError:
            continue
        if _CONTROL.search(text):
            return None
        return text, candidate
    return None


def write_text(file: TextFile, text: str) -> bytes:
    """``text`` (line ends ``\\n``) as bytes in the file's encoding. Untouched lines keep their own line ends.

    Raises UnicodeEncodeError for a character that the encoding does not have.
    """
    lines = text.split("\n")
    joined = _joined(lines, _line_ends_for(file, lines))
    if _LINE_END.sub("\n", joined) != text:  # a lone CR kept before a kept LF would read as one line end
        joined = _joined(lines, [file.main_line_end] * (len(lines) - 1))
    return file.bom + joined.encode(file.encoding)


def _joined(lines: list[str], ends: list[str]) -> str:
    return "".join(line + end for line, end in zip_longest(lines, ends, fillvalue=""))


def _line_ends_for(file: TextFile, lines: list[str]) -> list[str]:
    """One end for each line but the last: as found before the first and after the last change, the main one between."""
    wanted, main = len(lines) - 1, file.main_line_end
    if not file.has_mixed_line_ends:
        return [main] * wanted
    old = file.text.split("\n")
    head = _same_at_start(old[:-1], lines[:-1])
    tail = min(_same_at_start(old[:-1][::-1], lines[:-1][::-1]), min(len(old), len(lines)) - 1 - head)
    kept_tail = list(file.line_ends[len(file.line_ends) - tail :]) if tail > 0 else []
    return [*file.line_ends[:head], *[main] * (wanted - head - len(kept_tail)), *kept_tail]


def _same_at_start(first: list[str], second: list[str]) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )


def longest_line(text: str) -> int:
    """In characters."""
    return max(map(len, text.split("\n")))


def first_unseen(text: str) -> tuple[int, str] | None:
    """The first character by which a text reads as other than it is: its line, from 1, and itself."""
    found = _UNSEEN.search(text)
    return (text.count("\n", 0, found.start()) + 1, found.group()) if found else None
