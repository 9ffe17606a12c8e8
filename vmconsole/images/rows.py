# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a folder's entries in few bytes, for the pipe between the session and its child. Any thread.

An ``Entry`` as a JSON object costs ten times as much to write and to read as its values in a list do, and a folder may
have a hundred thousand of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vmconsole.images.messages import Entry, EntryKind

if TYPE_CHECKING:
    from collections.abc import Iterable

_KINDS = tuple(EntryKind)
_NUMBER_OF = {kind: number for number, kind in enumerate(_KINDS)}


def kind_number(kind: EntryKind) -> int:
    return _NUMBER_OF[kind]


def pack(rows: Iterable[tuple[object, ...]]) -> str:
    """Rows as one text in ASCII: name, ``kind_number``, and the rest of ``Entry``'s fields in their order."""
    return json.dumps(list(rows), separators=(",", ":"))


def unpack(packed: str) -> tuple[Entry, ...]:
    """What ``pack`` was given. ValueError or TypeError for anything else."""
    return tuple(Entry(name, _KINDS[kind], *rest) for name, kind, *rest in json.loads(packed))
