# SPDX-License-Identifier: GPL-3.0-or-later
"""One open image: the surface that the image editor's window is built on.

Threads: every method may be called from any thread and returns at once; futures end, and ``on_event`` is called, on the
session's own threads. Requests are done one after the other, in the order they were made.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, TypeVar

from vmconsole.images import names, requests, rows
from vmconsole.images.apply import Apply, check_users
from vmconsole.images.client import GuestfsClient
from vmconsole.images.draft import Draft
from vmconsole.images.jobs import JobThread
from vmconsole.images.journal import Record
from vmconsole.images.messages import (
    Applied,
    ChangesChanged,
    ChangeVerb,
    Conflict,
    FileContent,
    Folder,
    ImageMode,
    Ownership,
    Progressed,
    SessionState,
    StateChanged,
    Transferred,
)
from vmconsole.images.opening import OpenImage, Surroundings
from vmconsole.inventory.errors import ConsoleError, ImageError, ImageLinkLost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from vmconsole.images.messages import Change, Entry, ImageOverview, ImageSource, OsDetails, SessionEvent
    from vmconsole.images.spare import Spare
    from vmconsole.inventory.errors import Explanation
    from vmconsole.links.base import Shell

T = TypeVar("T")
_QUICK_S = 120.0
_TRANSFER_S = 24 * 3600.0
_FINISH_S = 300.0
_MAY_OPEN = {SessionState.NEW, SessionState.APPLIED, SessionState.LOST, SessionState.FAILED}


class ImageSession:
    """Opens, edits and applies one image.

    All futures end with a value or an ``inventory.errors.ImageError`` (or a ``LinkError`` when the host could not
    even be asked); ``CancelledError`` after ``cancel()`` or ``close()``.
    """

    def __init__(
        self,
        source: ImageSource,
        shell: Shell,
        *,
        work_dir: Path,
        image_users: Callable[[], tuple[str, ...]],
        on_event: Callable[[SessionEvent], None],
        cache_dir: Path | None = None,
        spare: Spare | None = None,
    ) -> None:
        """``work_dir`` keeps drafts (one folder per image); ``cache_dir`` keeps the appliance (libguestfs' own default
        if None). ``image_users`` names the guests that use the image now; it may block and raise, and is called on the
        session's thread. ``on_event`` is called from several threads and must return quickly. ``spare`` may have an
        appliance that runs already."""
        self._source, self._shell = source, shell
        self._image_users, self._on_event = image_users, on_event
        self._around = Surroundings(
            source=source,
            shell=shell,
            work_dir=work_dir,
            cache_dir=cache_dir,
            on_step=self._on_step,
            on_progress=self._on_progress,
            on_lost=self._on_lost,
            new_client=spare.client if spare is not None else GuestfsClient,
        )
        self._jobs = JobThread(f"image {names.base(source.path)}")
        self._lock = threading.RLock()
        self._state = SessionState.NEW
        self._image: OpenImage | None = None
        self._overview: ImageOverview | None = None
        self._applying: Apply | None = None
        self._changes: tuple[Change, ...] = ()

    @property
    def source(self) -> ImageSource:
        return self._source

    @property
    def state(self) -> SessionState:
        return self._state

    def open(self) -> Future[ImageOverview]:
        """Open the image: a draft if it may be edited, else to look only. Takes some seconds (15 to 30 without KVM);
        ``StateChanged`` names the steps."""
        return self._jobs.submit(self._open)

    def list_folder(self, path: str, *, on_part: Callable[[Folder], None] | None = None) -> Future[Folder]:
        """The entries of the folder at ``path`` (absolute, in the tree described by ``ImageOverview``). Links
        followed. ``on_part`` is given some entries at a time while they come, sorted by name with folders first, on a
        thread of the session."""
        return self._jobs.submit(lambda: self._list(path, on_part))

    def show_filesystem(self, device: str | None) -> Future[ImageOverview]:
        """Show only this filesystem, at ``/``; None goes back to the whole tree."""
        return self._jobs.submit(lambda: self._show(device or ""))

    def inspect(self) -> Future[tuple[OsDetails, ...]]:
        """The full, slow look at the operating systems inside."""
        return self._jobs.submit(lambda: self._asked(requests.Inspect(), tuple, deadline_s=_FINISH_S))

    def read_file(self, path: str, *, limit_bytes: int) -> Future[FileContent]:
        """The first ``limit_bytes`` of a file. Links are followed, inside the guest."""
        return self._jobs.submit(lambda: self._asked(requests.Read(path, limit_bytes), FileContent))

    def write_file(self, path: str, data: bytes) -> Future[None]:
        """Write a file whole. An existing file keeps mode, owner, group and attributes; a new one gets 0644 and the
        folder's owner. A link is followed, and what it points to is written."""
        return self._jobs.submit(lambda: self._write(path, data))

    def import_paths(
        self,
        local_paths: Sequence[Path],
        folder: str,
        *,
        conflict: Conflict = Conflict.REFUSE,
        ownership: Ownership = Ownership.FOLDER,
    ) -> Future[Transferred]:
        """Copy local files and folders into a guest folder. Modes, times, links and holes are kept; ``ownership`` says
        whose they are. A cancelled import leaves nothing behind."""
        local = tuple(os.path.abspath(p) for p in local_paths)
        return self._jobs.submit(lambda: self._import(local, folder, conflict, ownership))

    def export_paths(self, guest_paths: Sequence[str], local_folder: Path) -> Future[Transferred]:
        """Copy guest files and folders into a local folder; a name that is taken gets « (2)». Links and device nodes
        inside folders are left out and named in ``skipped``. A cancelled export leaves nothing behind."""
        request = requests.Export(tuple(guest_paths), os.path.abspath(local_folder))
        return self._jobs.submit(lambda: self._asked(request, Transferred, deadline_s=_TRANSFER_S))

    def make_folder(self, path: str) -> Future[None]:
        """Make one folder (0755, owner of its parent). Refused if the name is taken."""
        request = requests.MakeFolder(path)
        return self._jobs.submit(lambda: self._changed(request, ((ChangeVerb.MADE, path, ""),)))

    def rename(self, path: str, new_path: str) -> Future[None]:
        """Rename or move. Refused if the new name is taken."""
        request = requests.Rename(path, new_path)
        return self._jobs.submit(lambda: self._changed(request, ((ChangeVerb.RENAMED, path, f"to {new_path}"),)))

    def delete(self, paths: Sequence[str]) -> Future[None]:
        """Delete files, and folders with all that is in them. Links are deleted, not what they point to."""
        what = tuple((ChangeVerb.DELETED, path, "") for path in paths)
        return self._jobs.submit(lambda: self._changed(requests.Delete(tuple(paths)), what))

    def changes(self) -> tuple[Change, ...]:
        """The draft's changes so far, oldest first. Does not block."""
        return self._changes

    def discard(self) -> Future[ImageOverview]:
        """Forget all changes of the draft and show the image as it is. Takes as long as ``open()``."""
        return self._jobs.submit(self._discard)

    def apply(self) -> Future[Applied]:
        """Write the draft into the image. Refused, with words, while anybody uses the image, if it changed since it was
        opened, or if space is short; the draft is kept then. Ends in state APPLIED."""
        return self._jobs.submit(self._apply)

    def cancel(self) -> None:
        """Stop the request that runs now and drop those that wait. The session stays open."""
        self._jobs.drop()
        with self._lock:
            image, applying, state = self._image, self._applying, self._state
        if applying is not None:
            applying.cancel()
        elif image is not None and state is SessionState.OPENING:
            image.kill(ImageError("Opening the image was cancelled.", where=self._source.path))
        elif image is not None:
            image.client.cancel()

    def close(self, *, keep_draft: bool = True) -> None:
        """End everything, at once, whatever runs. The draft stays in ``work_dir`` (if it has changes and
        ``keep_draft``) and is taken up by the next ``open()`` of the same image. Nothing is announced afterwards."""
        with self._lock:
            if self._state is SessionState.CLOSED:
                return
            self._state = SessionState.CLOSED
            image, applying = self._image, self._applying
        if applying is not None:
            applying.cancel()
        if image is not None:
            image.kill(ImageError("The image was closed.", where=self._source.path))
        self._jobs.close(lambda: self._tear_down(keep_draft=keep_draft))

    def wait_closed(self, timeout_s: float) -> bool:
        """After ``close``: wait until nothing is left of it. Blocks; for the end of the program and for tests."""
        return self._jobs.join(timeout_s)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes on this machine that belong to it now: the guestfs child and its appliance."""
        image = self._image
        return image.client.pids if image is not None else ()

    # What follows runs on the session's thread, unless it says otherwise.

    def _open(self) -> ImageOverview:
        with self._lock:
            if self._state not in _MAY_OPEN:
                raise ImageError("The image is open already.", where=self._source.path)
            self._state = SessionState.OPENING
        self._tear_down(keep_draft=True)
        image = OpenImage(self._around)
        with self._lock:
            self._image = image
        try:
            overview = image.open()
        except ConsoleError as error:
            self._tear_down(keep_draft=True)
            self._enter(SessionState.FAILED, error.explanation.what, error.explanation)
            raise
        except BaseException:
            # A programming error, too, must not leave an appliance running.
            self._tear_down(keep_draft=True)
            self._enter(SessionState.FAILED, "The image could not be opened.")
            raise
        self._overview = overview
        self._announce_changes(image.draft)
        self._enter_open(overview)
        return overview

    def _enter_open(self, overview: ImageOverview) -> None:
        if overview.mode is ImageMode.DRAFT:
            self._enter(SessionState.READY, "Editing a draft; nothing is written until Apply.")
        else:
            reason = overview.mode_reason
            self._enter(SessionState.LOOK_ONLY, reason.what if reason else "Open to look only.", reason)

    def _tear_down(self, *, keep_draft: bool) -> None:
        with self._lock:
            image, self._image = self._image, None
        if image is not None:
            image.close(keep_draft=keep_draft)

    def _opened(self) -> OpenImage:
        if self._image is None or not self._state.is_open:
            raise ImageError(
                f"The image is not open ({self._state.value}).", advice="Open it again.", where=self._source.path
            )
        return self._image

    def _asked(
        self,
        request: requests.Request,
        kind: type[T],
        *,
        deadline_s: float = _QUICK_S,
        on_part: Callable[[object], None] | None = None,
    ) -> T:
        answer = self._ask(self._opened(), request, deadline_s, on_part)
        assert isinstance(answer, kind)
        return answer

    def _ask(
        self,
        image: OpenImage,
        request: requests.Request,
        deadline_s: float,
        on_part: Callable[[object], None] | None = None,
    ) -> object:
        try:
            return image.client.ask(request, deadline_s=deadline_s, on_part=on_part)
        except ImageLinkLost as error:
            self._on_lost(error)
            raise

    def _list(self, path: str, on_part: Callable[[Folder], None] | None) -> Folder:
        entries: list[Entry] = []

        def take(part: object) -> None:
            assert isinstance(part, requests.Rows)
            found = rows.unpack(part.packed)
            entries.extend(found)
            if on_part is not None:
                on_part(Folder(path, found))

        listed = self._asked(requests.List(path), requests.Listed, on_part=take)
        return Folder(listed.path, tuple(entries))

    def _show(self, device: str) -> ImageOverview:
        image = self._opened()
        assert self._overview is not None
        self._overview = image.overview_of(self._overview, image.look(device))
        return self._overview

    def _draft(self) -> Draft:
        draft = self._opened().draft
        if draft is None:
            raise ImageError("This image is open to look only.", where=self._source.path)
        return draft

    def _changed(self, request: requests.Request, what: tuple[tuple[ChangeVerb, str, str], ...]) -> None:
        draft = self._draft()
        draft.check_room(0)
        self._ask(self._opened(), request, _QUICK_S)
        for verb, path, detail in what:
            draft.add(verb, path, detail=detail)
        self._announce_changes(draft)

    def _write(self, path: str, data: bytes) -> None:
        draft = self._draft()
        draft.check_room(len(data))
        written = self._asked(requests.Write(path, data), requests.Written)
        verb = ChangeVerb.ADDED if written.is_new else ChangeVerb.WRITTEN
        draft.add(verb, written.path, size_bytes=len(data))
        self._announce_changes(draft)

    def _import(
        self, local_paths: tuple[str, ...], folder: str, conflict: Conflict, ownership: Ownership
    ) -> Transferred:
        draft = self._draft()
        draft.check_room(0)
        request = requests.Import(local_paths, folder, conflict, draft.room_bytes(), ownership)
        done = self._asked(request, Transferred, deadline_s=_TRANSFER_S)
        for path in done.paths:
            draft.add(
                ChangeVerb.ADDED, path, detail="" if len(done.paths) == done.files else f"({done.files} files in all)"
            )
        self._announce_changes(draft)
        return done

    def _discard(self) -> ImageOverview:
        image = self._image
        if image is not None and image.facts.unfinished is not None:
            self._discard_unfinished(image)
        self._tear_down(keep_draft=False)
        self._forget_stale()
        with self._lock:
            if self._state is not SessionState.CLOSED:
                self._state = SessionState.NEW
        return self._open()

    def _discard_unfinished(self, image: OpenImage) -> None:
        unfinished = image.facts.unfinished
        if unfinished is not None and unfinished.is_running:
            raise ImageError("The host is writing the image now; wait for its end.", where=self._source.path)
        Apply(self._shell, image.facts, report=self._on_progress).discard_journal()

    def _forget_stale(self) -> None:
        """A draft that does not fit the image any more was not taken by ``open``; it goes here."""
        draft = Draft(self._around.work_dir, self._source)
        draft.forget()
        draft.close()

    def _apply(self) -> Applied:
        image = self._opened()
        began_at = time.monotonic()
        with self._lock:
            applying = self._applying = Apply(self._shell, image.facts, report=self._on_progress)
        try:
            if image.facts.unfinished is not None:
                applied = self._finish_earlier(image, applying, began_at)
            else:
                applied = self._apply_draft(image, applying, began_at)
        finally:
            with self._lock:
                self._applying = None
        self._changes = ()
        self._emit(ChangesChanged(()))
        self._enter(SessionState.APPLIED, "The draft is in the image now.")
        return applied

    def _apply_draft(self, image: OpenImage, applying: Apply, began_at: float) -> Applied:
        draft = self._draft()
        if not draft.changes:
            raise ImageError("There is nothing to apply.", where=self._source.path)
        size = draft.overlay.stat().st_size
        check_users(self._image_users(), self._source.path)
        applying.check_unchanged()
        applying.check_space(size)
        self._enter(SessionState.APPLYING, "Closing the draft")
        try:
            image.client.ask(requests.Finish(), deadline_s=_FINISH_S)
            draft.tidy()
            size = draft.overlay.stat().st_size
            record = Record(draft.id, len(draft.changes), image.facts.format)
            self._on_step("Carrying the draft to the host")
            applying.carry(draft.overlay, record)
            self._on_step("Writing the image")
            image.let_go()
            check_users(self._image_users(), self._source.path)
            applying.commit(expects_unchanged=True)
        except BaseException as error:
            # Whatever it was, also a cancel: the appliance is gone, the draft is kept, and the state must say so.
            self._end_apply_badly(error)
            raise
        count = len(draft.changes)
        draft.forget()
        self._tear_down(keep_draft=False)
        return Applied(count, size, time.monotonic() - began_at)

    def _finish_earlier(self, image: OpenImage, applying: Apply, began_at: float) -> Applied:
        unfinished = image.facts.unfinished
        assert unfinished is not None
        if unfinished.image_was_written_since and not unfinished.is_running and unfinished.result != "0":
            raise ImageError(
                "The earlier Apply cannot be finished: the image was written by somebody else since.",
                advice="Check the guest's filesystems; Discard removes what is left of the Apply.",
                where=self._source.path,
            )
        check_users(self._image_users(), self._source.path)
        self._enter(SessionState.APPLYING, "Finishing the earlier Apply")
        try:
            image.let_go()
            if unfinished.is_running or unfinished.result == "0":
                applying.await_end()
            else:
                applying.commit(expects_unchanged=False)
        except BaseException as error:
            # As in ``_apply_draft``.
            self._end_apply_badly(error)
            raise
        self._tear_down(keep_draft=True)
        self._forget_if(unfinished.draft_id)
        return Applied(unfinished.changes, 0, time.monotonic() - began_at)

    def _forget_if(self, draft_id: str) -> None:
        draft = Draft(self._around.work_dir, self._source)
        if draft.id == draft_id:
            draft.forget()
        draft.close()

    def _end_apply_badly(self, error: BaseException) -> None:
        self._tear_down(keep_draft=True)
        problem = error.explanation if isinstance(error, ConsoleError) else None
        was_cancelled = isinstance(error, CancelledError)
        words = "Apply was cancelled." if was_cancelled else problem.what if problem else "Apply failed."
        self._enter(SessionState.LOST, f"{words} The draft is kept.", problem)

    # Announcing; also from the threads of the parts.

    def _announce_changes(self, draft: Draft | None) -> None:
        self._changes = draft.changes if draft is not None else ()
        self._emit(ChangesChanged(self._changes))

    def _enter(self, state: SessionState, words: str, problem: Explanation | None = None) -> None:
        with self._lock:
            if self._state is SessionState.CLOSED:
                return
            self._state = state
        self._emit(StateChanged(state, words, problem))

    def _on_step(self, words: str) -> None:
        self._emit(StateChanged(self._state, words))

    def _on_progress(self, words: str, position: int, total: int) -> None:
        self._emit(Progressed(words, position, total))

    def _on_lost(self, error: ImageError) -> None:
        """From any thread: the export or the child ended by itself."""
        with self._lock:
            image, was_open = self._image, self._state.is_open
            if was_open:
                self._state = SessionState.LOST
        if image is not None:
            image.kill(error)
        if was_open:
            self._emit(StateChanged(SessionState.LOST, error.explanation.what, error.explanation))

    def _emit(self, event: SessionEvent) -> None:
        if self._state is not SessionState.CLOSED:
            self._on_event(event)
