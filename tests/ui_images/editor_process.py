# SPDX-License-Identifier: GPL-3.0-or-later
"""An editor window in a process of its own, for tests that use mouse and keyboard on a real screen.

One question a line on stdin, one JSON answer a line on stdout. It answers what can be seen (rows and where they are on
the screen, the list of changes); what a person does, the test does with the mouse and the keyboard.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from tests.images.local_agent import LocalAgent
from tests.ui_images.editor_fakes import FakeSession
from vmconsole.app.hosts import LinkMaker
from vmconsole.images.messages import ImageSource
from vmconsole.images.session import ImageSession
from vmconsole.links.fleet import Fleet
from vmconsole.links.ssh import LocalShell
from vmconsole.settings.profile import Profile
from vmconsole.store.store import Store
from vmconsole.ui.bridge import Bridge
from vmconsole.ui.context import Context
from vmconsole.ui.disks_tab import DisksTab
from vmconsole.ui.image_editor.conflict_dialog import ConflictDialog
from vmconsole.ui.image_editor.editors import ImageEditors
from vmconsole.ui.image_editor.live_window import LiveWindow
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Answers:
    """What can be asked. Each method runs in the GUI thread."""

    def __init__(self, windows: Callable[[], Sequence[Any]], tabs: Sequence[DisksTab] = ()) -> None:
        self._windows = windows
        self._tabs = tabs
        self._number = 0

    @property
    def _window(self) -> Any:
        """An image's window, or one into a running guest, which has most of its parts."""
        windows = self._windows()
        assert len(windows) > self._number, "no editor is open"
        return windows[self._number]

    def use(self, number: str) -> list[int]:
        """Which window is asked about from now on; the first at the beginning."""
        self._number = int(number)
        return [self._number]

    def open_snapshot(self, snapshot: str) -> int:
        """As a double click on it in the places; the number of its window."""
        self._window.places.snapshot_wanted.emit(snapshot)
        return len(self._windows()) - 1

    def conflict(self) -> dict[str, Any]:
        """The question about a name that is taken, and where its buttons are on the screen."""
        dialog = next((d for d in self._window.findChildren(ConflictDialog) if d.isVisible()), None)
        if dialog is None:
            return {}
        buttons = {"replace": dialog.replace, "both": dialog.both, "skip": dialog.skip, "for_all": dialog.for_all}
        found = {name: _on_screen(button, QPoint(12, button.height() // 2)) for name, button in buttons.items()}
        return {"text": dialog.headline.text(), "is_for_all": dialog.for_all.isChecked(), **found}

    def disks(self, number: str = "0") -> dict[str, Any]:
        """A disks tab: its rows, what it says, and how many editors are open."""
        tab = self._tabs[int(number)]
        tree = tab.tree
        return {
            "disks": [tree.topLevelItem(row).text(1) for row in range(tree.topLevelItemCount())],
            "says": tab.message.text(),
            "may_open": tab.open_button.isEnabled(),
            "editors": len(tab.editors.windows),
        }

    def open_disk(self, number: str) -> list[int]:
        self._tabs[int(number)].open_button.click()
        return [0]

    def state(self) -> dict[str, Any]:
        window = self._window
        if isinstance(window, LiveWindow):
            return _live_state(window)
        problem = window.opening.error.explanation if window.opening.isVisible() else window.problem.explanation
        return {
            "session": window.desk.session.state.value,
            "is_active": window.isActiveWindow(),
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

    def go(self, folder: str) -> list[int]:
        self._window.browser.open_folder(folder)
        return [0]

    def node(self, path: str) -> str:
        """All that a scripted image has at a path."""
        session = self._window.desk.session
        assert isinstance(session, FakeSession)
        parent, name = session._parent(path)
        return repr(parent.children[name])

    def clipboard_has_files(self) -> bool:
        return QApplication.clipboard().mimeData().hasUrls()

    def place(self, x: str, y: str, width: str, height: str) -> list[int]:
        self._window.setGeometry(int(x), int(y), int(width), int(height))
        self._window.raise_()
        return [0]


def _live_state(window: LiveWindow) -> dict[str, Any]:
    problem = window.problem.explanation
    return {
        "is_active": window.isActiveWindow(),
        "idle": window.desk.is_idle,
        "folder": window.browser.folder,
        "names": [entry.name for entry in window.browser.model.entries()],
        "problem": problem.text() if problem is not None else "",
        "note": window.note.headline.text() if window.note.isVisible() else "",
    }


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
    options.add_argument("--image", action="append", help="open this local image; without it and --uri, scripted ones")
    options.add_argument("--scripted", type=int, default=1, help="so many windows")
    options.add_argument("--live", action="store_true", help="and a live window, the first; its guest is this machine")
    options.add_argument("--fetch-takes-s", type=float, default=0.0)
    options.add_argument("--uri", action="append", help="connect to this host, and show the disks of --guest on it")
    options.add_argument("--guest", action="append")
    chosen = options.parse_args()
    app = QApplication(["editor"])
    with ExitStack() as parts:
        store = Store()
        bridge = Bridge(store)
        parts.callback(bridge.close)
        profile = Profile(chosen.profile)
        links = LinkMaker(bridge.post, run_dir=_run_dir(parts), profile=profile)
        parts.callback(links.close)
        fleet = Fleet(links.make, bridge.post)
        parts.callback(fleet.close)
        context = Context(store, bridge, fleet, None, profile, Theme(app))  # type: ignore[arg-type] # no operations here
        answers = _with_hosts(context, chosen) if chosen.uri else _with_image(context, chosen)
        threading.Thread(target=serve, args=(bridge, answers), daemon=True).start()
        return app.exec()


def _run_dir(parts: ExitStack) -> Path:
    path = Path(tempfile.mkdtemp(prefix="vmc-"))
    parts.callback(shutil.rmtree, path, ignore_errors=True)
    return path


def _with_image(context: Context, chosen: argparse.Namespace) -> Answers:
    """An editor over a local image, or over a scripted one."""

    def scripted(_source: ImageSource, _shell: Any, *, on_event: Any, **_: Any) -> Any:
        return FakeSession(on_event, export_takes_s=chosen.fetch_takes_s)

    editors = ImageEditors(context, QApplication.instance(), session_maker=ImageSession if chosen.image else scripted)
    for image in chosen.image or [f"/scripted{number}.qcow2" for number in range(chosen.scripted)]:
        editors.open(ImageSource(image, "qcow2"), LocalShell(), users=lambda: ())
    live = [_live_window(context)] if chosen.live else []
    return Answers(lambda: [*live, *editors.windows])


def _live_window(context: Context) -> LiveWindow:
    window = LiveWindow(context, "web1", "kvm3", LocalAgent())
    window.show()
    window.open()
    return window


def _with_hosts(context: Context, chosen: argparse.Namespace) -> Answers:
    """The disks tabs of guests on hosts, as in the main window; the editors are opened from there."""
    editors = ImageEditors(context, QApplication.instance())
    tabs = [_disks_tab(context, guest, editors) for guest in chosen.guest]
    for uri in dict.fromkeys(chosen.uri):
        context.fleet.add(uri)
    return Answers(lambda: editors.windows, tabs)


def _disks_tab(context: Context, name: str, editors: ImageEditors) -> DisksTab:
    tab = DisksTab(context, editors=editors)
    tab.setWindowTitle("disks")
    tab.resize(900, 300)
    tab.show()

    def show(_changes: object) -> None:
        for host in context.store.hosts:
            for guest in context.store.guests_of(host).values():
                if guest.name == name:
                    tab.show_guest(guest.id)

    context.bridge.store_changed.connect(show)
    return tab


if __name__ == "__main__":
    sys.exit(main())
