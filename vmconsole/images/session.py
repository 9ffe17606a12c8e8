# SPDX-License-Identifier: GPL-3.0-or-later
"""One open image: the surface that the image editor's window is built on.

Threads: every method may be called from any thread and returns at once; futures end, and ``on_event`` is called, on the
session's own threads. Requests are done one after the other, in the order they were made.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from typing import TYPE_CHECKING, TypeVar

from vmconsole.images import names, requests, rows
from vmconsole.images.brought import brought
from vmconsole.images.client import GuestfsClient
from vmconsole.images.draft_work import DraftWork, Hooks
from vmconsole.images.file_tools import ImageTools, ToolDesk
from vmconsole.images.jobs import JobThread
from vmconsole.images.messages import (
    Applied,
    ChangesChanged,
    ChangeVerb,
    Conflict,
    FileContent,
    Folder,
    ImageMode,
    OldDraft,
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

    from vmconsole.images.draft import Draft
    from vmconsole.images.messages import Change, Entry, ImageOverview, ImageSource, OsDetails, SessionEvent, Usage
    from vmconsole.images.spare import Spare
    from vmconsole.images.tool_requests import ToolRequest
    from vmconsole.images.way_back import WayBack
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
        self._on_event = on_event
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
        self._changes: tuple[Change, ...] = ()
        self._work = DraftWork(
            self._around,
            image_users,
            Hooks(
                current=lambda: self._image,
                tear_down=lambda: self._tear_down(keep_draft=True),
                reopen=self._reopen,
                swap_layers=self._swap_layers,
                enter=self._enter,
                emit=self._tell,
            ),
        )
        self.tools = ImageTools(
            ToolDesk(
                submit=self._jobs.submit,
                ask=self._asked,
                check_room=self._check_room,
                note=self._note,
                exchange_folder=lambda: self._opened().client.folder,
            )
        )
        """Attributes, links, search, configuration trees, the registry, comparing."""

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

    def unlock(self, device: str, key: str) -> Future[ImageOverview]:
        """Open an encrypted volume with its key, and show the whole tree. ImageUnreadable if the key is wrong; try
        again then. The key is kept in memory until ``close``, for when the image is opened again."""
        return self._jobs.submit(lambda: self._unlock(device, key))

    def usage(self) -> Future[tuple[Usage, ...]]:
        """How full the filesystems are that are shown."""
        return self._jobs.submit(lambda: self._opened().usage())

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
        choices: Sequence[Conflict] = (),
    ) -> Future[Transferred]:
        """Copy local files and folders into a guest folder. Modes, times, links and holes are kept; ``ownership`` says
        whose they are; ``choices``, one for each path, say what to do where ``conflict`` is not for all. A cancelled
        import leaves nothing behind."""
        local = tuple(os.path.abspath(p) for p in local_paths)
        request = requests.Import(local, folder, conflict, 0, ownership, tuple(choices))
        return self._jobs.submit(lambda: self._import(request))

    def export_paths(self, guest_paths: Sequence[str], local_folder: Path) -> Future[Transferred]:
        """Copy guest files and folders into a local folder; a name that is taken gets « (2)». Links and device nodes
        inside folders are left out and named in ``skipped``. A cancelled export leaves nothing behind."""
        request = requests.Export(tuple(guest_paths), os.path.abspath(local_folder))
        return self._jobs.submit(lambda: self._asked(request, Transferred, deadline_s=_TRANSFER_S))

    def carry_out(self, guest_paths: Sequence[str], local_folder: Path) -> Future[Transferred]:
        """Copy guest files and folders, with all that they are, into a bundle in a local folder: for ``carry_in`` of
        another image. The answer's one path is the bundle's."""
        request = requests.Export(tuple(guest_paths), os.path.abspath(local_folder), is_bundle=True)
        return self._jobs.submit(lambda: self._asked(request, Transferred, deadline_s=_TRANSFER_S))

    def carry_in(self, bundle: Path, folder: str, *, choices: Sequence[Conflict] = ()) -> Future[Transferred]:
        """Put what a bundle holds into a guest folder, as it was where it comes from. ``choices`` is for each of its
        top names, in the order of ``carry_out``; without them, names that are taken are refused."""
        local = (os.path.abspath(bundle),)
        request = requests.Import(local, folder, Conflict.REFUSE, 0, choices=tuple(choices), is_bundle=True)
        return self._jobs.submit(lambda: self._import(request))

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

    def undo(self, steps: int = 1) -> Future[ImageOverview]:
        """Take back the draft's last steps; ``redo`` brings them back. Takes a second or two; with encrypted volumes or
        arrays as long as ``open()``."""
        return self._jobs.submit(lambda: self._work.go(-steps))

    def redo(self, steps: int = 1) -> Future[ImageOverview]:
        """Bring back what was undone, until something else is changed."""
        return self._jobs.submit(lambda: self._work.go(steps))

    def open_again(self, old_draft: OldDraft) -> Future[ImageOverview]:
        """Open the image anew, with a kept draft that was refused (``ImageOverview.old_draft``): to look at its files,
        or, if nobody can tell and the user can, to go on with it; or without it again. Takes as long as ``open()``."""
        return self._jobs.submit(lambda: self._work.open_again(old_draft))

    def discard(self) -> Future[ImageOverview]:
        """Forget all changes of the draft and show the image as it is. Takes as long as ``open()``."""
        return self._jobs.submit(self._work.discard)

    def apply(self, *, keeps_way_back: bool = True) -> Future[Applied]:
        """Write the draft into the image. Refused, with words, while anybody uses the image, if it changed since it was
        opened, or if space is short; the draft is kept then. Ends in state APPLIED."""
        return self._jobs.submit(lambda: self._apply(keeps_way_back=keeps_way_back))

    def take_back(self) -> Future[Applied]:
        """Undo the last Apply: write back what it replaced. Refused, with words, if the image changed since. Ends in
        state APPLIED; taking back once more brings the Apply's changes again."""
        return self._jobs.submit(self._work.take_back)

    def way_back(self) -> WayBack | None:
        """The last Apply, if it can be taken back. Reads a small file."""
        return self._work.kept_way_back()

    def forget_way_back(self) -> Future[None]:
        """Free the space of the way back."""
        return self._jobs.submit(self._work.forget_way_back)

    def cancel(self) -> None:
        """Stop the request that runs now and drop those that wait. The session stays open."""
        self._jobs.drop()
        with self._lock:
            image, state = self._image, self._state
        if self._work.cancel():
            return
        if image is not None and state is SessionState.OPENING:
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
            image = self._image
        self._work.cancel()
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

    def _open(self, old_draft: OldDraft = OldDraft.REFUSED) -> ImageOverview:
        with self._lock:
            if self._state not in _MAY_OPEN:
                raise ImageError("The image is open already.", where=self._source.path)
            self._state = SessionState.OPENING
        self._tear_down(keep_draft=True)
        image = OpenImage(self._around, old_draft)
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
        request: requests.Request | ToolRequest,
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
        request: requests.Request | ToolRequest,
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

    def _unlock(self, device: str, key: str) -> ImageOverview:
        self._opened().unlock(device, key)
        return self._show("")

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

    def _check_room(self, size_bytes: int) -> int:
        draft = self._draft()
        draft.check_room(size_bytes)
        return draft.room_bytes()

    def _note(self, verb: ChangeVerb, path: str, *, detail: str = "", size_bytes: int = 0) -> None:
        draft = self._draft()
        draft.add(verb, path, detail=detail, size_bytes=size_bytes)
        self._announce_changes(draft)

    def _write(self, path: str, data: bytes) -> None:
        draft = self._draft()
        draft.check_room(len(data))
        written = self._asked(requests.Write(path, data), requests.Written)
        verb = ChangeVerb.ADDED if written.is_new else ChangeVerb.WRITTEN
        draft.add(verb, written.path, size_bytes=len(data))
        self._announce_changes(draft)

    def _import(self, request: requests.Import) -> Transferred:
        draft = self._draft()
        draft.check_room(0)
        request = dataclasses.replace(request, room_bytes=draft.room_bytes())
        done = self._asked(request, Transferred, deadline_s=_TRANSFER_S)
        for line in brought(done, request.folder):
            draft.add(line.verb, line.path, detail=line.detail, size_bytes=line.size_bytes)
        self._announce_changes(draft)
        return done

    def _reopen(self, old_draft: OldDraft = OldDraft.REFUSED) -> ImageOverview:
        with self._lock:
            if self._state is not SessionState.CLOSED:
                self._state = SessionState.NEW
        return self._open(old_draft)

    def _swap_layers(self, image: OpenImage) -> ImageOverview:
        assert self._overview is not None
        self._overview = image.swap_layers(self._overview)
        self._announce_changes(image.draft)
        self._enter_open(self._overview)
        return self._overview

    def _apply(self, *, keeps_way_back: bool) -> Applied:
        self._opened()
        return self._work.apply(keeps_way_back=keeps_way_back)

    # Announcing; also from the threads of the parts.

    def _announce_changes(self, draft: Draft | None) -> None:
        if draft is not None:
            self._work.seal(draft)
        self._changes = draft.changes if draft is not None else ()
        self._emit(ChangesChanged(self._changes, draft.undone if draft is not None else ()))

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

    def _tell(self, event: SessionEvent) -> None:
        if isinstance(event, ChangesChanged):
            self._changes = event.changes
        self._emit(event)

    def _emit(self, event: SessionEvent) -> None:
        if self._state is not SessionState.CLOSED:
            self._on_event(event)
