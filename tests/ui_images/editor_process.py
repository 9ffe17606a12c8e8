# SPDX-License-Identifier: GPL-3.0-or-later
"""An editor window in a process of its own, for tests that use mouse and keyboard on a real screen.

One question a line on stdin, one JSON answer a line on stdout. It answers what can be seen (rows and where they are on
the screen, the list of changes); what a person does, the test does with the mouse and the keyboard.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from tests.ui_images.editor_fakes import FakeSession
from vmconsole.images.messages import ImageSource
from vmconsole.images.session import ImageSession
from vmconsole.links.fleet import Fleet
from vmconsole.settings.profile import Profile
from vmconsole.store.store import Store
from vmconsole.ui.bridge import Bridge
from vmconsole.ui.context import Context
from vmconsole.ui.image_editor.window import ImageEditorWindow

if TYPE_CHECKING:
    from collections.abc import Callable


class Answers:
    """What can be asked. Each method runs in the GUI thread."""

    def __init__(self, window: ImageEditorWindow) -> None:
        self._window = window

    def state(self) -> dict[str, Any]:
        window = self._window
        problem = window.opening.error.explanation if window.opening.isVisible() else window.problem.explanation
        return {
            "session": window.desk.session.state.value,
            "idle": window.desk.is_idle,
            "folder": window.browser.folder,
            "names": [entry.name for entry in window.browser.model.entries()],
            "changes": [change.words for change in window.desk.session.changes()],
            "shows_files": window.browser.isVisible(),
            "headline": window.opening.headline.text() if window.opening.isVisible() else window.banner.headline.text(),
            "problem": problem.text() if problem is not None else "",
            "note": window.note.headline.text() if window.note.isVisible() else "",
            "question": next((box.text() for box in window.findChildren(QMessageBox) if box.isVisible()), ""),
            "steps": window.opening.steps.text(),
        }

    def row(self, name: str) -> list[int]:
        """The middle of a row's name, in pixels of the screen."""
        view, row = self._window.browser.view, self._window.browser.model.row_of(name)
        area = view.visualRect(view.model().index(row if row is not None else -1, 0))
        return _on_screen(view.viewport(), QPoint(area.left() + 40, area.center().y()))

    def space(self) -> list[int]:
        """A place in the table below all rows."""
        viewport = self._window.browser.view.viewport()
        return _on_screen(viewport, QPoint(viewport.width() // 2, viewport.height() - 25))

    def place(self, x: str, y: str, width: str, height: str) -> list[int]:
        self._window.setGeometry(int(x), int(y), int(width), int(height))
        self._window.raise_()
        return [0]


def _on_screen(widget: QWidget, point: QPoint) -> list[int]:
    found = widget.mapToGlobal(point)
    return [found.x(), found.y()]


def serve(bridge: Bridge, answers: Answers) -> None:
    """Runs in a thread of its own; ends with stdin."""
    for line in sys.stdin:
        name, *words = json.loads(line)

        bridge.call(partial(_answer, getattr(answers, name), words))
    bridge.call(lambda: QApplication.exit(0))


def _answer(ask: Callable[..., Any], words: list[str]) -> None:
    print(json.dumps(ask(*words)), flush=True)


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--profile", type=Path, required=True)
    options.add_argument("--image", default="")
    options.add_argument("--fetch-takes-s", type=float, default=0.0)
    chosen = options.parse_args()
    app = QApplication(["editor"])
    app.setQuitOnLastWindowClosed(True)
    store = Store()
    bridge = Bridge(store)
    profile = Profile(chosen.profile)
    context = Context(store, bridge, Fleet(_no_link, bridge.post), None, profile)  # type: ignore[arg-type] # no operations
    source = ImageSource(chosen.image, "qcow2")

    def make_session(on_event: Any) -> Any:
        if not chosen.image:
            return FakeSession(on_event, export_takes_s=chosen.fetch_takes_s)
        from vmconsole.links.ssh import LocalShell

        return ImageSession(
            source, LocalShell(), work_dir=profile.drafts_dir, image_users=lambda: (), on_event=on_event
        )

    window = ImageEditorWindow(context, source, make_session)
    window.show()
    window.open()
    threading.Thread(target=serve, args=(bridge, Answers(window)), daemon=True).start()
    status = app.exec()
    window.desk.close()
    return status


def _no_link(uri: str) -> Any:
    raise AssertionError(uri)


if __name__ == "__main__":
    sys.exit(main())
