# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest's agent: asked one thing at a time, and programs waited for to their end. Blocks; on a session's thread."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from vmconsole.images import live_parse as parse
from vmconsole.inventory.agent_programs import exec_arguments
from vmconsole.inventory.errors import ConsoleError, OperationRefused, OutOfRange, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    Call = Callable[[str, Mapping[str, object]], object]

T = TypeVar("T")
PROGRAM_DEADLINE_S = 60.0
_POLL_S = (0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the agent of this guest may do."""

    version: str
    reads: bool
    writes: bool
    runs: bool
    """Without guest-exec no folder can be listed, and files are reached by their path alone."""


class LiveAgent:
    """``call`` asks the agent one thing; ``cancelled`` is looked at before each call that may be left out."""

    def __init__(self, call: Call, cancelled: Event) -> None:
        self._call = call
        self._cancelled = cancelled
        self._abilities: Abilities | None = None

    def abilities(self) -> Abilities:
        """Asked once."""
        if self._abilities is None:
            info = self.ask("guest-info")
            commands = info.get("supported_commands", ()) if isinstance(info, dict) else ()
            on = {c.get("name") for c in commands if isinstance(c, dict) and c.get("enabled")}
            basics = {"guest-file-open", "guest-file-close", "guest-file-seek"}
            self._abilities = Abilities(
                str(info.get("version", "")), on >= basics | {"guest-file-read"},
                on >= basics | {"guest-file-write", "guest-file-flush"}, on >= {"guest-exec", "guest-exec-status"},
            )  # fmt: skip
        return self._abilities

    def ask(self, command: str, **arguments: object) -> Any:
        if self._cancelled.is_set():
            raise CancelledError
        return self._call(command, {name.replace("_", "-"): value for name, value in arguments.items()})

    def close_handle(self, handle: object) -> None:
        """Also after a cancel, and whatever comes of it: the first failure is the one to be told."""
        with contextlib.suppress(ConsoleError):
            self._call("guest-file-close", {"handle": handle})

    def run(self, program: str, *paths: bytes, mode: int = 0, owner: str = "") -> bytes:
        """What the program wrote. Raises OperationRefused with its words where it failed."""
        started = self._call("guest-exec", exec_arguments(program, paths, mode=mode, owner=owner))
        end = self._wait_for(field(started, "pid"), program)
        out = decoded(end.get("out-data", ""))
        if end.get("exitcode") != 0:
            raise _failed(program, paths, decoded(end.get("err-data", "")))
        if end.get("out-truncated"):
            raise OutOfRange("The guest's answer is too long.", advice="Open a smaller folder.")
        return out

    def _wait_for(self, pid: object, program: str) -> dict[str, Any]:
        until, round_ = time.monotonic() + PROGRAM_DEADLINE_S, 0
        while True:
            end = self._call("guest-exec-status", {"pid": pid})
            if field(end, "exited"):
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


def raw_path(path: str) -> bytes:
    """A path as bytes for a program. Only whole, plain ones: this is the last look before ``rm -r``."""
    parts = path.split("/")[1:]
    if not path.startswith("/") or "\0" in path or (path != "/" and any(part in {"", ".", ".."} for part in parts)):
        raise OperationRefused("This is not a path from the top.", where=shown(path))
    return os.fsencode(path)


def field(answer: object, name: str) -> Any:
    if not isinstance(answer, dict) or name not in answer:
        if isinstance(answer, int) and name == "pid":
            return answer
        raise OperationRefused(f"The agent's answer has no «{name}».", cause="What answers is not QEMU's agent.")
    return answer[name]


def decoded(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise OperationRefused("The agent's answer could not be read.", cause="It is not base64.") from error


def understood(read: Callable[[bytes], T], said: bytes) -> T:
    try:
        return read(said)
    except parse.NotUnderstood as error:
        raise OperationRefused(str(error), cause="Its programs write otherwise than GNU's and busybox's do.") from error


def _failed(program: str, paths: tuple[bytes, ...], said: bytes) -> OperationRefused:
    words = said.decode("utf-8", "backslashreplace").strip()
    first = shown(words.splitlines()[0]) if words else ""
    where = shown(os.fsdecode(paths[0])) if paths else ""
    if first.startswith("xargs: ") and "o such file" in first:
        return Unsupported("The guest lacks a program that this needs.", cause=first, where=where, said=words)
    return OperationRefused(
        "The guest refused it.", cause=first, advice="Nothing else was changed.", where=where, said=words[:2000]
    )


def shown(path: str) -> str:
    """A path for a message: what cannot be printed, or turns the writing direction, as escapes."""
    return "".join(c if c.isprintable() else _escape(c) for c in path)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python's surrogateescape carries it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
