# SPDX-License-Identifier: GPL-3.0-or-later
"""One open image, seen from the GUI thread: the session's events as signals, its futures as callbacks.

The session works on threads of its own; everything it says comes through the bridge and is dropped once the desk is
closed, so that nothing ever reaches a window that is gone.
"""

from __future__ import annotations

import logging
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Protocol, TypeVar

from PySide6.QtCore import QObject, Signal

from vmconsole.images.jobs import JobThread
from vmconsole.images.messages import ChangesChanged, Progressed, StateChanged
from vmconsole.inventory.errors import ConsoleError, Explanation

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from vmconsole.images.messages import ImageSource, SessionEvent
    from vmconsole.images.session import ImageSession
    from vmconsole.images.spare import Spare
    from vmconsole.links.base import Shell
    from vmconsole.ui.bridge import Bridge

T = TypeVar("T")
log = logging.getLogger(__name__)


class SessionMaker(Protocol):
    """``ImageSession`` itself, or a scripted one."""

    def __call__(
        self,
        source: ImageSource,
        shell: Shell,
        *,
        work_dir: Path,
        image_users: Callable[[], tuple[str, ...]],
        on_event: Callable[[SessionEvent], None],
        cache_dir: Path | None = None,
        spare: Spare | None = None,
    ) -> ImageSession: ...


class ImageDesk(QObject):
    """Owns the session. ``close()`` ends it; afterwards no callback runs and no signal is emitted."""

    state_changed = Signal(object)
    """A ``StateChanged``."""
    progressed = Signal(object)
    """A ``Progressed``."""
    changes_changed = Signal(tuple, tuple)
    """All ``Change``s of the draft, and those that were undone."""
    busy_changed = Signal(bool)
    """Whether any request is under way."""
    failed = Signal(object)
    """The ``Explanation`` of a request that nobody handled otherwise."""

    def __init__(
        self,
        make_session: Callable[[Callable[[SessionEvent], None]], ImageSession],
        bridge: Bridge,
        *,
        reassurance: str = "",
    ) -> None:
        """``make_session`` is given ``on_event``. ``reassurance``: what is safe when something unexpected happens; of a
        draft, if it is not said."""
        super().__init__()
        self._bridge = bridge
        self._reassurance = reassurance or self.tr("The draft is kept.")
        self._closed = False
        self._running = 0
        self._side = JobThread("image editor, aside")
        self.session = make_session(self._from_any_thread)

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self._running == 0

    def ask(
        self,
        future: Future[T],
        then: Callable[[T], None] | None = None,
        *,
        failed: Callable[[Explanation], None] | None = None,
        cancelled: Callable[[], None] | None = None,
    ) -> None:
        """Call one of the three in the GUI thread when the future has ended. Without ``failed`` the signal tells it."""
        self._count(1)

        def ended(done: Future[T]) -> None:
            if self._closed:
                return
            self._count(-1)
            try:
                value = done.result()
            except CancelledError:
                if cancelled is not None:
                    cancelled()
            except Exception as error:  # noqa: BLE001 - whatever a request ends with must be shown, not lost in a future
                (failed or self.failed.emit)(explain(error, self._reassurance))
            else:
                if then is not None:
                    then(value)

        self._bridge.when_done(future, ended)

    def aside(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do something slow that is no request to the image on a thread of its own: colours, comparing texts."""

        def ended(done: Future[T]) -> None:
            if not self._closed and not done.cancelled():
                try:
                    value = done.result()
                except Exception as error:  # noqa: BLE001 - as in ``ask``
                    self.failed.emit(explain(error, self._reassurance))
                else:
                    then(value)

        self._bridge.when_done(self._side.submit(job), ended)

    def in_window(self, take: Callable[[T], None]) -> Callable[[T], None]:
        """``take`` for other threads: it is called in the GUI thread, unless the desk is closed by then."""

        def taken(value: T) -> None:
            if not self._closed:
                take(value)

        return lambda value: self._bridge.call(lambda: taken(value))

    def close(self, *, keep_draft: bool = True) -> None:
        if not self._closed:
            self._closed = True
            self._side.close(lambda: None)
            self.session.close(keep_draft=keep_draft)

    def _count(self, step: int) -> None:
        was_busy = self._running > 0
        self._running += step
        if was_busy != (self._running > 0):
            self.busy_changed.emit(self._running > 0)

    def _from_any_thread(self, event: SessionEvent) -> None:
        self._bridge.call(lambda: self._tell(event))

    def _tell(self, event: SessionEvent) -> None:
        if self._closed:
            return
        match event:
            case StateChanged():
                self.state_changed.emit(event)
            case Progressed():
                self.progressed.emit(event)
            case ChangesChanged():
                self.changes_changed.emit(event.changes, event.undone)


def explain(error: BaseException, reassurance: str) -> Explanation:
    """Words for an error; one that is none of ours is a fault of the program and says so."""
    if isinstance(error, ConsoleError):
        return error.explanation
    log.error("a request to an image failed in an unexpected way", exc_info=error)
    return Explanation(
        what="The request failed in a way that vmconsole did not expect.",
        advice=f"{reassurance} Please report this with the original words.",
        said=f"{type(error).__name__}: {error}",
    )
