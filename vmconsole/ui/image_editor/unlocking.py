# SPDX-License-Identifier: GPL-3.0-or-later
"""Unlocking encrypted volumes of the open image, and how full its filesystems are. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from vmconsole.ui.image_editor.key_dialog import KeyDialog

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from vmconsole.images.messages import Filesystem, ImageOverview
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.image_editor.desk import ImageDesk
    from vmconsole.ui.image_editor.look import Look
    from vmconsole.ui.image_editor.places import PlacesPanel


class Unlocking(QObject):
    """``unlocked`` carries the ``ImageOverview`` in which the volume's inside is shown."""

    unlocked = Signal(object)

    def __init__(self, desk: ImageDesk, places: PlacesPanel, look: Look, window: QWidget) -> None:
        super().__init__(window)
        self._desk, self._places, self._look, self._window = desk, places, look, window
        self.dialog: KeyDialog | None = None
        places.unlock_wanted.connect(self.ask)

    @Slot(object)
    def ask(self, locked: Filesystem) -> None:
        """Ask for the key of a volume, until it opens or the user gives up."""
        if self.dialog is not None:
            self.dialog.raise_()
            return
        dialog = self.dialog = KeyDialog(locked, self._look, self._window, try_key=lambda key: self._try(locked, key))
        dialog.finished.connect(self._on_finished)
        dialog.open()

    def measure(self) -> None:
        """Ask how full the filesystems are; the panel shows it when it is known. Not to know is no problem."""
        self._desk.ask(self._desk.session.usage(), self._places.show_usage, failed=lambda _problem: None)

    def _try(self, locked: Filesystem, key: str) -> None:
        self._desk.ask(
            self._desk.session.unlock(locked.device, key),
            self._on_unlocked,
            failed=self._on_refused,
            cancelled=self._on_cancelled,
        )

    def _on_unlocked(self, overview: ImageOverview) -> None:
        if self.dialog is not None:
            self.dialog.opened()
        self.unlocked.emit(overview)

    def _on_refused(self, problem: Explanation) -> None:
        if self.dialog is not None:
            self.dialog.refused(problem)
        else:
            self._desk.failed.emit(problem)

    def _on_cancelled(self) -> None:
        if self.dialog is not None:
            self.dialog.reject()

    def _on_finished(self) -> None:
        self.dialog = None
