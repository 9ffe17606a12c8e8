# SPDX-License-Identifier: GPL-3.0-or-later
"""Guest paths and names, which may be hostile: what may be handed to libguestfs, and how the rest is shown. Any thread.

A name is text as ``os.fsdecode`` makes it: a byte that is not UTF-8 is a lone surrogate (U+DC80 to U+DCFF), so every
name there can be travels and comes back as it was. libguestfs' Python binding dies (SIGSEGV) on some malformed strings,
so every string is checked here before it travels. A guest path that begins with ``/dev/`` can mean the appliance's own
device (guestfs(3), «Device_or_Path»), so those are refused.
"""

from __future__ import annotations

import os
import posixpath
import re

from vmconsole.inventory.errors import ImageError

MAX_NAME_BYTES = 255
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""What cannot be seen, turns the writing, or moves a terminal's cursor; a line's end and a tab are left, as sentences
of other programs go through here too."""


def checked_text(text: object) -> str:
    """``text`` if libguestfs can take it: a str, encodable as UTF-8, without NUL. Raises ImageError."""
    if not isinstance(text, str):
        raise ImageError(f"A name must be text, not {type(text).__name__}.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ImageError(
            f"The name {shown_text(text)} is not UTF-8, and cannot be addressed by itself.",
            cause="It was made under another character encoding, or damaged.",
            advice="Export, rename or delete the folder that it is in.",
        ) from error
    if "\0" in text:
        raise ImageError("A name must not contain a NUL byte.", where=text.replace("\0", "\\x00"))
    return text


def checked_name(text: object) -> str:
    """``text`` if it can be a name or a path of a guest, UTF-8 or not. Raises ImageError."""
    if not isinstance(text, str):
        raise ImageError(f"A name must be text, not {type(text).__name__}.")
    try:
        raw = os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ImageError("The name has characters that no encoding knows.", where=ascii(text)) from error
    if os.fsdecode(raw) != text:
        # Surrogates that together are a UTF-8 character would come back as that character: another name.
        raise ImageError("The name is written in two ways at once.", where=ascii(text))
    if "\0" in text:
        raise ImageError("A name must not contain a NUL byte.", where=shown_text(text.replace("\0", "\\x00")))
    return text


def guest_path(path: object) -> str:
    """An absolute guest path in its shortest form. Raises ImageError for what cannot be one."""
    text = checked_name(path)
    if not text.startswith("/"):
        raise ImageError("A path inside the image must begin with «/».", where=shown_text(text))
    parts = [p for p in text.split("/") if p not in {"", "."}]
    if ".." in parts:
        raise ImageError("A path inside the image must not contain «..».", where=shown_text(text))
    too_long = next((p for p in parts if len(os.fsencode(p)) > MAX_NAME_BYTES), None)
    if too_long is not None:
        raise ImageError(
            f"The name is longer than {MAX_NAME_BYTES} bytes.", where=shown_text(too_long), advice="Shorten it."
        )
    return "/" + "/".join(parts)


def ordinary_path(path: object) -> str:
    """A guest path that no libguestfs call can take for a device of the appliance."""
    text = guest_path(path)
    if text.split("/")[1] == "dev":
        raise ImageError(
            "Files below /dev cannot be changed or copied.",
            cause="Device nodes are made by the guest when it starts; the image holds none that matter.",
            where=shown_text(text),
        )
    return text


def join(folder: str, name: str) -> str:
    return posixpath.join(folder, name)


def parent(path: str) -> str:
    return posixpath.dirname(path)


def base(path: str) -> str:
    return posixpath.basename(path)


def shown_text(text: str) -> str:
    """Text that can be written anywhere, also into a log that is read in a terminal: bytes that are not UTF-8 and
    control characters become ``\\xNN``, lone surrogates and what cannot be seen ``\\uNNNN``."""
    return _UNSEEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    code -= 0xDC00 if 0xDC80 <= code <= 0xDCFF else 0
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def free_name(name: str, taken: frozenset[str] | set[str]) -> str:
    """``name``, or «name (2).txt», «name (3).txt»… if that is taken."""
    if name not in taken:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    number = 2
    while f"{stem} ({number}){dot}{suffix}" in taken:
        number += 1
    return f"{stem} ({number}){dot}{suffix}"
