# SPDX-License-Identifier: GPL-3.0-or-later
"""Files inside a running guest, through its agent. Every call blocks: for a thread of its own, never the GUI thread.

There is no draft and no undo here, so what is written comes whole or not at all: a private file beside the old one,
made by ``mktemp``, given the old one's attributes, written, compared by its hash, flushed, and renamed over it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import posixpath
from typing import TYPE_CHECKING

from vmconsole.images import live_parse as parse
from vmconsole.images.live_agent import Abilities, LiveAgent, decoded, field, raw_path, shown, understood
from vmconsole.images.messages import Entry, EntryKind, FileContent, Folder
from vmconsole.images.tool_values import Window
from vmconsole.inventory.agent_programs import CHUNK_BYTES
from vmconsole.inventory.errors import ConsoleError, OperationRefused, OutOfRange, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

    from vmconsole.images.live_agent import Call

FILE_BYTES_MAX = 64 << 20
"""As big a file as is carried through the agent, a few hundred KiB each second."""
FOLDER_BYTES_MAX = 512 << 10
"""A folder whose own size is above this has tens of thousands of names: its list would be longer than the 4 MiB that
libvirt takes from an agent (QEMU_AGENT_MAX_RESPONSE)."""
TEMPORARY = ".vmconsole-"


class LiveGuest:
    """``call`` asks the agent one thing; ``cancelled`` is looked at between two calls; ``progress`` is told (words,
    position, total) of bytes."""

    def __init__(self, call: Call, *, cancelled: Event, progress: Callable[[str, int, int], None]) -> None:
        self._agent = LiveAgent(call, cancelled)
        self._progress = progress
        self._lists_by_stat = False

    def abilities(self) -> Abilities:
        return self._agent.abilities()

    # -- looking -----------------------------------------------------------------------------------------------

    def entry(self, path: str) -> Entry:
        """What is at the end of the links of this path."""
        return self._stat("stat-target", path)

    def exists(self, path: str) -> bool:
        try:
            self._stat("stat", path)
        except OperationRefused as error:
            if "o such file" in error.explanation.said:
                return False
            raise
        return True

    def _stat(self, program: str, path: str) -> Entry:
        (found,) = understood(parse.found_by_stat, self._agent.run(program, raw_path(path)))
        return found.entry

    def list_folder(self, path: str) -> Folder:
        """The folder's entries; a link to a folder is followed."""
        self._need_exec()
        there = self.entry(path)
        if there.kind is not EntryKind.FOLDER:
            raise OperationRefused(f"{shown(path)} is not a folder.", where=shown(path))
        if (there.size_bytes or 0) > FOLDER_BYTES_MAX:
            raise OutOfRange(
                "The folder has too many names to be listed through the agent.", where=shown(path),
                advice="Open a folder in it by its path (Ctrl+L), or look at the disk itself with «Open Image».",
            )  # fmt: skip
        folder = raw_path(path) if path != "/" else b"/."
        return Folder(path, self._list(folder))

    def _list(self, folder: bytes) -> tuple[Entry, ...]:
        if not self._lists_by_stat:
            try:
                return understood(parse.entries_of_find, self._agent.run("list", folder))
            except OperationRefused as error:
                if "-printf" not in error.explanation.said:
                    raise
            self._lists_by_stat = True
        return understood(parse.entries_of_stat, self._agent.run("list-with-stat", folder))

    def _need_exec(self) -> None:
        if not self._agent.abilities().runs:
            raise Unsupported(
                "The agent of this guest may not run programs, so folders cannot be listed.",
                cause="guest-exec is turned off inside the guest.",
                advice="Open a file by its path, or allow guest-exec in the settings of qemu-guest-agent inside.",
            )

    # -- reading -----------------------------------------------------------------------------------------------

    def read_file(self, path: str, *, limit_bytes: int) -> FileContent:
        """The first bytes of a file. Where programs may run, only of a regular one: a pipe would hang the agent."""
        entry = self._regular(path)
        data = b"".join(self._chunks(path, 0, limit_bytes, total=min(limit_bytes, _size(entry))))
        size = max(_size(entry), len(data)) if len(data) >= limit_bytes or entry is None else len(data)
        return FileContent(path, data, size, 0 if entry is None else entry.mode or 0)

    def read_window(self, path: str, offset: int, count: int) -> Window:
        """A part of a file."""
        entry = self._regular(path)
        data = b"".join(self._chunks(path, offset, count, total=count))
        return Window(path, offset, data, max(_size(entry), offset + len(data)))

    def read_into(self, path: str, take: Callable[[bytes], object]) -> Entry | None:
        """All of a file, piece by piece. Raises OutOfRange above FILE_BYTES_MAX, OperationRefused if it was cut off."""
        entry = self._regular(path)
        if _size(entry) > FILE_BYTES_MAX:
            raise _too_big(path)
        got = 0
        for piece in self._chunks(path, 0, FILE_BYTES_MAX + 1, total=_size(entry)):
            got += len(piece)
            if got > FILE_BYTES_MAX:
                raise _too_big(path)
            take(piece)
        if got < _size(entry):
            raise OperationRefused(
                f"{shown(path)} became shorter while it was read.", cause="A program in the guest is writing it.",
                advice="Try again.", where=shown(path),
            )  # fmt: skip
        return entry

    def _regular(self, path: str) -> Entry | None:
        if not self._agent.abilities().runs:
            return None
        entry = self.entry(path)
        if entry.kind is not EntryKind.FILE:
            raise OperationRefused(
                f"{shown(path)} is no regular file: it has no content of its own.", where=shown(path)
            )
        return entry

    def _chunks(self, path: str, offset: int, count: int, *, total: int) -> Iterator[bytes]:
        handle = self._open(path, "rb")
        try:
            if offset:
                self._agent.ask("guest-file-seek", handle=handle, offset=offset, whence="set")
            got = 0
            while got < count:
                answer = self._agent.ask("guest-file-read", handle=handle, count=min(CHUNK_BYTES, count - got))
                piece = decoded(field(answer, "buf-b64"))
                got += len(piece)
                if not piece:
                    break
                self._progress(f"Reading {shown(posixpath.basename(path))}", got, max(total, got))
                yield piece
                if answer.get("eof"):
                    break
        finally:
            self._agent.close_handle(handle)

    def _open(self, path: str, mode: str) -> object:
        try:
            path.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Unsupported(
                "The agent cannot open a file whose path is not UTF-8.", cause="Its protocol has no words for it.",
                advice="Rename it first.", where=shown(path),
            ) from error  # fmt: skip
        return self._agent.ask("guest-file-open", path=path, mode=mode)

    # -- changing ----------------------------------------------------------------------------------------------

    def write_file(self, path: str, data: bytes, *, read_hash: str = "") -> None:
        """Put ``data`` in place of a file, or of nothing. ``read_hash`` is the SHA-256 of what was there when it was
        read: if something else is there now, nothing is written."""
        if not self._agent.abilities().runs:
            self._write_in_place(path, data, read_hash=read_hash)
            return
        real = self._real(path)
        old = self._stat("stat", real) if self.exists(real) else None
        if old is not None and old.kind is not EntryKind.FILE:
            raise OperationRefused(f"{shown(path)} is no regular file, so it is not replaced.", where=shown(path))
        self._replace(real, data, old, read_hash=read_hash)

    def _replace(self, path: str, data: bytes, old: Entry | None, *, read_hash: str, mode: int = 0o644) -> None:
        folder = posixpath.dirname(path)
        temporary = os.fsdecode(understood(parse.path_of_line, self._agent.run("new-file", raw_path(_in(folder)))))
        try:
            if old is None:
                self._own_like(self.entry(folder), temporary, mode=mode)
            else:
                self._same_attributes(path, old, temporary)
            self._put(temporary, data)
            self._check_unchanged(path, read_hash)
            self._agent.run("replace", raw_path(temporary), raw_path(path))
        except BaseException:
            self._forget(temporary)
            raise

    def _put(self, path: str, data: bytes) -> None:
        handle = self._open(path, "rb+")
        try:
            self._write_all(handle, path, data)
        finally:
            self._agent.close_handle(handle)
        if self._hash(path) != hashlib.sha256(data).hexdigest():
            raise OperationRefused("What arrived in the guest is not what was sent, so nothing was changed.")
        self._agent.run("flush", raw_path(path))

    def _write_all(self, handle: object, path: str, data: bytes) -> None:
        sent = 0
        while sent < len(data):
            piece = base64.b64encode(data[sent : sent + CHUNK_BYTES]).decode("ascii")
            answer = self._agent.ask("guest-file-write", handle=handle, buf_b64=piece)
            count = field(answer, "count")
            if not isinstance(count, int) or not 0 < count <= CHUNK_BYTES:
                raise OperationRefused("The guest took no more bytes.", cause="Its disk is full.", where=shown(path))
            sent += count
            self._progress("Writing into the guest", sent, len(data))
        self._agent.ask("guest-file-flush", handle=handle)

    def _write_in_place(self, path: str, data: bytes, *, read_hash: str) -> None:
        """Without programs there is no private file and no rename: the old file is written over, never cut short."""
        now = b"".join(self._chunks(path, 0, FILE_BYTES_MAX, total=0))
        if read_hash and hashlib.sha256(now).hexdigest() != read_hash:
            raise _changed(path)
        if len(data) < len(now):
            raise Unsupported(
                "The new text is shorter than the old one, and the agent cannot shorten a file by itself.",
                cause="guest-exec is turned off inside the guest.", advice="Allow guest-exec, or add blank lines.",
                where=shown(path),
            )  # fmt: skip
        handle = self._open(path, "rb+")
        try:
            self._write_all(handle, path, data)
        finally:
            self._agent.close_handle(handle)

    def _check_unchanged(self, path: str, read_hash: str) -> None:
        if read_hash and self._hash(path) != read_hash:
            raise _changed(path)

    def _same_attributes(self, path: str, old: Entry, temporary: str) -> None:
        """Before there is content in it, so that nobody may read it who could not read the old one."""
        if not self._lists_by_stat:
            try:
                self._agent.run("same-attributes", raw_path(path), raw_path(temporary))
            except OperationRefused as error:
                if "--attributes-only" not in error.explanation.said:
                    raise
            else:
                return
        self._agent.run("set-owner", raw_path(temporary), owner=f"{old.uid}:{old.gid}")
        self._agent.run("set-mode", raw_path(temporary), mode=old.mode or 0)

    def _own_like(self, folder: Entry, path: str, *, mode: int) -> None:
        self._agent.run("set-owner", raw_path(path), owner=f"{folder.uid}:{folder.gid}")
        self._agent.run("set-mode", raw_path(path), mode=mode)

    def add_file(self, path: str, data: bytes, *, mode: int, replace: bool) -> None:
        """A new file with the folder's owner; one that is there keeps its attributes where it may be replaced."""
        self._need_exec()
        there = self._stat("stat", path) if self.exists(path) else None
        if there is not None and (not replace or there.kind is not EntryKind.FILE):
            raise _taken(path)
        self._replace(path, data, there, read_hash="", mode=mode)

    def make_folder(self, path: str) -> None:
        self._need_exec()
        self._agent.run("make-folder", raw_path(path))
        self._own_like(self.entry(posixpath.dirname(path)), path, mode=0o755)

    def rename(self, path: str, new_path: str) -> None:
        self._need_exec()
        if self.exists(new_path):
            raise _taken(new_path)
        self._agent.run("rename", raw_path(path), raw_path(new_path))

    def delete(self, path: str) -> None:
        """A file, or a folder with all that is in it."""
        self._need_exec()
        if path == "/":
            raise OperationRefused("The top folder cannot be deleted.")
        self._agent.run("delete", raw_path(path))

    def set_mode(self, path: str, mode: int) -> None:
        self._need_exec()
        self._agent.run("set-mode", raw_path(path), mode=mode)

    def _hash(self, path: str) -> str:
        return understood(parse.hash_of_line, self._agent.run("hash", raw_path(path)))

    def _real(self, path: str) -> str:
        """Where the links of a path lead; saving through a link changes the file, not the link."""
        return os.fsdecode(understood(parse.path_of_line, self._agent.run("real-path", raw_path(path))))

    def _forget(self, temporary: str) -> None:
        with contextlib.suppress(ConsoleError):  # the agent is gone; the file stays, and its name says whose it is
            self._agent.run("delete", raw_path(temporary))


def _in(folder: str) -> str:
    return f"{folder.rstrip('/')}/{TEMPORARY}XXXXXX"


def _size(entry: Entry | None) -> int:
    return 0 if entry is None else entry.size_bytes or 0


def _changed(path: str) -> OperationRefused:
    return OperationRefused(
        "The file was changed in the guest since it was opened here, so it was not written.", where=shown(path),
        cause="Another program or person wrote it meanwhile.",
        advice="Copy your text, press Revert, select the file again, and put your change in once more.",
    )  # fmt: skip


def _taken(path: str) -> OperationRefused:
    return OperationRefused("This name is taken.", cause="Nothing is ever written over here.", where=shown(path))


def _too_big(path: str) -> OutOfRange:
    return OutOfRange(
        f"The file is bigger than {FILE_BYTES_MAX >> 20} MiB, which is as much as goes through the agent.",
        where=shown(path),
        advice="Copy it over the network, or shut the guest down and use «Open Image».",
    )
