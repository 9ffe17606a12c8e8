# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image editor's tests share: a context without a fleet, and an editor window over a scripted session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shiboken6
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from tests.ui_images.editor_fakes import SOURCE, FakeSession
from vmconsole.links.fleet import Fleet
from vmconsole.settings.profile import Profile
from vmconsole.store.store import Store
from vmconsole.ui.bridge import Bridge
from vmconsole.ui.context import Context
from vmconsole.ui.image_editor.window import ImageEditorWindow
from vmconsole.ui.theme import Theme

MakeEditor = Callable[..., tuple[ImageEditorWindow, FakeSession]]


@pytest.fixture(scope="session", autouse=True)
def empty_clipboard() -> Iterator[None]:
    """What a test leaves there is Python's: Qt would let go of it after Python's end, and abort."""
    yield
    app = QGuiApplication.instance()
    if isinstance(app, QGuiApplication):
        app.clipboard().clear()


@pytest.fixture
def context(tmp_path: Path, qapp: object) -> Iterator[Context]:
    store = Store()
    bridge = Bridge(store)
    fleet = Fleet(lambda uri: pytest.fail(f"nobody asked for {uri}"), bridge.post)
    profile = Profile(tmp_path / "profile")
    yield Context(store, bridge, fleet, None, profile, Theme())  # type: ignore[arg-type] # no operations here
    bridge.close()


@pytest.fixture
def make_editor(qtbot: QtBot, context: Context) -> Iterator[MakeEditor]:
    """Open an editor over a FakeSession. ``opened=False`` leaves it unopened."""
    made: list[ImageEditorWindow] = []

    def make(*, opened: bool = True, **how: Any) -> tuple[ImageEditorWindow, FakeSession]:
        sessions: list[FakeSession] = []

        def make_session(on_event: Any) -> Any:
            sessions.append(FakeSession(on_event, **ours))
            return sessions[0]

        def open_side(source: Any, on_event: Any) -> Any:
            return FakeSession(on_event, tree=how.get("other_tree"), source=source)

        ours = {name: value for name, value in how.items() if name != "other_tree"}
        window = ImageEditorWindow(context, how.get("source", SOURCE), make_session, open_side=open_side)
        made.append(window)
        window.show()
        if opened:
            window.open()
            qtbot.waitUntil(lambda: window.browser.model.total > 0 and window.desk.is_idle)
        return window, sessions[0]

    yield make
    for window in made:
        if shiboken6.isValid(window):
            window.close_keeping_draft()
    qtbot.waitUntil(lambda: not [t for t in threading.enumerate() if t.name.startswith(("fake-session", "staging"))])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The offscreen platform warns about what only a window manager could do: there is none."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.qt_log_ignore("propagateSizeHints", r"support raise\(\)", extend=True))
