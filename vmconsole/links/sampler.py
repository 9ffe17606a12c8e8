# SPDX-License-Identifier: GPL-3.0-or-later
"""The sampler: one long-lived process on the host writes cgroup figures, one thread here turns them into frames.

Nothing is installed on the host: ``sampler_remote`` is sent as text to the python3 there and ends when its stdin
closes. It is a channel of its own, so the figures go on while libvirtd hangs. Every method may be called from any
thread; frames and states are handed over on the sampler's own thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from dataclasses import dataclass, replace
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any, Protocol

from vmconsole.inventory.errors import ConsoleError
from vmconsole.links.base import SamplerDebug
from vmconsole.links.ending import let_end
from vmconsole.links.sampler_frames import FrameMaker
from vmconsole.links.sampler_launch import command, explain_denied, explain_end, explain_no_groups, program
from vmconsole.metrics.cgroups import FrameDecoder, GarbledFrame

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence

    from vmconsole.inventory.errors import Explanation
    from vmconsole.inventory.ids import HostId
    from vmconsole.links.base import Shell
    from vmconsole.metrics.cgroups import Sample
    from vmconsole.metrics.delta import Post

    OnState = Callable[[Explanation | None, Mapping[str, str]], None]

FIRST_RETRY_S = 2.0
LAST_RETRY_S = 60.0
KEPT_STDERR = 4096
GRACE_S = 0.4
"""How long the process may take to end by itself once its stdin is closed."""


@dataclass(frozen=True, slots=True)
class SamplerCost:
    """What the sampler has cost and done so far."""

    cpu_s: float = 0.0
    """CPU time of the program on the host, as it last said (every ten frames)."""
    memory_kib: int = 0
    """Its largest resident size."""
    frames: int = 0
    garbled: int = 0
    """Frames that had to be skipped."""
    received_bytes: int = 0


class Sampler(Protocol):
    """What ``make_sampler`` gives."""

    @property
    def cost(self) -> SamplerCost: ...
    def debug(self) -> SamplerDebug: ...
    def start(self) -> None: ...
    def watch(self, uuids: frozenset[str]) -> None:
        """Guests whose devices are wanted in the frames."""

    def close(self) -> None:
        """End the process on the host and the thread here, within a second. Nothing is posted afterwards."""


class MakeSampler(Protocol):
    """``on_state(None, facts)`` when frames flow, else the reason why not; from any thread."""

    def __call__(
        self,
        shell: Shell,
        host_id: HostId,
        post: Post,
        on_state: Callable[[Explanation | None, Mapping[str, str]], None],
    ) -> Sampler: ...


def make_sampler(
    shell: Shell,
    host_id: HostId,
    post: Post,
    on_state: OnState,
    *,
    interval_s: float = 1.0,
    root: str = "",
    guests: str = "",
    socket: str = "",
) -> Sampler:
    """A sampler that is not started yet.

    ``on_state`` is told None and facts (``cgroup_layout``, ``python``, ``kernel``, ``cpus``, ``memory_bytes``) when
    frames begin to flow, and an explanation when they do not. Then the sampler tries again by itself, ever less often.
    ``guests`` names whose: ``system``, ``session`` or ``lxc``; empty for all QEMU guests (``drivers.sampled_guests``).
    ``socket`` names the daemon whose guests they are; empty for the host's usual one, which is also taken where nobody
    is found to listen there. ``root`` is where the host's /proc, /sys and /run are: for trees that stand for a host.
    """
    return _ProcessSampler(shell, host_id, post, on_state, arguments=(str(interval_s), root, guests, socket))


class _ProcessSampler:
    def __init__(
        self, shell: Shell, host_id: HostId, post: Post, on_state: OnState, *, arguments: Sequence[str]
    ) -> None:
        self._shell = shell
        self._arguments = arguments
        self._stream = _Stream(shell.where, host_id, post, on_state)
        self._on_state = on_state
        self._closed = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._work, name=f"sampler {shell.where}", daemon=True)

    @property
    def cost(self) -> SamplerCost:
        return self._stream.cost

    def start(self) -> None:
        self._thread.start()

    def debug(self) -> SamplerDebug:
        cost = self.cost
        return SamplerDebug(cost.cpu_s, cost.memory_kib, cost.frames, cost.garbled, cost.received_bytes)

    def watch(self, uuids: frozenset[str]) -> None:
        self._stream.watched = uuids

    def close(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        os.write(self._wake_write, b"x")
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(2 * GRACE_S)
            if self._thread.is_alive() and (process := self._process):
                process.kill()  # it hung in writing the program to a link that takes nothing
                self._thread.join(GRACE_S)
        if not self._thread.is_alive():
            os.close(self._wake_read)
            os.close(self._wake_write)

    # -- the sampler's thread ----------------------------------------------------------------------------------

    def _work(self) -> None:
        delay = FIRST_RETRY_S
        while not self._closed.is_set():
            frames = self.cost.frames
            problem = self._one_process()
            if self._closed.is_set():
                return
            self._on_state(problem, {})
            delay = FIRST_RETRY_S if self.cost.frames > frames else min(2 * delay, LAST_RETRY_S)
            self._closed.wait(delay)

    def _one_process(self) -> Explanation:
        """Run the program on the host until it ends or ``close`` is called; why it ended."""
        text = program()
        try:
            process = self._shell.popen(command(len(text), self._arguments))
        except ConsoleError as error:
            return error.explanation
        self._process = process
        self._stream.begin()
        said = b""
        try:
            with contextlib.suppress(BrokenPipeError):  # it ended at once: its stderr says why
                _tell(process, text)
            said = self._listen(process)
        finally:
            status = let_end(process, within_s=GRACE_S / 2, grace_s=GRACE_S / 2)
            self._process = None
        return explain_end(status, said.decode("utf-8", "replace"), where=self._shell.where)

    def _listen(self, process: subprocess.Popen[bytes]) -> bytes:
        """Take what the process writes until its end; returns its stderr."""
        assert process.stdout, "Shell.popen promises pipes"
        assert process.stderr, "Shell.popen promises pipes"
        out, err, said = process.stdout.fileno(), process.stderr.fileno(), b""
        with DefaultSelector() as selector:
            for fd in (out, err, self._wake_read):
                selector.register(fd, EVENT_READ)
            while len(selector.get_map()) > 1:
                for key, _ in selector.select():
                    if key.fd == self._wake_read:
                        return said
                    data = os.read(key.fd, 1 << 16)
                    if not data:
                        selector.unregister(key.fd)
                    elif key.fd == err:
                        said = (said + data)[-KEPT_STDERR:]
                    elif self._stream.take(data):
                        with contextlib.suppress(BrokenPipeError):  # its end is seen at the next reading
                            _tell(process, b"key\n")
        return said


def _tell(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin, "Shell.popen promises pipes"
    process.stdin.write(data)
    process.stdin.flush()


class _Stream:
    """What comes out of the program on the host: lines, samples, frames, states. Lives as long as the sampler."""

    def __init__(self, where: str, host_id: HostId, post: Post, on_state: OnState) -> None:
        self._where = where
        self._host_id = host_id
        self._post = post
        self._on_state = on_state
        self.watched: frozenset[str] = frozenset()
        self.cost = SamplerCost()
        self.begin()

    def begin(self) -> None:
        """A new process: nothing of the old one's numbers holds."""
        self._rest = b""
        self._facts: dict[str, str] | None = None
        self._has_told = False
        self._reason_told: Explanation | None = None
        self._decoder = FrameDecoder()
        self._frames = FrameMaker(self._host_id)

    def take(self, data: bytes) -> bool:
        """Handle a piece of the stream; True when a keyframe should be asked for."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        lost = False
        for line in lines:
            lost = self._take_line(line.decode("utf-8", "replace")) or lost
        self.cost = replace(self.cost, received_bytes=self.cost.received_bytes + len(data))
        return lost

    def _take_line(self, line: str) -> bool:
        if self._facts is None:
            self._facts = _facts(line)  # before it there may be a greeting from the login shell's own start-up files
            return False
        try:
            sample = self._decoder.take(line)
        except GarbledFrame:
            self.cost = replace(self.cost, garbled=self.cost.garbled + 1)
            return True
        if sample:
            self._hand_over(sample, self._facts)
        return False

    def _hand_over(self, sample: Sample, facts: dict[str, str]) -> None:
        status = self._decoder.status
        reason = self._reason(status)
        self.cost = replace(
            self.cost,
            frames=self.cost.frames + 1,
            cpu_s=float(status.get("cpu_us", 0)) / 1e6,
            memory_kib=int(status.get("memory_kib", 0)),
        )
        if not self._has_told or reason != self._reason_told:
            self._has_told, self._reason_told = True, reason
            self._on_state(reason, facts)
        self._post(self._frames.frame(sample, received_at=time.time(), watched=self.watched))

    def _reason(self, status: Mapping[str, Any]) -> Explanation | None:
        """Why the frames say little, as far as the host has told. What was told holds while guests are settling."""
        denied, guests = str(status.get("denied", "")), int(status.get("guests", 0))
        if denied:
            return explain_denied(denied, where=self._where)
        if int(status.get("settled", guests)) < guests:
            return self._reason_told
        if guests and int(status.get("unmapped", 0)) == guests:
            return explain_no_groups(where=self._where)
        return None


def _facts(line: str) -> dict[str, str] | None:
    if not line.startswith("H {"):
        return None
    try:
        return {key: str(value) for key, value in json.loads(line[2:]).items()}
    except ValueError:
        return None
