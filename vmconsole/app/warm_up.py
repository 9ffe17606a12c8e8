# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads what the window needs next, on a thread of its own, once the window is painted.

Python loads a module when it is first imported. Left to the first click on a guest, that held the window for 0.4 s (the
charts and numpy), and the first look at its disks for another 0.3 s; before the first paint it would delay the window.
"""

from __future__ import annotations

import importlib
import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NEXT = (
    "vmconsole.store.figures", "vmconsole.ui.overview", "vmconsole.ui.limits_tab", "vmconsole.ui.disks_tab",
    "vmconsole.ui.capacity.page", "vmconsole.ui.limits.bulk_dialog",
)  # fmt: skip
"""In the order in which they are wanted: the first figures, the tabs of a guest, those of a host, its dialogs."""
log = logging.getLogger(__name__)


class WarmUp:
    """``done`` is called on the thread when all of ``modules`` are there."""

    def __init__(self, done: Callable[[], None], *, modules: Sequence[str] = NEXT) -> None:
        self._done = done
        self._modules = modules
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._load, name="warm-up", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends after the module that is being loaded."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def _load(self) -> None:
        for module in self._modules:
            if self._ends.is_set():
                return
            try:
                importlib.import_module(module)
            except ImportError:  # who needs it says so, where it can be seen
                log.info("%s is not loaded ahead", module, exc_info=True)
        self._done()
