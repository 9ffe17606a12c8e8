# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs behind the walls tries to get out, with the rights of the guestfs child. No appliance."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.waiting import no_thread_left
from vmconsole.images import confine, requests
from vmconsole.images.client import GuestfsClient
from vmconsole.images.confine import Walls
from vmconsole.images.messages import Conflict, Transferred
from vmconsole.images.outbox import Outbox
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRISONER = """
import json, os, socket, sys
for line in sys.stdin:
    try:
        answer = str(eval(line))
    except Exception as error:
        answer = "no: " + type(error).__name__ + " " + str(error)
    print(json.dumps(answer), flush=True)
"""


class Prisoner:
    """A process behind the walls that does what it is told."""

    def __init__(self, folder: Path) -> None:
        self.walls = Walls()
        environment = {**os.environ, "SSH_AUTH_SOCK": "/tmp/agent", "TMPDIR": str(folder)}
        self.process = self.walls.start([sys.executable, "-u", "-c", PRISONER], environment, str(folder))

    def tries(self, expression: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(expression.encode() + b"\n")
        self.process.stdin.flush()
        return str(json.loads(self.process.stdout.readline()))

    def end(self) -> None:
        self.walls.close()
        assert self.process.wait(20) == 0
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def prisoner(tmp_path: Path) -> Iterator[Prisoner]:
    assert shutil.which("bwrap"), "bubblewrap is missing: apt install bubblewrap"
    (tmp_path / "own").mkdir()
    prisoner = Prisoner(tmp_path / "own")
    assert prisoner.walls.note == ""
    yield prisoner
    prisoner.end()


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/shadow').read()",
        "open('/etc/ssh/sshd_config').read()",
        "os.listdir(os.path.expanduser('~') + '/.ssh')",
        "open('/proc/sys/kernel/core_pattern', 'w')",
        "open('/usr/bin/evil', 'w')",
        "open(os.path.join(os.path.dirname(__import__('vmconsole').__file__), 'evil.py'), 'w')",
        "os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))",
        "os.mknod('/tmp/memory', 0o20600, os.makedev(1, 1))",
        "open('/dev/sda')",
        "os.kill(%d, 0)" % os.getpid(),  # noqa: UP031 - an f-string would hide the one place that is filled in
        "__import__('ctypes').CDLL(None).mount(b'/', b'/tmp', None, 4096, None) and 1/0",
        "os.environ['SSH_AUTH_SOCK']",
    ],
)
def test_it_cannot_reach(prisoner: Prisoner, attempt: str) -> None:
    assert prisoner.tries(attempt).startswith("no: "), attempt


def test_it_has_no_network(prisoner: Prisoner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as here:
        port = here.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), 5).close()  # it can be reached from outside
        assert prisoner.tries(f"socket.create_connection(('127.0.0.1', {port}), 5)").startswith("no: ")
    abstract = f"\0vmconsole-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(abstract)
        listening.listen()
        assert prisoner.tries(f"socket.socket(socket.AF_UNIX).connect({abstract!r})").startswith("no: ")
    assert json.loads(prisoner.tries("json.dumps([i[1] for i in socket.if_nameindex()])")) == ["lo"]


