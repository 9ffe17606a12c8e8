# SPDX-License-Identifier: GPL-3.0-or-later
"""What the editing tools show: attributes, search hits, configuration trees, registry keys, differences. Immutable;
safe on any thread; no libguestfs, no Qt. They travel from the child process as they are."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from vmconsole.images.messages import Entry, EntryKind


@dataclass(frozen=True, slots=True)
class Xattr:
    """One extended attribute (xattr(7))."""

    name: str
    """``user.comment``, ``security.selinux``…"""
    value: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """A user or group of the guest's own /etc/passwd or /etc/group."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Attributes:
    """All that a file has beside its content."""

    path: str
    kind: EntryKind
    mode: int
    """Permission bits (07777)."""
    uid: int
    gid: int
    owner: str
    group: str
    size_bytes: int
    disk_bytes: int
    """What it takes on the disk; less than its size for a sparse file."""
    links: int
    inode: int
    accessed_at: float
    modified_at: float
    changed_at: float
    link_target: str = ""
    xattrs: tuple[Xattr, ...] = ()
    """Without the ACLs, which have texts of their own."""
    access_acl: str = ""
    """Lines as getfacl(1) writes them; empty where there is none beyond the mode."""
    default_acl: str = ""
    """A folder's ACL for what is made in it."""
    can_have_xattrs: bool = True
    """False where the filesystem (FAT, ISO 9660) has no extended attributes."""
    users: tuple[Account, ...] = ()
    groups: tuple[Account, ...] = ()

    @property
    def selinux_label(self) -> str:
        """``system_u:object_r:etc_t:s0``; empty without one."""
        found = next((x.value for x in self.xattrs if x.name == SELINUX), b"")
        return found.rstrip(b"\0").decode("utf-8", errors="backslashreplace")


SELINUX = "security.selinux"
"""The attribute that holds the SELinux label, with a NUL at its end."""


@dataclass(frozen=True, slots=True)
class NewAttributes:
    """What ``set_attributes`` changes. None leaves a thing as it is."""

    mode: int = 0
    """The bits to set, among those of ``mode_mask``."""
    mode_mask: int = 0
    """Which permission bits (07777) are changed at all."""
    uid: int | None = None
    gid: int | None = None
    is_recursive: bool = False
    """Also everything below a folder. Symbolic links are never followed; other filesystems are left alone."""
    execute_only_where_some: bool = False
    """As chmod's ``X``: an execute bit is given only to folders, and to files that somebody may execute already."""


@dataclass(frozen=True, slots=True)
class AttributesSet:
    """The outcome."""

    files: int
    """How many were really changed."""


class SearchIn(enum.Enum):
    """What a search looks at."""

    NAMES = "names"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Hit:
    """One find."""

    path: str
    entry: Entry
    line_number: int = 0
    """Line of the first find in the content, from 1; 0 for a find by name, and in files that are not text."""
    line: str = ""
    """That line, shortened; or the bytes around the find."""
    offset: int = -1
    """Byte offset of the first find; -1 for a find by name."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is in a folder so far."""

    files: int
    folders: int
    size_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class FoundAt:
    """Where a sequence of bytes is."""

    offset: int


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a file."""

    path: str
    offset: int
    data: bytes
    size_bytes: int
    """The whole file's size."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a task of several steps has found in one of them."""

    items: tuple[object, ...]
    is_over: bool
    looked_at: int
    """Things looked at since the task began."""
    words: str = ""
    """Where it is now: a guest path; or why it ended early."""
    left_out: int = 0
    """Things that could not be read, or were too big."""


@dataclass(frozen=True, slots=True)
class ConfigNode:
    """One node of a configuration file's tree (Augeas)."""

    path: str
    """Augeas' path below the file: ``1/ipaddr``."""
    label: str
    """``ipaddr``, ``#comment``, or a number for the lines of a table."""
    value: str | None
    """None where the node only holds others."""
    depth: int
    """0 for what is at the top of the file."""

    @property
    def is_comment(self) -> bool:
        return self.label == "#comment"


@dataclass(frozen=True, slots=True)
class ConfigTree:
    """A configuration file, understood."""

    path: str
    lens: str
    """The name of Augeas' description of this kind of file: ``Hosts``."""
    nodes: tuple[ConfigNode, ...]
    """In the file's order, each before what it holds."""
    is_whole: bool = True
    """False: there are more nodes than are shown."""


class ConfigVerb(enum.Enum):
    SET = "set"
    """Give a node another value."""
    ADD = "add"
    """A new node ``label`` with ``value``, inside ``path`` (empty for the top of the file), at its end."""
    ADD_AFTER = "add after"
    """A new node ``label`` with ``value``, after ``path``."""
    DELETE = "delete"
    """A node and all in it."""


@dataclass(frozen=True, slots=True)
class ConfigEdit:
    """One edit of a configuration tree."""

    verb: ConfigVerb
    path: str
    label: str = ""
    value: str | None = None


@dataclass(frozen=True, slots=True)
class RegistryValue:
    """One value of a registry key."""

    name: str
    """Empty for the key's default value."""
    type: int
    """``REG_SZ`` is 1, and so on: ``registry_values`` names them."""
    data: bytes
    left_out_bytes: int = 0
    """How long the data is where it is too long to be shown; ``data`` is empty then, and must not be written."""


@dataclass(frozen=True, slots=True)
class RegistryKey:
    """A key: its subkeys' names and its values."""

    hive: str
    path: tuple[str, ...]
    """Names from the root key down; empty for the root itself."""
    subkeys: tuple[str, ...]
    values: tuple[RegistryValue, ...]
    modified_at: float
    is_dirty: bool = False
    """Windows was not shut down cleanly: the hive waits for its log, and must not be written."""
    is_whole: bool = True
    """False: there are more subkeys or values than are listed."""


class RegistryVerb(enum.Enum):
    SET_VALUE = "value set"
    ADD_KEY = "key added"
    DELETE_KEY = "key deleted"


@dataclass(frozen=True, slots=True)
class RegistryEdit:
    """One edit of a hive."""

    verb: RegistryVerb
    key: tuple[str, ...]
    """The key that is changed, added or deleted."""
    value: RegistryValue | None = None


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One name of a folder, with all by which a difference shows."""

    name: str
    kind: EntryKind
    mode: int
    uid: int
    gid: int
    size_bytes: int
    link_target: str
    stamp: str
    """Inode and times: where two images have a common past, the same stamp means the same content."""


@dataclass(frozen=True, slots=True)
class SurveyedFolder:
    path: str
    entries: tuple[Surveyed, ...]
    problem: str = ""
    """Why it could not be read."""


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 of a file's content, in hexadecimal; empty if it could not be read."""

    path: str
    sha256: str
