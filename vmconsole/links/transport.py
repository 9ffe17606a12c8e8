# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to a host below libvirt: an SSH master, this machine, or nothing of ours (TLS, TCP, in-process drivers).

``open`` blocks (a lane's thread); the rest returns soon, from any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from vmconsole.inventory.errors import ConnectTimeout
from vmconsole.links.doors import LocalDoor, local_door
from vmconsole.links.ssh import LocalShell, SshMaster, SshShell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmconsole.inventory.errors import LinkError
    from vmconsole.links.login import Login
    from vmconsole.links.uri import ConnectionUri


class Door(Protocol):
    """What libvirt's RPC goes through."""

    can_shut: bool
    """Whether ``shut`` frees a stuck call."""

    def shut(self) -> None:
        """End the RPC under a call that is stuck in it, where that can be done."""

    def said(self) -> str:
        """Why it ended, in the words of the programs that carried it; empty where libvirt hears them itself."""


class Transport(Protocol):
    """``shell`` is None where no commands can be run."""

    shell: SshShell | LocalShell | None

    @property
    def is_alive(self) -> bool: ...

    @property
    def has_ended(self) -> bool:
        """Whether it was open and ended by itself: ``on_exit`` is called, or about to be."""

    @property
    def can_probe(self) -> bool:
        """Whether ``probe`` can tell a silent host from a silent daemon."""

    def open(self, *, deadline_s: float) -> None: ...

    def probe(self, *, deadline_s: float) -> None:
        """Raise a ConsoleError unless the host answers below libvirt."""

    def new_door(self) -> tuple[str, Door]:
        """The URI to open with libvirt, and the door that it goes through."""

    def close(self) -> None: ...


def make_transport(
    uri: ConnectionUri, *, run_dir: Path, on_exit: Callable[[LinkError], None], login: Login | None = None
) -> Transport:
    """``on_exit`` is called, on a thread of the transport's, when it ends by itself after it was open.
    ``login`` answers what ssh asks; without it nobody is asked."""
    if uri.uses_ssh:
        return SshTransport(uri, run_dir=run_dir, on_exit=on_exit, login=login)
    return PlainTransport(uri, run_dir=run_dir, shell=LocalShell() if uri.is_local_daemon else None)


class SshTransport:
    """One SSH master, its shell, and doors for libvirt's RPC."""

    def __init__(
        self, uri: ConnectionUri, *, run_dir: Path, on_exit: Callable[[LinkError], None], login: Login | None = None
    ) -> None:
        self._uri = uri
        self._master = SshMaster(uri, run_dir=run_dir, on_exit=on_exit, login=login)
        self.shell: SshShell | LocalShell | None = SshShell(self._master)

    @property
    def is_alive(self) -> bool:
        return self._master.is_alive

    @property
    def has_ended(self) -> bool:
        return self._master.has_ended

    @property
    def can_probe(self) -> bool:
        return True

    def open(self, *, deadline_s: float) -> None:
        self._master.open(deadline_s=deadline_s)

    def probe(self, *, deadline_s: float) -> None:
        assert self.shell is not None
        try:
            self.shell.run("exit 0", deadline_s=deadline_s)
        except ConnectTimeout as error:
            raise ConnectTimeout(
                f"{self._uri.display_name} does not answer.",
                cause="The host hangs or is off, or the network between is cut.",
                advice="It is tried again by itself.",
                where=self._uri.display_name,
            ) from error

    def new_door(self) -> tuple[str, Door]:
        door = self._master.rpc_door()
        return self._uri.for_libvirt(socket=str(door.path)), door

    def close(self) -> None:
        assert self.shell is not None
        self.shell.close()
        self._master.close()


class NoDoor:
    """RPC that goes straight from libvirt's client: a call stuck in it cannot be freed."""

    can_shut = False

    def shut(self) -> None:
        pass

    def said(self) -> str:
        return ""


class PlainTransport:
    """libvirt finds its own way."""

    def __init__(self, uri: ConnectionUri, *, run_dir: Path, shell: LocalShell | None) -> None:
        self._uri = uri
        self._run_dir = run_dir
        self._door: LocalDoor | None = None
        self._is_open = False
        self.shell: SshShell | LocalShell | None = shell

    @property
    def is_alive(self) -> bool:
        return self._is_open

    @property
    def has_ended(self) -> bool:
        return False

    @property
    def can_probe(self) -> bool:
        return False

    def open(self, *, deadline_s: float) -> None:
        del deadline_s  # nothing to wait for
        self._is_open = True

    def probe(self, *, deadline_s: float) -> None:
        del deadline_s

    def new_door(self) -> tuple[str, Door]:
        found = local_door(self._uri, self._run_dir) if self._uri.is_local_daemon else None
        if found is None:
            return self._uri.for_libvirt(), NoDoor()
        self._door = found[1]
        return found

    def close(self) -> None:
        self._is_open = False
        if self._door is not None:
            self._door.shut()
        if self.shell is not None:
            self.shell.close()
