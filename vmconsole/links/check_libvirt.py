# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether libvirt answers: a connection is opened, its versions are asked for, and it is closed. Blocks."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import ConsoleError, HostNotAnswering
from vmconsole.links.check_steps import Step, passed
from vmconsole.links.doors import local_door
from vmconsole.links.ssh import SshShell

if TYPE_CHECKING:
    from vmconsole.links.base import Shell
    from vmconsole.links.domain_rows import NodeFacts
    from vmconsole.links.transport import Door
    from vmconsole.links.uri import ConnectionUri

DEADLINE_S = 10.0
STARTING_S = 40.0
"""For a daemon that its socket starts first: it looks at every QEMU and all storage before it answers anybody."""


def ask_libvirt(uri: ConnectionUri, shell: Shell | None, *, deadline_s: float = DEADLINE_S) -> Step:
    """The step «libvirt». Raises ConsoleError; HostNotAnswering past the deadline, when a call that goes through our
    SSH or to this machine's daemon is freed at once; one of libvirt's own transports ends when its daemon does."""
    with tempfile.TemporaryDirectory(prefix="vmc-", ignore_cleanup_errors=True) as folder:
        return _ask_through(uri, *_door(uri, shell, Path(folder)), deadline_s=deadline_s)


def _door(uri: ConnectionUri, shell: Shell | None, folder: Path) -> tuple[str, Door | None]:
    if isinstance(shell, SshShell):
        door = shell.rpc_door()
        return uri.for_libvirt(socket=str(door.path)), door
    return (local_door(uri, folder) if uri.is_local_daemon else None) or (uri.for_libvirt(), None)


def _ask_through(uri: ConnectionUri, address: str, door: Door | None, *, deadline_s: float) -> Step:
    answers: list[NodeFacts | BaseException] = []
    asker = threading.Thread(
        target=lambda: answers.append(_ask(address, door, where=uri.display_name, read_only=uri.read_only)),
        name=f"check libvirt {uri.display_name}", daemon=True,
    )  # fmt: skip
    began = time.monotonic()
    asker.start()
    asker.join(deadline_s)
    is_late = not answers
    if door is not None:
        door.shut()
        asker.join(1.0)
    if is_late:
        raise HostNotAnswering(
            f"libvirt's daemon took the connection, and did not answer within {deadline_s:.0f} s.",
            cause="It hangs, often on storage that does not answer.",
            where=uri.display_name,
        )
    answer = answers[0]
    if isinstance(answer, BaseException):
        raise answer
    versions = ", ".join(f"{_NAMES.get(name, name)} {version}" for name, version in answer.versions.items())
    return passed("libvirt", f"{versions}; answered in {time.monotonic() - began:.1f} s.")


_NAMES = {"qemu": "QEMU", "lxc": "LXC", "xen": "Xen"}


def _ask(address: str, door: Door | None, *, where: str, read_only: bool) -> NodeFacts | BaseException:
    from vmconsole.links.libvirt_link import Connection  # late: the window starts without libvirt

    try:
        connection = Connection.open(address, where=where, read_only=read_only, said=door.said if door else None)
    except ConsoleError as error:
        return error
    try:
        return connection.node()
    except ConsoleError as error:
        return error
    finally:
        connection.close()
