# SPDX-License-Identifier: GPL-3.0-or-later
"""qemu-img and qemu-nbd on this machine, for the files of a draft. Blocks; any thread, each server on one.

An appliance writes these files, and what an image did to it may be in their headers: so they are read within the limits
and behind the walls of ``qemu_walls``, where nothing is but the draft's folders and the exports below it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images import qemu_walls
from vmconsole.images.hints import explained
from vmconsole.images.leftovers import make_folder
from vmconsole.images.nbd import NbdClient
from vmconsole.inventory.errors import ImageError
from vmconsole.links.children import Child, run
from vmconsole.links.ending import let_end

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from vmconsole.links.base import Completed

_IMG_DEADLINE_S = 60.0
_LOCK_PATIENCE_S = 10.0
"""A process of a killed session may hold a file a moment longer: it ends by itself."""
_POLL_S = 0.05
_SERVER_DEADLINE_S = 20.0
_ENGLISH = {"LC_ALL": "C"}
_READING = {"map", "info"}
_LIMITED = f'{qemu_walls.WORK_LIMITS}; exec "$@"'
_GUARDED = (
    f"{qemu_walls.SERVE_LIMITS}; n=$1; shift; "
    '"$@" </dev/null 8>"$n" & p=$!; read -r _; '
    '( while :; do q=$(sed -n \'s/.*"child-pid": *\\([0-9]*\\).*/\\1/p\' "$n"); kill ${q:-$p}; sleep 0.1; done '
    ") >/dev/null 2>&1 & k=$!; wait $p; e=$?; kill $k; exit $e"
)
"""Runs a server until stdin ends, so also when this process is killed. Behind walls it is the first process there;
bubblewrap writes its number on this machine to the file that is named first. The first process is told more than once,
as the kernel drops a signal for which it has no handler yet (pid_namespaces(7))."""


def qemu_img(
    *arguments: str | Path,
    fine: tuple[int, ...] = (0,),
    files: Sequence[Path] = (),
    sockets: Sequence[Path] = (),
) -> bytes:
    """qemu-img(1); what it printed. Raises ImageError with its words.

    It sees the folders of the arguments that are a Path, and of ``files``; and the exports behind ``sockets``.
    """
    folders = list(dict.fromkeys(_folder(a) for a in (*arguments, *files) if isinstance(a, Path)))
    is_reading = arguments[0] in _READING
    walls = qemu_walls.walls(
        reads=[*_places(sockets), *(folders if is_reading else ())], writes=() if is_reading else folders
    )
    ends_at = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        done = _run_img(walls, [os.fspath(a) for a in arguments])
        if done.status in fine:
            return done.out
        said = done.err.decode(errors="replace")
        if " lock" not in said or time.monotonic() > ends_at:
            raise explained("The draft's file cannot be used.", said, where=" ".join(map(str, arguments[-2:])))
        time.sleep(_POLL_S)


def _folder(file: Path) -> str:
    return os.path.dirname(os.path.abspath(file))


def _places(sockets: Sequence[Path]) -> list[str]:
    """The folders of sockets; on this computer one beside an overlay is a link to the server's own."""
    found = [_folder(socket) for socket in sockets]
    return found + [_folder(Path(os.readlink(socket))) for socket in sockets if socket.is_symlink()]


def _run_img(walls: list[str], arguments: list[str]) -> Completed:
    if shutil.which("qemu-img") is None:
        raise ImageError(
            "This computer has no qemu-img, which drafts need.",
            advice="Install it: `apt install qemu-utils` or `dnf install qemu-img`.",
        )
    command = ["/bin/sh", "-c", _LIMITED, "sh", *walls, "qemu-img", *arguments]
    try:
        return run(command, deadline_s=_IMG_DEADLINE_S, env={**os.environ, **_ENGLISH})
    except subprocess.TimeoutExpired as error:
        raise ImageError("qemu-img on this computer did not end in time.", where=arguments[-1]) from error


def held_ranges(layer: Path) -> tuple[tuple[int, int], ...]:
    """(offset, length) of what a qcow2 file holds itself, whatever is below it; its backing file is not opened."""
    alone = "json:" + json.dumps(
        {"driver": "qcow2", "backing": None, "file": {"driver": "file", "filename": os.fspath(layer)}}
    )
    extents = json.loads(qemu_img("map", "--output=json", alone, files=(layer,)))
    return tuple((int(e["start"]), int(e["length"])) for e in extents if e["present"])


class Server:
    """qemu-nbd on one qcow2 file of ours, with one client in this process. A context manager.

    It ends with this process, however that ends.
    """

    def __init__(self, file: Path, *, is_read_only: bool, export: Path | None = None) -> None:
        """``export`` is the socket of what lies below the file."""
        self._file, self._is_read_only = file, is_read_only
        self._sockets = (export,) if export is not None else ()
        self._folder = make_folder()
        self._process: subprocess.Popen[bytes] | None = None
        self._client: NbdClient | None = None

    def __enter__(self) -> NbdClient:
        try:
            self._start()
            self._client = NbdClient(self._folder / "s")
        except BaseException:
            # The server must not stay, whatever went wrong.
            self._end()
            raise
        return self._client

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._client is not None and not self._is_read_only:
                self._client.flush()
        finally:
            self._end()

    def _start(self) -> None:
        socket = self._folder / "s"
        command = ["qemu-nbd", "--format=qcow2", f"--socket={socket}", f"--pid-file={socket}.pid"]
        command += ["--read-only"] if self._is_read_only else ["--cache=writeback", "--discard=unmap"]
        log, number = self._folder / "log", self._folder / "number"
        number.touch()
        walls = self._walls(number)
        with log.open("wb") as noise:
            process = self._process = Child(
                ["/bin/sh", "-c", _GUARDED, "sh", str(number), *walls, *command, "--", os.path.abspath(self._file)],
                stdin=subprocess.PIPE, stdout=noise, stderr=noise, env={**os.environ, **_ENGLISH},
            )  # fmt: skip
        ends_at = time.monotonic() + _SERVER_DEADLINE_S
        pid_file = self._folder / "s.pid"
        while not (pid_file.exists() and pid_file.stat().st_size):
            said = log.read_text(encoding="utf-8", errors="replace")
            if said or process.poll() is not None or time.monotonic() > ends_at:
                raise explained("The draft's file cannot be served.", said, where=os.fspath(self._file))
            time.sleep(0.01)

    def _walls(self, number: Path) -> list[str]:
        folder = _folder(self._file)
        reads = [*_places(self._sockets), *([folder] if self._is_read_only else []), str(number)]
        writes = [str(self._folder), *([] if self._is_read_only else [folder])]
        words = qemu_walls.walls(reads=reads, writes=writes)
        return [*words, "--as-pid-1", "--info-fd", "8"] if words else []

    def _end(self) -> None:
        if self._client is not None:
            self._client.close()
        process = self._process
        if process is not None:
            let_end(process, within_s=_SERVER_DEADLINE_S, grace_s=_SERVER_DEADLINE_S)
        shutil.rmtree(self._folder, ignore_errors=True)
