# SPDX-License-Identifier: GPL-3.0-or-later
"""The window as the user left it: size, docks, columns, splitter, closed hosts. GUI thread; kept in the profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray

from vmconsole.inventory.ids import HostId

if TYPE_CHECKING:
    from PySide6.QtWidgets import QHeaderView, QMainWindow, QSplitter

    from vmconsole.settings.profile import Profile
    from vmconsole.ui.fleet_view import FleetView

VERSION = 1
"""Raise it when docks or columns change so that an old state would fit no more."""


GROUPING = "tree.group_by"
"""Setting: ``group`` (as at first) or ``none``."""


class LayoutMemory:
    """``save`` when the window closes, ``restore`` before it is first shown."""

    def __init__(self, profile: Profile, window: QMainWindow, tree: FleetView, splitter: QSplitter) -> None:
        self._profile = profile
        self._window = window
        self._tree = tree
        self._splitter = splitter

    def save(self) -> None:
        for key, state in (
            ("window.geometry", self._window.saveGeometry()),
            ("window.state", self._window.saveState(VERSION)),
            ("window.splitter", self._splitter.saveState()),
            ("window.columns", self._tree.header().saveState()),
        ):
            self._put(key, bytes(state.toBase64().data()).decode("ascii"))
        self._put("window.columns_version", VERSION)
        self._put("window.closed_hosts", list(self._tree.closed_hosts))
        self._put("window.closed_groups", list(self._tree.closed_groups))

    def restore(self) -> None:
        closed = (HostId(text) for text in self._profile.texts("window.closed_hosts"))
        self._tree.set_closed(closed, self._profile.texts("window.closed_groups"))
        geometry = self._state("window.geometry")
        if geometry is not None:
            self._window.restoreGeometry(geometry)
        state = self._state("window.state")
        if state is not None:
            self._window.restoreState(state, VERSION)
        parts = self._state("window.splitter")
        if parts is not None:
            self._splitter.restoreState(parts)
        columns = self._state("window.columns")
        if columns is not None and self._profile.get("window.columns_version") == VERSION:
            header: QHeaderView = self._tree.header()
            header.restoreState(columns)

    def _put(self, key: str, value: str | int | list[str]) -> None:
        """The file is written only for what differs."""
        if self._profile.get(key) != value:
            self._profile.put(key, value)

    def _state(self, key: str) -> QByteArray | None:
        kept = self._profile.get(key)
        return QByteArray.fromBase64(kept.encode("ascii", "replace")) if isinstance(kept, str) else None
