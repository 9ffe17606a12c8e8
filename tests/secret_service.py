# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Secret Service for tests: gnome-keyring on a session bus of its own, in a home of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MASTER_PASSWORD = "opens-the-keyring-55"
START_S = 20.0
BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/run/bus</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
"""The bus itself starts no services: what is not there is not there."""


class SecretService:
    """``env`` is what a program needs to meet it."""

    def __init__(self, folder: Path, *, unlocked: bool = True, bus: str = "") -> None:
        """``bus``: the address of a session bus that runs already, else one is started."""
        self._children: list[subprocess.Popen[bytes]] = []
        for name in ("home", "run"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        self.env = {
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_DATA_HOME": str(folder / "home" / ".local" / "share"),
            "DBUS_SESSION_BUS_ADDRESS": bus or f"unix:path={folder}/run/bus",
        }
        try:
            self._start_all(folder, own_bus=not bus, unlocked=unlocked)
        except BaseException:
            self.close()
            raise

    def _start_all(self, folder: Path, *, own_bus: bool, unlocked: bool) -> None:
        if own_bus:
            config = folder / "bus.conf"
            config.write_text(BUS.format(folder=folder))
            self._start("dbus-daemon", "--nofork", "--nopidfile", f"--config-file={config}")
            self._wait(lambda: (folder / "run" / "bus").exists(), "the bus is there")
        unlock = ["--unlock"] if unlocked else []
        self._start("gnome-keyring-daemon", "--foreground", "--components=secrets", *unlock, feed=MASTER_PASSWORD)
        self._wait(self._answers, "the Secret Service answers")

    def close(self) -> None:
        for child in reversed(self._children):
            child.terminate()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(timeout=5)

    def lock(self) -> None:
        """All collections, as after a while without use."""
        self._call("Lock", "array:objpath:/org/freedesktop/secrets/collection/login")

    def _start(self, *argv: str, feed: str = "") -> None:
        child = subprocess.Popen(
            argv, env=os.environ | self.env, stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._children.append(child)
        assert child.stdin is not None
        child.stdin.write(feed.encode())
        child.stdin.close()

    def _answers(self) -> bool:
        to = ["--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]
        return "true" in self._send(*to, "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets")

    def _call(self, method: str, *arguments: str) -> str:
        to = ["--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"]
        return self._send(*to, f"org.freedesktop.Secret.Service.{method}", *arguments)

    def _send(self, *words: str) -> str:
        return subprocess.run(
            ["dbus-send", "--session", "--print-reply", *words],
            env=os.environ | self.env, check=True, capture_output=True, text=True, timeout=10,
        ).stdout  # fmt: skip

    def _wait(self, test: Callable[[], object], what: str) -> None:
        ends_at = time.monotonic() + START_S
        pause = threading.Event()
        while not test():
            assert time.monotonic() < ends_at, f"not within {START_S} s: {what}"
            assert all(child.poll() is None for child in self._children), "a daemon ended at once"
            pause.wait(0.05)


@contextlib.contextmanager
def secret_service(folder: Path, *, unlocked: bool = True, bus: str = "") -> Iterator[SecretService]:
    service = SecretService(folder, unlocked=unlocked, bus=bus)
    try:
        yield service
    finally:
        service.close()
