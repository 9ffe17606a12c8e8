# SPDX-License-Identifier: GPL-3.0-or-later
"""The name and the port, against real sockets of this machine."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from vmconsole.inventory.errors import BadAddress
from vmconsole.links.check_network import Route, connect, look_up, route_of
from vmconsole.links.check_steps import HERE, StepState
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCAL = "127.0.0.1"


@contextmanager
def server(banner: bytes | None) -> Iterator[int]:
    """A port that greets with ``banner``, closes for an empty one, and is silent for None."""
    with socket.create_server((LOCAL, 0)) as listener:
        opened: list[socket.socket] = []

        def serve() -> None:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            if banner is None:
                opened.append(peer)
                return
            with peer:
                peer.sendall(banner)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for peer in opened:
            peer.close()


def route(port: int, **more: object) -> Route:
    return Route("kvm1", LOCAL, port, speaks_ssh=True, **more)  # type: ignore[arg-type]  # fields of Route, by name


def free_port() -> int:
    with socket.create_server((LOCAL, 0)) as listener:
        return int(listener.getsockname()[1])


def test_an_ssh_server_is_known_by_its_greeting() -> None:
    with server(b"SSH-2.0-OpenSSH_9.9 x\r\n") as port:
        step = connect(route(port), (LOCAL,))
    assert step.state is StepState.PASSED
    assert "OpenSSH_9.9" in step.finding


@pytest.mark.parametrize(
    ("banner", "word"), [(b"220 mail ESMTP\r\n", "no SSH server"), (b"", "closes"), (None, "says nothing")]
)
def test_something_else_at_the_port_is_told(banner: bytes | None, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmconsole.links.check_network.BANNER_DEADLINE_S", 0.3)
    with server(banner) as port:
        step = connect(route(port), (LOCAL,))
    assert step.state is StepState.FAILED
    assert word in step.finding


def test_a_refused_port_says_what_to_type_on_the_host() -> None:
    step = connect(route(free_port()), (LOCAL,))
    assert step.state is StepState.FAILED
    assert "refuses" in step.finding
    assert [cure.machine for cure in step.cures] == [LOCAL, LOCAL]


def test_silence_ends_with_the_deadline() -> None:
    with socket.create_server((LOCAL, 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # the queue of a server that accepts nobody is full: further packets are dropped
            filler.setblocking(False)
            filler.connect_ex((LOCAL, port))
        step = connect(route(port), (LOCAL,), deadline_s=0.5)
        for filler in fillers:
            filler.close()
    assert step.state is StepState.FAILED
    assert "does not answer" in step.finding
    assert step.cures[0].machine == HERE


def test_the_second_address_may_be_the_one_that_answers() -> None:
    with server(b"SSH-2.0-x\r\n") as port:
        assert connect(route(port), ("127.9.9.9", LOCAL)).state is StepState.PASSED


def test_an_unencrypted_transport_is_a_warning() -> None:
    with server(b"") as port:
        found = route_of(parse_uri(f"qemu+tcp://{LOCAL}:{port}/system"))
        step = connect(found, (LOCAL,))
    assert step.state is StepState.WARNING
    assert "encrypted" in step.finding


def test_names() -> None:
    known, addresses = look_up(Route("localhost", "localhost", 22))
    assert known.state is StepState.PASSED
    assert LOCAL in addresses
    unknown, none = look_up(Route("x", "no-such-host.invalid", 22), deadline_s=20)
    assert (unknown.state, none) == (StepState.FAILED, ())
    assert unknown.cures[0].command == "getent hosts no-such-host.invalid"
    long, _ = look_up(Route("x", "a" * 300, 22))
    assert long.state is StepState.FAILED


def test_behind_a_jump_host_nothing_is_tried_from_here(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host kvm1\n  HostName 10.0.0.1\n  ProxyJump bastion\n")
    program = tmp_path / "ssh"
    program.write_text(f'#!/bin/sh\nexec ssh -F {config} "$@"\n')
    program.chmod(0o700)
    found = route_of(parse_uri(f"qemu+ssh://kvm1/system?command={program}"))
    assert found == Route("kvm1", "10.0.0.1", 22, through="bastion", speaks_ssh=True)
    step, addresses = look_up(found)
    assert (step.state, connect(found, addresses).state) == (StepState.SKIPPED, StepState.SKIPPED)
    jumps = route_of(parse_uri(f"qemu+ssh://other/system?vmconsole_jump=me@b2:22&command={program}"))
    assert jumps.through == "me@b2:22"


def test_a_configuration_that_ssh_refuses(tmp_path: Path) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\necho 'line 3: Bad configuration option: foo' >&2\nexit 255\n")
    program.chmod(0o700)
    with pytest.raises(BadAddress) as caught:
        route_of(parse_uri(f"qemu+ssh://kvm1/system?command={program}"))
    assert "line 3" in caught.value.explanation.said
