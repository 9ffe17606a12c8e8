# SPDX-License-Identifier: GPL-3.0-or-later
"""Help → Save Diagnostics: the dump, written to a file. GUI thread, but for the writing itself."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PySide6.QtWidgets import QWidget

    from vmconsole.ui.bridge import Bridge


class Diagnostics(QObject):
    """``told`` carries one line for the status bar: where it went, or why not."""

    told = Signal(str)

    def __init__(self, bridge: Bridge, window: QWidget) -> None:
        super().__init__(window)
        self._bridge = bridge
        self._window = window
        self._make: Callable[[], Mapping[str, object]] | None = None

    def set_maker(self, make: Callable[[], Mapping[str, object]]) -> None:
        self._make = make

    def ask(self) -> None:
        """Ask where to, without waiting for the answer."""
        dialog = QFileDialog(self._window, self.tr("Save Diagnostics"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(self.tr("JSON (*.json)"))
        dialog.setDefaultSuffix("json")
        dialog.selectFile("vmconsole-diagnostics.json")
        dialog.fileSelected.connect(self._on_file)
        dialog.open()

    def save(self, path: Path) -> None:
        """Make the dump now, write it in a thread, and tell how that went."""
        if self._make is None:
            return
        found = self._make()
        threading.Thread(target=self._write, args=(path, found), name="diagnostics", daemon=True).start()

    def _write(self, path: Path, found: Mapping[str, object]) -> None:
        try:
            path.write_text(json.dumps(found, indent=1), encoding="utf-8")
            line = self.tr("Diagnostics are saved in {path}").format(path=path)
        except OSError as error:
            line = self.tr("{path} could not be written: {why}").format(path=path, why=error.strerror)
        self._bridge.call(lambda: self.told.emit(line))

    def _on_file(self, name: str) -> None:
        self.save(Path(name))
