# SPDX-License-Identifier: GPL-3.0-or-later
"""A draft: the changes in words and, for each step that can be undone, a layer of files. Survives a crash on disk.

One folder per image below the work directory: ``disk0`` (``disk1``… for further disks that were opened with it) with
the layers, ``draft.json``, what ``way_back`` keeps, and ``lock`` (flock(2)), which keeps two windows from opening one
draft. After a crash the draft is what its list says: a change that was not listed yet is not in it. Methods block
for file operations and short qemu-img calls; the session's thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from vmconsole.images import draft_file
from vmconsole.images.draft_file import DraftDisk, Kept, Step
from vmconsole.images.layers import Layers, make_overlay, put_on
from vmconsole.images.local_qemu import qemu_img
from vmconsole.images.messages import Change
from vmconsole.inventory.errors import ImageError, ImageInUse, ImageNoSpace
from vmconsole.inventory.units import binary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vmconsole.images.facts import ImageFacts
    from vmconsole.images.messages import ChangeVerb, ImageSource

__all__ = ["Draft", "make_overlay"]

log = logging.getLogger(__name__)

SPARE_BYTES = 64 * 1024 * 1024
"""Room that is left on this machine's disk: with none at all, QEMU stops the appliance."""
MOST_STEPS = 40
"""So many steps can be undone one by one; older ones become one."""
_PACKED = "apply-"
_LOOK = "look.qcow2"


