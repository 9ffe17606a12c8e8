# SPDX-License-Identifier: GPL-3.0-or-later
"""Files inside a running guest, through its agent. Every call blocks: for a thread of its own, never the GUI thread.

There is no draft and no undo here, so what is written comes whole or not at all: a private file beside the old one,
made by ``mktemp``, given the old one's attributes, written, compared by its hash, flushed, and renamed over it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import posixpath
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from vmconsole.images import live_parse as parse
from vmconsole.images.messages import Entry, EntryKind, FileContent, Folder
from vmconsole.images.tool_values import Window
from vmconsole.inventory.agent_programs import CHUNK_BYTES, exec_arguments
from vmconsole.inventory.errors import ConsoleError, OperationRefused, OutOfRange, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    Call = Callable[[str, Mapping[str, object]], object]

T = TypeVar("T")
PROGRAM_DEADLINE_S = 60.0
FILE_BYTES_MAX = 64 << 20
"""As big a file as is carried through the agent, a few hundred KiB each second."""
FOLDER_BYTES_MAX = 512 << 10
"""A folder whose own size is above this has tens of thousands of names: its list would be longer than the 4 MiB that
libvirt takes from an agent (QEMU_AGENT_MAX_RESPONSE)."""
_POLL_S = (0.01, 0.02, 0.05, 0.1, 0.2)
TEMPORARY = ".vmconsole-"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the agent of this guest may do."""

    version: str
    reads: bool
    writes: bool
    runs: bool
    """Without guest-exec no folder can be listed, and files are reached by their path alone."""


