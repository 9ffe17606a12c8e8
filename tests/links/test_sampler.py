# SPDX-License-Identifier: GPL-3.0-or-later
"""The sampler's life on this machine: a real process, real pipes, and all the ways in which they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.links.host_layouts import UUID, v1_host
from tests.links.host_tree import HostTree
from tests.links.recording import Recorder
from tests.waiting import no_thread_left, wait_until
from vmconsole.inventory.errors import Explanation, LinkLost
from vmconsole.inventory.ids import HostId
from vmconsole.links.children import Child
from vmconsole.links.sampler import Sampler, make_sampler
from vmconsole.links.sampler_frames import LATEST_S, HostClock
from vmconsole.links.sampler_launch import NO_PYTHON, command, explain_end, program
from vmconsole.metrics.figures import Figure
from vmconsole.metrics.frame import Frame, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HOST = HostId("qemu+ssh://kvm1/system")
FAST_S = 0.02


class Shell:
    """A local shell that remembers its children, and can run something else instead."""

    where = "kvm1"
    is_local = True

    def __init__(self) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self.instead: list[str] | None = None
        self.error: LinkLost | None = None
        self.environment: dict[str, str] | None = None

    def popen(self, text: str) -> subprocess.Popen[bytes]:
        if self.error:
            raise self.error
        words = self.instead or ["/bin/sh", "-c", text]
        pipe = subprocess.PIPE
        self.children.append(Child(words, stdin=pipe, stdout=pipe, stderr=pipe, env=self.environment))
        return self.children[-1]


class States:
    """What the sampler said about itself."""

    def __init__(self) -> None:
        self.said: list[tuple[Explanation | None, dict[str, str]]] = []

    def __call__(self, problem: Explanation | None, facts: Mapping[str, str]) -> None:
        self.said.append((problem, dict(facts)))

    def problem(self) -> Explanation:
        wait_until(lambda: any(problem for problem, _ in self.said), what="a problem")
        return next(problem for problem, _ in self.said if problem)


class Bench:
    def __init__(self) -> None:
        self.shell, self.states, self.posted = Shell(), States(), Recorder()
        self.samplers: list[Sampler] = []

    def sampler(self, root: Path | str = "", interval_s: float = FAST_S) -> Sampler:
        made = make_sampler(
            self.shell,
            HOST,
            self.posted,
            self.states,
            interval_s=interval_s,
            root=str(root),  # type: ignore[arg-type]  # popen is all it uses
        )
        self.samplers.append(made)
        return made

    def frame(self, test: Callable[[Frame], bool] = lambda frame: bool(frame.uuids)) -> Frame:
        mark = self.posted.mark()
        return self.posted.wait_for(lambda d: d if isinstance(d, Frame) and test(d) else None, since=mark)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    files = len(os.listdir("/proc/self/fd"))
    with no_thread_left():
        yield made
        for sampler in made.samplers:
            sampler.close()
    assert len(os.listdir("/proc/self/fd")) == files
    assert all(child.returncode is not None for child in made.shell.children)


def test_frames_flow_with_facts_and_rates(bench: Bench, tmp_path: Path) -> None:
    tree = v1_host(tmp_path)
    tree.tap(100, 30, "vnet0")
    tree.traffic(vnet0=(0, 0, 0, 0))
    sampler = bench.sampler(tmp_path)
    sampler.start()
    first = bench.posted.frame()
    assert first.host == HOST
    assert first.source is Source.CGROUP
    assert first.uuids == (UUID,)
    assert first.values[0, Figure.MEMORY_BYTES] == 536_870_912
    assert first.interval_s == 0
    later = bench.frame()
    assert later.interval_s == pytest.approx(FAST_S, rel=0.9)
    assert later.values[0, Figure.CPU_CORES] == 0
    assert abs(later.at - time.time()) < 1
    assert later.devices == {}
    ((problem, facts),) = bench.states.said
    assert problem is None
    assert facts["cgroup_layout"] == "v1"
    assert set(facts) == {"cgroup_layout", "python", "kernel", "cpus", "memory_bytes"}


def test_a_counter_that_grows_is_a_rate_over_the_hosts_own_time(bench: Bench, tmp_path: Path) -> None:
    tree = v1_host(tmp_path)
    bench.sampler(tmp_path, 0.2).start()
    bench.posted.frame()
    tree.write("sys/fs/cgroup/cpu,cpuacct/machine/qemu-1-web.libvirt-qemu/cpuacct.usage", "1100000000\n")
    frame = bench.frame(lambda f: f.values[0, Figure.CPU_CORES] > 0)
    assert frame.values[0, Figure.CPU_CORES] == pytest.approx(0.1 / frame.interval_s)


def test_devices_are_there_for_the_guests_that_are_watched(bench: Bench, tmp_path: Path) -> None:
    tree = v1_host(tmp_path)
    tree.tap(100, 30, "vnet0")
    tree.traffic(vnet0=(0, 0, 0, 0))
    sampler = bench.sampler(tmp_path)
    sampler.start()
    bench.posted.frame()
    sampler.watch(frozenset({UUID, "somebody else"}))
    frame = bench.frame(lambda f: bool(f.devices))
    assert frame.devices == {UUID: {"8:0": (0.0, 0.0, 0.0, 0.0), "vnet0": (0.0, 0.0, 0.0, 0.0)}}
    sampler.watch(frozenset())
    bench.frame(lambda f: not f.devices)


def test_close_is_quick_and_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    sampler = bench.sampler(v1_host(tmp_path).root, 5.0)
    sampler.start()
    bench.posted.frame()
    before = time.monotonic()
    sampler.close()
    assert time.monotonic() - before < 0.5
    mark = bench.posted.mark()
    (child,) = bench.shell.children
    assert child.returncode == 0, "it ended by itself, without a signal"
    assert not Path(f"/proc/{child.pid}").exists()
    assert bench.posted.mark() == mark
    sampler.close()
    assert bench.states.said[-1][0] is None, "its end was asked for: no problem to tell"


def test_it_may_be_closed_before_it_was_started_and_at_once_after(bench: Bench) -> None:
    bench.sampler().close()
    sampler = bench.sampler()
    sampler.start()
    sampler.close()


def test_a_program_that_hangs_is_killed_on_close(bench: Bench) -> None:
    bench.shell.instead = ["/bin/sh", "-c", "trap '' TERM; exec 0<&-; echo 'H {}'; while :; do sleep 0.05; done"]
    sampler = bench.sampler()
    sampler.start()
    wait_until(lambda: bool(bench.shell.children), what="a child")
    before = time.monotonic()
    sampler.close()
    assert time.monotonic() - before < 1.2


def test_a_killed_program_is_explained_and_started_again(bench: Bench, tmp_path: Path) -> None:
    bench.sampler(v1_host(tmp_path).root).start()
    bench.posted.frame()
    bench.shell.children[0].send_signal(signal.SIGKILL)
    problem = bench.states.problem()
    assert "signal 9" in problem.cause
    assert problem.where == "kvm1"
    mark = bench.posted.mark()
    bench.posted.frame(since=mark)
    assert bench.states.said[-1][0] is None
    assert len(bench.shell.children) == 2


def test_without_python_it_says_what_to_install(bench: Bench) -> None:
    bench.shell.environment = {"PATH": "/nowhere"}
    text = command(1, ("1", "")).replace("/usr", "/nowhere")
    bench.shell.instead = ["/bin/sh", "-c", text]
    bench.sampler().start()
    problem = bench.states.problem()
    assert "python3" in problem.what
    assert "apt install python3" in problem.advice
    assert bench.shell.children[0].returncode == NO_PYTHON


def test_what_the_program_said_before_it_died_is_kept(bench: Bench) -> None:
    bench.shell.instead = ["/bin/sh", "-c", "echo 'MemoryError: very sad' >&2; exit 3"]
    bench.sampler().start()
    problem = bench.states.problem()
    assert problem.said == "MemoryError: very sad"
    assert "status 3" in problem.cause


def test_a_link_that_is_gone_is_explained_by_its_own_words(bench: Bench) -> None:
    bench.shell.error = LinkLost("The master has ended.", where="kvm1")
    bench.sampler().start()
    assert bench.states.problem().what == "The master has ended."


def test_a_user_who_sees_no_processes_is_told_what_to_do(bench: Bench, tmp_path: Path) -> None:
    tree = HostTree(tmp_path, "v2")
    tree.write("run/libvirt/qemu/web.pid", "100\n")
    (tmp_path / "proc/1/stat").unlink()
    bench.sampler(tmp_path).start()
    problem = bench.states.problem()
    assert "root" in problem.advice
    assert "hidepid" in problem.said


def test_a_greeting_of_the_login_shell_is_no_harm_and_garbage_is_skipped_counted_and_mended(bench: Bench) -> None:
    guest = json.dumps({"kind": "g", "uuid": UUID, "name": "web"})
    key = f"F 2 2000000 K\\n+ 0 {guest}\\n0 7\\nE 2\\n"
    lines = f"Welcome!\\n\\nH {{}}\\nF 0 0 K\\n+ 0 {guest}\\n0 5\\nE 0\\nF 1 1000000 D\\n0 x,y\\nE 1\\n"
    size = len(program())
    bench.shell.instead = [
        "/bin/sh", "-c", f"head -c {size} >/dev/null; printf '%b' '{lines}'; read word; echo \"$word\" >&2; "
        f"[ \"$word\" = key ] && printf '%b' '{key}'; cat",
    ]  # fmt: skip
    sampler = bench.sampler()
    sampler.start()
    wait_until(lambda: sampler.cost.frames == 2, what="the frame before, and the keyframe that was asked for")
    assert sampler.cost.garbled == 1
    frames = [d for d in bench.posted.deltas if isinstance(d, Frame)]
    assert frames[1].interval_s == 2.0
    assert frames[1].values[0, Figure.CPU_CORES] == pytest.approx(1e-6)


def test_the_program_ends_when_its_stdin_closes_or_nobody_reads(tmp_path: Path) -> None:
    text = program()
    for closes in ("stdin", "stdout"):
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            ["/bin/sh", "-c", command(len(text), (str(FAST_S), str(v1_host(tmp_path / closes).root)))],
            stdin=pipe, stdout=pipe, stderr=pipe,
        )  # fmt: skip
        with process:
            assert process.stdin
            assert process.stdout
            assert process.stderr
            process.stdin.write(text)
            process.stdin.flush()
            assert process.stdout.readline().startswith(b"H {")
            getattr(process, closes).close()
            assert process.wait(5) == 0
            assert process.stderr.read() == b""


def test_its_cost_is_known(bench: Bench, tmp_path: Path) -> None:
    sampler = bench.sampler(v1_host(tmp_path).root)
    sampler.start()
    wait_until(lambda: sampler.cost.frames > 12, what="some frames")
    assert 0 < sampler.cost.cpu_s < 5
    assert sampler.cost.memory_kib > 1000
    assert sampler.cost.received_bytes > 100


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_delayed_frame_stands_where_it_was_taken() -> None:
    clock = HostClock()
    assert clock.here(1_000_000, 500.0) == 500.0
    assert clock.here(2_000_000, 501.0) == 501.0
    assert clock.here(3_000_000, 509.0) == 502.0
    assert clock.here(4_000_000, 509.0) == 503.0


def test_a_faster_frame_corrects_the_ones_after_it() -> None:
    clock = HostClock()
    clock.here(1_000_000, 500.5)
    assert clock.here(2_000_000, 501.0) == 501.0
    assert clock.here(3_000_000, 502.5) == 502.0


def test_a_clock_that_was_set_is_followed() -> None:
    clock = HostClock()
    clock.here(1_000_000, 500.0)
    assert clock.here(2_000_000, 501.0 + LATEST_S + 100) == 501.0 + LATEST_S + 100
    assert clock.here(3_000_000, 100.0) == 100.0


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (NO_PYTHON, "vmconsole: python3 not found", "was not found"),
        (1, "python3 is 3.4 here, and 3.6 or newer is needed", "too old"),
        (1, "Traceback …", "has ended"),
        (255, "", "has ended"),
        (None, "", "has ended"),
    ],
)
def test_every_end_has_a_sentence_and_an_advice(status: int | None, said: str, expected: str) -> None:
    explanation = explain_end(status, said, where="kvm1")
    assert expected in explanation.what
    assert explanation.advice
