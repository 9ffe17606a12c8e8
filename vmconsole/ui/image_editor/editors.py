# SPDX-License-Identifier: GPL-3.0-or-later
"""The open editor windows: one for each image, made here, found again, and closed together. GUI thread."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Slot

from vmconsole.images.session import ImageSession
from vmconsole.inventory.errors import HostNotAnswering
from vmconsole.inventory.ids import HostId
from vmconsole.ui.image_editor.window import ImageEditorWindow
from vmconsole.ui.remedies import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.messages import ImageSource, SessionEvent
    from vmconsole.links.base import HostVerbs, Link, Shell
    from vmconsole.ui.context import Context
    from vmconsole.ui.image_editor.desk import SessionMaker

USERS_DEADLINE_S = 30.0
QUIT_S = 3.0


class ImageEditors(QObject):
    """Opens editors. ``close_all`` closes them without a question: drafts are kept."""

    def __init__(
        self, context: Context, parent: QObject | None = None, *, session_maker: SessionMaker = ImageSession
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._session_maker = session_maker
        self._windows: dict[tuple[str, str], ImageEditorWindow] = {}
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self._on_quit)

    @property
    def windows(self) -> tuple[ImageEditorWindow, ...]:
        return tuple(self._windows.values())

    def open_on_host(self, host: HostId, source: ImageSource) -> ImageEditorWindow:
        """Open an image that lies on a connected host. Raises HostNotAnswering where there is no shell on it."""
        link = self._context.fleet.link(host)
        shell = link.shell() if link is not None else None
        if link is None or shell is None:
            raise HostNotAnswering(
                f"{source.where or host} cannot be reached by SSH now.",
                cause="An image is opened through SSH.",
                advice="Wait until the host is connected, and try again.",
                where=str(host),
            )
        return self.open(source, shell, users=partial(users_on_host, link, source.path), key=str(host))

    def open(
        self, source: ImageSource, shell: Shell, *, users: Callable[[], tuple[str, ...]], key: str = ""
    ) -> ImageEditorWindow:
        """Open an image through a shell. ``users`` names the guests that use it now; it may block. ``key`` tells the
        same path on different hosts apart."""
        found = self._windows.get((key, source.path))
        if found is None:
            found = self._make(source, shell, users, key)
            found.show()
            found.open()
        found.showNormal() if found.isMinimized() else found.show()
        found.raise_()
        found.activateWindow()
        return found

    def close_all(self) -> None:
        """Close all windows: every session is ended at once, and the drafts stay for the next time."""
        for window in self.windows:
            window.close_keeping_draft()

    @Slot()
    def _on_quit(self) -> None:
        """The program ends: wait a moment, so that no appliance and no export outlives it."""
        sessions = [window.desk.session for window in self.windows]
        self.close_all()
        until = time.monotonic() + QUIT_S
        for session in sessions:
            session.wait_closed(max(0.0, until - time.monotonic()))

    def _make(
        self, source: ImageSource, shell: Shell, users: Callable[[], tuple[str, ...]], key: str
    ) -> ImageEditorWindow:
        profile = self._context.profile

        def make_session(on_event: Callable[[SessionEvent], None]) -> ImageSession:
            return self._session_maker(source, shell, work_dir=profile.drafts_dir, image_users=users, on_event=on_event)

        subject = Subject(HostId(key) if key else None)
        window = ImageEditorWindow(self._context, source, make_session, subject=subject)
        self._windows[key, source.path] = window
        window.closed.connect(partial(self._windows.pop, (key, source.path), None))
        return window


def users_on_host(link: Link, path: str) -> tuple[str, ...]:
    """Names of the active guests that use an image, as the host says. Blocks; called on the session's thread."""

    def ask(verbs: HostVerbs) -> tuple[str, ...]:
        return verbs.image_users(path)

    return link.submit(ask, deadline_s=USERS_DEADLINE_S).result(timeout=USERS_DEADLINE_S + 5)
