# SPDX-License-Identifier: GPL-3.0-or-later
"""A running guest's folders behind the calls that the image editor's parts know from ``images.session``.

Methods may be called on any thread, never block, and answer with futures; the work is done one job after the other on
one thread. ``close`` ends it. Nothing is kept: there is no draft, and what is done is done.
"""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, TypeVar

from vmconsole.images.jobs import JobThread
from vmconsole.images.live_guest import LiveGuest
from vmconsole.images.live_transfer import Bringing, Fetching
from vmconsole.images.messages import Conflict, FileContent, Folder, Progressed, Transferred
from vmconsole.inventory.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vmconsole.images.live_agent import Abilities, Call
    from vmconsole.images.messages import Ownership, SessionEvent
    from vmconsole.images.tool_values import Window

T = TypeVar("T")
PROGRESS_EVERY_S = 0.1


class LiveSession:
    """``call`` asks the guest's agent and blocks; ``on_event`` is called on the session's thread."""

    def __init__(self, call: Call, *, on_event: Callable[[SessionEvent], None]) -> None:
        self._on_event = on_event
        self._cancelled = threading.Event()
        self._told_at = 0.0
        self._jobs = JobThread("live folders")
        self._guest = LiveGuest(call, cancelled=self._cancelled, progress=self._tell)
        self._read: dict[str, str] = {}
        """Path → SHA-256 of what was read whole from there: what a save must still find."""
        self._is_closed = False
        self.tools = LiveTools(self)

    # -- life --------------------------------------------------------------------------------------------------

    def begin(self) -> Future[Abilities]:
        """What the agent of this guest can do; fails where there is none."""
        return self.submit(self._guest.abilities)

    def cancel(self) -> None:
        """End what is under way after the present call, and drop what waits."""
        self._cancelled.set()
        self._jobs.drop()

    def close(self, *, keep_draft: bool = True) -> None:
        """End. There is no draft to keep; the argument is there because an image has one."""
        del keep_draft
        self._is_closed = True
        self._cancelled.set()
        self._jobs.close(lambda: None)

    def wait_closed(self, timeout_s: float) -> bool:
        return self._jobs.join(timeout_s)

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Do it on the session's thread."""

        def run() -> T:
            if self._is_closed:
                raise CancelledError
            self._cancelled.clear()  # that was for the job before
            return job()

        return self._jobs.submit(run)

    def _tell(self, words: str, position: int, total: int) -> None:
        now = time.monotonic()
        if position >= total or now > self._told_at + PROGRESS_EVERY_S:
            self._told_at = now
            self._on_event(Progressed(words, position, total))

    # -- looking -----------------------------------------------------------------------------------------------

    def list_folder(self, path: str, *, on_part: Callable[[Folder], None] | None = None) -> Future[Folder]:
        """The folder whole: the agent gives no parts, so ``on_part`` is never called."""
        del on_part
        return self.submit(lambda: self._guest.list_folder(path))

    def read_file(self, path: str, *, limit_bytes: int) -> Future[FileContent]:
        def job() -> FileContent:
            content = self._guest.read_file(path, limit_bytes=limit_bytes)
            if not content.is_truncated:
                self._read[path] = hashlib.sha256(content.data).hexdigest()
            return content

        return self.submit(job)

    # -- changing ----------------------------------------------------------------------------------------------

    def write_file(self, path: str, data: bytes) -> Future[None]:
        """Put text in the place of what ``read_file`` gave. Fails if something else is there now."""

        def job() -> None:
            self._guest.write_file(path, data, read_hash=self._read.get(path, ""))
            self._read[path] = hashlib.sha256(data).hexdigest()

        return self.submit(job)

    def make_folder(self, path: str) -> Future[None]:
        return self.submit(lambda: self._guest.make_folder(path))

    def rename(self, path: str, new_path: str) -> Future[None]:
        return self.submit(lambda: self._guest.rename(path, new_path))

    def set_mode(self, path: str, mode: int) -> Future[None]:
        return self.submit(lambda: self._guest.set_mode(path, mode))

    def delete(self, paths: Sequence[str]) -> Future[None]:
        def job() -> None:
            for path in paths:
                if self._cancelled.is_set():
                    raise CancelledError
                self._guest.delete(path)

        return self.submit(job)

    # -- from and to this machine ------------------------------------------------------------------------------

    def import_paths(
        self,
        paths: Sequence[Path],
        folder: str,
        *,
        conflict: Conflict = Conflict.REFUSE,
        ownership: Ownership | None = None,
        choices: Sequence[Conflict] = (),
    ) -> Future[Transferred]:
        """New files get the folder's owner, whatever ``ownership`` says; replaced ones keep theirs. ``choices``, if
        there are any, are for each path."""
        del ownership
        answers = tuple(choices) or (conflict,) * len(paths)
        return self.submit(lambda: Bringing(self._guest, self._cancelled, answers).bring(paths, folder))

    def export_paths(self, guest_paths: Sequence[str], folder: Path) -> Future[Transferred]:
        return self.submit(lambda: Fetching(self._guest, self._cancelled).fetch(guest_paths, folder))

    def window(self, path: str, offset: int, count: int) -> Future[Window]:
        return self.submit(lambda: self._guest.read_window(path, offset, count))


class LiveTools:
    """What there is of ``images.file_tools`` in a running guest: bytes of a file. A search of it would take minutes."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session

    def read_window(self, path: str, offset: int, count: int) -> Future[Window]:
        return self._session.window(path, offset, count)

    def begin(self, task: object) -> Future[int]:
        del task

        def job() -> int:
            raise Unsupported("Bytes cannot be looked for in a running guest.", advice="Copy the file out first.")

        return self._session.submit(job)
