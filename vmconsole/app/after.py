# SPDX-License-Identifier: GPL-3.0-or-later
"""``--after SECONDS``: read all guests' definitions once, then screenshot, dump, summary, and exit. GUI thread."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from vmconsole.app import dump
from vmconsole.inventory.deltas import GuestSeen
from vmconsole.inventory.facts import HostState

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from PySide6.QtWidgets import QWidget

    from vmconsole.app.cli import Options
    from vmconsole.inventory.facts import Guest
    from vmconsole.links.base import HostVerbs
    from vmconsole.ui.context import Context

DESCRIBE_S = 5.0
MOST_DESCRIBED = 500
"""Reading definitions costs a call a guest: with more guests than this, the dump has those that were looked at."""


class AfterRun(QObject):
    """Acts once, then ends the program with 0, or with 1 when a file could not be written."""

    def __init__(self, options: Options, context: Context, window: QWidget, leave: Callable[[int], None]) -> None:
        super().__init__(window)
        self._options = options
        self._context = context
        self._window = window
        self._leave = leave
        self._waiting = 0
        self._deadline = QTimer(self)
        self._deadline.setSingleShot(True)
        self._deadline.timeout.connect(self._act)
        QTimer.singleShot(int((options.after_s or 0) * 1000), self, self._describe)

    def _describe(self) -> None:
        self._deadline.start(int(DESCRIBE_S * 1000))
        store = self._context.store
        for host in store.hosts.values():
            link = self._context.fleet.link(host.id)
            unread = [g for g in store.guests_of(host.id).values() if not g.described]
            if link is None or host.state is not HostState.CONNECTED or len(unread) > MOST_DESCRIBED:
                continue
            for guest in unread:
                self._waiting += 1
                job = _Describe(guest.id.uuid)
                self._context.bridge.when_done(link.submit(job, deadline_s=DESCRIBE_S), self._on_described)
        if not self._waiting:
            self._act()

    def _on_described(self, ended: Future[Guest]) -> None:
        self._waiting -= 1
        if not ended.cancelled() and ended.exception() is None:
            self._context.bridge.post(GuestSeen(ended.result()))
        if not self._waiting:
            self._context.bridge.call(self._act)

    def _act(self) -> None:
        if not self._deadline.isActive() and self._waiting < 0:
            return
        self._deadline.stop()
        self._waiting = -1  # acts once, however late the last answer comes
        self._leave(0 if self._write_all() else 1)

    def _write_all(self) -> bool:
        sys.stdout.write(dump.summary_of(self._context.store) + "\n")
        good = True
        if self._options.screenshot is not None:
            good = self._window.grab().save(str(self._options.screenshot))
            _say(f"screenshot: {self._options.screenshot}" if good else f"cannot write {self._options.screenshot}")
        if self._options.dump is not None:
            try:
                dump.write(self._context.store, self._options.dump)
                _say(f"dump: {self._options.dump}")
            except OSError as error:
                good = False
                _say(f"cannot write the dump: {error}")
        sys.stdout.flush()
        return good


class _Describe:
    """A job for a lane: read one guest's definition."""

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid

    def __call__(self, verbs: HostVerbs) -> Guest:
        return verbs.describe_guest(self._uuid)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
