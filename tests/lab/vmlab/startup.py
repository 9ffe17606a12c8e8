# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a host: its groups, its pid 1 (init.py), its wire.

All hosts of a lab start side by side, each in its own process; nothing here needs a thread.
"""

import os
import select
import subprocess
import time
from pathlib import Path
from types import TracebackType

from . import cgroups, network
from .errors import LabError
from .init import HostPlan
from .processes import SYSTEM_PATH, ProcessId
from .state import LabDirectory, Settings, write_whole

PYTHON = "/usr/bin/python3"
START_TIMEOUT_S = 60.0


class StartingHost:
    """A host between its first process and its readiness. Close it; that does not end the host."""

    def __init__(self, directory: LabDirectory, settings: Settings, number: int) -> None:
        self.name = f"kvm{number}"
        self._home = directory.host(number)
        self._deadline = time.monotonic() + START_TIMEOUT_S
        self._heard = b""
        for leftover in ("pid", "ready.new", "cut"):
            (self._home / leftover).unlink(missing_ok=True)
        groups = cgroups.make_groups(f"{settings.name}-{self.name}")
        cgroups.kill_members(groups)  # what a killed starter may have left behind
        write_whole(self._home / "groups", "".join(f"{group}\n" for group in groups))
        with (self._home / "init.log").open("wb") as log:
            self._process = _spawn(host_plan(directory, settings, number, groups=groups), log.fileno())
        try:
            pid = self._hear_pid()
            write_whole(self._home / "pid", str(pid))
            network.plug_in(settings.wiring, number, pid)
            self._send("go\n")
        except BaseException:  # whatever it was: the pipes must be closed, which also ends the half-made host
            self.close()
            raise

    def __enter__(self) -> "StartingHost":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait_ready(self) -> None:
        """Return when the host's daemons run; LabError with what it said when it ended instead."""
        if self._next_line() != "ready":
            raise self._failure()

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def _hear_pid(self) -> ProcessId:
        pid = ProcessId.parse(self._next_line().removeprefix("pid "))
        if pid is None:
            raise self._failure()
        return pid

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), line.encode())

    def _next_line(self) -> str:
        """The next line pid 1 says; "" at its end. LabError when it says nothing for too long."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._heard:
            left_s = self._deadline - time.monotonic()
            if left_s <= 0 or not select.select([pipe], [], [], left_s)[0]:
                raise LabError(f"{self.name} did not start within {START_TIMEOUT_S:.0f} s; see {self._home}/init.log")
            piece = os.read(pipe, 4096)
            if not piece:
                return ""
            self._heard += piece
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def _failure(self) -> LabError:
        lines = (self._home / "init.log").read_text(errors="replace").strip().splitlines()
        said = lines[-1] if lines else "it said nothing"
        hint = " (a container needs --privileged for this)" if "Operation not permitted" in said else ""
        return LabError(f"{self.name} did not start: {said}{hint}; more in {self._home}/init.log")


def host_plan(directory: LabDirectory, settings: Settings, number: int, *, groups: list[Path]) -> HostPlan:
    """What pid 1 of host `number` has to know."""
    wiring = settings.wiring
    return HostPlan(
        name=f"kvm{number}",
        directory=str(directory.host(number)),
        shared=str(directory.shared),
        address=f"{wiring.address(number)}/24",
        gateway=str(wiring.gateway),
        groups=[str(group) for group in groups],
        hierarchies=[(each.mount_point.name, list(each.controllers)) for each in cgroups.hierarchies()],
    )


def _spawn(plan: HostPlan, log: int) -> "subprocess.Popen[bytes]":
    """Run init.py; the lab's lock is not passed on to it (close_fds)."""
    modules = str(Path(__file__).parent.parent)
    return subprocess.Popen(
        [PYTHON, "-B", "-s", "-c", "from vmlab.init import main; main()", plan.to_json()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        bufsize=0,
        cwd="/",
        env={"PATH": SYSTEM_PATH, "PYTHONPATH": modules, "LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )
