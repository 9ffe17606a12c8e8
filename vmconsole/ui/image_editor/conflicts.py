# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are taken: which there are, and what may be done with each. Pure, any thread.

What comes is described as an ``Entry``, wherever it comes from, so that both sides of a question look alike.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images.messages import Conflict, Entry, EntryKind
from vmconsole.images.names import free_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Taken:
    """One name that is there already."""

    there: Entry
    coming: Entry
    new_name: str
    """What the coming one would be called beside the other."""
    is_move: bool = False
    """It moves within the image: folders are then not merged."""
    is_final: bool = False
    """There is no draft: what would be deleted for a move is gone, even if the move then fails."""

    @property
    def merges(self) -> bool:
        """Both are folders."""
        return self.there.kind is self.coming.kind is EntryKind.FOLDER

    @property
    def may_replace(self) -> bool:
        """A folder never replaces a file, nor a file a folder: too much would go at once."""
        kinds = [one.kind is EntryKind.FOLDER for one in (self.there, self.coming)]
        if self.is_move and self.is_final:
            return False
        return not any(kinds) or (all(kinds) and not self.is_move)


def taken_of(coming: Sequence[Entry], there: Mapping[str, Entry], *, is_move: bool = False) -> tuple[Taken, ...]:
    """Those of ``coming`` whose names are taken, each with a free name."""
    names = {*there, *(entry.name for entry in coming)}
    found = []
    for entry in coming:
        if entry.name in there:
            found.append(Taken(there[entry.name], entry, free_name(entry.name, names), is_move))
            names.add(found[-1].new_name)
    return tuple(found)


def answers(coming: Iterable[Entry], chosen: Mapping[str, Conflict]) -> tuple[Conflict, ...]:
    """For each of ``coming``; names that were free are refused, should somebody have taken them meanwhile."""
    return tuple(chosen.get(entry.name, Conflict.REFUSE) for entry in coming)


def entries_of(paths: Iterable[Path]) -> tuple[Entry, ...]:
    """What there is on this machine. Blocks; OSError if one of them is gone."""
    return tuple(_entry_of(path) for path in paths)


def _entry_of(path: Path) -> Entry:
    found = os.lstat(path)
    kinds = ((stat.S_ISDIR, EntryKind.FOLDER), (stat.S_ISLNK, EntryKind.LINK), (stat.S_ISREG, EntryKind.FILE))
    kind = next((kind for is_of, kind in kinds if is_of(found.st_mode)), EntryKind.UNKNOWN)
    return Entry(path.name, kind, found.st_size, modified_at=found.st_mtime)
