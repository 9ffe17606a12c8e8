# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads what the program needs next, and which brings no Qt, once the window is painted: on a thread of its own.

Python loads a module when it is first imported: left to the first click, that holds the window; before the first paint,
it would delay it. What brings Qt is for ``in_turn``.
"""

from __future__ import annotations

import importlib
import logging
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Stage = tuple[Sequence[str], Callable[[], object]]

HOSTS = ("vmconsole.links.host_link", "vmconsole.links.libvirt_link")
DEMO = ("vmconsole.links.memory",)
FIGURES = ("vmconsole.store.figures", "vmconsole.images.session")
PARTS = (
    "decimal", "multiprocessing.connection", "xml.etree.ElementTree", "cProfile", "csv", "difflib", "pygments.lexers",
    "vmconsole.quotas.capacity", "vmconsole.quotas.pins", "vmconsole.operations.behind",
    "vmconsole.operations.image_users", "vmconsole.images.live_session", "vmconsole.images.comparing",
    "vmconsole.images.lenses", "vmconsole.images.registry_values", "vmconsole.settings.presets",
)  # fmt: skip
"""Of the charts, the limits and the image editor, and of the libraries they use."""
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
                bring(module)
            self._loaded.emit(number)

    @Slot(int)
    def _on_loaded(self, number: int) -> None:
        if not self._ends.is_set():
            self._stages[number][1]()


def bring(module: str) -> None:
    """Load it; without it the program goes on."""
    try:
        importlib.import_module(module)
    except ImportError:  # who needs it says so, where it can be seen
        log.info("%s is not loaded ahead", module, exc_info=True)
