# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to a host below SSH and libvirt: its name, and whether its port answers. Blocks, with deadlines."""

from __future__ import annotations

import errno
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.links.check_steps import HERE, Cure, Step, failed, passed, skipped, warning
from vmconsole.links.children import run
from vmconsole.links.ssh_config import ask_ssh

if TYPE_CHECKING:
    from vmconsole.links.uri import ConnectionUri

NAME_DEADLINE_S = 8.0
TCP_DEADLINE_S = 6.0
BANNER_DEADLINE_S = 5.0
KEY_DEADLINE_S = 5.0
PORTS = {"ssh": 22, "libssh": 22, "libssh2": 22, "tls": 16514, "tcp": 16509}
"""Where each transport goes when no port is given (libvirt, «Remote support»)."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where this computer itself connects to."""

    name: str
    """As in the address."""
    hostname: str
    """What the ssh configuration makes of it."""
    port: int
    through: str = ""
    """A jump host or a proxy's command, which looks up the name and connects in our place."""
    speaks_ssh: bool = False
    is_encrypted: bool = True


def route_of(uri: ConnectionUri) -> Route:
    """What the ssh configuration makes of the address, or the address itself. Raises LinkError with ssh's words."""
    port = uri.port or PORTS.get(uri.transport, 0)
    if not uri.uses_ssh:
        return Route(
            uri.host, uri.host, port, speaks_ssh=uri.transport.startswith("libssh"), is_encrypted=uri.transport != "tcp"
        )
    target = ask_ssh(uri.host, program=uri.ssh_program, options=uri.ssh_options())
    through = "" if target.is_direct else target.proxy_jump or "the ProxyCommand of the ssh configuration"
    return Route(uri.host, target.hostname, target.port, through=through, speaks_ssh=True)


def look_up(route: Route, *, deadline_s: float = NAME_DEADLINE_S) -> tuple[Step, tuple[str, ...]]:
    """The step «name», and the addresses to try."""
    if route.through:
        return skipped("name", f"{route.hostname} is looked up by {route.through}, not here."), ()
    answers: list[tuple[str, ...]] = []
    errors: list[OSError] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(route.hostname, route.port, type=socket.SOCK_STREAM)
            answers.append(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except (OSError, UnicodeError) as error:
            errors.append(error if isinstance(error, OSError) else OSError(str(error)))

    asker = threading.Thread(target=ask, name=f"look up {route.hostname}", daemon=True)  # it cannot be interrupted
    asker.start()
    asker.join(deadline_s)
    cure = Cure(HERE, f"getent hosts {route.hostname}")
    if answers:
        return passed("name", _named(route, answers[0])), answers[0]
    if not errors:
        return failed("name", "check-no-name-server", cure, seconds=f"{deadline_s:.0f}"), ()
    said = str(errors[0])
    if getattr(errors[0], "errno", None) == socket.EAI_AGAIN:
        return failed("name", "check-name-now", cure, said=said, name=route.hostname), ()
    return failed("name", "check-name-unknown", cure, said=said, name=route.hostname), ()


def _named(route: Route, addresses: tuple[str, ...]) -> str:
    by_ssh = route.hostname != route.name
    told = f"The ssh configuration says {route.hostname} for {route.name}." if by_ssh else ""
    if addresses == (route.hostname,):
        return told or f"{route.hostname} is an address already."
    return f"{told} {route.hostname} is {', '.join(addresses)}.".strip()


def connect(route: Route, addresses: tuple[str, ...], *, deadline_s: float = TCP_DEADLINE_S) -> Step:
    """The step «tcp»: the first address that answers, and for SSH that it is an SSH server that does."""
    if route.through:
        return skipped("tcp", f"The connection goes through {route.through}.")
    problems: list[tuple[str, OSError]] = []
    ends_at = time.monotonic() + deadline_s
    for place, address in enumerate(addresses):
        left_s = max(0.5, (ends_at - time.monotonic()) / (len(addresses) - place))
        try:
            with socket.create_connection((address, route.port), timeout=left_s) as opened:
                return _answered(route, address, opened)
        except OSError as error:
            problems.append((address, error))
    return _unanswered(route, *problems[0])


def _answered(route: Route, address: str, opened: socket.socket) -> Step:
    place = f"{address} port {route.port}"
    if not route.speaks_ssh:
        if route.is_encrypted:
            return passed("tcp", f"{place} answers.")
        return warning("tcp", "check-clear-text", place=place)
    opened.settimeout(BANNER_DEADLINE_S)
    try:
        banner = opened.recv(256)
    except TimeoutError:
        return failed("tcp", "check-ssh-mute", place=place)
    except OSError as error:
        return _unanswered(route, address, error)
    line = banner.split(b"\n")[0].decode("ascii", errors="replace").strip()
    if not line.startswith("SSH-"):
        why = "it closes the connection" if not banner else "it is no SSH server"
        look = Cure(route.hostname, "sudo sshd -T | grep -i port")
        return failed("tcp", "check-no-ssh-server", look, said=line, place=place, why=why)
    return passed("tcp", f"{place} answers: {line.split('-', 2)[-1]}.")


def _unanswered(route: Route, address: str, error: OSError) -> Step:
    where, said = f"{address} port {route.port}", str(error)
    name = route.hostname
    if isinstance(error, ConnectionRefusedError):
        service = "sshd" if route.speaks_ssh else "libvirt's TLS or TCP socket"
        start = "sudo systemctl status ssh sshd" if route.speaks_ssh else "sudo systemctl status 'libvirtd-t*.socket'"
        cures = (Cure(name, start), Cure(name, "sudo ss -tlnp"))
        return failed("tcp", "check-refused", *cures, said=said, place=where, service=service)
    if isinstance(error, TimeoutError):
        cures = (Cure(HERE, f"ping -c 3 {address}"), Cure(name, "sudo ss -tlnp"))
        return failed("tcp", "check-no-answer", *cures, said=said, place=where)
    if error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}:
        return failed("tcp", "check-no-way", Cure(HERE, f"ip route get {address}"), said=said, place=where)
    return failed("tcp", "check-other-network", said=said, place=where, why=said)


def fingerprints(route: Route) -> tuple[str, ...]:
    """What the host shows as its keys («256 SHA256:… (ED25519)»), to compare by eye; none where it cannot be asked."""
    if route.through:
        return ()
    scan = ["ssh-keyscan", "-T", "4", "-p", str(route.port), "--", route.hostname]
    try:
        keys = run(scan, deadline_s=KEY_DEADLINE_S).out
        shown = run(["ssh-keygen", "-l", "-f", "-"], deadline_s=KEY_DEADLINE_S, feed=keys).out
    except (OSError, subprocess.TimeoutExpired):
        return ()
    lines = (line.split() for line in shown.decode(errors="replace").splitlines())
    return tuple(f"{words[1]} {words[-1]}" for words in lines if len(words) >= 3)
