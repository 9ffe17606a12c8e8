# SPDX-License-Identifier: GPL-3.0-or-later
"""The garbage collector does not walk what the program is made of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM_OBJECTS = 20_000
"""Modules, classes and the window are about twice as many."""


@pytest.mark.window
def test_the_program_is_set_apart_once_its_window_is_painted(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    argv = [sys.executable, "-m", "vmconsole", "--demo", "hosts=1,domains=2", "--profile", str(tmp_path / "profile")]
    subprocess.run(
        [*argv, "--after", "1", "--bench-json", str(report)],
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen"}, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert json.loads(report.read_text())["objects_set_apart"] > PROGRAM_OBJECTS
