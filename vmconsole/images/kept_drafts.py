# SPDX-License-Identifier: GPL-3.0-or-later
"""The drafts and ways back that are kept on this machine, for the next start of the program. Blocks; any thread."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images import draft_file, way_back
from vmconsole.images.messages import ImageSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class KeptDraft:
    """One image's draft, way back, or both."""

    folder: Path
    source: ImageSource
    changes: tuple[str, ...]
    """Of the draft, in words; empty if there is only a way back."""
    at: float
    """The last change, or the Apply; seconds of ``time.time()``."""
    bytes: int
    """What it takes on this machine's disk."""
    way_back: tuple[str, ...] = ()
    """What the last Apply changed, in words, if it can be taken back."""


def kept_drafts(work_dir: Path) -> tuple[KeptDraft, ...]:
    """All that nobody has open, the newest first. What cannot be read is left alone."""
    found = []
    for folder in work_dir.glob("????????????????"):
        with contextlib.suppress(OSError), _locked(folder) as is_ours:
            kept = _read(folder) if is_ours else None
            if kept is not None:
                found.append(kept)
    return tuple(sorted(found, key=lambda kept: -kept.at))


def remove(kept: KeptDraft) -> bool:
    """Forget a draft and its way back, by the user's wish. False if somebody has it open."""
    with _locked(kept.folder) as is_ours:
        if is_ours:
            shutil.rmtree(kept.folder, ignore_errors=True)
        return is_ours


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether no window has the draft; none can take it meanwhile."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)


def _read(folder: Path) -> KeptDraft | None:
    back = way_back.load(folder / "back0")
    try:
        draft, place = draft_file.load_with_source(folder)
    except (OSError, ValueError, KeyError, TypeError):
        draft, place = draft_file.Kept(), {}
    changes = draft.changes or draft.undone
    if not changes and back is None:
        return None
    if not place and back is not None:
        place = {"where": back.where, "path": back.path, "guest": back.guest, "format": back.format, "host": back.host}
    first, *more = [disk.path for disk in draft.disks] or [place["path"]]
    del first
    source = ImageSource(
        place["path"], place["format"], where=place["where"], guest_name=place["guest"], host_uri=place["host"],
        more=tuple(ImageSource(path, where=place["where"], guest_name=place["guest"]) for path in more),
    )  # fmt: skip
    at = max((*(change.at for change in changes), back.at if back is not None else 0.0))
    size = sum(os.stat(f).st_blocks * 512 for f in folder.glob("*/*") if f.is_file())
    return KeptDraft(
        folder, source, tuple(c.words for c in changes), at, size, back.changes if back is not None else ()
    )
