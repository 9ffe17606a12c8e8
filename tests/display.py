# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual screen of our own, with a window manager, a session bus and the accessibility bus, for window tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S = 60.0


@dataclass(frozen=True)
class Display:
    """``env`` is what a program needs to appear on this screen, as seen by a screen reader too."""

    env: dict[str, str]
    size: tuple[int, int]

    def run(self, *argv: str, deadline_s: float = 30.0) -> str:
        """A helper program (xdotool, import, …) on this screen; its output. Fails loudly."""
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=deadline_s, check=False)
        assert done.returncode == 0, f"{argv}: {done.stderr or done.stdout}"
        return done.stdout


@pytest.fixture(scope="session")
def display() -> Iterator[Display]:
    with open_display(1600, 1000) as found:
        yield found


class open_display:  # noqa: N801  # used as a context manager, like contextlib's
    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._children: list[subprocess.Popen[bytes]] = []
        self._runtime = ""

    def __enter__(self) -> Display:
        self._runtime = tempfile.mkdtemp(prefix="vmconsole-display-")
        try:
            env = self._base_env()
            env["DISPLAY"] = self._start_x(env)
            env["DBUS_SESSION_BUS_ADDRESS"] = self._start_bus(env)
            self._start(["/usr/libexec/at-spi-bus-launcher", "--launch-immediately"], env)
            self._start(["openbox"], env)
            wait_until(lambda: self._has_window_manager(env), within_s=START_S, what="the window manager answers")
        except BaseException:
            self.__exit__()
            raise
        return Display(env=env, size=self._size)

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._children):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(
                    child.pid, signal.SIGKILL
                )  # with what it started: the accessibility bus has a daemon of its own
            child.wait(timeout=10)
        shutil.rmtree(self._runtime, ignore_errors=True)

    def _base_env(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("QT_", "XDG_", "DBUS_", "WAYLAND_"))}
        home = Path(self._runtime) / "home"
        home.mkdir()
        env |= {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": self._runtime,
            "QT_QPA_PLATFORM": "xcb",
            "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1",
            "NO_AT_BRIDGE": "0",
            "LIBGUESTFS_CACHEDIR": os.environ.get("LIBGUESTFS_CACHEDIR", "/var/tmp"),
        }
        return env

    def _start(self, argv: list[str], env: dict[str, str], **pipes: int | tuple[int, ...]) -> subprocess.Popen[bytes]:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        child = subprocess.Popen(argv, env=env, start_new_session=True, **(quiet | pipes))  # type: ignore[call-overload]  # Popen's own overloads
        self._children.append(child)
        return child  # type: ignore[no-any-return]  # same

    def _start_x(self, env: dict[str, str]) -> str:
        reader, writer = os.pipe()
        screen = f"{self._size[0]}x{self._size[1]}x24"
        self._start(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", screen, "-nolisten", "tcp", "-noreset"],
            env,
            pass_fds=(writer,),
        )
        os.close(writer)
        with os.fdopen(reader) as answer:
            return f":{answer.readline().strip()}"

    def _start_bus(self, env: dict[str, str]) -> str:
        address = f"unix:path={self._runtime}/bus"
        self._start(["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}"], env)
        wait_until(lambda: Path(f"{self._runtime}/bus").exists(), within_s=START_S, what="the session bus is there")
        return address

    def _has_window_manager(self, env: dict[str, str]) -> bool:
        done = subprocess.run(["xdotool", "get_desktop"], env=env, capture_output=True, timeout=START_S, check=False)
        dead = [f"{child.args}: {child.returncode}" for child in self._children if child.poll() is not None]
        assert not dead, f"ended at once: {dead}"
        return done.returncode == 0