class LiveGuest:
    """``call`` asks the agent one thing; ``cancelled`` is looked at between two calls; ``progress`` is told (words,
    position, total) of bytes."""

    def __init__(self, call: Call, *, cancelled: Event, progress: Callable[[str, int, int], None]) -> None:
        self._call = call
        self._cancelled = cancelled
        self._progress = progress
        self._lists_by_stat = False
        self._abilities: Abilities | None = None

    # -- asking ------------------------------------------------------------------------------------------------

    def abilities(self) -> Abilities:
        """Asked once."""
        if self._abilities is None:
            info = self._ask("guest-info")
            commands = info.get("supported_commands", ()) if isinstance(info, dict) else ()
            on = {c.get("name") for c in commands if isinstance(c, dict) and c.get("enabled")}
            basics = {"guest-file-open", "guest-file-close", "guest-file-seek"}
            self._abilities = Abilities(
                str(info.get("version", "")), on >= basics | {"guest-file-read"},
                on >= basics | {"guest-file-write", "guest-file-flush"}, on >= {"guest-exec", "guest-exec-status"},
            )  # fmt: skip
        return self._abilities

    def _ask(self, command: str, **arguments: object) -> Any:
        if self._cancelled.is_set():
            raise CancelledError
        return self._call(command, {name.replace("_", "-"): value for name, value in arguments.items()})

    def _run(self, program: str, *paths: bytes, mode: int = 0, owner: str = "") -> bytes:
        """What the program wrote. Raises OperationRefused with its words where it failed."""
        started = self._call("guest-exec", exec_arguments(program, paths, mode=mode, owner=owner))
        end = self._wait_for(_field(started, "pid"), program)
        out = _decoded(end.get("out-data", ""))
        if end.get("exitcode") != 0:
            raise _failed(program, paths, _decoded(end.get("err-data", "")))
        if end.get("out-truncated"):
            raise OutOfRange("The guest's answer is too long.", advice="Open a smaller folder.")
        return out

    def _wait_for(self, pid: object, program: str) -> dict[str, Any]:
        until, round_ = time.monotonic() + PROGRAM_DEADLINE_S, 0
        while True:
            end = self._call("guest-exec-status", {"pid": pid})
            if _field(end, "exited"):
                assert isinstance(end, dict)
                return end
            if time.monotonic() > until:
                raise OperationRefused(
                    f"The guest did not finish in {PROGRAM_DEADLINE_S:.0f} s ({program}).",
                    cause="It is very busy, or a disk or network filesystem of it hangs.",
                    advice="Look into the folder again later: it may still be done.",
                )
            time.sleep(_POLL_S[min(round_, len(_POLL_S) - 1)])
            round_ += 1

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
        (found,) = _understood(parse.found_by_stat, self._run(program, _raw(path)))
        return found.entry

    def list_folder(self, path: str) -> Folder:
        """The folder's entries; a link to a folder is followed."""
        self._need_exec()
        there = self.entry(path)
        if there.kind is not EntryKind.FOLDER:
            raise OperationRefused(f"{path} is not a folder.", where=path)
        if (there.size_bytes or 0) > FOLDER_BYTES_MAX:
            raise OutOfRange(
                "The folder has too many names to be listed through the agent.", where=path,
                advice="Open a folder in it by its path (Ctrl+L), or look at the disk itself with «Open Image».",
            )  # fmt: skip
        folder = _raw(path) if path != "/" else b"/."
        return Folder(path, self._list(folder))

    def _list(self, folder: bytes) -> tuple[Entry, ...]:
        if not self._lists_by_stat:
            try:
                return _understood(parse.entries_of_find, self._run("list", folder))
            except OperationRefused as error:
                if "-printf" not in error.explanation.said:
                    raise
            self._lists_by_stat = True
        return _understood(parse.entries_of_stat, self._run("list-with-stat", folder))

    def _need_exec(self) -> None:
        if not self.abilities().runs:
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
                f"{path} became shorter while it was read.", cause="A program in the guest is writing it.",
                advice="Try again.", where=path,
            )  # fmt: skip
        return entry

    def _regular(self, path: str) -> Entry | None:
        if not self.abilities().runs:
            return None
        entry = self.entry(path)
        if entry.kind is not EntryKind.FILE:
            raise OperationRefused(f"{path} is no regular file: it has no content of its own.", where=path)
        return entry

    def _chunks(self, path: str, offset: int, count: int, *, total: int) -> Any:
        handle = self._open(path, "rb")
        try:
            if offset:
                self._ask("guest-file-seek", handle=handle, offset=offset, whence="set")
            got = 0
            while got < count:
                answer = self._ask("guest-file-read", handle=handle, count=min(CHUNK_BYTES, count - got))
                piece = _decoded(_field(answer, "buf-b64"))
                got += len(piece)
                if not piece:
                    break
                self._progress(f"Reading {posixpath.basename(path)}", got, max(total, got))
                yield piece
                if answer.get("eof"):
                    break
        finally:
            self._close(handle)

    def _open(self, path: str, mode: str) -> object:
        try:
            path.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Unsupported(
                "The agent cannot open a file whose path is not UTF-8.", cause="Its protocol has no words for it.",
                advice="Rename it first.", where=path.encode("utf-8", "backslashreplace").decode(),
            ) from error  # fmt: skip
        return self._ask("guest-file-open", path=path, mode=mode)

    def _close(self, handle: object) -> None:
        """Also after a cancel, and whatever comes of it: the first failure is the one to be told."""
        try:
            self._call("guest-file-close", {"handle": handle})
        except ConsoleError:
            return

    # -- changing ----------------------------------------------------------------------------------------------

    def write_file(self, path: str, data: bytes, *, read_hash: str = "") -> None:
        """Put ``data`` in place of a file, or of nothing. ``read_hash`` is the SHA-256 of what was there when it was
        read: if something else is there now, nothing is written."""
        if not self.abilities().runs:
            self._write_in_place(path, data, read_hash=read_hash)
            return
        real = self._real(path)
        old = self._stat("stat", real) if self.exists(real) else None
        if old is not None and old.kind is not EntryKind.FILE:
            raise OperationRefused(f"{path} is no regular file, so it is not replaced.", where=path)
        self._replace(real, data, old, read_hash=read_hash)

    def _replace(self, path: str, data: bytes, old: Entry | None, *, read_hash: str, mode: int = 0o644) -> None:
        folder = posixpath.dirname(path)
        temporary = os.fsdecode(_understood(parse.path_of_line, self._run("new-file", _raw(_in(folder)))))
        try:
            if old is None:
                self._own_like(self.entry(folder), temporary, mode=mode)
            else:
                self._same_attributes(path, old, temporary)
            self._put(temporary, data)
            self._check_unchanged(path, read_hash)
            self._run("replace", _raw(temporary), _raw(path))
        except BaseException:
            self._forget(temporary)
            raise

    def _put(self, path: str, data: bytes) -> None:
        handle = self._open(path, "rb+")
        try:
            self._write_all(handle, path, data)
        finally:
            self._close(handle)
        if self._hash(path) != hashlib.sha256(data).hexdigest():
            raise OperationRefused("What arrived in the guest is not what was sent, so nothing was changed.")
        self._run("flush", _raw(path))

    def _write_all(self, handle: object, path: str, data: bytes) -> None:
        sent = 0
        while sent < len(data):
            piece = base64.b64encode(data[sent : sent + CHUNK_BYTES]).decode("ascii")
            answer = self._ask("guest-file-write", handle=handle, buf_b64=piece)
            count = _field(answer, "count")
            if not isinstance(count, int) or not 0 < count <= CHUNK_BYTES:
                raise OperationRefused("The guest took no more bytes.", cause="Its disk is full.", where=path)
            sent += count
            self._progress("Writing into the guest", sent, len(data))
        self._ask("guest-file-flush", handle=handle)

    def _write_in_place(self, path: str, data: bytes, *, read_hash: str) -> None:
        """Without programs there is no private file and no rename: the old file is written over, never cut short."""
        now = b"".join(self._chunks(path, 0, FILE_BYTES_MAX, total=0))
        if read_hash and hashlib.sha256(now).hexdigest() != read_hash:
            raise _changed(path)
        if len(data) < len(now):
            raise Unsupported(
                "The new text is shorter than the old one, and the agent cannot shorten a file by itself.",
                cause="guest-exec is turned off inside the guest.", advice="Allow guest-exec, or add blank lines.",
                where=path,
            )  # fmt: skip
        handle = self._open(path, "rb+")
        try:
            self._write_all(handle, path, data)
        finally:
            self._close(handle)

    def _check_unchanged(self, path: str, read_hash: str) -> None:
        if read_hash and self._hash(path) != read_hash:
            raise _changed(path)

    def _same_attributes(self, path: str, old: Entry, temporary: str) -> None:
        """Before there is content in it, so that nobody may read it who could not read the old one."""
        if not self._lists_by_stat:
            try:
                self._run("same-attributes", _raw(path), _raw(temporary))
            except OperationRefused as error:
                if "--attributes-only" not in error.explanation.said:
                    raise
            else:
                return
        self._run("set-owner", _raw(temporary), owner=f"{old.uid}:{old.gid}")
        self._run("set-mode", _raw(temporary), mode=old.mode or 0)

    def _own_like(self, folder: Entry, path: str, *, mode: int) -> None:
        self._run("set-owner", _raw(path), owner=f"{folder.uid}:{folder.gid}")
        self._run("set-mode", _raw(path), mode=mode)

    def add_file(self, path: str, data: bytes, *, mode: int, replace: bool) -> None:
        """A new file with the folder's owner; one that is there keeps its attributes where it may be replaced."""
        self._need_exec()
        there = self._stat("stat", path) if self.exists(path) else None
        if there is not None and (not replace or there.kind is not EntryKind.FILE):
            raise _taken(path)
        self._replace(path, data, there, read_hash="", mode=mode)

    def make_folder(self, path: str) -> None:
        self._need_exec()
        self._run("make-folder", _raw(path))
        self._own_like(self.entry(posixpath.dirname(path)), path, mode=0o755)

    def rename(self, path: str, new_path: str) -> None:
        self._need_exec()
        if self.exists(new_path):
            raise _taken(new_path)
        self._run("rename", _raw(path), _raw(new_path))

    def delete(self, path: str) -> None:
        """A file, or a folder with all that is in it."""
        self._need_exec()
        if path == "/":
            raise OperationRefused("The top folder cannot be deleted.")
        self._run("delete", _raw(path))

    def set_mode(self, path: str, mode: int) -> None:
        self._need_exec()
        self._run("set-mode", _raw(path), mode=mode)

    def _hash(self, path: str) -> str:
        return _understood(parse.hash_of_line, self._run("hash", _raw(path)))

    def _real(self, path: str) -> str:
        """Where the links of a path lead; saving through a link changes the file, not the link."""
        return os.fsdecode(_understood(parse.path_of_line, self._run("real-path", _raw(path))))

    def _forget(self, temporary: str) -> None:
        try:
            self._run("delete", _raw(temporary))
        except ConsoleError:
            return  # the agent is gone; the private file stays, and its name says whose it is


