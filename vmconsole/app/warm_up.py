# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads what the program needs next once the window is painted: on a thread of its own, or between the window's events.

Python loads a module when it is first imported. Left to the first click on a guest, that held the window for 0.4 s (the
charts and numpy), and the first look at its disks for another 0.3 s; before the first paint it would delay the window.

What brings Qt is loaded in the GUI thread, in pieces: PySide makes its classes when they are first used, and two
threads that do so at once end the program (seen with pyqtgraph on a thread, PySide 6.11).
"""

from __future__ import annotations

import importlib
import logging
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Stage = tuple[Sequence[str], Callable[[], object]]

HOSTS = ("vmconsole.links.host_link", "vmconsole.links.libvirt_link")
DEMO = ("vmconsole.links.memory",)
FIGURES = ("vmconsole.store.figures", "vmconsole.images.session")
"""These three are loaded on the thread: none brings Qt."""
WINDOW = (
    "vmconsole.ui.overview", "vmconsole.ui.limits_tab", "vmconsole.ui.disks_tab", "vmconsole.ui.image_editor.editors",
    "vmconsole.ui.capacity.page", "vmconsole.ui.limits.bulk_dialog",
)  # fmt: skip
"""In the order in which they are wanted: the tabs of a guest, those of a host, its dialogs."""
log = logging.getLogger(__name__)


class WarmUp(QObject):
    """``stages``: modules, and what is called in the GUI thread when they are there; one after the other."""

    _loaded = Signal(int)

    def __init__(self, stages: Sequence[Stage], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stages = stages
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._load, name="warm-up", daemon=True)
        self._loaded.connect(self._on_loaded, Qt.ConnectionType.QueuedConnection)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends after the module that is being loaded."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def _load(self) -> None:
        for number, (modules, _) in enumerate(self._stages):
            for module in modules:
                if self._ends.is_set():
                    return
                _bring(module)
            self._loaded.emit(number)

    @Slot(int)
    def _on_loaded(self, number: int) -> None:
        if not self._ends.is_set():
            self._stages[number][1]()


def load_in_turn(parent: QObject, modules: Sequence[str], *, then: Callable[[], object]) -> None:
    """In the GUI thread, one at a time while ``parent`` lives, with the window's events in between; then ``then``."""
    if not modules:
        then()
        return
    _bring(modules[0])
    QTimer.singleShot(0, parent, lambda: load_in_turn(parent, modules[1:], then=then))


def _bring(module: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError:  # who needs it says so, where it can be seen
        log.info("%s is not loaded ahead", module, exc_info=True)