def test_it_sees_its_own_folder_and_what_is_granted_while_it_is(prisoner: Prisoner, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("x")
    os.symlink("/etc/shadow", other / "link")
    assert prisoner.tries(f"open({str(tmp_path / 'own/new')!r}, 'w').write('x')") == "1"
    assert prisoner.tries(f"os.listdir({str(tmp_path)!r})") == "['own']"
    prisoner.walls.grant(str(other), may_write=False)
    assert prisoner.tries(f"open({str(other / 'file')!r}).read()") == "x"
    assert prisoner.tries(f"open({str(other / 'link')!r}).read()").startswith("no: ")
    assert "Read-only" in prisoner.tries(f"open({str(other / 'new')!r}, 'w')")
    prisoner.walls.revoke(str(other))
    assert prisoner.tries(f"os.listdir({str(other)!r})") == "[]"


def test_a_dropped_link_stays_a_link(prisoner: Prisoner, tmp_path: Path) -> None:
    link = tmp_path / "link"
    os.symlink("/etc/shadow", link)
    os.utime(link, (5, 7), follow_symlinks=False)
    asked = requests.Import((str(link),), "/", Conflict.SKIP, 0)
    with prisoner.walls.lent(asked):
        assert prisoner.tries(f"os.readlink({str(link)!r})") == "/etc/shadow"
        assert prisoner.tries(f"os.lstat({str(link)!r}).st_mtime") == "7.0"
    assert prisoner.tries(f"os.path.lexists({str(link)!r})") == "False"


def test_what_cannot_be_granted_is_said(prisoner: Prisoner, tmp_path: Path) -> None:
    for path in (str(tmp_path / "gone"), "relative", "/", "/tmp/../etc"):
        with pytest.raises(ImageError, match="cannot be given"):
            prisoner.walls.grant(path, may_write=False)


def test_many_files_are_shown_by_their_folder() -> None:
    few = requests.Import(("/etc/passwd", "/etc/group"), "/", Conflict.SKIP, 0)
    assert confine.needs(few) == (("/etc/passwd", False), ("/etc/group", False))
    many = requests.Import(("/etc/passwd",) * 201, "/", Conflict.SKIP, 0)
    assert confine.needs(many) == (("/etc", False),)


@pytest.mark.parametrize("there", [None, "#!/bin/sh\necho 'no namespaces here' >&2; exit 1\n"])
def test_without_bubblewrap_it_runs_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str | None
) -> None:
    if there:
        (tmp_path / "bwrap").write_text(there)
        (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setattr(confine.shutil, "which", lambda _n: str(tmp_path / "bwrap") if there else None)
    client = GuestfsClient(on_progress=lambda _w, _p, _t: None, on_end=lambda _e: None)
    client.start()
    try:
        assert "not confined" in client.confinement_note
        assert ("no namespaces here" if there else "install bubblewrap") in client.confinement_note
        with pytest.raises(ImageError, match="not open"):
            client.ask(requests.List("/"), deadline_s=60)
    finally:
        client.close()


def test_a_keeper_that_is_killed_takes_all_with_it() -> None:
    client = GuestfsClient(on_progress=lambda _w, _p, _t: None, on_end=lambda _e: None)
    client.start()
    (keeper,) = client.pids
    disks.until(lambda: len(_group(keeper)) >= 3, what="keeper, bubblewrap and child run")
    members = _group(keeper)
    os.kill(keeper, signal.SIGKILL)
    disks.until(lambda: not any(map(disks.alive, members)), what="all of the group is gone")
    client.close()
    assert not os.path.exists(client.folder)


def test_the_child_has_limits() -> None:
    code = "from vmconsole.images import confine; confine.bound_self(); import os; "
    code += "os.execvp('sh', ['sh', '-c', 'ulimit -c; ulimit -n; ulimit -v'])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    assert said == ["0", "4096", str(16 * 1024 * 1024)]


def _group(leader: int) -> list[int]:
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if os.getpgid(int(name)) == leader:
                found.append(int(name))
        except ProcessLookupError:
            continue
    return found


# -- what comes out --------------------------------------------------------------------------------------------------


def _delivered(folder: Path, make: str, name: str = "it", *, said: str | None = None) -> Transferred:
    asked = requests.Export(("/it",), str(folder))
    with Outbox(asked) as outbox:
        inside = outbox.request.local_folder
        subprocess.run(["sh", "-ec", make], cwd=inside, check=True)
        answer = requests.Done(1, Transferred(1, 1, (said or f"{inside}/{name}",)))
        done = outbox.delivered(answer)
        assert isinstance(done, requests.Done)
        assert isinstance(done.value, Transferred)
        return done.value


def test_what_comes_out_takes_a_free_name_and_no_link_there_is_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    target = tmp_path / "target"
    target.mkdir()
    os.symlink(victim, target / "it")
    assert _delivered(target, "echo theirs >it").paths == (str(target / "it (2)"),)
    assert victim.read_text() == "mine"
    assert sorted(os.listdir(target)) == ["it", "it (2)"]


@pytest.mark.parametrize(
    "make",
    [
        "mkfifo it", "mkdir it; mkfifo it/pipe", "mkdir -p it/a/b; mknod it/a/b/sda b 8 0", "touch it; chmod u+s it",
        "mkdir it; touch it/x; chmod g+s it/x",
        "d=it; mkdir it; for i in $(seq 500); do d=$d/d; done; mkdir -p $d; mkfifo $d/p",
    ],
)  # fmt: skip
def test_what_does_not_belong_on_a_desktop_is_not_delivered(tmp_path: Path, make: str) -> None:
    with pytest.raises(ImageError, match="does not belong here"):
        _delivered(tmp_path, make)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("said", ["/etc/passwd", "../x", "{}/.vmconsole-export-x/../../y", ""])
def test_a_lie_about_where_it_is_moves_nothing(tmp_path: Path, said: str) -> None:
    with pytest.raises(ImageError, match="may not"):
        _delivered(tmp_path, "touch it", said=said.format(tmp_path) or "/")
    assert os.listdir(tmp_path) == []


def test_devices_cannot_be_delivered_even_by_name(tmp_path: Path) -> None:
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(ImageError):
        _delivered(tmp_path, "touch it", said="/dev/null")


def _begin_and_end(folder: Path) -> None:
    prisoner = Prisoner(folder)
    group = _group(prisoner.process.pid)
    prisoner.end()
    disks.until(lambda: not any(map(disks.alive, group)), what="all is gone")


def test_nothing_is_left_running(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    with no_thread_left():
        for _ in range(5):  # an end in the middle of bubblewrap's start
            _begin_and_end(tmp_path / "own")
