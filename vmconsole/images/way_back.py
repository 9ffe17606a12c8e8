# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of the last Apply of an image: the blocks that it replaced, kept on this machine until told otherwise.

``back.json`` beside the draft says what ``back-<id>.qcow2`` is. It is *pending* while its Apply is under way, and
becomes valid, with the identity that the image has then, when the Apply is verified. Blocks; any one thread a folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from vmconsole.images.draft_file import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.images.messages import ImageSource

_NAME, _PENDING = "back.json", "back.pending.json"


@dataclass(frozen=True, slots=True)
class WayBack:
    """One Apply that can be taken back."""

    draft_id: str
    where: str
    path: str
    guest: str
    format: str
    host: str
    changes: tuple[str, ...]
    """In words."""
    file: str
    """Name of the file with the old blocks."""
    bytes: int
    digest: str
    """Of what the Apply wrote: if the disk has something else there, it cannot be taken back."""
    identity: str = ""
    """What the image was right after the Apply; empty while that is under way."""
    at: float = 0.0
    """When it was applied, in seconds of ``time.time()``."""
    is_taking_back: bool = False
    """It is itself the way back of a taking back: what it brings is the draft again."""


def load(folder: Path) -> WayBack | None:
    """The way back that is kept in a draft's folder."""
    return _load(folder / _NAME, folder)


def load_pending(folder: Path) -> WayBack | None:
    return _load(folder / _PENDING, folder)


def _load(file: Path, folder: Path) -> WayBack | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        back = WayBack(**{**found, "changes": tuple(map(str, found["changes"]))})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return back if "/" not in back.file and (folder / back.file).exists() else None


def begin(
    folder: Path, source: ImageSource, *, draft_id: str, changes: tuple[str, ...], digest: str, is_taking_back: bool
) -> None:
    """The file ``file_for(folder, draft_id)`` is there and on the disk: remember what it is."""
    file = file_for(folder, draft_id)
    with file.open("rb") as there:
        os.fsync(there.fileno())
    back = WayBack(
        draft_id, source.where, source.path, source.guest_name, source.format_hint, source.host_uri, changes,
        file.name, file.stat().st_size, digest, is_taking_back=is_taking_back,
    )  # fmt: skip
    write_json(folder / _PENDING, asdict(back), what="The way back cannot be kept.")
    kept = load(folder)
    _keep_only(folder, {back.file, kept.file if kept is not None else ""})


def complete(folder: Path, draft_id: str, identity: str) -> WayBack | None:
    """The Apply is done: its way back is valid, and the one before goes. None if this Apply keeps none."""
    pending, before = load_pending(folder), load(folder)
    if pending is None or pending.draft_id != draft_id:
        # It may have been completed already, by a session that was cut off right after.
        return before if before is not None and before.draft_id == draft_id else None
    back = replace(pending, identity=identity, at=time.time())
    write_json(folder / _NAME, asdict(back), what="The way back cannot be kept.")
    (folder / _PENDING).unlink(missing_ok=True)
    if before is not None and before.file != back.file:
        (folder / before.file).unlink(missing_ok=True)
    return back


def file_for(folder: Path, draft_id: str) -> Path:
    return folder / f"back-{draft_id}.qcow2"


def drop_pending(folder: Path) -> None:
    """An Apply failed before it changed anything."""
    pending, kept = load_pending(folder), load(folder)
    (folder / _PENDING).unlink(missing_ok=True)
    if pending is not None and (kept is None or kept.file != pending.file):
        (folder / pending.file).unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Let go of the way back, by the user's wish or because another Apply keeps none."""
    back = load(folder)
    (folder / _NAME).unlink(missing_ok=True)
    if back is not None:
        (folder / back.file).unlink(missing_ok=True)
    pending = load_pending(folder)
    _keep_only(folder, {pending.file} if pending is not None else set())


def _keep_only(folder: Path, names: set[str]) -> None:
    """Remove files that nobody needs: an Apply that was killed leaves one."""
    for file in folder.glob("back-*.qcow2"):
        if file.name not in names:
            with contextlib.suppress(OSError):
                file.unlink()
