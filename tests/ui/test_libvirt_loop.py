# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's work is done in its own thread, also where Qt runs on GLib, whose loop libvirt's own would share."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, sys, threading
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
app = QApplication([])
import libvirt
from vmconsole.links.libvirt_link import LibvirtLoop
loop = LibvirtLoop()
loop.start()
seen = set()
def tick(*_):
    seen.add(threading.current_thread().name)
    if len(ticks) < 5:
        ticks.append(1)
ticks = []
libvirt.virEventAddTimeout(10, tick, None)
beats = []
timer = QTimer()
timer.timeout.connect(lambda: beats.append(threading.current_thread().name))
timer.start(10)
QTimer.singleShot(600, app.quit)
app.exec()
loop.close()
print(sorted(seen), sorted(set(beats)), len(ticks))
"""


def test_libvirts_callbacks_never_run_in_the_gui_thread() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "['libvirt events'] ['MainThread'] 5", done.stderr
