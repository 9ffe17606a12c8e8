# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of the image editor: what its window is given. Immutable; safe on any thread; no libguestfs, no Qt.

The requests that travel to the child process are in ``requests``, their form on the pipe in ``wire``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from vmconsole.inventory.errors import Explanation


class ImageMode(enum.Enum):
    """What may be done with an open image."""

    DRAFT = "draft"
    """Edits go to a draft on this machine; the image is written by Apply only."""
    LOOK_ONLY = "look-only"
    """Nothing can be changed; ``ImageOverview.mode_reason`` says why."""


class SessionState(enum.Enum):
    """The life of one ``ImageSession``. ``open()`` may be called in NEW, APPLIED, LOST and FAILED."""

    NEW = "new"
    OPENING = "opening"
    """The words of ``StateChanged`` name the step: looking at the image, starting the appliance…"""
    READY = "ready"
    """Open, with a draft."""
    LOOK_ONLY = "look-only"
    """Open, to look only."""
    APPLYING = "applying"
    APPLIED = "applied"
    """The draft is in the image, and the image is let go of. ``open()`` opens it again."""
    LOST = "lost"
    """The link to the host or the appliance died. The draft is kept; ``open()`` takes it up again."""
    FAILED = "failed"
    """It could not be opened."""
    CLOSED = "closed"

    @property
    def is_open(self) -> bool:
        """Whether files can be looked at."""
        return self in {SessionState.READY, SessionState.LOOK_ONLY}