class Draft:
    """The draft of one image, or of several disks that were opened together.

    ``close`` gives up the lock and keeps the files; ``forget`` removes them.
    """

    def __init__(self, work_dir: Path, source: ImageSource) -> None:
        """Takes the lock. Raises ImageInUse if another window has this draft open."""
        self.folder = self.folder_of(work_dir, source)
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
        self._layers: tuple[Layers, ...] = ()
        self._kept = Kept()
        self._load()

    @staticmethod
    def folder_of(work_dir: Path, source: ImageSource) -> Path:
        """Where the draft of an image is kept."""
        mark = hashlib.sha256(f"{source.where}\0{source.path}".encode(errors="surrogateescape")).hexdigest()[:16]
        return work_dir / mark

    @property
    def id(self) -> str:
        return self._kept.id

    @property
    def identity(self) -> str:
        """What the (first) image was when the draft was begun."""
        return self._kept.disks[0].identity if self._kept.disks else ""

    @property
    def identities(self) -> tuple[str, ...]:
        return tuple(disk.identity for disk in self._kept.disks)

    @property
    def samples(self) -> tuple[str, ...]:
        """Of every disk: a sample of its content when the draft was begun; empty for files."""
        return tuple(disk.sample for disk in self._kept.disks)

    def take_over(self, facts: Sequence[ImageFacts]) -> None:
        """The user says that these are the disks on which the draft was begun, though their hosts cannot tell."""
        disks = tuple(replace(d, identity=f.identity) for d, f in zip(self._kept.disks, facts, strict=True))
        self._kept = replace(self._kept, disks=disks)
        self._save()

    def look_on(self, *sockets: Path) -> tuple[Path, ...]:
        """A throw-away layer for each disk, above the draft as it is: what is kept is not written."""
        self._join(sockets)
        for number, socket in enumerate(sockets):
            for name in self._kept.lowest:
                put_on(self._path(number, name), socket)
        below = self._kept.top if self._kept.pending else self._kept.done[-1].layer if self._kept.done else ""
        return tuple(layers.new_top(_LOOK, below) for layers in self._layers)

    @property
    def overlay(self) -> Path:
        """The (first) disk's top layer, which the appliance writes."""
        return self._path(0, self._kept.top)

    @property
    def overlays(self) -> tuple[Path, ...]:
        """Every disk's, in the order of ``begin``."""
        return tuple(self._path(number, self._kept.top) for number in range(len(self._kept.disks)))

    def layers_of(self, disk: int) -> tuple[Path, ...]:
        """A disk's files that make up the draft as it is now, the lowest first."""
        names = [step.layer for step in self._kept.done]
        return tuple(self._path(disk, name) for name in (*names, self._kept.top))

    @property
    def exists(self) -> bool:
        """Whether an earlier session left changes here."""
        return bool(self.id and (self._kept.steps or self._kept.pending)) and self.overlay.exists()

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is in the draft, oldest first."""
        return self._kept.changes

    @property
    def undone(self) -> tuple[Change, ...]:
        """What ``redo`` would bring back, oldest first."""
        return self._kept.undone

    def begin(self, facts: ImageFacts, socket: Path) -> None:
        """Start a new, empty draft on the export behind ``socket``."""
        self.begin_all([facts], [socket])

    def begin_all(self, facts: Sequence[ImageFacts], sockets: Sequence[Path], samples: Sequence[str] = ()) -> None:
        """The same for several disks that are edited together. ``samples`` are those of devices, empty for files."""
        self._remove_files()
        found = zip(facts, samples or [""] * len(facts), strict=True)
        disks = tuple(DraftDisk(f.path, f.identity, f.virtual_size_bytes, sample) for f, sample in found)
        self._kept = Kept(id=secrets.token_hex(8), disks=disks)
        self._join(sockets)
        self._new_top()
        self._save()

    def resume(self, *sockets: Path) -> None:
        """Take the kept layers up again, on new exports (in the order of ``begin``)."""
        self._join(sockets)
        if self._kept.pending:
            for overlay in self.overlays:
                # Without clusters that a crash left unused.
                qemu_img("check", "-q", "-r", "leaks", "-f", "qcow2", overlay, fine=(0, 3))
        for number, socket in enumerate(sockets):
            for name in self._kept.lowest:
                put_on(self._path(number, name), socket)
        if not self._kept.pending:
            self._new_top()
        self._merge_old()
        self._save()

    def _join(self, sockets: Sequence[Path]) -> None:
        sizes = [disk.size_bytes for disk in self._kept.disks]
        self._layers = tuple(
            Layers(self._disk_folder(number), socket, size)
            for number, (socket, size) in enumerate(zip(sockets, sizes, strict=True))
        )

    # -- steps -------------------------------------------------------------------------------------------------

    def add(self, verb: ChangeVerb, path: str, *, detail: str = "", size_bytes: int = 0) -> None:
        """Write down a change that was made. What was undone before cannot be redone any more."""
        number = self.changes[-1].number + 1 if self.changes else 1
        change = Change(number, verb, path, detail, size_bytes, time.time())
        had_undone = bool(self._kept.undone)
        self._kept = self._kept.with_change(change)
        self._save()
        if had_undone:
            self._keep_only_used()

    @property
    def steps_done(self) -> int:
        """How many can be undone, what was not sealed yet as one."""
        return self._kept.position + bool(self._kept.pending)

    @property
    def steps_undone(self) -> int:
        """How many can be redone."""
        return len(self._kept.steps) - self._kept.position

    def may_seal(self, *, most: int) -> bool:
        """Whether there is something to be sealed, and not too many layers already."""
        return bool(self._kept.pending) and self._kept.position < most

    def next_tops(self) -> tuple[Path, ...]:
        """Make an empty layer on each disk's top. ``seal`` is for when the appliance writes to these."""
        name = self._kept.next_name
        return tuple(layers.new_top(name, self._kept.top) for layers in self._layers)

    def seal(self) -> None:
        """The changes since the last step are one now; the appliance writes to ``next_tops``."""
        self._kept = self._kept.sealed(self._kept.next_name)
        self._save()

    def go(self, steps: int) -> None:
        """Undo (-1) or redo (+1) so many steps. No appliance may have the draft open.

        Raises ImageError if there are not so many.
        """
        kept = self._kept.sealed("") if self._kept.pending else self._kept
        position = kept.position + steps
        if not 0 <= position <= len(kept.steps):
            raise ImageError("There is nothing more to undo." if steps < 0 else "There is nothing to redo.")
        self._kept = kept.at(position)
        self._new_top()
        self._save()
        self._keep_only_used()

    def _new_top(self) -> None:
        below = self._kept.done[-1].layer if self._kept.done else ""
        name = self._kept.next_name
        for layers in self._layers:
            layers.new_top(name, below)
        self._kept = self._kept.topped(name)

    def _merge_old(self) -> None:
        """Make the oldest steps one, while no appliance has them open. What cannot be merged in time stays as it is."""
        while len(self._kept.steps) > MOST_STEPS and self._kept.position >= 2:
            lower, upper, *rest = self._kept.steps
            try:
                for layers in self._layers:
                    layers.absorb(upper.layer)
            except ImageError as error:
                log.warning("a draft's oldest steps were not merged: %s", error.explanation.said or error)
                return
            joined = Step(upper.layer, (*lower.changes, *upper.changes))
            self._kept = self._kept.with_steps((joined, *rest), position=self._kept.position - 1)
            self._save()
            self._keep_only_used()

    # -- room --------------------------------------------------------------------------------------------------

    def room_bytes(self) -> int:
        """What the draft may grow by on this machine's disk."""
        return max(0, shutil.disk_usage(self.folder).free - SPARE_BYTES)

    def check_room(self, size_bytes: int) -> None:
        """Raises ImageNoSpace if this machine's disk cannot take that much more."""
        free = shutil.disk_usage(self.folder).free
        if free < size_bytes + SPARE_BYTES:
            raise ImageNoSpace(
                f"The draft needs {binary(size_bytes)} more on this computer, and only {binary(free)} are free.",
                advice="Free some space, or choose another place for drafts.",
                where=str(self.folder),
            )

    def size_bytes(self) -> int:
        """What the draft takes on this machine's disk, also what could be redone."""
        return sum(layers.size_bytes() for layers in self._layers)

    def packing_folder(self) -> Path:
        """A fresh folder for what is carried to the host; the next one, or ``forget``, removes it."""
        self._remove_packed()
        folder = self.folder / f"{_PACKED}{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        return folder

    # -- the end -----------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Remove the draft's files. The lock stays until ``close``."""
        self._kept = Kept()
        (self.folder / draft_file.NAME).unlink(missing_ok=True)
        self._remove_files()

    def close(self) -> None:
        """Give up the lock. A draft without changes leaves nothing behind, but the way back of an Apply."""
        self._remove_packed()
        for look in self.folder.glob(f"disk?/{_LOOK}"):
            look.unlink(missing_ok=True)
        if not (self._kept.steps or self._kept.pending):
            self.forget()
            with contextlib.suppress(OSError):
                for folder in self.folder.glob("back?"):
                    if not os.listdir(folder):
                        folder.rmdir()
                if os.listdir(self.folder) == ["lock"]:
                    shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def _path(self, disk: int, name: str) -> Path:
        return self._disk_folder(disk) / name

    def _disk_folder(self, number: int) -> Path:
        folder = self.folder / f"disk{number}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _keep_only_used(self) -> None:
        for layers in self._layers:
            layers.keep_only(self._kept.layers)

    def _remove_files(self) -> None:
        for folder in self.folder.glob("disk?"):
            shutil.rmtree(folder, ignore_errors=True)
        self._remove_packed()

    def _remove_packed(self) -> None:
        for folder in self.folder.glob(f"{_PACKED}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _load(self) -> None:
        try:
            self._kept = draft_file.load(self.folder)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            # What it says cannot be trusted, but the layers may hold work: they are put aside, not removed.
            aside = self.folder.parent / f"{self.folder.name}.damaged-{int(time.time())}"
            with contextlib.suppress(OSError):
                aside.mkdir(mode=0o700)
                for found in (self.folder / draft_file.NAME, *self.folder.glob("disk?")):
                    os.replace(found, aside / found.name)

    def _save(self) -> None:
        draft_file.save(self.folder, self._kept, self._source)
