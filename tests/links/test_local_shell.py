# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands on this machine, and the words of an SSH connection that is not there."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until
from vmconsole.inventory.errors import BadAddress, ConnectTimeout, LinkLost
from vmconsole.links.ssh import LocalShell, SshMaster, SshShell
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def shell() -> Iterator[LocalShell]:
    shell = LocalShell()
    yield shell
    shell.close()


def test_a_command_with_input_output_and_status(shell: LocalShell) -> None:
    done = shell.run("cat; echo oops >&2; exit 3", deadline_s=5, feed=b"in")
    assert (done.status, done.out, done.err) == (3, b"in", b"oops\n")


def test_a_command_past_its_deadline_is_ended_with_what_it_started(shell: LocalShell, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectTimeout):
        shell.run(f"sleep 60 & echo $! > {tmp_path}/pid; wait", deadline_s=0.3)
    assert time.monotonic() - began < 2
    pid = (tmp_path / "pid").read_text().strip()
    wait_until(lambda: not _is_running(pid), what="the sleep has ended")


def _is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_close_ends_what_still_runs(tmp_path: Path) -> None:
    shell = LocalShell()
    process = shell.popen("exec sleep 60")
    local = tmp_path / "here.sock"
    shell.forward_socket(local, "/run/there.sock")
    assert str(local.readlink()) == "/run/there.sock"
    shell.close()
    assert process.poll() is not None
    assert not local.is_symlink()
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


def test_a_shell_without_its_master_says_so(tmp_path: Path) -> None:
    master = SshMaster(parse_uri("qemu+ssh://kvm1/system"), run_dir=tmp_path, on_exit=lambda _: None)
    with pytest.raises(LinkLost) as caught:
        SshShell(master).run("true", deadline_s=1)
    assert caught.value.explanation.where == "kvm1"


def test_a_folder_with_a_path_too_long_for_sockets_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    master = SshMaster(parse_uri("qemu+ssh://kvm1/system"), run_dir=deep, on_exit=lambda _: None)
    with pytest.raises(BadAddress, match="too long"):
        master.open(deadline_s=1)
    master.close()
    assert list(deep.iterdir()) == []


def test_a_master_whose_ssh_never_gets_through_is_given_up(tmp_path: Path) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\necho waiting >&2\nexec sleep 60\n")
    program.chmod(0o755)
    uri = parse_uri(f"qemu+ssh://kvm1/system?command={program}")
    master = SshMaster(uri, run_dir=tmp_path, on_exit=lambda _: None)
    began = time.monotonic()
    with pytest.raises(ConnectTimeout) as caught:
        master.open(deadline_s=0.3)
    assert time.monotonic() - began < 1.5
    assert caught.value.explanation.said == "waiting\n"
    assert [path.name for path in tmp_path.iterdir()] == ["ssh"]


def test_close_while_it_is_opening_ends_the_opening(tmp_path: Path) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    master = SshMaster(parse_uri(f"qemu+ssh://kvm1/system?command={program}"), run_dir=tmp_path, on_exit=lambda _: None)
    threading.Timer(0.1, master.close).start()
    began = time.monotonic()
    with pytest.raises(LinkLost):
        master.open(deadline_s=20)
    assert time.monotonic() - began < 2
