# SPDX-License-Identifier: GPL-3.0-or-later
"""A draft: the local qcow2 overlay that takes all edits, and the list of changes in words. Survives a crash on disk.

One folder per image below the work directory: ``overlay.qcow2``, ``draft.json``, and ``lock`` (flock(2)), which keeps
two windows from opening one draft. Methods block for file operations and one short qemu-img; the session's thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from vmconsole.images.hints import explained
from vmconsole.images.messages import Change, ChangeVerb
from vmconsole.inventory.errors import ImageError, ImageInUse, ImageNoSpace

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.images.facts import ImageFacts
    from vmconsole.images.messages import ImageSource

SPARE_BYTES = 64 * 1024 * 1024
"""Room that is left on this machine's disk: with none at all, QEMU stops the appliance."""
_QEMU_IMG_DEADLINE_S = 60.0


class Draft:
    """The draft of one image. ``close`` gives up the lock and keeps the files; ``forget`` removes them."""

    def __init__(self, work_dir: Path, source: ImageSource) -> None:
        """Takes the lock. Raises ImageInUse if another window has this draft open."""
        mark = hashlib.sha256(f"{source.where}\0{source.path}".encode(errors="surrogateescape")).hexdigest()[:16]
        self.folder = work_dir / mark
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._source = source
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise ImageInUse(
                "A draft of this image is open in another window.",
                advice="Edit it there, or close that window.",
                where=source.path,
            ) from error
        self.id = ""
        self.identity = ""
        self._changes: tuple[Change, ...] = ()
        self._load()

    @property
    def overlay(self) -> Path:
        return self.folder / "overlay.qcow2"

    @property
    def exists(self) -> bool:
        """Whether an earlier session left changes here."""
        return bool(self.id) and self.overlay.exists() and bool(self._changes)

    @property
    def changes(self) -> tuple[Change, ...]:
        return self._changes

    def begin(self, facts: ImageFacts, socket: Path) -> None:
        """Start a new, empty draft on the export behind ``socket``."""
        self.overlay.unlink(missing_ok=True)
        self.id, self.identity, self._changes = secrets.token_hex(8), facts.identity, ()
        make_overlay(self.overlay, socket, facts.virtual_size_bytes)
        self._save()

    def resume(self, socket: Path) -> None:
        """Take the kept overlay up again, on a new export."""
        _qemu_img("rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", _backing(socket), str(self.overlay))
        self.tidy()

    def add(self, verb: ChangeVerb, path: str, *, detail: str = "", size_bytes: int = 0) -> None:
        """Write down a change that was made."""
        number = self._changes[-1].number + 1 if self._changes else 1
        self._changes = (*self._changes, Change(number, verb, path, detail, size_bytes, time.time()))
        self._save()

    def room_bytes(self) -> int:
        """What the draft may grow by on this machine's disk."""
        return max(0, shutil.disk_usage(self.folder).free - SPARE_BYTES)

    def check_room(self, size_bytes: int) -> None:
        """Raises ImageNoSpace if this machine's disk cannot take that much more."""
        free = shutil.disk_usage(self.folder).free
        if free < size_bytes + SPARE_BYTES:
            raise ImageNoSpace(
                f"The draft needs {size_bytes >> 20} MiB more on this computer, and only {free >> 20} MiB are free.",
                advice="Free some space, or choose another place for drafts.",
                where=str(self.folder),
            )

    def tidy(self) -> None:
        """Make the overlay fit to be carried: without clusters that a crash left unused."""
        _qemu_img("check", "-q", "-r", "leaks", "-f", "qcow2", str(self.overlay), fine=(0, 3))

    def forget(self) -> None:
        """Remove the draft's files. The lock stays until ``close``."""
        self.id, self.identity, self._changes = "", "", ()
        (self.folder / "draft.json").unlink(missing_ok=True)
        self.overlay.unlink(missing_ok=True)

    def close(self) -> None:
        """Give up the lock. A draft without changes leaves nothing behind."""
        if not self._changes:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def _load(self) -> None:
        try:
            kept = json.loads((self.folder / "draft.json").read_text(encoding="utf-8"))
            changes = tuple(Change(**{**c, "verb": ChangeVerb(c["verb"])}) for c in kept["changes"])
            self.id, self.identity, self._changes = str(kept["id"]), str(kept["identity"]), changes
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            # What it says cannot be trusted, but the overlay may hold work: it is put aside, not removed.
            with contextlib.suppress(OSError):
                os.replace(self.overlay, self.folder.parent / f"{self.folder.name}.damaged-{int(time.time())}.qcow2")

    def _save(self) -> None:
        kept = {
            "id": self.id,
            "where": self._source.where,
            "path": self._source.path,
            "guest": self._source.guest_name,
            "identity": self.identity,
            "changes": [{**asdict(c), "verb": c.verb.value} for c in self._changes],
        }
        beside = self.folder / "draft.json.new"
        try:
            with beside.open("w", encoding="utf-8") as file:
                json.dump(kept, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.folder / "draft.json")
        except OSError as error:
            raise explained(
                "The draft's list of changes cannot be kept.", str(error), where=str(self.folder)
            ) from error


def make_overlay(overlay: Path, socket: Path, virtual_size_bytes: int) -> None:
    """An empty overlay over the NBD export behind ``socket``, which need not serve yet."""
    _qemu_img(
        "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", _backing(socket), str(overlay), str(virtual_size_bytes)
    )


def _backing(socket: Path) -> str:
    return f"nbd+unix:///?socket={socket}"


def _qemu_img(*arguments: str, fine: tuple[int, ...] = (0,)) -> None:
    """qemu-img(1) on this machine."""
    try:
        done = subprocess.run(
            ["qemu-img", *arguments],
            capture_output=True,
            check=False,
            timeout=_QEMU_IMG_DEADLINE_S,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise ImageError(
            "This computer has no qemu-img, which drafts need.",
            advice="Install it: `apt install qemu-utils` or `dnf install qemu-img`.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ImageError("qemu-img on this computer did not end in time.", where=arguments[-1]) from error
    if done.returncode not in fine:
        said = done.stderr.decode(errors="replace")
        raise explained("The draft's file cannot be used.", said, where=" ".join(arguments[-2:]))
