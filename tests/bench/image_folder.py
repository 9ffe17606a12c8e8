# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of 10,000 entries: from the click until its rows can be seen, against the libguestfs calls that it needs."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.image_work import compared, peer_and_session
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from vmconsole.images.session import ImageSession

ENTRIES = 10_000
RUNS = 7


def measure() -> dict[str, object]:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory(prefix="vmc-bench-") as folder:
        content = Path(folder) / "content"
        (content / "many").mkdir(parents=True)
        for number in range(ENTRIES):
            (content / f"many/some-file-{number:05}.txt").touch()
        with peer_and_session(Path(folder), content, size="256M") as (peer, session):
            window = Window(session)
            calls = (("readdir", ["/many"]), ("lstatnslist", ["/many", "$found"]))
            peer.time(*calls)
            window.open("/many")
            pairs, firsts = [], []
            for _ in range(RUNS):
                floor = peer.time(*calls)
                first, whole = window.open("/many")
                pairs.append((floor, whole))
                firsts.append(first)
            window.close()
    return compared(pairs, entries=ENTRIES, first_rows_s=round(sorted(firsts)[RUNS // 2], 3), aim=1.2)


class Window:
    """The editor's own table over a session that is open."""

    def __init__(self, session: ImageSession) -> None:
        from PySide6.QtWidgets import QApplication, QWidget

        from vmconsole.app.turns import take_short_turns
        from vmconsole.store.store import Store
        from vmconsole.ui.bridge import Bridge
        from vmconsole.ui.image_editor.browser import Browser
        from vmconsole.ui.image_editor.desk import ImageDesk
        from vmconsole.ui.image_editor.look import Look

        take_short_turns()  # as ``app`` does
        self._app = QApplication.instance() or QApplication([])
        self._bridge = Bridge(Store())
        self._desk = ImageDesk(lambda _on_event: session, self._bridge)
        self._frame = QWidget()
        self.browser = Browser(self._desk, Look.make(Theme()), self._frame)
        self.browser.resize(900, 700)
        self._frame.resize(900, 700)
        self._frame.show()
        self._turn_until(lambda: self._desk.is_idle)

    def open(self, path: str) -> tuple[float, float]:
        """Seconds until the first rows can be seen, and until all can; from another folder."""
        self.browser.open_folder("/lost+found")
        self._turn_until(lambda: self.browser.folder == "/lost+found" and self._desk.is_idle)
        began = time.monotonic()
        self.browser.open_folder(path)
        self._turn_until(lambda: self.browser.folder == path and self.browser.model.rowCount() > 0)
        self.browser.view.viewport().repaint()
        first = time.monotonic() - began
        self._turn_until(lambda: self._desk.is_idle)
        assert self.browser.model.rowCount() == ENTRIES
        self.browser.view.viewport().repaint()
        return first, time.monotonic() - began

    def _turn_until(self, condition: object) -> None:
        assert callable(condition)
        ends_at = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < ends_at, "the folder did not come"
            self._app.processEvents()
            time.sleep(0.001)  # the other threads of this process need Python's lock

    def close(self) -> None:
        self._frame.close()
        self._frame.deleteLater()
        self._bridge.close()
