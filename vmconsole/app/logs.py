# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging and crash traces: to stderr, and to files below the profile's state folder that the next start can show."""

from __future__ import annotations

import faulthandler
import logging
import logging.handlers
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

LOG_BYTES = 1_000_000


def set_up(state_dir: Path, *, debug: bool) -> TextIO:
    """Begin logging. Returns the file that a crash is written to; it must stay open until the end.

    SIGUSR1 writes the stacks of all threads there, for a program that seems stuck.
    """
    to_file = logging.handlers.RotatingFileHandler(state_dir / "vmconsole.log", maxBytes=LOG_BYTES, backupCount=2)
    to_stderr = logging.StreamHandler()
    to_stderr.setLevel(logging.DEBUG if debug else logging.WARNING)
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s",
        handlers=[to_file, to_stderr],
        force=True,
    )
    crashes = (state_dir / "crash.log").open("a", encoding="utf-8")
    faulthandler.enable(crashes)
    faulthandler.register(signal.SIGUSR1, crashes)
    return crashes
