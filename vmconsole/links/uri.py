# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirt URI, read and checked before anything is started with it. Pure; any thread.

Source: libvirt «Connection URIs» and «Remote support» (transports and extra parameters). The grammar is
``driver[+transport]://[user@][host][:port]/[path][?parameter=value&…]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from vmconsole.inventory.errors import BadAddress
from vmconsole.inventory.ids import HostId

if TYPE_CHECKING:
    from collections.abc import Iterable

DRIVERS = ("qemu", "lxc", "xen", "test", "ch", "bhyve", "vbox", "vz", "esx", "vpx", "gsx", "hyperv", "openvz",
           "vmwareplayer", "vmwarews", "vmwarefusion")  # fmt: skip
TRANSPORTS = ("ssh", "unix", "tls", "tcp", "ext", "libssh", "libssh2")
DAEMON_DRIVERS = frozenset({"qemu", "lxc", "xen", "ch", "bhyve", "vbox", "vz"})
"""Drivers that live in a libvirt daemon, so that a transport leads to them."""
SCHEME_HELP = (
    "Use one of qemu+ssh://user@host/system, qemu:///system, qemu:///session, qemu+tls://host/system, "
    "qemu+tcp://host/system, qemu+libssh2://user@host/system, lxc+ssh://host/system, xen+ssh://host/system "
    "or test:///default."
)
JUMP = "vmconsole_jump"
"""A parameter of our own: the jump hosts, as for ``ssh -J``."""
READ_ONLY = "vmconsole_readonly"
"""A parameter of our own: 1 opens the connection for looking only (virConnectOpenReadOnly)."""
_OWN_PREFIX = "vmconsole_"
"""Parameters that libvirt never sees: it refuses what it does not know."""
_CHOICES = {
    "mode": ("auto", "legacy", "direct"),
    "proxy": ("auto", "netcat", "native"),
    "no_verify": ("0", "1"),
    "no_tty": ("0", "1"),
    "known_hosts_verify": ("normal", "auto", "ignore"),
    READ_ONLY: ("0", "1"),
}
_JUMP_HOP = re.compile(
    r"(?:[A-Za-z0-9_.+][A-Za-z0-9_.+-]*@)?(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.][A-Za-z0-9_.-]*)(?::\d{1,5})?"
)
_SAFE_HOST = re.compile(r"[A-Za-z0-9_:.%\[\]-]+")


@dataclass(frozen=True, slots=True)
class ConnectionUri:
    """A checked URI. Equal texts give equal values; ``text`` is what the user typed, without blanks around it."""

    text: str
    driver: str
    transport: str
    """One of ``TRANSPORTS``, or empty: the local daemon, or a driver inside this process (test, esx…)."""
    user: str = ""
    host: str = ""
    port: int | None = None
    path: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    """In the order of the URI."""

    @property
    def host_id(self) -> HostId:
        return HostId(self.text)

    @property
    def display_name(self) -> str:
        """What to call the host until its own name is known."""
        return self.host or ("this computer" if self.is_local_daemon else self.text)

    @property
    def uses_ssh(self) -> bool:
        """Whether the OpenSSH program carries this connection."""
        return self.transport == "ssh"

    @property
    def is_local_daemon(self) -> bool:
        """Whether the daemon runs on this machine, so that commands can be run beside it without a network."""
        return not self.host and self.driver in DAEMON_DRIVERS and self.transport in {"", "unix"}

    def parameter(self, name: str) -> str:
        """The first value of a parameter, or empty."""
        return next((value for key, value in self.parameters if key == name), "")

    @property
    def read_only(self) -> bool:
        """Whether the user wants to look only."""
        return self.parameter(READ_ONLY) == "1"

    @property
    def jump(self) -> str:
        """Jump hosts as for ``ssh -J``, or empty: then the ssh configuration alone says."""
        return self.parameter(JUMP)

    @property
    def ssh_program(self) -> str:
        """The program that stands for ssh on this connection: ``command=``, else ``ssh`` from the search path."""
        return self.parameter("command") or "ssh"

    def ssh_options(self) -> tuple[str, ...]:
        """What ssh must know of the URI, as its command line options; the user's own ssh config still applies."""
        options: list[str] = []
        if self.user:
            options += ["-l", self.user]
        if self.port is not None:
            options += ["-p", str(self.port)]
        if self.parameter("keyfile"):
            options += ["-i", self.parameter("keyfile")]
        if self.parameter("no_verify") == "1":
            options += ["-o", "StrictHostKeyChecking=no"]
        if self.parameter("known_hosts"):
            options += ["-o", f"UserKnownHostsFile={self.parameter('known_hosts')}"]
        if self.jump:
            options += ["-J", self.jump]
        return tuple(options)

    def for_libvirt(self, *, socket: str = "") -> str:
        """The URI to open with libvirt. ``socket``: one of this machine that leads to the daemon, however."""
        if socket:
            return f"{self.driver}+unix://{self.path}?{urlencode([('socket', socket)], quote_via=quote)}"
        return _without_own(self.text)


