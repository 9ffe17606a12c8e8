# SPDX-License-Identifier: GPL-3.0-or-later
"""The editing tools of an open image: attributes, links, search, windows into big files, configuration trees, the
Windows registry, and what comparing needs. Found as ``ImageSession.tools``.

Threads: as ``ImageSession``: every method returns at once, futures end on the session's thread.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from vmconsole.images import tool_requests as asks
from vmconsole.images.messages import ChangeVerb
from vmconsole.images.tool_values import (
    Attributes,
    AttributesSet,
    ConfigEdit,
    ConfigTree,
    NewAttributes,
    Page,
    RegistryEdit,
    RegistryKey,
    RegistryVerb,
    Window,
    Xattr,
)
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from vmconsole.images.tool_values import Digest, SurveyedFolder

T = TypeVar("T")
_QUICK_S = 120.0
_LONG_S = 24 * 3600.0
"""For what is as long as the folder is big; it says how far it is, and can be cancelled."""


class Submit(Protocol):
    def __call__(self, job: Callable[[], T]) -> Future[T]: ...


class Ask(Protocol):
    def __call__(self, request: asks.ToolRequest, kind: type[T], *, deadline_s: float) -> T: ...


class Note(Protocol):
    def __call__(self, verb: ChangeVerb, path: str, *, detail: str = "", size_bytes: int = 0) -> None: ...


@dataclass(frozen=True, slots=True)
class ToolDesk:
    """What the tools need of the session. All but ``submit`` are called on the session's thread."""

    submit: Submit
    ask: Ask
    check_room: Callable[[int], int]
    """Raises if there is no draft, or no room for so many bytes; gives what the draft may grow by."""
    note: Note
    """Writes a change into the draft's list."""
    exchange_folder: Callable[[], str]
    """A folder of this machine that the child process may read and write."""


