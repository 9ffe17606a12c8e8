# SPDX-License-Identifier: GPL-3.0-or-later
"""Children are started without Python's lock, and are what Popen's would be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until
from vmconsole.links.children import Child, run
from vmconsole.links.ending import end, kill, let_end

if TYPE_CHECKING:
    from collections.abc import Iterator

PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def test_words_environment_and_pipes_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "_fork_exec", None)  # Popen's own way is not taken
    child = Child(["sh", "-c", 'cat; echo "$1|$ODD" >&2; exit 7', "sh", "two words"], **PIPES,
                  env={"PATH": os.environ["PATH"], "ODD": "ä=b"})  # fmt: skip
    assert child.communicate(b"fed", timeout=10) == (b"fed", "two words|ä=b\n".encode())
    assert child.returncode == 7


def test_a_child_leads_a_session_and_has_no_file_of_ours(tmp_path: Path) -> None:
    kept = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(kept, True)
    child = Child(["sh", "-c", "echo $$; ps -o sid= -p $$; ls /proc/$$/fd"], **PIPES)
    out, _ = child.communicate(timeout=10)
    os.close(kept)
    pid, session, *files = (int(word) for word in out.split())
    assert (pid, session) == (child.pid, child.pid)
    assert set(files) <= {0, 1, 2}


def test_files_that_are_passed_keep_their_numbers_and_all_others_stay_here(tmp_path: Path) -> None:
    opened = [os.open(tmp_path, os.O_RDONLY) for _ in range(6)]
    for fd in opened[:4]:  # Python's own are not; others' may be
        os.set_inheritable(fd, True)
    passed = (opened[4], opened[1])
    with Child(["sh", "-c", "ls /proc/$$/fd; readlink /proc/$$/fd/$1", "sh", str(opened[1])], **PIPES,
               pass_fds=passed) as child:  # fmt: skip
        out, _ = child.communicate(timeout=10)
    *files, place = out.decode().split()
    assert set(map(int, files)) - {0, 1, 2} == set(passed)
    assert place == str(tmp_path)
    assert [os.get_inheritable(fd) for fd in opened] == [True] * 4 + [False] * 2  # ours are as they were
    for fd in opened:
        os.close(fd)


def test_signals_that_python_ignores_are_not_ignored_by_a_child() -> None:
    child = Child(["grep", "SigIgn", "/proc/self/status"], **PIPES)
    out, _ = child.communicate(timeout=10)
    ignored = int(out.split()[1], 16)
    assert not [s for s in (signal.SIGPIPE, signal.SIGXFSZ) if ignored >> (s - 1) & 1]


def test_what_is_not_given_is_inherited_and_nothing_is_left_open() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with Child(["sh", "-c", "readlink /proc/$$/fd/2"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.read().decode().strip() == os.readlink("/proc/self/fd/2")
    assert set(os.listdir("/proc/self/fd")) == before


def test_pipes_that_took_the_places_of_closed_standard_files() -> None:
    """A program without a standard input hands its child a pipe whose number is 0."""
    code = (
        "import os, subprocess; from vmconsole.links.children import Child\n"
        "os.close(0); os.close(1)\n"
        "c = Child(['cat'], stdin=-1, stdout=-1, stderr=-1)\n"
        "os._exit(0 if c.communicate(b'through', timeout=10) == (b'through', b'') else 1)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=20).returncode == 0


@pytest.mark.parametrize("program", ["/no/such/program", "no-such-program", "/etc/passwd"])
def test_a_program_that_cannot_be_run_is_said_at_once(program: str) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=r"No such file|denied"):
        Child([program], **PIPES)
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_run_that_takes_too_long_ends_with_all_that_it_started() -> None:
    assert run(["sh", "-c", "cat; exit 3"], deadline_s=10, feed=b"x").status == 3
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run(["sh", "-c", "sleep 60 & sleep 60"], deadline_s=0.2)
    assert time.monotonic() - began < 10


ENDS = {
    "asked": lambda child: end(child, grace_s=5),
    "let": lambda child: let_end(child, within_s=0.1, grace_s=5),
    "killed": kill,
}


@pytest.mark.parametrize("how", ENDS)
def test_an_end_takes_what_the_child_started_with_it(how: str) -> None:
    with Child(["sh", "-c", "sleep 60 & echo $!; wait"], **PIPES) as child:
        assert child.stdout is not None
        below = Path("/proc", child.stdout.readline().decode().strip())
        ENDS[how](child)
        assert child.returncode in {-signal.SIGTERM, -signal.SIGKILL}
        wait_until(lambda: not below.exists() or " Z " in (below / "stat").read_text(), what="it has ended, too")


@pytest.mark.parametrize("how", ["asked", "let"])
def test_what_does_not_heed_a_request_is_killed(how: str) -> None:
    with Child(["sh", "-c", "trap '' TERM; echo; while :; do sleep 0.05; done"], **PIPES) as child:
        assert child.stdout is not None
        child.stdout.readline()
        (end if how == "asked" else partial(let_end, within_s=0.0))(child, grace_s=0.2)
        assert child.returncode == -signal.SIGKILL


def test_a_program_that_ends_with_its_input_is_not_killed() -> None:
    child = Child(["sh", "-c", "cat; exit 3"], **PIPES)
    assert let_end(child, within_s=10, grace_s=1) == 3
    assert all(pipe is not None and pipe.closed for pipe in (child.stdin, child.stdout, child.stderr))


HELD_S = 0.5
LONGEST_GAP_S = 0.25
"""Half of the time for which the start is held up: what the machine does beside this must not decide."""


@pytest.fixture
def hanging_program(tmp_path: Path) -> Iterator[Path]:
    """A program on a file system whose server sleeps for HELD_S when the program is looked up."""
    mount = tmp_path / "mount"
    mount.mkdir()
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fuse_server.py")), str(mount)], stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    # It must be woken from outside: with Python's lock held nobody here could.
    wake = f"kill -STOP {server.pid}; sleep {HELD_S}; kill -CONT {server.pid}"
    waker = subprocess.Popen(["sh", "-c", wake])
    while "T" not in Path(f"/proc/{server.pid}/stat").read_text().rpartition(") ")[2][:1]:
        pass
    yield mount / "disk.img"
    waker.wait(10)
    subprocess.run(["umount", str(mount)], check=True)
    server.wait(10)
    server.stdout.close()


@pytest.mark.lab  # root mounts
def test_other_threads_go_on_while_a_program_starts(hanging_program: Path) -> None:
    failed: list[OSError] = []

    def start() -> None:
        try:
            Child([str(hanging_program)])
        except OSError as error:  # it is no program: said once its file system answers
            failed.append(error)

    thread = threading.Thread(target=start)
    began = before = time.monotonic()
    thread.start()
    longest_s = 0.0
    while thread.is_alive():
        time.sleep(0.001)
        now = time.monotonic()
        longest_s, before = max(longest_s, now - before), now
    assert failed
    assert before - began > HELD_S / 2  # it was held up
    assert longest_s < LONGEST_GAP_S
