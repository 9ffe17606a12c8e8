# SPDX-License-Identifier: GPL-3.0-or-later
"""A desktop to test on: an editor in a process of its own and a file manager's window, moved by mouse and keyboard."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.display import Display

ANSWER_S = 60.0
STEPS = 12
STEP_S = 0.08
REST_S = 0.6
"""Over the target before letting go: what a hand does, and what file managers wait for."""
EDITOR_PLACE = ("0", "30", "1000", "900")
FILES_PLACE = (1015, 30, 570, 500)
FIRST_ICON = [1205, 190]
"""Where pcmanfm-qt paints the only icon of a folder in a window placed so (its side pane is 130 pixels wide)."""
EMPTY_SPACE = [1450, 420]
UPPER_PLACE = ("0", "30", "1000", "440")
LOWER_PLACE = ("0", "505", "1000", "440")
"""Of two editors' windows, which are both to be seen."""


class EditorProcess:
    """The editor, and questions to it. ``close()`` ends it."""

    def __init__(self, display: Display, profile: Path, *options: str, log: Path) -> None:
        self._log = log.open("w")
        argv = [sys.executable, "-m", "tests.ui_images.editor_process", "--profile", str(profile), *options]
        self._process = subprocess.Popen(
            argv, env=display.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._answers: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, name: str, *words: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *words]) + "\n")
        self._process.stdin.flush()
        answer = self._answers.get(timeout=ANSWER_S)
        assert answer, f"the editor ended: {Path(self._log.name).read_text()}"
        return json.loads(answer)

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.ask("state"))

    def until(self, condition: Any, *, deadline_s: float, what: str) -> dict[str, Any]:
        """Wait until ``condition(state)``; the state."""
        end = time.monotonic() + deadline_s
        while not condition(state := self.state):
            assert time.monotonic() < end, f"not within {deadline_s} s: {what}; at last: {state}"
            time.sleep(0.2)
        return state

    def close(self) -> int:
        """Its exit status; killed if it does not go."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            return self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(timeout=10)
        finally:
            self._reader.join(timeout=10)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._log.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")


class FileManager:
    """A pcmanfm-qt window that shows one folder, at the right of the screen."""

    def __init__(self, display: Display, folder: Path, place: tuple[int, int, int, int]) -> None:
        self._display = display
        self.place = place
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        argv = ["pcmanfm-qt", "--new-window", str(folder)]
        self._process = subprocess.Popen(argv, env=display.env, **quiet)  # type: ignore[call-overload] # Popen's overloads
        # one look at a time: xdotool's --sync would wait for ever if the window never came
        wait_until(self._find, within_s=60, what="the file manager's window is there")
        x, y, width, height = place
        display.run("xdotool", "windowmove", self._window, str(x), str(y))
        display.run("xdotool", "windowsize", self._window, str(width), str(height))
        display.run("xdotool", "windowactivate", "--sync", self._window)
        if any(folder.iterdir()):
            wait_until(self._shows_an_icon, within_s=30, what="the file manager has read its folder", every_s=0.2)

    def _windows(self) -> list[str]:
        argv = ["xdotool", "search", "--onlyvisible", "--class", "pcmanfm-qt"]
        done = subprocess.run(argv, env=self._display.env, capture_output=True, text=True, check=False, timeout=20)
        return done.stdout.split()

    def _find(self) -> bool:
        self._window = next(iter(self._windows()), "")
        return bool(self._window)

    def _shows_an_icon(self) -> bool:
        """Whether the place of the first icon has more than the background's colour."""
        x, y = FIRST_ICON
        area = f"60x60+{x - 30}+{y - 30}"
        picture = ["import", "-silent", "-window", "root", "-crop", area, "-format", "%k", "info:-"]
        return int(self._display.run(*picture) or 0) > 1

    def copy_here(self, arrives: Path) -> None:
        """Answer «Copy here» in the menu that it opens after a drop; what it is promised directly (XDS) needs none."""
        wait_until(
            lambda: arrives.exists() or len(self._windows()) > 1, within_s=20, what="the file manager asks what to do"
        )
        if not arrives.exists():
            self._display.run("xdotool", "key", "Down")
            self._display.run("xdotool", "key", "Return")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)


def drag(display: Display, start: list[int], end: list[int], *, rest_s: float = REST_S) -> None:
    """A drag as a hand does it: press, a dozen small moves, a rest over the target, let go."""
    move = ["xdotool", "mousemove"]
    display.run(*move, *map(str, start))
    time.sleep(0.2)
    display.run("xdotool", "mousedown", "1")
    for step in range(1, STEPS + 1):
        place = [a + (b - a) * step // STEPS for a, b in zip(start, end, strict=True)]
        display.run(*move, *map(str, place))
        time.sleep(STEP_S)
    display.run(*move, str(end[0] + 2), str(end[1] + 2))
    time.sleep(rest_s)
    display.run("xdotool", "mouseup", "1")


@contextlib.contextmanager
def running_editor(
    display: Display,
    tmp_path: Path,
    *options: str,
    deadline_s: float,
    places: tuple[tuple[str, ...], ...] = (EDITOR_PLACE,),
    name: str = "editor",
) -> Iterator[EditorProcess]:
    """An editor with its windows in their places that show files, or why they cannot; in the end its log must have no
    traceback. ``name`` tells two of them apart."""
    log = tmp_path / f"{name}.log"
    process = EditorProcess(display, tmp_path / f"{name}-profile", *options, log=log)
    try:
        for number, place in reversed(list(enumerate(places))):
            process.ask("use", str(number))
            process.until(lambda state: state["names"] or state["problem"], deadline_s=deadline_s, what="the files")
            process.ask("place", *place)
        yield process
    finally:
        process.close()
        assert "Traceback" not in log.read_text(), log.read_text()


def apply_by_keyboard(display: Display, editor: EditorProcess) -> None:
    """Ctrl+Return, then Alt+A in the question; returns when the draft is in the image."""
    editor.ask("place", *EDITOR_PLACE)
    left, _, width, _ = map(int, EDITOR_PLACE)
    empty = left + width - 12  # the right end of the tool bar: for the focus

    def has_focus() -> bool:
        display.run("xdotool", "mousemove", str(empty), "45", "click", "1")
        return bool(editor.state["is_active"])

    wait_until(has_focus, within_s=20, what="the window comes to the front", every_s=0.3)
    display.run("xdotool", "key", "ctrl+Return")
    editor.until(lambda s: s["question"], deadline_s=20, what="it asks before it writes")

    def is_answered() -> bool:
        """On a busy machine the question is seen before it has the keyboard."""
        if editor.state["question"]:
            display.run("xdotool", "key", "alt+a")
        return not editor.state["question"]

    wait_until(is_answered, within_s=30, what="it takes the answer", every_s=2.0)
    editor.until(lambda s: s["session"] in {"applied", "lost"} or s["problem"], deadline_s=180, what="the end of Apply")
    state = editor.until(lambda s: s["idle"], deadline_s=20, what="what came of it")
    assert state["session"] == "applied", state
    assert "on the disk" in state["headline"]
