# SPDX-License-Identifier: GPL-3.0-or-later
"""The open editor windows: one for each image, made here, found again, and closed together. GUI thread."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Slot

from vmconsole.images.on_host import paths_of
from vmconsole.images.session import ImageSession
from vmconsole.inventory.errors import HostNotAnswering
from vmconsole.inventory.facts import HostState
from vmconsole.inventory.ids import HostId
from vmconsole.operations.image_users import AskedHost, users_of_image
from vmconsole.ui.image_editor.window import ImageEditorWindow
from vmconsole.ui.remedies import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.messages import ImageSource, SessionEvent
    from vmconsole.links.base import Shell
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context
    from vmconsole.ui.image_editor.desk import SessionMaker

QUIT_S = 3.0
_Key = tuple[str, tuple[str, ...], str]
"""Host, images, and the snapshot that is looked into."""


class ImageEditors(QObject):
    """Opens editors. ``close_all`` closes them without a question: drafts are kept."""

    def __init__(
        self, context: Context, parent: QObject | None = None, *, session_maker: SessionMaker = ImageSession
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._session_maker = session_maker
        self._windows: dict[_Key, ImageEditorWindow] = {}
        self._hosts: tuple[AskedHost, ...] = ()
        context.bridge.store_changed.connect(self._on_store_changed)
        self._on_store_changed()
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self._on_quit)

    @property
    def windows(self) -> tuple[ImageEditorWindow, ...]:
        return tuple(self._windows.values())

    def open_on_host(self, host: HostId, source: ImageSource) -> ImageEditorWindow:
        """Open an image that lies on a connected host. Raises HostNotAnswering where there is no shell on it."""
        return self.open(source, self._shell_of(host, source), users=partial(self._users, host, source), key=str(host))

    def _shell_of(self, host: HostId, source: ImageSource) -> Shell:
        link = self._context.fleet.link(host)
        shell = link.shell() if link is not None else None
        if link is None or shell is None:
            raise HostNotAnswering(
                f"{source.where or host} cannot be reached by SSH now.",
                cause="An image is opened through SSH.",
                advice="Wait until the host is connected, and try again.",
                where=str(host),
            )
        return shell

    def open(
        self, source: ImageSource, shell: Shell, *, users: Callable[[], tuple[str, ...]], key: str = ""
    ) -> ImageEditorWindow:
        """Open an image through a shell. ``users`` names the guests that use it now; it may block. ``key`` tells the
        same path on different hosts apart."""
        source = dataclasses.replace(source, host_uri=key)
        place: _Key = (key, paths_of(source), source.snapshot)
        found = self._windows.get(place)
        if found is None:
            found = self._make(source, shell, users, place)
            found.show()
            found.open()
        found.showNormal() if found.isMinimized() else found.show()
        found.raise_()
        found.activateWindow()
        return found

    def _users(self, own: HostId, source: ImageSource) -> tuple[str, ...]:
        """Who uses a disk, or one opened with it, as all connected hosts say. Blocks; called on the session's
        thread."""
        found = [name for disk in source.disks for name in users_of_image(self._hosts, own, disk.path)]
        return tuple(dict.fromkeys(found))

    def _on_store_changed(self, changes: ChangeSet | None = None) -> None:
        """Note which hosts are connected, for other threads: the store itself is the GUI thread's."""
        if changes is not None and not (changes.hosts_changed or changes.hosts_added or changes.hosts_removed):
            return
        fleet = self._context.fleet
        self._hosts = tuple(
            AskedHost(host.id, host.name, link)
            for host in self._context.store.hosts.values()
            if host.state is HostState.CONNECTED and (link := fleet.link(host.id)) is not None
        )

    def close_all(self) -> None:
        """Close all windows: every session is ended at once, and the drafts stay for the next time."""
        for window in self.windows:
            window.close_keeping_draft()

    def _close_looks(self, place: _Key) -> list[ImageSession]:
        """Close the windows on snapshots of an image that is to be written: each holds a lock on it."""
        ending = []
        for (host, paths, snapshot), window in list(self._windows.items()):
            if snapshot and host == place[0] and set(paths) & set(place[1]):
                ending.append(window.desk.session)
                window.close_keeping_draft()
        return ending

    @Slot()
    def _on_quit(self) -> None:
        """The program ends: wait a moment, so that no appliance and no export outlives it."""
        sessions = [window.desk.session for window in self.windows]
        self.close_all()
        until = time.monotonic() + QUIT_S
        for session in sessions:
            session.wait_closed(max(0.0, until - time.monotonic()))

    def _make(
        self, source: ImageSource, shell: Shell, users: Callable[[], tuple[str, ...]], place: _Key
    ) -> ImageEditorWindow:
        profile = self._context.profile

        def make_session(on_event: Callable[[SessionEvent], None]) -> ImageSession:
            make, spare = self._session_maker, self._context.spare
            if spare is not None:
                make = partial(make, spare=spare)
            return make(source, shell, work_dir=profile.drafts_dir, image_users=users, on_event=on_event)

        def open_side(other: ImageSource, on_event: Callable[[SessionEvent], None]) -> ImageSession:
            its_shell, its_users = shell, users
            if other.host_uri not in {"", place[0]}:
                host = HostId(other.host_uri)
                its_shell, its_users = self._shell_of(host, other), partial(self._users, host, other)
            return self._session_maker(
                other, its_shell, work_dir=profile.drafts_dir, image_users=its_users, on_event=on_event
            )

        subject = Subject(HostId(place[0]) if place[0] else None)
        window = ImageEditorWindow(
            self._context, source, make_session, subject=subject, open_side=open_side,
            others_let_go=lambda: self._close_looks(place),
        )  # fmt: skip
        self._windows[place] = window
        window.closed.connect(partial(self._windows.pop, place, None))
        window.other_wanted.connect(lambda other: self.open(other, shell, users=users, key=place[0]))
        return window
