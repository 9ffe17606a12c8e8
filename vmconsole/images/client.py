# SPDX-License-Identifier: GPL-3.0-or-later
"""The parent's side of the guestfs child: starts it, asks, cancels, and can always end it and its appliance.

Threads: ``ask`` blocks, and does one request after the other; ``cancel``, ``kill`` and ``close`` may be
called from any. Progress and console text arrive on the client's reader thread.
"""

from __future__ import annotations

import collections
import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images import requests, wire
from vmconsole.images.appliance import Appliance
from vmconsole.images.building import build_appliance
from vmconsole.images.confine import Walls, outer_pid
from vmconsole.images.hints import error_of
from vmconsole.images.leftovers import make_folder, note_folders, socket_folders
from vmconsole.images.outbox import Outbox
from vmconsole.inventory.errors import ImageError, ImageLinkLost

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from vmconsole.images.tool_requests import ToolRequest

_CONSOLE_LINES = 200
_CANCEL_GRACE_S = 30.0
"""A cancelled request that is still stuck after that is on a dead disk: the appliance is ended."""

_PART_PATIENCE_S = 60.0
"""As long as parts of an answer come, it is not late: a folder may have a million entries."""
_LONGEST_LINE = 256 << 20
"""What the child says may fill this process' memory no further; a longer line is not a message."""


