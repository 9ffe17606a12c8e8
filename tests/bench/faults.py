# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault matrix under a real window, on a lab of three hosts: seconds to the right words, to recovery, the others'
worst gap, and how long the window stood still."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from PySide6.QtWidgets import QApplication

from tests.lab.vmlab import Lab, LabOptions
from tests.links.fault_engine import RECOVERY_S
from tests.ui.window_on_lab import WindowOnLab, all_faults
from vmconsole.links.libvirt_link import LibvirtLoop
from vmconsole.ui.watchdog import STALL_S

HOSTS, GUESTS = 3, 1


def measure_all(lab: Lab) -> list[dict[str, object]]:
    """One line for each fault."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application, loop = QApplication([]), LibvirtLoop()
    loop.start()
    window = WindowOnLab(lab, loop)
    try:
        window.show()
        return [
            seen.line() | {"states_right": seen.measured.guests == seen.measured.truth} for seen in all_faults(window)
        ]
    finally:
        window.close()
        loop.close()
        application.shutdown()


def _number(line: dict[str, object], key: str) -> float:
    value = line[key]
    assert isinstance(value, (int, float))
    return value


def summary(lines: list[dict[str, object]]) -> dict[str, object]:
    """The worst of each, beside its limit."""
    late = [_number(line, "words_s") / _number(line, "words_limit_s") for line in lines]
    worst = {
        key: max(_number(line, key) for line in lines)
        for key in ("recovery_s", "others_gap_s", "stall_ours_ms", "stall_wall_ms", "stall_work_ms", "control_ms")
    }
    return {
        "words_of_limit": round(max(late), 2), **worst, "recovery_limit_s": RECOVERY_S,
        "stall_limit_ms": round(1000 * STALL_S), "states_right": all(line["states_right"] for line in lines),
        "faults": lines,
    }  # fmt: skip


def measure() -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="vmc-bench-") as folder, Lab(Path(folder) / "lab") as lab:
        lab.up(LabOptions(hosts=HOSTS, guests=GUESTS, load=False))
        return summary(measure_all(lab))
