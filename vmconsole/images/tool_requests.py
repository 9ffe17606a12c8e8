# SPDX-License-Identifier: GPL-3.0-or-later
"""What the editing tools ask of the guestfs child process. Immutable; encoded by ``wire``."""

from __future__ import annotations

from dataclasses import dataclass

from vmconsole.images.tool_values import ConfigEdit, NewAttributes, RegistryEdit, SearchIn, Xattr


@dataclass(frozen=True, slots=True)
class ReadAttributes:
    """Answer: ``Attributes``."""

    path: str


@dataclass(frozen=True, slots=True)
class SetAttributes:
    """Answer: ``AttributesSet``."""

    paths: tuple[str, ...]
    new: NewAttributes


@dataclass(frozen=True, slots=True)
class SetXattrs:
    """Set and remove extended attributes of one file. Answer: None."""

    path: str
    set: tuple[Xattr, ...]
    remove: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetAcl:
    """Answer: None."""

    path: str
    text: str
    """As getfacl(1) writes it; empty takes the ACL away."""
    is_default: bool


@dataclass(frozen=True, slots=True)
class MakeFile:
    """An empty file. Answer: None."""

    path: str


@dataclass(frozen=True, slots=True)
class MakeLink:
    """Answer: None."""

    path: str
    target: str
    """For a symbolic link its text; for a hard link a file of the same filesystem."""
    is_hard: bool


@dataclass(frozen=True, slots=True)
class ReadWindow:
    """Answer: ``Window``."""

    path: str
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Search:
    """A task: items are ``Hit``."""

    folder: str
    words: str
    """For names a pattern with ``*``, ``?`` and ``[…]``, or a part of the name; for content the text itself."""
    where: SearchIn
    is_case_kept: bool = False
    name_pattern: str = ""
    """Only look into files whose name matches; for a search in content."""


@dataclass(frozen=True, slots=True)
class MeasureFolders:
    """A task: items are ``Size``, the last one counts."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FindBytes:
    """A task: one ``FoundAt``, or none."""

    path: str
    wanted: bytes
    start: int


Task = Search | MeasureFolders | FindBytes


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a task of several steps. Answer: its number."""

    task: Task


@dataclass(frozen=True, slots=True)
class Step:
    """Go on with a task for a moment. Answer: ``Page``."""

    task_number: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget a task. Answer: None."""

    task_number: int


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """Answer: ``ConfigTree``."""

    path: str
    lens: str = ""
    """Empty: the one that fits the path."""


@dataclass(frozen=True, slots=True)
class EditConfig:
    """Answer: ``ConfigTree`` as it is afterwards."""

    path: str
    lens: str
    edits: tuple[ConfigEdit, ...]


@dataclass(frozen=True, slots=True)
class ReadKey:
    """Answer: ``RegistryKey``."""

    hive: str
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EditHive:
    """Answer: None."""

    hive: str
    edits: tuple[RegistryEdit, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """Answer: tuple of ``SurveyedFolder``."""

    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DigestFiles:
    """Answer: tuple of ``Digest``."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """Put one file or folder, with all it has, into a tar file on this machine. Answer: that file's path."""

    path: str


@dataclass(frozen=True, slots=True)
class Unpack:
    """Put what ``Pack`` wrote at ``path``, in place of what is there. Answer: True if nothing was there."""

    path: str
    local_file: str
    room_bytes: int


ToolRequest = (
    ReadAttributes | SetAttributes | SetXattrs | SetAcl | MakeFile | MakeLink | ReadWindow | Begin | Step | Drop
    | ReadConfig | EditConfig | ReadKey | EditHive | Survey | DigestFiles | Pack | Unpack
)  # fmt: skip
CHANGES = (SetAttributes, SetXattrs, SetAcl, MakeFile, MakeLink, EditConfig, EditHive, Unpack)
"""Those after which the draft is flushed."""
