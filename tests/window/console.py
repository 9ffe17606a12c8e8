# SPDX-License-Identifier: GPL-3.0-or-later
"""vmconsole as a user has it: a process with a window on a screen, driven from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.waiting import wait_until

if TYPE_CHECKING:
    from types import TracebackType

    from tests.display import Display

ROOT = Path(__file__).resolve().parent.parent.parent
ANSWER_S = 30.0


class Console:
    """Starts the program; ``ask`` and ``until`` speak AT-SPI to it."""

    def __init__(self, display: Display, profile: Path, *arguments: str) -> None:
        self.display = display
        self._profile = profile
        argv = [sys.executable, "-X", "faulthandler", "-m", "vmconsole", "--profile", str(profile), *arguments]
        self._log = (profile.parent / f"{profile.name}.log").open("w+b")
        self.process = subprocess.Popen(argv, env=display.env, cwd=ROOT, stdout=self._log, stderr=subprocess.STDOUT)
        self._client = subprocess.Popen(
            ["/usr/bin/python3", str(Path(__file__).parent / "atspi_client.py")],
            env=display.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Console:
        self.until("find", role="frame", name="vmconsole")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=10)
        self._client.kill()
        self._client.communicate(timeout=10)
        if error is not None:
            sys.stderr.write(f"--- the console's output:\n{self.output()}\n")
        self._log.close()

    def output(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    def ask(self, do: str, **what: Any) -> Any:
        """One AT-SPI command; raises LookupError with the client's words when it fails."""
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        self._client.stdin.write(json.dumps({"do": do, **what}) + "\n")
        self._client.stdin.flush()
        answer = json.loads(self._client.stdout.readline())
        if "error" in answer:
            raise LookupError(answer["error"])
        return answer["ok"]

    def until(self, do: str, *, deadline_s: float = ANSWER_S, **what: Any) -> Any:
        """Ask until it is answered, as elements appear when they are ready."""
        found: list[Any] = []

        def try_it() -> bool:
            assert self.process.poll() is None, f"the console ended:\n{self.output()}"
            try:
                found.append(self.ask(do, **what))
            except LookupError:
                return False
            return True

        wait_until(try_it, within_s=deadline_s, what=f"{do} {what}", every_s=0.2)
        return found[-1]

    def names(self, role: str, name: str) -> list[str]:
        return list(self.ask("names", role=role, name=name))
