# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU until the first window is painted, against the least that any Qt program in Python needs, in the same run."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.display import open_display

RUNS = 5
FLOORS = {
    "import_floor_cpu_s": "import PySide6.QtWidgets",
    "bare_window_cpu_s": """
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMainWindow, QTreeView
app = QApplication([])
window = QMainWindow()
window.setCentralWidget(QTreeView())
window.show()
QTimer.singleShot(0, lambda: QTimer.singleShot(0, app.quit))
app.exec()
""",
}


def measure() -> dict[str, object]:
    with open_display(1600, 1000) as display, tempfile.TemporaryDirectory() as folder:
        floors = {name: _median(lambda p=program: _cpu_of(["-c", p], display.env)) for name, program in FLOORS.items()}
        reports = [_console(display.env, Path(folder) / str(number)) for number in range(RUNS)]
    own = statistics.median(float(report["window_cpu_s"]) for report in reports)
    return {
        "runs": RUNS,
        "window_cpu_s": own,
        "window_wall_s": statistics.median(float(report["window_s"]) for report in reports),
        **{name: round(value, 3) for name, value in floors.items()},
        "ratio_to_import_floor": round(own / floors["import_floor_cpu_s"], 2),
        "ratio_to_bare_window": round(own / floors["bare_window_cpu_s"], 2),
        "loaded_before_window": reports[0]["loaded_before_window"],
    }


def _median(once: object) -> float:
    assert callable(once)
    return statistics.median(once() for _ in range(RUNS))


def _cpu_of(arguments: list[str], env: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=env, check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def _console(env: dict[str, str], profile: Path) -> dict[str, object]:
    report = profile.with_suffix(".json")
    argv = [sys.executable, "-m", "vmconsole", "--profile", str(profile), "--after", "1", "--bench-json", str(report)]
    subprocess.run(argv, env=env, check=True, timeout=60, stdout=subprocess.DEVNULL)
    found: dict[str, object] = json.loads(report.read_text())
    return found