class GuestfsClient:
    """One child process. After ``kill`` (or the child's own end) every ``ask`` raises the reason."""

    def __init__(self, *, on_progress: Callable[[str, int, int], None], on_end: Callable[[ImageError], None]) -> None:
        """``on_end`` is called once, from the reader thread, if the child ends without ``close`` or ``kill``."""
        self._on_progress = on_progress
        self._on_end = on_end
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = ""
        self._leftovers: frozenset[str] = frozenset()
        self._reader: threading.Thread | None = None
        self._answers: queue.SimpleQueue[requests.Done | requests.Refused | None] = queue.SimpleQueue()
        self._console: collections.deque[str] = collections.deque(maxlen=_CONSOLE_LINES)
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._number = 0
        self._cancelled_at: float | None = None
        self._appliance: Appliance | None = None
        self._reason: ImageError | None = None
        self._on_part: Callable[[object], None] | None = None
        self._part_at = 0.0
        self._walls = Walls()

    def start(self) -> None:
        """Start the child, if that was not done yet. It loads libguestfs while the caller goes on."""
        if self._process is not None:
            return
        # libguestfs keeps sockets and small files while it runs. A killed child cannot remove them: ``close`` does.
        self._folder = str(make_folder())
        # Messages of tools inside are matched by their English words.
        words = {
            "LC_ALL": "C.UTF-8",
            "TMPDIR": self._folder,
            "XDG_RUNTIME_DIR": self._folder,
            # Else it is TMPDIR (guestfs(3)), and the appliance is built again for each image.
            "LIBGUESTFS_CACHEDIR": os.environ.get("LIBGUESTFS_CACHEDIR") or "/var/tmp",
        }
        command = [sys.executable, "-m", "vmconsole.images.worker"]
        self._process = self._walls.start(command, {**os.environ, **words}, self._folder)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), name="guestfs answers")
        self._noise = threading.Thread(target=self._listen, args=(self._process.stderr,), name="guestfs stderr")
        self._reader.start()
        self._noise.start()
        if self._walls.stand:
            threading.Thread(target=self._end_with, args=(self._process,), name="guestfs end", daemon=True).start()

    def adopt(self, *, on_progress: Callable[[str, int, int], None], on_end: Callable[[ImageError], None]) -> bool:
        """Give it to another owner. False, and it is closed, if it has ended already."""
        with self._lock:
            self._on_progress, self._on_end = on_progress, on_end
            is_good = self._reason is None
        if not is_good:
            self.close()
        return is_good

    @property
    def console_text(self) -> str:
        """The last lines of the appliance's console and of the child's stderr."""
        return "".join(self._console)

    @property
    def folder(self) -> str:
        """The private folder on this machine that the child may read and write; it goes with the child."""
        return self._folder

    @property
    def confinement_note(self) -> str:
        """Why the child and its appliance are not confined; empty if they are."""
        return self._walls.note

    @property
    def pids(self) -> tuple[int, ...]:
        """The child and its appliance, as far as they are running."""
        child = self._process.pid if self._process is not None and self._process.poll() is None else 0
        appliance = self._appliance
        return tuple(
            pid for pid in (child, appliance.pid if appliance is not None and appliance.is_alive else 0) if pid
        )

    def ask(
        self,
        request: requests.Request | ToolRequest,
        *,
        deadline_s: float,
        on_part: Callable[[object], None] | None = None,
    ) -> object:
        """Do a request. Raises ImageError; CancelledError after ``cancel``. Past the deadline the child is killed.

        ``on_part`` takes what comes ahead of the answer; on the reader thread, all of it before this returns.
        """
        with self._asking:
            try:
                answer = self._behind_walls(request, deadline_s, on_part)
            except ImageError as error:
                if self._reason is None or error is self._reason:
                    raise
                raise self._reason from error  # what failed did so because the child was ended
        if isinstance(answer, requests.Done):
            return answer.value
        if answer.kind == "Cancelled":
            raise CancelledError
        raise error_of(answer.kind, answer.explanation)

    def _behind_walls(
        self, request: requests.Request | ToolRequest, deadline_s: float, on_part: Callable[[object], None] | None
    ) -> requests.Done | requests.Refused:
        if isinstance(request, requests.Prepare | requests.Launch):
            build_appliance(request.cache_dir)
        if not isinstance(request, requests.Export):
            with self._walls.lent(request):
                return self._asked(request, deadline_s, on_part)
        with Outbox(request) as outbox, self._walls.lent(outbox.request):
            return outbox.delivered(self._asked(outbox.request, deadline_s, on_part))

    def _asked(
        self, request: requests.Request | ToolRequest, deadline_s: float, on_part: Callable[[object], None] | None
    ) -> requests.Done | requests.Refused:
        with self._lock:
            if self._reason is not None:
                raise self._reason
            self._number += 1
            self._cancelled_at = None
            number = self._number
            self._on_part, self._part_at = on_part, 0.0
        self._send(requests.Ask(number, request))
        answer = self._await(type(request).__name__, time.monotonic() + deadline_s)
        with self._lock:
            self._cancelled_at = None
        return answer

    def _await(self, what: str, ends_at: float) -> requests.Done | requests.Refused:
        while True:
            try:
                answer = self._answers.get(timeout=0.25)
            except queue.Empty:
                self._check_patience(what, ends_at)
                continue
            if answer is None:
                raise self._reason or self._died()
            return answer

    def _check_patience(self, what: str, ends_at: float) -> None:
        now, cancelled_at = time.monotonic(), self._cancelled_at
        if now > max(ends_at, self._part_at + _PART_PATIENCE_S):
            self.kill(
                ImageLinkLost(
                    "The image's appliance did not answer in time.",
                    cause=f"«{what}» took longer than it may; the disk below it may be gone.",
                    advice="Open the image again; the draft is kept.",
                    said=self.console_text[-2000:],
                )
            )
        elif cancelled_at is not None and now > cancelled_at + _CANCEL_GRACE_S:
            self.kill(
                ImageLinkLost(
                    "The request could not be stopped, so the appliance was ended.",
                    cause="The disk below it does not answer.",
                    advice="Open the image again; the draft is kept.",
                )
            )

    def cancel(self) -> None:
        """Stop the running request: ``ask`` then raises CancelledError."""
        with self._lock:
            self._cancelled_at = time.monotonic()
            number = self._number
        with contextlib.suppress(ImageError):
            self._send(requests.Cancel(number))

    def kill(self, reason: ImageError) -> None:
        """End the child and its appliance at once; a stuck ``ask`` raises ``reason``."""
        with self._lock:
            self._reason = self._reason or reason
            process, appliance = self._process, self._appliance
            if process is not None and process.poll() is None and not self._walls.stand:
                self._leftovers |= socket_folders(process.pid)
        if appliance is not None:
            appliance.kill()
        if process is not None and process.poll() is None:
            # The child leads a process group with its appliance in it, also one that it is only now starting.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End everything and wait for it (well under a second)."""
        self.kill(ImageError("The image was closed."))
        process = self._process
        if process is None:
            return
        process.wait()
        self._walls.close()
        if self._appliance is not None:
            self._appliance.close()
        for thread in (self._reader, self._noise):
            if thread is not None and thread is not threading.current_thread():
                thread.join(timeout=2.0)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        for folder in (self._folder, *self._leftovers):
            shutil.rmtree(folder, ignore_errors=True)

    def _send(self, message: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(wire.encode(message))
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise self._reason or self._died() from error

    def _read(self, answers: BinaryIO) -> None:
        try:
            while line := answers.readline(_LONGEST_LINE):
                self._understand(line)
        except wire.BadMessage as error:
            self.kill(
                ImageError("The program that reads the image gave an answer that is not understood.", said=str(error))
            )
        except (ValueError, OSError):
            pass  # the pipe was closed under us
        is_surprise = self._reason is None
        # However it ended, an appliance without its child must not stay.
        self.kill(self._died())
        self._answers.put(None)
        if is_surprise and self._reason is not None:
            self._on_end(self._reason)

    def _understand(self, line: bytes) -> None:
        message = wire.decode(line)
        try:
            self._take(message)
        except Exception as error:
            # Whatever is wrong in it: this thread must live to say so, or the one who asked would wait for ever.
            raise wire.BadMessage(f"{type(message).__name__} that cannot be taken: {error!r}") from error

    def _take(self, message: object) -> None:
        if isinstance(message, requests.Done | requests.Refused):
            self._answers.put(message)
        elif isinstance(message, requests.Part):
            if self._on_part is not None and message.number == self._number:
                self._part_at = time.monotonic()
                self._on_part(message.value)
        elif isinstance(message, requests.Moved):
            self._on_progress(message.words, message.position, message.total)
        elif isinstance(message, requests.Console):
            self._console.append(message.text)
        elif isinstance(message, requests.ApplianceStarted):
            with self._lock:
                assert self._process is not None
                is_inside = self._walls.stand
                self._appliance = Appliance(outer_pid(self._process.pid, message.pid) if is_inside else message.pid)
                if not is_inside:
                    self._leftovers |= socket_folders(self._process.pid)
                    note_folders(Path(self._folder), self._leftovers)

    def _listen(self, noise: BinaryIO) -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in noise:
                self._console.append(line.decode(errors="replace"))

    @staticmethod
    def _end_with(keeper: subprocess.Popen[bytes]) -> None:
        """What is behind the walls ends with their keeper, also while bubblewrap has not seen to that yet."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, keeper.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(keeper.pid, signal.SIGKILL)

    def _died(self) -> ImageError:
        return ImageLinkLost(
            "The program that reads the image ended by itself.",
            cause="It or its appliance was killed, or crashed.",
            advice="Open the image again; the draft is kept.",
            said=self.console_text[-2000:],
        )
