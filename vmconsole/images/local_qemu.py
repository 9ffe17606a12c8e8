# SPDX-License-Identifier: GPL-3.0-or-later
"""qemu-img and qemu-nbd on this machine, for the files of a draft. Blocks; any thread, each server on one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from vmconsole.images.hints import explained
from vmconsole.images.leftovers import make_folder
from vmconsole.images.nbd import NbdClient
from vmconsole.inventory.errors import ImageError
from vmconsole.links.children import Child, run

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from vmconsole.links.base import Completed

_IMG_DEADLINE_S = 60.0
_LOCK_PATIENCE_S = 10.0
"""A process of a killed session may hold a file a moment longer: it ends by itself."""
_POLL_S = 0.05
_SERVER_DEADLINE_S = 20.0
_ENGLISH = {"LC_ALL": "C"}
_GUARDED = '"$@" </dev/null & p=$!; read -r _; kill $p 2>/dev/null; wait $p'
"""Runs a server until stdin ends, so also when this process is killed."""


def qemu_img(*arguments: str | Path, fine: tuple[int, ...] = (0,)) -> bytes:
    """qemu-img(1); what it printed. Raises ImageError with its words."""
    ends_at = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        done = _run_img([os.fspath(a) for a in arguments])
        if done.status in fine:
            return done.out
        said = done.err.decode(errors="replace")
        if " lock" not in said or time.monotonic() > ends_at:
            raise explained("The draft's file cannot be used.", said, where=" ".join(map(str, arguments[-2:])))
        time.sleep(_POLL_S)


def _run_img(arguments: list[str]) -> Completed:
    try:
        return run(["qemu-img", *arguments], deadline_s=_IMG_DEADLINE_S, env={**os.environ, **_ENGLISH})
    except FileNotFoundError as error:
        raise ImageError(
            "This computer has no qemu-img, which drafts need.",
            advice="Install it: `apt install qemu-utils` or `dnf install qemu-img`.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ImageError("qemu-img on this computer did not end in time.", where=arguments[-1]) from error


def held_ranges(layer: Path) -> tuple[tuple[int, int], ...]:
    """(offset, length) of what a qcow2 file holds itself, whatever is below it; its backing file is not opened."""
    alone = "json:" + json.dumps(
        {"driver": "qcow2", "backing": None, "file": {"driver": "file", "filename": os.fspath(layer)}}
    )
    extents = json.loads(qemu_img("map", "--output=json", alone))
    return tuple((int(e["start"]), int(e["length"])) for e in extents if e["present"])


class Server:
    """qemu-nbd on one qcow2 file of ours, with one client in this process. A context manager.

    It ends with this process, however that ends.
    """

    def __init__(self, file: Path, *, is_read_only: bool) -> None:
        self._file, self._is_read_only = file, is_read_only
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
        log = self._folder / "log"
        with log.open("wb") as noise:
            process = self._process = Child(
                ["/bin/sh", "-c", _GUARDED, "sh", *command, "--", os.fspath(self._file)], stdin=subprocess.PIPE,
                stdout=noise, stderr=noise, env={**os.environ, **_ENGLISH},
            )  # fmt: skip
        ends_at = time.monotonic() + _SERVER_DEADLINE_S
        pid_file = self._folder / "s.pid"
        while not (pid_file.exists() and pid_file.stat().st_size):
            said = log.read_text(encoding="utf-8", errors="replace")
            if said or process.poll() is not None or time.monotonic() > ends_at:
                raise explained("The draft's file cannot be served.", said, where=os.fspath(self._file))
            time.sleep(0.01)

    def _end(self) -> None:
        if self._client is not None:
            self._client.close()
        process = self._process
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(_SERVER_DEADLINE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
