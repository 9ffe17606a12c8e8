# SPDX-License-Identifier: GPL-3.0-or-later
"""What the window needs next is loaded beside it."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from vmconsole.app.warm_up import DEMO, FIGURES, HOSTS, PARTS, WarmUp

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

NOTES = "import threading, notes\nnotes.seen.append((__name__, threading.current_thread().name))\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that note where they were loaded."""
    (tmp_path / "notes.py").write_text("seen = []\n")
    for name in ("first", "second"):
        (tmp_path / f"warm_{name}.py").write_text(NOTES)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("notes", "warm_first", "warm_second"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def loaded() -> list[tuple[str, str]]:
    return list(sys.modules["notes"].seen) if "notes" in sys.modules else []


@pytest.mark.usefixtures("place")
def test_all_is_loaded_on_a_thread_and_what_is_missing_does_not_hold_the_rest(qtbot: QtBot) -> None:
    called: list[tuple[str, str]] = []

    def note(what: str) -> None:
        called.append((what, threading.current_thread().name))

    stages = [(("warm_first", "warm_missing"), lambda: note("first")), (("warm_second",), lambda: note("second"))]
    warm_up = WarmUp(stages)
    warm_up.start()
    qtbot.waitUntil(lambda: len(called) == 2)
    warm_up.close()
    assert loaded() == [("warm_first", "warm-up"), ("warm_second", "warm-up")]
    assert called == [("first", "MainThread"), ("second", "MainThread")]


def test_it_ends_with_the_program(place: Path, qtbot: QtBot) -> None:
    (place / "warm_first.py").write_text("import notes\nnotes.begun.set()\nnotes.goes_on.wait(10)\n")
    events = "begun, goes_on = threading.Event(), threading.Event()"
    (place / "notes.py").write_text(f"import threading\nseen = []\n{events}\n")
    called: list[int] = []
    warm_up = WarmUp(
        [(("notes", "warm_first"), lambda: called.append(1)), (("warm_second",), lambda: called.append(2))]
    )
    warm_up.start()
    import notes  # type: ignore[import-not-found]  # made above

    assert notes.begun.wait(10)
    closing = threading.Thread(target=warm_up.close)
    closing.start()
    while not warm_up._ends.is_set():
        pass
    notes.goes_on.set()
    closing.join(10)
    qtbot.wait(50)
    assert not closing.is_alive()
    assert "warm_second" not in sys.modules
    assert called == []


def test_what_is_loaded_on_the_thread_brings_no_qt() -> None:
    words = f"import sys, {', '.join((*HOSTS, *DEMO, *FIGURES, *PARTS))}; sys.exit('PySide6' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0
