# SPDX-License-Identifier: GPL-3.0-or-later
"""One open image: the surface that the image editor's window is built on.

Threads: every method may be called from any thread and returns at once; futures end, and ``on_event`` is called, on the
session's own threads. Requests are done one after the other, in the order they were made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.images.messages import Conflict, SessionState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from vmconsole.images.messages import (
        Applied,
        Change,
        FileContent,
        Folder,
        ImageOverview,
        ImageSource,
        OsDetails,
        SessionEvent,
        Transferred,
    )
    from vmconsole.links.base import Shell


class ImageSession:
    """Opens, edits and applies one image.

    All futures end with a value or an ``inventory.errors.ImageError`` (or a ``LinkError`` when the host could not even be
    asked); ``CancelledError`` after ``cancel()`` or ``close()``.
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
    ) -> None:
        """``work_dir`` keeps drafts (one folder per image); ``cache_dir`` keeps the appliance (libguestfs' own default
        if None). ``image_users`` names the guests that use the image now; it may block and raise, and is called on the
        session's thread. ``on_event`` is called from several threads and must return quickly."""

    @property
    def source(self) -> ImageSource:
        raise NotImplementedError

    @property
    def state(self) -> SessionState:
        raise NotImplementedError

    def open(self) -> Future[ImageOverview]:
        """Open the image: a draft if it may be edited, else to look only. Takes some seconds (15 to 30 without KVM);
        ``StateChanged`` names the steps."""
        raise NotImplementedError

    def list_folder(self, path: str) -> Future[Folder]:
        """The entries of the folder at ``path`` (absolute, in the tree described by ``ImageOverview``). Links followed."""
        raise NotImplementedError

    def show_filesystem(self, device: str | None) -> Future[ImageOverview]:
        """Show only this filesystem, at ``/``; None goes back to the whole tree."""
        raise NotImplementedError

    def inspect(self) -> Future[tuple[OsDetails, ...]]:
        """The full, slow look at the operating systems inside."""
        raise NotImplementedError

    def read_file(self, path: str, *, limit_bytes: int) -> Future[FileContent]:
        """The first ``limit_bytes`` of a file. Links are followed, inside the guest."""
        raise NotImplementedError

    def write_file(self, path: str, data: bytes) -> Future[None]:
        """Write a file whole. An existing file keeps mode, owner, group and attributes; a new one gets 0644 and the
        folder's owner. A link is followed, and what it points to is written."""
        raise NotImplementedError

    def import_paths(
        self, local_paths: Sequence[Path], folder: str, *, conflict: Conflict = Conflict.REFUSE
    ) -> Future[Transferred]:
        """Copy local files and folders into a guest folder. Modes and times are kept; the owner is the folder's owner.
        A cancelled import leaves nothing behind."""
        raise NotImplementedError

    def export_paths(self, guest_paths: Sequence[str], local_folder: Path) -> Future[Transferred]:
        """Copy guest files and folders into a local folder; a name that is taken gets « (2)». Links and device nodes
        inside folders are left out and named in ``skipped``. A cancelled export leaves nothing behind."""
        raise NotImplementedError

    def make_folder(self, path: str) -> Future[None]:
        """Make one folder (0755, owner of its parent). Refused if the name is taken."""
        raise NotImplementedError

    def rename(self, path: str, new_path: str) -> Future[None]:
        """Rename or move. Refused if the new name is taken."""
        raise NotImplementedError

    def delete(self, paths: Sequence[str]) -> Future[None]:
        """Delete files, and folders with all that is in them. Links are deleted, not what they point to."""
        raise NotImplementedError

    def changes(self) -> tuple[Change, ...]:
        """The draft's changes so far, oldest first. Does not block."""
        raise NotImplementedError

    def discard(self) -> Future[ImageOverview]:
        """Forget all changes of the draft and show the image as it is. Takes as long as ``open()``."""
        raise NotImplementedError

    def apply(self) -> Future[Applied]:
        """Write the draft into the image. Refused, with words, while anybody uses the image, if it changed since it was
        opened, or if space is short; the draft is kept then. Ends in state APPLIED."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Stop the request that runs now and drop those that wait. The session stays open."""
        raise NotImplementedError

    def close(self, *, keep_draft: bool = True) -> None:
        """End everything, at once, whatever runs. The draft stays in ``work_dir`` (if it has changes and ``keep_draft``)
        and is taken up by the next ``open()`` of the same image. Nothing is announced afterwards."""
        raise NotImplementedError
