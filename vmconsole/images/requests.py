# SPDX-License-Identifier: GPL-3.0-or-later
"""What travels between the session and the guestfs child process. Immutable; encoded by ``wire``."""

from __future__ import annotations

from dataclasses import dataclass, field

from vmconsole.images.messages import Conflict, Device, Filesystem, Ownership
from vmconsole.images.tool_requests import ToolRequest
from vmconsole.inventory.errors import Explanation, ImageError


@dataclass(frozen=True, slots=True)
class Prepare:
    """Start an appliance ahead of the ``Launch`` that will say for which image. Answer: None."""

    force_tcg: bool
    cache_dir: str


@dataclass(frozen=True, slots=True)
class Launched:
    is_emulated: bool
    """TCG, not KVM: as asked for, or because KVM failed."""
    said: str = ""
    """What was said when KVM was tried and failed; empty if it was not."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the appliance on one qcow2 overlay; if KVM fails, without it. Answer: ``Launched``."""

    overlay: str
    force_tcg: bool
    cache_dir: str
    """Where the appliance is kept; empty for libguestfs' default."""
    more_overlays: tuple[str, ...] = ()
    """The guest's other disks, in order: ``/dev/sdb`` and so on."""
    monitor: str = ""
    """Where QEMU makes its QMP socket; empty for none. New layers come into the overlays' folders."""
    sockets: tuple[str, ...] = ()
    """Where the disks below the overlays are served, in order."""


@dataclass(frozen=True, slots=True)
class Look:
    """Find the filesystems and mount them. Answer: ``Contents``."""

    is_look_only: bool
    """Mount read-only."""
    only_device: str = ""
    """Mount only this filesystem, at ``/``; empty for the whole tree."""
    targets: tuple[str, ...] = ()
    """What the guest calls its disks (``vda``), in the order they were added; an entry may be empty."""


@dataclass(frozen=True, slots=True)
class Unlock:
    """Open an encrypted volume. Answer: None; ``Look`` then shows what is in it."""

    device: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Measure:
    """Answer: tuple of ``Usage``, of what is mounted."""


@dataclass(frozen=True, slots=True)
class Contents:
    devices: tuple[Device, ...]
    filesystems: tuple[Filesystem, ...]
    os_name: str
    has_os_tree: bool


@dataclass(frozen=True, slots=True)
class Inspect:
    """Answer: tuple of ``OsDetails``."""


@dataclass(frozen=True, slots=True)
class List:
    """Answer: ``Listed``, after any number of ``Rows``."""

    path: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Some entries of the folder that is being listed, as ``rows.pack`` writes them."""

    packed: str


@dataclass(frozen=True, slots=True)
class Listed:
    path: str
    count: int


@dataclass(frozen=True, slots=True)
class Read:
    """Answer: ``FileContent``."""

    path: str
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class Write:
    """Answer: ``Written``."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Written:
    path: str
    """The path really written, links followed."""
    is_new: bool


@dataclass(frozen=True, slots=True)
class Import:
    """Answer: ``Transferred``."""

    local_paths: tuple[str, ...]
    folder: str
    conflict: Conflict
    room_bytes: int
    """What the draft may grow by."""
    ownership: Ownership = Ownership.FOLDER
    choices: tuple[Conflict, ...] = ()
    """For each of what comes, in its order; empty: ``conflict`` for all."""
    is_bundle: bool = False
    """``local_paths`` is one bundle of another image (``images.bundle``), and all is kept as it was there."""

    def answers(self, count: int) -> tuple[Conflict, ...]:
        """What to do with each of ``count`` top names. Raises ImageError."""
        if self.choices and len(self.choices) != count:
            raise ImageError("What is to be brought in is not what was asked about.", advice="Try again.")
        return self.choices or (self.conflict,) * count


@dataclass(frozen=True, slots=True)
class Export:
    """Answer: ``Transferred``."""

    paths: tuple[str, ...]
    local_folder: str
    is_bundle: bool = False
    """As a bundle for another image; the answer has its path alone."""


@dataclass(frozen=True, slots=True)
class MakeFolder:
    path: str


@dataclass(frozen=True, slots=True)
class Rename:
    path: str
    new_path: str


@dataclass(frozen=True, slots=True)
class Delete:
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Swap:
    """Put other overlays under the disks of the running appliance, and mount nothing. Answer: None. An ImageError means
    that this appliance cannot be used any more."""

    overlays: tuple[str, ...]
    """One for each disk, in the order of ``Launch``."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Unmount, flush, shut the appliance down. Answer: None, or an error if anything did not reach the disk."""


Request = (
    Prepare
    | Launch
    | Look
    | Unlock
    | Measure
    | Inspect
    | List
    | Read
    | Write
    | Import
    | Export
    | MakeFolder
    | Rename
    | Delete
    | Swap
    | Finish
)


@dataclass(frozen=True, slots=True)
class Ask:
    number: int
    request: Request | ToolRequest


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop request ``number`` if it is the one that runs."""

    number: int


@dataclass(frozen=True, slots=True)
class Done:
    number: int
    value: object


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the answer to request ``number``, ahead of ``Done``."""

    number: int
    value: object


@dataclass(frozen=True, slots=True)
class Refused:
    number: int
    kind: str
    """Name of a class in ``inventory.errors``, or ``Cancelled``."""
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Moved:
    """Progress of request ``number``; ``total`` is 0 while unknown."""

    number: int
    words: str
    position: int
    total: int


@dataclass(frozen=True, slots=True)
class Console:
    """Text of the appliance's console."""

    text: str


@dataclass(frozen=True, slots=True)
class ApplianceStarted:
    """The process id of the appliance's QEMU, so that the parent can end it."""

    pid: int
