# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on their way out of an image to another program, and the drag or clipboard data that promises them. GUI thread.

X11 and Wayland ask the dragging program for the data when the drop has happened. The fetch begins when the drag leaves
the table, so that small files are there by then; if they are not, ``retrieveData`` waits in an event loop of its own,
and the window stays alive. Programs give up on data after some seconds (Qt's own after 5, QXcbClipboard), which the
user is then told.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QEventLoop, QMetaType, QMimeData, QObject, Qt, QUrl, Signal

from vmconsole.inventory.errors import Explanation
from vmconsole.ui.image_editor.carry import CARRIED
from vmconsole.ui.image_editor.direct_save import XDS
from vmconsole.ui.image_editor.uri_list import uri_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.images.messages import Transferred
    from vmconsole.ui.image_editor.carry import Offer
    from vmconsole.ui.image_editor.desk import ImageDesk

URI_LIST = "text/uri-list"
GNOME_FILES = "x-special/gnome-copied-files"
"""What Nautilus, Nemo and Caja read when pasting: the word copy, then one URI a line."""


class Fetch(QObject):
    """One export into a staging folder, begun by ``start()``. ``ended`` when it is done, in whatever way."""

    ended = Signal()

    def __init__(self, desk: ImageDesk, guest_paths: Sequence[str], make_folder: Callable[[], Path]) -> None:
        """``make_folder`` gives a fresh folder, or raises OSError."""
        super().__init__()
        self._desk = desk
        self._make_folder = make_folder
        self._asked_at: float | None = None
        self.guest_paths = tuple(guest_paths)
        self.result: Transferred | None = None
        self.problem: Explanation | None = None
        self.is_started = False
        self.is_over = False

    def start(self) -> None:
        """Begin, if that was not done yet."""
        if self.is_started:
            return
        self.is_started = True
        try:
            folder = self._make_folder()
        except OSError as error:
            self._on_failed(no_room(self, error))
            return
        exporting = self._desk.session.export_paths(self.guest_paths, folder)
        self._desk.ask(exporting, self._on_done, failed=self._on_failed, cancelled=self._on_end)

    @property
    def was_asked(self) -> bool:
        """Whether another program wanted the files."""
        return self._asked_at is not None

    @property
    def seconds_since_asked(self) -> float:
        """How long the other program has been waiting for them; 0 if it did not ask yet."""
        return time.monotonic() - self._asked_at if self._asked_at is not None else 0.0

    @property
    def urls(self) -> list[QUrl]:
        """``file:`` URLs of what has arrived."""
        paths = self.result.paths if self.result is not None else ()
        return [QUrl.fromEncoded(QByteArray(uri_of(path))) for path in paths]

    @property
    def is_reusable(self) -> bool:
        """Whether it is under way, or all of it is still there to be dragged once more."""
        if not self.is_over:
            return True
        return self.result is not None and all(Path(path).exists() for path in self.result.paths)

    def wait(self) -> list[QUrl]:
        """The URLs; runs an event loop until they are there. Empty when the fetch failed or was cancelled."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
        self.start()
        if not self.is_over:
            loop = QEventLoop()
            self.ended.connect(loop.quit, Qt.ConnectionType.QueuedConnection)
            loop.exec()
        return self.urls

    def _on_done(self, result: Transferred) -> None:
        self.result = result
        self._on_end()

    def _on_failed(self, problem: Explanation) -> None:
        self.problem = problem
        self._on_end()

    def _on_end(self) -> None:
        self.is_over = True
        self.ended.emit()


class PromisedFiles(QMimeData):
    """A list of files that are fetched when somebody asks for them."""

    def __init__(
        self,
        fetch: Fetch,
        save_directly: Callable[[], bool] | None = None,
        make_offer: Callable[[], Offer | None] | None = None,
    ) -> None:
        """``save_directly`` begins to save where the other program says (XDS), and tells whether it could.
        ``make_offer`` is for another image's window, which gets more than other programs."""
        super().__init__()
        self._fetch = fetch
        self._save_directly, self._make_offer = save_directly, make_offer
        self._formats = [URI_LIST, GNOME_FILES, *([XDS] if save_directly is not None else [])]
        self._formats += [CARRIED] if make_offer is not None else []

    @property
    def guest_paths(self) -> tuple[str, ...]:
        return self._fetch.guest_paths

    def offer(self) -> Offer | None:
        """For another image; None where that is not possible."""
        return self._make_offer() if self._make_offer is not None else None

    def formats(self) -> list[str]:
        return self._formats

    def hasFormat(self, mime_type: str) -> bool:
        return mime_type in self._formats

    def retrieveData(self, mime_type: str, _preferred: QMetaType | QMetaType.Type) -> list[QUrl] | QByteArray | None:
        if mime_type == XDS and self._save_directly is not None:
            # «Success», though it only begins: the other program would not wait for the end of it.
            return QByteArray(b"S" if self._save_directly() else b"E")
        if mime_type == CARRIED:
            offer = self.offer()
            return QByteArray(offer.encode()) if offer is not None else None
        fetch = self._fetch  # this object may be gone when the wait is over
        if mime_type == URI_LIST:
            return fetch.wait()  # as URLs: PySide turns them into bytes where bytes are wanted, but not the reverse
        if mime_type == GNOME_FILES:
            lines = [b"copy", *(bytes(url.toEncoded().data()) for url in fetch.wait())]
            return QByteArray(b"\n".join(lines))
        return None


def no_room(speaker: QObject, error: OSError) -> Explanation:
    return Explanation(
        what=speaker.tr("No private folder could be made for the files on this machine."),
        cause=speaker.tr("The disk is full or cannot be written."),
        advice=speaker.tr("Make room, and try again."),
        where=str(error.filename or ""),
        said=str(error.strerror or error),
    )
