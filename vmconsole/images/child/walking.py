# SPDX-License-Identifier: GPL-3.0-or-later
"""Going through folders of the image, one after the other, links never followed. Child process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.handle import is_folder
from vmconsole.images.child.listing import addressable_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.images.child.handle import Handle, Stat, Work

_FOLDER = "d"
_MAX_DEPTH = 256
"""A damaged filesystem can hold folders without end."""


@dataclass(slots=True)
class Looked:
    """How far a walk is; the walk writes it, its reader shows it."""

    count: int = 0
    folder: str = ""
    left_out: int = 0
    ended_early: str = ""


def names_in(handle: Handle, folder: str) -> list[tuple[str, bool]]:
    """(name, whether it is a folder) of a folder, sorted; names that cannot be addressed are left out."""
    try:
        found = [(e["name"], e["ftyp"]) for e in handle.readdir(folder) if e["name"] not in {".", ".."}]
    except UnicodeDecodeError:
        plain = addressable_names(handle, folder)
        return sorted((n, is_folder(s)) for n, s in zip(plain, handle.lstatnslist(folder, plain), strict=True))
    unknown = [name for name, kind in found if kind == "u"]
    asked = dict(zip(unknown, handle.lstatnslist(folder, unknown), strict=True)) if unknown else {}
    return sorted((n, is_folder(asked[n]) if n in asked else k == _FOLDER) for n, k in found)


def folders_below(work: Work, top: str, looked: Looked) -> Iterator[tuple[str, list[tuple[str, bool]]]]:
    """Each folder from ``top`` down with its names. One that cannot be read is counted as left out."""
    waiting = [(top, 0)]
    while waiting:
        work.check_cancelled()
        folder, depth = waiting.pop()
        looked.folder = folder
        try:
            found = names_in(work.handle, folder)
        except RuntimeError:
            if folder == top:
                raise
            looked.left_out += 1
            continue
        looked.count += len(found)
        yield folder, found
        if depth < _MAX_DEPTH:
            waiting.extend((names.join(folder, name), depth + 1) for name, is_dir in reversed(found) if is_dir)


def stats_below(work: Work, top: str, looked: Looked) -> Iterator[tuple[str, Stat]]:
    """Path and lstat(2) of everything below ``top``, on its own filesystem; a folder comes before what is in it."""
    home = work.handle.lstatns(top)["st_dev"]
    waiting = [(top, 0)]
    while waiting:
        work.check_cancelled()
        folder, depth = waiting.pop()
        looked.folder = folder
        plain = [name for name, _ in names_in(work.handle, folder)]
        stats = work.handle.lstatnslist(folder, plain) if plain else []
        for name, found in zip(plain, stats, strict=True):
            if found["st_ino"] == -1 or found["st_dev"] != home:
                continue
            looked.count += 1
            yield names.join(folder, name), found
            if is_folder(found) and depth < _MAX_DEPTH:
                waiting.append((names.join(folder, name), depth + 1))
