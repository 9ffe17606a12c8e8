# SPDX-License-Identifier: GPL-3.0-or-later
"""The meter of stalls sees what the console does itself, and nothing else, also on a machine that is overloaded."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QTimer

from tests.ui.stall_meter import StallMeter
from vmconsole.links.children import run
from vmconsole.ui.watchdog import STALL_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

BUSY_PER_PROCESSOR = 1
TIMES = 5


@pytest.fixture
def overloaded() -> Iterator[None]:
    """More programs that want to run than there are processors for."""
    busy = [
        subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(BUSY_PER_PROCESSOR * (os.cpu_count() or 1))
    ]
    yield
    for process in busy:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("overloaded")
def test_a_tenth_of_a_second_in_the_gui_thread_is_seen_under_load(qtbot: QtBot) -> None:
    meter = StallMeter()
    for number in range(TIMES):
        QTimer.singleShot(300 * number, lambda: time.sleep(0.1))
    qtbot.wait(300 * TIMES + 500)
    assert meter.stop().ours_s > STALL_S


@pytest.mark.usefixtures("overloaded")
def test_python_held_up_by_another_thread_is_seen_under_load(qtbot: QtBot) -> None:
    """As by a Popen whose program takes its time: the other thread holds Python's lock without working. Python asks for
    its lock every 5 ms, and each time waits for a processor; here it asks once, as that is another matter."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1.0)
    meter = StallMeter()
    keeping = ctypes.PyDLL(None)
    holds = [threading.Thread(target=lambda: keeping.usleep(300_000)) for _ in range(TIMES)]
    for number, hold in enumerate(holds):
        QTimer.singleShot(600 * number, hold.start)
    qtbot.wait(600 * TIMES + 500)
    for hold in holds:
        hold.join()
    sys.setswitchinterval(usual_s)
    assert meter.stop().ours_s > STALL_S


@pytest.mark.usefixtures("overloaded")
def test_a_machine_without_a_processor_to_spare_is_not_our_doing(qtbot: QtBot) -> None:
    """Programs are started meanwhile, as a console with a flapping host does."""
    over = threading.Event()

    def start_programs() -> None:
        while not over.wait(0.05):
            run(["true"], deadline_s=20)

    meter, starter = StallMeter(), threading.Thread(target=start_programs)
    starter.start()
    qtbot.wait(4000)
    over.set()
    starter.join()
    found = meter.stop()
    assert found.ours_s <= STALL_S, found