class EntryKind(enum.Enum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    BLOCK_DEVICE = "block device"
    CHARACTER_DEVICE = "character device"
    PIPE = "pipe"
    SOCKET = "socket"
    UNKNOWN = "unknown"


class Conflict(enum.Enum):
    """What an import does with a name that is in the folder already."""

    REFUSE = "refuse"
    """Nothing is imported; the error names the first such file."""
    REPLACE = "replace"
    """Files are replaced; folders are merged."""
    KEEP_BOTH = "keep both"
    """The new one is named «name (2).txt»."""
    SKIP = "skip"
    """Those are left out and named in ``Transferred.skipped``."""


class Ownership(enum.Enum):
    """Whom things belong to that are brought into an image."""

    FOLDER = "folder"
    """Owner, group and SELinux label of the folder; of other attributes, those of users are kept."""
    ROOT = "root"
    """root:root; the rest as above."""
    AS_IS = "as is"
    """Numbers of owner and group, access lists, labels, capabilities and all else as they are where they come from."""


class ChangeVerb(enum.Enum):
    WRITTEN = "changed"
    ADDED = "added"
    MADE = "folder made"
    RENAMED = "renamed"
    DELETED = "deleted"
    ATTRIBUTES = "attributes changed"


class OldDraft(enum.Enum):
    """What to do with a kept draft that does not fit the image any more, or of which nobody can tell."""

    REFUSED = "refused"
    """The image is opened without it, to look only."""
    LOOKED_AT = "looked at"
    """The draft's files are shown, on the image as it is now, to look only: they can be copied out."""
    TRUSTED = "trusted"
    """The user knows that nobody wrote to the device. Where its content says otherwise, it is refused all the same."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Which image to open, and what the caller knows of it."""

    path: str
    """Absolute path of a file or a block device on the host."""
    format_hint: str = ""
    """``qcow2``, ``raw``… from the guest's definition; empty when nobody said (then the file's own header is
    believed)."""
    where: str = ""
    """Host name for messages; empty on this machine."""
    guest_name: str = ""
    """The guest whose disk it is; empty for a volume or a file."""
    guest_is_running: bool = False
    """Then it opens to look only."""
    is_read_only: bool = False
    """The caller wants to look only (a CD image, a base image)."""
    backing_folders: tuple[str, ...] = ()
    """Folders, beside the image's own, where its backing files may be: the host's storage pools."""
    target: str = ""
    """``vda``: what the guest's definition calls this disk; empty when nobody said."""
    snapshot: str = ""
    """Id of an internal snapshot (qcow2) to look into; empty for the image as it is now."""
    more: tuple[ImageSource, ...] = ()
    """Other disks of the same guest, opened together with this one."""
    host_uri: str = ""
    """The connection through which it is reached, so that a draft finds its host again; empty for a local file."""

    @property
    def disks(self) -> tuple[ImageSource, ...]:
        """This one and ``more``: the order in which they are disks of the appliance."""
        return (self, *self.more)


@dataclass(frozen=True, slots=True)
class Device:
    """A disk inside the appliance."""

    name: str
    """``/dev/sda``"""
    size_bytes: int
    path: str = ""
    """The image that it is, on its host."""
    target: str = ""
    """``vda``, if the guest's definition said."""


@dataclass(frozen=True, slots=True)
class ImageSnapshot:
    """A state that is kept inside a qcow2 image."""

    id: str
    name: str
    taken_at: float
    """Seconds since the epoch."""
    memory_bytes: int = 0
    """Size of the guest's memory kept with it; 0 if only the disk was kept."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How full a mounted filesystem is."""

    device: str
    size_bytes: int
    free_bytes: int
    """For ordinary users, as df(1) says."""


@dataclass(frozen=True, slots=True)
class Filesystem:
    """One filesystem, swap area or encrypted volume found in the image."""

    device: str
    """``/dev/sda1``, ``/dev/vg/root``, or ``btrfsvol:/dev/sda2/@home``: as libguestfs names it."""
    type: str
    """``ext4``, ``swap``, ``crypto_LUKS``, ``unknown``…"""
    label: str = ""
    uuid: str = ""
    size_bytes: int | None = None
    mounted_at: str = ""
    """Folder of the tree where it is shown; empty when it is not shown."""
    is_writable: bool = False
    problem: str = ""
    """Why it is not shown, or shown without being writable; empty when all is well."""
    is_locked: bool = False
    """Encrypted, and ``ImageSession.unlock`` with its key shows what is in it."""
    disks: tuple[str, ...] = ()
    """Names of the ``Device``s that it lies on."""


@dataclass(frozen=True, slots=True)
class ImageOverview:
    """What is in the image."""

    source: ImageSource
    mode: ImageMode
    mode_reason: Explanation | None
    """Why it is LOOK_ONLY; None for a draft."""
    format: str
    virtual_size_bytes: int
    devices: tuple[Device, ...] = ()
    filesystems: tuple[Filesystem, ...] = ()
    os_name: str = ""
    """«Debian GNU/Linux 12 (bookworm)» from its os-release; empty when no operating system was found."""
    has_os_tree: bool = False
    """True: the tree is the guest's own, as its fstab says. False: each filesystem is a top folder (``/sda1``)."""
    is_slow: bool = False
    """KVM does not work on this machine, so the appliance is emulated; ``speed_note`` says so in words."""
    speed_note: str = ""
    confinement_note: str = ""
    """Why the appliance is not confined on this machine, and what to install; empty if it is."""
    draft_was_resumed: bool = False
    """Changes of an earlier session were found and are part of what is shown."""
    snapshots: tuple[ImageSnapshot, ...] = ()
    """States that are kept inside the (first) image, oldest first."""
    old_draft: str = ""
    """A kept draft is in the way: ``unfit`` if the image was changed since, ``untold`` if nobody can tell; ``shown`` if
    its files are what is shown. Empty otherwise."""
    unfinished_apply: str = ""
    """Words on an Apply that was cut off and that ``apply()`` finishes; empty when there is none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder."""

    name: str
    """As shown. Bytes that are not UTF-8 appear as ``\\xNN``, and such a name cannot be addressed."""
    kind: EntryKind
    size_bytes: int | None = None
    mode: int | None = None
    """Permission bits (07777)."""
    uid: int | None = None
    gid: int | None = None
    owner: str = ""
    """Name from the guest's /etc/passwd, else the number as text."""
    group: str = ""
    accessed_at: float | None = None
    """Seconds since the epoch, like the two below."""
    modified_at: float | None = None
    changed_at: float | None = None
    links: int | None = None
    link_target: str = ""
    """Where a symbolic link points."""
    is_addressable: bool = True
    """False: it can be seen, and exported or deleted with its folder, but not opened, renamed or deleted by itself."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder's entries, in no order."""

    path: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class FileContent:
    path: str
    data: bytes
    """The first bytes, up to the limit that was asked for."""
    size_bytes: int
    """The whole file's size."""
    mode: int

    @property
    def is_truncated(self) -> bool:
        return len(self.data) < self.size_bytes


@dataclass(frozen=True, slots=True)
class Transferred:
    """The outcome of an import or export."""

    files: int
    bytes: int
    paths: tuple[str, ...] = ()
    """The top-level results: guest paths after an import, local paths after an export."""
    skipped: tuple[str, ...] = ()
    """One sentence for each thing that was left out: a device node, a link that leads out of the folder…"""
    not_kept: tuple[str, ...] = ()
    """One sentence for each kind of property that could not be kept, with how many things had it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One edit in the draft."""

    number: int
    verb: ChangeVerb
    path: str
    detail: str = ""
    """«to /etc/new-name», «12 files»."""
    size_bytes: int = 0
    at: float = 0.0
    """Seconds of ``time.time()``."""

    @property
    def words(self) -> str:
        """«/etc/fstab changed», «/srv/a renamed to /srv/b»."""
        return f"{self.path} {self.verb.value}{' ' + self.detail if self.detail else ''}"


@dataclass(frozen=True, slots=True)
class Applied:
    """The draft is in the image now."""

    changes: int
    carried_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class OsDetails:
    """What the slow, full inspection found (several seconds)."""

    root: str
    product: str
    kind: str
    distro: str
    version: str
    hostname: str
    architecture: str
    package_format: str


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The session's state, or the words on its present step, changed."""

    state: SessionState
    words: str
    problem: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far the present request is. ``total`` is 0 while it is not known."""

    words: str
    position: int
    total: int


@dataclass(frozen=True, slots=True)
class ChangesChanged:
    """The draft's list of changes, whole."""

    changes: tuple[Change, ...]
    undone: tuple[Change, ...] = ()
    """What ``redo`` would bring back, oldest first."""


SessionEvent = StateChanged | Progressed | ChangesChanged
