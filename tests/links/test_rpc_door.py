# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's socket carried on by a client of ours: with stand-ins for the host, and the line that a real one runs."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import threading
import time
from typing import IO, TYPE_CHECKING

import pytest

from tests.waiting import wait_until
from vmconsole.inventory.errors import BadAddress
from vmconsole.links.children import Child
from vmconsole.links.rpc_door import RpcDoor, way_to_daemon
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[[socket.socket, IO[bytes]], subprocess.Popen[bytes]]


def running(script: str) -> Start:
    return lambda end, log: Child(["/bin/sh", "-c", script], stdin=end, stdout=end, stderr=log)


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    threads, files = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    yield
    wait_until(lambda: set(threading.enumerate()) <= threads, within_s=3, what="threads")
    assert len(os.listdir("/proc/self/fd")) <= files
    assert {path.name for path in tmp_path.glob("l*")} <= {"libvirt"}


def connected(door: RpcDoor) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect(os.fsencode(door.path))
    return client


def test_bytes_go_both_ways_and_the_end_is_seen(tmp_path: Path) -> None:
    door = RpcDoor(tmp_path, running("cat; echo sorry >&2"))
    with connected(door) as client:
        client.sendall(b"hello\0")
        assert client.recv(100) == b"hello\0"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
        assert door.said() == "sorry"
    door.shut()


def test_shut_frees_who_waits(tmp_path: Path) -> None:
    door = RpcDoor(tmp_path, running("exec sleep 100"))
    with connected(door) as client:
        wait_until(lambda: door._client is not None, within_s=3, what="the client")
        began = time.monotonic()
        door.shut()
        assert client.recv(100) == b""
        assert time.monotonic() - began < 2
    door.shut()


def test_a_door_that_nobody_went_through_ends(tmp_path: Path) -> None:
    door = RpcDoor(tmp_path, running("true"))
    door.shut()
    assert door.said() == ""


def test_a_program_that_cannot_be_run_is_said(tmp_path: Path) -> None:
    def refused(end: object, log: object) -> subprocess.Popen[bytes]:
        raise BadAddress("The ssh program «x» cannot be run.", said="No such file")

    door = RpcDoor(tmp_path, refused)
    with connected(door) as client:
        assert client.recv(100) == b""
        assert "No such file" in door.said()
    door.shut()


# -- the host's end ----------------------------------------------------------------------------------------------------


def line(address: str) -> str:
    return way_to_daemon(parse_uri(address))


def test_libvirts_own_helper_is_asked_first() -> None:
    first = line("qemu+ssh://root@kvm1/system?mode=direct").split("; fi;")[0]
    assert first.endswith("exec virt-ssh-helper 'qemu:///system?mode=direct'")
    assert "-r qemu:///session" in line("qemu+ssh://kvm1/session?vmconsole_readonly=1")
    assert line("lxc+ssh://kvm1/?proxy=native") == "exec virt-ssh-helper lxc:///"


def test_a_named_socket_is_reached_without_the_helper_which_ignores_it() -> None:
    found = line("qemu+ssh://kvm1/system?socket=/run/my%20own&proxy=native")
    assert "virt-ssh-helper" not in found
    assert "'/run/my own'" in found


@pytest.mark.parametrize(
    ("address", "there", "expected"),
    [
        ("qemu+ssh://h/session", ["virtqemud-sock", "libvirt-sock"], "virtqemud-sock"),
        ("qemu+ssh://h/session", ["libvirt-sock"], "libvirt-sock"),
        ("qemu+ssh://h/session", [], "libvirt-sock"),
        ("qemu+ssh://h/session?mode=legacy", ["virtqemud-sock", "libvirt-sock"], "libvirt-sock"),
        ("qemu+ssh://h/session?mode=direct", ["libvirt-sock"], "virtqemud-sock"),
    ],
)
def test_without_a_helper_the_socket_that_is_there_is_taken(
    tmp_path: Path, address: str, there: list[str], expected: str
) -> None:
    """Run by a real shell, with a netcat that tells where it was sent."""
    netcat = tmp_path / "nc at hand"
    netcat.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    netcat.chmod(0o700)
    (tmp_path / "libvirt").mkdir()
    held = []
    for name in there:
        held.append(socket.socket(socket.AF_UNIX))
        held[-1].bind(str(tmp_path / "libvirt" / name))
    command = line(f"{address}{'&' if '?' in address else '?'}proxy=netcat&netcat={netcat}".replace(" ", "%20"))
    ran = subprocess.run(
        ["/bin/sh", "-c", shlex.join(["/bin/sh", "-c", command])],
        env={"XDG_RUNTIME_DIR": str(tmp_path), "PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for one in held:
        one.close()
    assert ran.stdout == f"-U|{tmp_path}/libvirt/{expected}|"
