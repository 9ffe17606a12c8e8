# SPDX-License-Identifier: GPL-3.0-or-later
"""«Live Folders…»: the windows into running guests, one each, and the button that opens them. GUI thread."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QPushButton, QWidget

from vmconsole.inventory.errors import ConsoleError, LinkLost
from vmconsole.inventory.facts import Guest, GuestState, HostState
from vmconsole.ui.image_editor.live_window import LiveWindow
from vmconsole.ui.image_editor.look import plain_tip
from vmconsole.ui.remedies import Subject

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from vmconsole.inventory.ids import GuestId
    from vmconsole.ui.context import Context

CALL_DEADLINE_S = 25.0
"""Longer than libvirt's own patience with the agent: past it the lane of the host's agents would be given up."""
ASK_AGAIN_MS = 15_000
QUICK_S = 2.0
"""An agent that took longer to fail is not asked again by itself: only a few of a host can be asked at a time."""
QUIT_S = 1.0


class LiveFolders(QObject):
    """Opens windows, finds them again, closes them all when the program ends."""

    def __init__(self, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._windows: dict[GuestId, LiveWindow] = {}
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self._on_quit)

    @property
    def windows(self) -> tuple[LiveWindow, ...]:
        return tuple(self._windows.values())

    def open(self, guest: Guest) -> LiveWindow:
        """The window of this guest; one that is open comes to the front."""
        found = self._windows.get(guest.id)
        if found is None:
            host = self._context.store.hosts.get(guest.id.host)
            call = partial(self._call, guest.id)
            subject = Subject(guest.id.host, guest.id)
            name = host.name if host is not None else str(guest.id.host)
            found = self._windows[guest.id] = LiveWindow(self._context, guest.name, name, call, subject=subject)
            found.closed.connect(partial(self._windows.pop, guest.id, None))
            found.show()
            found.open()
        found.showNormal() if found.isMinimized() else found.show()
        found.raise_()
        found.activateWindow()
        return found

    def _call(self, guest: GuestId, command: str, arguments: Mapping[str, object]) -> object:
        """On the session's thread. Each call is a job of its own, so that other guests get their turn."""
        link = self._context.fleet.link(guest.host)
        if link is None:
            raise LinkLost("The host is not in the list any more.", where=str(guest.host))
        uuid = guest.uuid
        return link.submit_agent(
            uuid, lambda verbs: verbs.agent(uuid, command, arguments), deadline_s=CALL_DEADLINE_S
        ).result()

    def close_all(self) -> None:
        for window in self.windows:
            window.close_without_asking()

    @Slot()
    def _on_quit(self) -> None:
        sessions = [window.session for window in self.windows]
        self.close_all()
        until = time.monotonic() + QUIT_S
        for session in sessions:
            session.wait_closed(max(0.0, until - time.monotonic()))


class LiveButton(QPushButton):
    """Greyed with the reason while there is no running guest, or no agent in it that answers."""

    def __init__(self, context: Context, parent: QWidget | None = None, *, folders: LiveFolders | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self.folders = folders if folders is not None else LiveFolders(context, self)
        self._guest: Guest | None = None
        self._asked_for: tuple[GuestId, GuestState] | None = None
        self._answer: str | None = None
        """Why the agent cannot be used; empty if it can; None while that is not known."""
        self._asked_at = 0.0
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.setInterval(ASK_AGAIN_MS)
        self._again.timeout.connect(self._ask)
        self.setText(self.tr("&Live Folders…"))
        self.setAccessibleName(self.tr("Live Folders"))
        self.clicked.connect(self.open_live)
        self._update()

    def show_guest(self, guest: Guest | None) -> None:
        """Whose folders, and in what state the guest is now."""
        self._guest = guest
        wanted = (guest.id, guest.state) if guest is not None else None
        if wanted != self._asked_for:
            self._asked_for, self._answer = wanted, None
            self._ask()
        self._update()

    def reason_against(self) -> str:
        """Why it cannot be opened now, in a sentence; empty if it can."""
        asking = self.tr("Asking the guest's agent…")
        return self._reason_of_guest() or (asking if self._answer is None else self._answer)

    def _reason_of_guest(self) -> str:
        guest = self._guest
        host = self._context.store.hosts.get(guest.id.host) if guest is not None else None
        if guest is None or host is None:
            return self.tr("No guest is selected.")
        if host.is_demo:
            return self.tr("This is a demo host: its guests do not exist.")
        if host.state is not HostState.CONNECTED:
            return self.tr("{host} is not connected.").format(host=host.name)
        if host.is_read_only:
            return self.tr("The connection is read-only, and the agent is not to be asked then.")
        if guest.state is not GuestState.RUNNING:
            return self.tr("The guest is not running: open its disk instead.")
        return ""

    @Slot()
    def _ask(self) -> None:
        self._again.stop()
        guest = self._guest
        link = self._context.fleet.link(guest.id.host) if guest is not None else None
        if guest is None or link is None or self._reason_of_guest() or not self.isVisible():
            return
        uuid, about, self._asked_at = guest.id.uuid, self._asked_for, time.monotonic()
        asking = link.submit_agent(uuid, lambda verbs: verbs.agent(uuid, "guest-ping", {}), deadline_s=CALL_DEADLINE_S)
        self._context.bridge.when_done(asking, lambda done: self._on_answer(about, done))

    def _on_answer(self, about: tuple[GuestId, GuestState] | None, done: Future[object]) -> None:
        if about != self._asked_for:
            return
        try:
            done.result()
            self._answer = ""
        except ConsoleError as error:
            self._answer = " ".join(p for p in (error.explanation.what, error.explanation.advice) if p)
            is_quick = time.monotonic() - self._asked_at < QUICK_S
            if is_quick or error.explanation.entry == "agents-too-many":
                self._again.start()
        self._update()

    def _update(self) -> None:
        reason = self.reason_against()
        self.setEnabled(not reason)
        tip = self.tr("Look at files inside the running guest and change them at once, through its agent")
        self.setToolTip(plain_tip(reason or tip))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._answer != "":
            self._ask()

    @Slot()
    def open_live(self) -> None:
        if self._guest is not None and not self.reason_against():
            self.folders.open(self._guest)
