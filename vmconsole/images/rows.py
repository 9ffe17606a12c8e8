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


def pack(entries: Iterable[Entry]) -> str:
    """All of the entries as one text in ASCII."""
    return json.dumps(
        [
            (
                e.name, _NUMBER_OF[e.kind], e.size_bytes, e.mode, e.uid, e.gid, e.owner, e.group,
                e.accessed_at, e.modified_at, e.changed_at, e.links, e.link_target,
            )
            for e in entries
        ],
        separators=(",", ":"),
    )  # fmt: skip


def unpack(packed: str) -> tuple[Entry, ...]:
    """What ``pack`` was given. ValueError or TypeError for anything else."""
    return tuple(Entry(name, _KINDS[kind], *rest) for name, kind, *rest in json.loads(packed))