class ImageTools:
    """All futures end with a value or an ``ImageError``; ``CancelledError`` after a cancel."""

    def __init__(self, desk: ToolDesk) -> None:
        self._desk = desk

    # -- one file ----------------------------------------------------------------------------------------------

    def attributes(self, path: str) -> Future[Attributes]:
        return self._ask(asks.ReadAttributes(path), Attributes)

    def set_attributes(self, paths: Sequence[str], new: NewAttributes) -> Future[AttributesSet]:
        """Change mode and owner. What changed before an error or a cancel stays changed, and is in the draft."""
        return self._desk.submit(lambda: self._set_attributes(tuple(paths), new))

    def set_xattrs(self, path: str, new: Sequence[Xattr], *, remove: Sequence[str] = ()) -> Future[None]:
        request = asks.SetXattrs(path, tuple(new), tuple(remove))
        names = ", ".join([*(x.name for x in new), *remove])
        return self._change(request, ChangeVerb.ATTRIBUTES, path, f"({names})")

    def set_acl(self, path: str, text: str, *, is_default: bool = False) -> Future[None]:
        """``text`` as getfacl(1) writes it; empty takes the ACL away."""
        detail = "(default ACL)" if is_default else "(ACL)"
        return self._change(asks.SetAcl(path, text, is_default), ChangeVerb.ATTRIBUTES, path, detail)

    def make_file(self, path: str) -> Future[None]:
        """An empty file (0644, owner of its folder). Refused if the name is taken."""
        return self._change(asks.MakeFile(path), ChangeVerb.ADDED, path)

    def make_link(self, path: str, target: str, *, is_hard: bool = False) -> Future[None]:
        """A symbolic link with the text ``target``, or another name of the file ``target``."""
        detail = f"(another name of {target})" if is_hard else f"(link to {target})"
        return self._change(asks.MakeLink(path, target, is_hard), ChangeVerb.ADDED, path, detail)

    def read_window(self, path: str, offset: int, count: int) -> Future[Window]:
        """``count`` bytes (2 MiB at most) of a file from ``offset`` on."""
        return self._ask(asks.ReadWindow(path, offset, count), Window)

    # -- tasks of several steps --------------------------------------------------------------------------------

    def begin(self, task: asks.Task) -> Future[int]:
        """Begin a search or a measurement; ``step`` goes on with it. Other requests get their turn in between."""
        return self._ask(asks.Begin(task), int)

    def step(self, number: int) -> Future[Page]:
        """Go on for about a quarter of a second."""
        return self._ask(asks.Step(number), Page)

    def drop(self, number: int) -> Future[None]:
        """Forget a task that nobody wants to the end."""
        return self._ask(asks.Drop(number), type(None))

    # -- configuration files, the registry ---------------------------------------------------------------------

    def read_config(self, path: str, *, lens: str = "") -> Future[ConfigTree]:
        """A configuration file as a tree, by the lens for its path if none is named (``lenses.lens_for``)."""
        return self._ask(asks.ReadConfig(path, lens), ConfigTree)

    def edit_config(self, path: str, lens: str, edits: Sequence[ConfigEdit]) -> Future[ConfigTree]:
        """Make these edits and give the tree as it is then. All other bytes of the file stay as they are."""

        def edit() -> ConfigTree:
            self._desk.check_room(0)
            tree = self._desk.ask(asks.EditConfig(path, lens, tuple(edits)), ConfigTree, deadline_s=_QUICK_S)
            detail = ", ".join(f"{e.path or '/'} {e.verb.value}" for e in edits[:3])
            self._desk.note(ChangeVerb.WRITTEN, tree.path, detail=f"({detail}{'…' if len(edits) > 3 else ''})")
            return tree

        return self._desk.submit(edit)

    def read_key(self, hive: str, key: Sequence[str]) -> Future[RegistryKey]:
        """A key of a registry hive; names from its root down."""
        return self._ask(asks.ReadKey(hive, tuple(key)), RegistryKey)

    def edit_hive(self, hive: str, edits: Sequence[RegistryEdit]) -> Future[None]:
        """Make these edits, all or none."""
        request = asks.EditHive(hive, tuple(edits))
        return self._change(request, ChangeVerb.WRITTEN, hive, f"({'; '.join(map(_edit_words, edits))})")

    # -- comparing ---------------------------------------------------------------------------------------------

    def survey(self, folders: Sequence[str]) -> Future[tuple[SurveyedFolder, ...]]:
        return self._ask(asks.Survey(tuple(folders)), tuple)

    def digests(self, paths: Sequence[str]) -> Future[tuple[Digest, ...]]:
        return self._ask(asks.DigestFiles(tuple(paths)), tuple, deadline_s=_LONG_S)

    def pack(self, path: str, into: Path) -> Future[Path]:
        """Put a file or folder, with all it has, into the file ``into`` on this machine (a tar archive)."""

        def pack() -> Path:
            made = self._desk.ask(asks.Pack(path), str, deadline_s=_LONG_S)
            if os.path.dirname(made) != self._desk.exchange_folder():
                raise ImageError("The program that reads the image gave an answer that is not understood.", said=made)
            shutil.move(made, into)
            return into

        return self._desk.submit(pack)

    def unpack(self, packed: Path, path: str) -> Future[None]:
        """Put what ``pack`` wrote (of this image or another) at ``path`` of the draft, in place of what is there."""

        def unpack() -> None:
            room = self._desk.check_room(packed.stat().st_size)
            local = os.path.join(self._desk.exchange_folder(), packed.name)
            shutil.copyfile(packed, local)
            try:
                is_new = self._desk.ask(asks.Unpack(path, local, room), bool, deadline_s=_LONG_S)
            finally:
                os.unlink(local)
            verb = ChangeVerb.ADDED if is_new else ChangeVerb.WRITTEN
            self._desk.note(verb, path, detail="(brought back)", size_bytes=packed.stat().st_size)

        return self._desk.submit(unpack)

    # Behind it.

    def _ask(self, request: asks.ToolRequest, kind: type[T], *, deadline_s: float = _QUICK_S) -> Future[T]:
        return self._desk.submit(lambda: self._desk.ask(request, kind, deadline_s=deadline_s))

    def _change(self, request: asks.ToolRequest, verb: ChangeVerb, path: str, detail: str = "") -> Future[None]:
        def change() -> None:
            self._desk.check_room(0)
            self._desk.ask(request, type(None), deadline_s=_QUICK_S)
            self._desk.note(verb, path, detail=detail)

        return self._desk.submit(change)

    def _set_attributes(self, paths: tuple[str, ...], new: NewAttributes) -> AttributesSet:
        self._desk.check_room(0)
        words = attribute_words(new)
        try:
            done = self._desk.ask(asks.SetAttributes(paths, new), AttributesSet, deadline_s=_LONG_S)
        except BaseException:
            # Also after a cancel: some may be changed already, and the draft must say so.
            for path in paths:
                self._desk.note(ChangeVerb.ATTRIBUTES, path, detail=f"({words}, perhaps not all)")
            raise
        if done.files:
            for path in paths:
                self._desk.note(ChangeVerb.ATTRIBUTES, path, detail=f"({words})")
        return done


def attribute_words(new: NewAttributes) -> str:
    """«mode 0644, owner 33»."""
    whole = new.mode_mask == 0o7777
    mode = f"mode {new.mode:04o}" if whole else f"mode bits {new.mode & new.mode_mask:04o} of {new.mode_mask:04o}"
    parts = [
        mode if new.mode_mask else "",
        f"owner {new.uid}" if new.uid is not None else "",
        f"group {new.gid}" if new.gid is not None else "",
        "with all below" if new.is_recursive else "",
    ]
    return ", ".join(part for part in parts if part)


def _edit_words(edit: RegistryEdit) -> str:
    key = "\\".join(edit.key) or "\\"
    if edit.verb is RegistryVerb.SET_VALUE and edit.value is not None:
        return f"{key}: {edit.value.name or '(default)'}"
    return f"{key} {'added' if edit.verb is RegistryVerb.ADD_KEY else 'deleted'}"