def parse_uri(text: str) -> ConnectionUri:
    """Read a URI as a person typed it. Raises BadAddress with the reason; knows nothing of whether the host exists."""
    text = text.strip()
    if not text:
        _refuse(text, "No address was given.")
    if any(ch.isspace() or not ch.isprintable() for ch in text):
        _refuse(text, "The address holds a blank or a control character.")
    if "://" not in text:
        _refuse(text, "The address has no «://», so its driver is not known.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        _refuse(text, f"The address cannot be read: {error}.")
    driver, transport = _scheme(text, parts.scheme)
    query = parts.query.replace("+", "%2B")  # for libvirt a plus sign is a plus sign
    uri = ConnectionUri(
        text=text, driver=driver, transport=transport, user=_decoded(parts.username), host=_host_as_typed(parts),
        port=port, path=parts.path, parameters=tuple(parse_qsl(query, keep_blank_values=True)),
    )  # fmt: skip
    uri = _with_default_transport(uri)
    _check_authority(uri, parts)
    _check_path(uri)
    _check_parameters(uri)
    return uri


def _refuse(text: str, what: str, advice: str = SCHEME_HELP) -> NoReturn:
    raise BadAddress(what, advice=advice, where=text)


def _decoded(part: str | None) -> str:
    return unquote(part or "")


def _host_as_typed(parts: SplitResult) -> str:
    """``urlsplit`` makes host names lower case, but names in an ssh config may have capitals."""
    at = parts.netloc.lower().rfind(parts.hostname or "")
    return unquote(parts.netloc[at : at + len(parts.hostname or "")]) if parts.hostname else ""


def _without_own(text: str) -> str:
    """As typed, but for our own parameters."""
    base, _, query = text.partition("?")
    kept = [part for part in query.split("&") if not unquote(part).startswith(_OWN_PREFIX)]
    return f"{base}?{'&'.join(kept)}" if any(kept) else base


def _one_of(names: Iterable[str]) -> str:
    return ", ".join(names)


def _scheme(text: str, scheme: str) -> tuple[str, str]:
    driver, plus, transport = scheme.partition("+")
    if driver not in DRIVERS:
        _refuse(text, f"«{driver}» is no libvirt driver. Known ones: {_one_of(DRIVERS)}.")
    if plus and transport not in TRANSPORTS:
        _refuse(text, f"«{transport}» is no libvirt transport. Known ones: {_one_of(TRANSPORTS)}.")
    return driver, transport


def _with_default_transport(uri: ConnectionUri) -> ConnectionUri:
    """libvirt takes TLS where a host but no transport is named."""
    if uri.transport or not uri.host or uri.driver not in DAEMON_DRIVERS:
        return uri
    return replace(uri, transport="tls")


def _check_authority(uri: ConnectionUri, parts: SplitResult) -> None:
    if parts.password is not None:
        _refuse(uri.text, "The address holds a password.", "Leave the password out: ssh keys or an agent log in.")
    if uri.host and (uri.host.startswith("-") or not _SAFE_HOST.fullmatch(uri.host)):
        _refuse(uri.text, f"«{uri.host}» cannot be a host name.", "Letters, digits, dots and hyphens are allowed.")
    if uri.user.startswith("-"):
        _refuse(uri.text, f"«{uri.user}» cannot be a user name.", "It must not begin with a hyphen.")
    if uri.port == 0:
        _refuse(uri.text, "Port 0 cannot be connected to.", "Ports go from 1 to 65535.")
    if uri.transport in {"ssh", "tls", "tcp", "libssh", "libssh2"} and not uri.host:
        _refuse(uri.text, f"The transport «{uri.transport}» needs a host name.")
    if uri.transport == "unix" and uri.host:
        _refuse(uri.text, "The transport «unix» stays on this machine and takes no host name.")


def _check_path(uri: ConnectionUri) -> None:
    if uri.driver == "qemu" and uri.path not in {"/system", "/session", "/embed"}:
        given = f"«{uri.path}»" if uri.path.strip("/") else "nothing"
        _refuse(uri.text, f"After the host stands {given}; a QEMU address ends in /system or /session.")
    if uri.driver in {"lxc", "xen"} and uri.path not in {"", "/", "/system"}:
        _refuse(uri.text, f"After the host stands «{uri.path}»; an {uri.driver.upper()} address ends in / or /system.")
    if uri.driver == "test" and not uri.path.strip("/"):
        _refuse(uri.text, "Nothing stands after the host.", "Use test:///default, or the path of a file for it.")


def _check_parameters(uri: ConnectionUri) -> None:
    if uri.transport == "ext" and not uri.parameter("command"):
        _refuse(
            uri.text, "The transport «ext» goes through a program of yours, and none is named.",
            "Name it: command=/path/to/program.",
        )  # fmt: skip
    for key, value in uri.parameters:
        allowed = _CHOICES.get(key)
        if allowed and value not in allowed:
            _refuse(uri.text, f"The parameter {key} is «{value}».", f"It can be {_one_of(allowed)}.")
        if key in {"command", "keyfile", "known_hosts", "socket"} and (not value or value.startswith("-")):
            _refuse(
                uri.text, f"The parameter {key} is «{value}», which is no path.", f"Give a path: {key}=/path/to/it."
            )
        if key == JUMP:
            _check_jump(uri, value)
        elif key.startswith(_OWN_PREFIX) and key not in _CHOICES:
            _refuse(uri.text, f"The parameter {key} is not known.", f"Known ones: {JUMP}, {READ_ONLY}.")


def _check_jump(uri: ConnectionUri, value: str) -> None:
    """A hop that ssh could take for an option, or a shell for a command, never gets near them."""
    if not uri.uses_ssh:
        _refuse(uri.text, "Only SSH goes through jump hosts.", "Use qemu+ssh://, or leave the jump host out.")
    for hop in value.split(","):
        if not _JUMP_HOP.fullmatch(hop):
            _refuse(uri.text, f"«{hop}» cannot be a jump host.", "Give user@host:port, several with commas between.")
