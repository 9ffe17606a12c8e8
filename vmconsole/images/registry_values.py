# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry values as text and back. Pure functions, any thread. Source: Microsoft's «Registry value types»."""

from __future__ import annotations

import re

from vmconsole.images.tool_values import RegistryValue

REG_NONE, REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD = 0, 1, 2, 3, 4
REG_DWORD_BIG_ENDIAN, REG_LINK, REG_MULTI_SZ, REG_QWORD = 5, 6, 7, 11
TYPE_NAMES = {
    REG_NONE: "REG_NONE",
    REG_SZ: "REG_SZ",
    REG_EXPAND_SZ: "REG_EXPAND_SZ",
    REG_BINARY: "REG_BINARY",
    REG_DWORD: "REG_DWORD",
    REG_DWORD_BIG_ENDIAN: "REG_DWORD_BIG_ENDIAN",
    REG_LINK: "REG_LINK",
    REG_MULTI_SZ: "REG_MULTI_SZ",
    8: "REG_RESOURCE_LIST",
    9: "REG_FULL_RESOURCE_DESCRIPTOR",
    10: "REG_RESOURCE_REQUIREMENTS_LIST",
    REG_QWORD: "REG_QWORD",
}
EDITABLE_TYPES = (REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ, REG_DWORD, REG_QWORD, REG_DWORD_BIG_ENDIAN, REG_BINARY)
_TEXTS = {REG_SZ, REG_EXPAND_SZ, REG_LINK}
_NUMBERS = {REG_DWORD: (4, "little"), REG_DWORD_BIG_ENDIAN: (4, "big"), REG_QWORD: (8, "little")}


class BadValue(ValueError):
    """What was typed is no value of this type; the text says why."""


def type_name(kind: int) -> str:
    return TYPE_NAMES.get(kind, f"type {kind}")


def text_of(value: RegistryValue) -> str:
    """The value as a person reads and edits it: text, lines of a list, a number, or bytes as ``0a ff``.

    Data that does not have the form of its type is shown as bytes.
    """
    text = _text_of(value)
    return hex_of(value.data) if text is None else text


def is_plain(value: RegistryValue) -> bool:
    """Whether the data has the form of its type, so that its text can be edited."""
    return value.type == REG_BINARY or _text_of(value) is not None


def _text_of(value: RegistryValue) -> str | None:
    data = value.data
    if value.type in _NUMBERS:
        size, order = _NUMBERS[value.type]
        # mypy cannot see that the table holds only the two words.
        return str(int.from_bytes(data, order)) if len(data) == size else None  # type: ignore[arg-type]
    if value.type not in _TEXTS | {REG_MULTI_SZ}:
        return None
    try:
        text = data.decode("utf-16-le")
    except UnicodeDecodeError:
        return None
    if value.type == REG_MULTI_SZ:
        lines = text.removesuffix("\0").removesuffix("\0").split("\0") if text.strip("\0") else []
        return "\n".join(lines) if not any("\n" in line for line in lines) else None
    text = text.removesuffix("\0")
    return None if "\0" in text else text


def data_of(kind: int, text: str) -> bytes:
    """The data for what a person typed. Raises BadValue."""
    if kind in _TEXTS:
        if "\0" in text:
            raise BadValue("A text has no NUL in it.")
        return (text + "\0").encode("utf-16-le", "surrogatepass")
    if kind == REG_MULTI_SZ:
        lines = text.split("\n") if text else []
        if any(not line for line in lines):
            raise BadValue("An empty line would end the list.")
        return ("".join(line + "\0" for line in lines) + "\0").encode("utf-16-le", "surrogatepass")
    if kind in _NUMBERS:
        return _number(kind, text)
    return bytes_of(text)


def _number(kind: int, text: str) -> bytes:
    size, order = _NUMBERS[kind]
    try:
        number = int(text.strip().replace("_", ""), 0)
    except ValueError as error:
        raise BadValue("Type a whole number: 42, or 0x2a.") from error
    if not 0 <= number < 1 << 8 * size:
        raise BadValue(f"The number must be from 0 to {(1 << 8 * size) - 1} (0x{(1 << 8 * size) - 1:x}).")
    return number.to_bytes(size, order)  # type: ignore[arg-type]  # as in ``_text_of``


def hex_of(data: bytes) -> str:
    return data.hex(" ")


def lines_of_hex(data: bytes) -> str:
    """Sixteen bytes a line."""
    return "\n".join(hex_of(data[at : at + 16]) for at in range(0, len(data), 16))


def bytes_of(text: str) -> bytes:
    """Bytes typed as hexadecimal, with spaces, commas or line breaks between them as one likes."""
    bare = re.sub(r"[\s,:\\]+", "", text)
    try:
        return bytes.fromhex(bare)
    except ValueError as error:
        raise BadValue("Type bytes as pairs of 0–9 and a–f: 0a ff 00.") from error