def _in(folder: str) -> str:
    return f"{folder.rstrip('/')}/{TEMPORARY}XXXXXX"


def _raw(path: str) -> bytes:
    """A path as bytes for a program. Only whole, plain ones: this is the last look before ``rm -r``."""
    parts = path.split("/")[1:]
    if not path.startswith("/") or "\0" in path or (path != "/" and any(part in {"", ".", ".."} for part in parts)):
        raise OperationRefused("This is not a path from the top.", where=path)
    return os.fsencode(path)


def _size(entry: Entry | None) -> int:
    return 0 if entry is None else entry.size_bytes or 0


def _field(answer: object, name: str) -> Any:
    if not isinstance(answer, dict) or name not in answer:
        if isinstance(answer, int) and name == "pid":
            return answer
        raise OperationRefused(f"The agent's answer has no «{name}».", cause="What answers is not QEMU's agent.")
    return answer[name]


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise OperationRefused("The agent's answer could not be read.", cause="It is not base64.") from error


def _understood(read: Callable[[bytes], T], said: bytes) -> T:
    try:
        return read(said)
    except parse.NotUnderstood as error:
        raise OperationRefused(str(error), cause="Its programs write otherwise than GNU's and busybox's do.") from error


def _failed(program: str, paths: tuple[bytes, ...], said: bytes) -> OperationRefused:
    words = said.decode("utf-8", "backslashreplace").strip()
    first = words.splitlines()[0] if words else ""
    where = paths[0].decode("utf-8", "backslashreplace") if paths else ""
    if first.startswith("xargs: ") and "o such file" in first:
        return Unsupported("The guest lacks a program that this needs.", cause=first, where=where, said=words)
    return OperationRefused(
        "The guest refused it.", cause=first, advice="Nothing else was changed.", where=where, said=words[:2000]
    )


def _changed(path: str) -> OperationRefused:
    return OperationRefused(
        "The file was changed in the guest since it was opened here, so it was not written.", where=path,
        cause="Another program or person wrote it meanwhile.",
        advice="Copy your text, press Revert, select the file again, and put your change in once more.",
    )  # fmt: skip


def _taken(path: str) -> OperationRefused:
    return OperationRefused("This name is taken.", cause="Nothing is ever written over here.", where=path)


def _too_big(path: str) -> OutOfRange:
    return OutOfRange(
        f"The file is bigger than {FILE_BYTES_MAX >> 20} MiB, which is as much as goes through the agent.", where=path,
        advice="Copy it over the network, or shut the guest down and use «Open Image».",
    )  # fmt: skip
