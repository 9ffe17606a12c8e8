# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether libvirt answers: a connection is opened, its versions are asked for, and it is closed. Blocks."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from vmconsole.inventory.catalogue import catalogue
from vmconsole.inventory.errors import ConsoleError
from vmconsole.links.check_steps import Step, passed
from vmconsole.links.ssh import SshShell

if TYPE_CHECKING:
    from vmconsole.links.base import Shell
    from vmconsole.links.domain_rows import NodeFacts
    from vmconsole.links.uri import ConnectionUri

DEADLINE_S = 10.0


def ask_libvirt(uri: ConnectionUri, shell: Shell | None, *, deadline_s: float = DEADLINE_S) -> Step:
    """The step «libvirt». Raises ConsoleError; HostNotAnswering past the deadline, when a call that goes through our
    SSH is freed at once, and one of libvirt's own transports ends when its daemon does."""
    door = shell.rpc_door() if isinstance(shell, SshShell) else None
    address = uri.for_libvirt(ssh_wrapper="" if door is None else str(door.script))
    answers: list[NodeFacts | BaseException] = []
    asker = threading.Thread(
        target=lambda: answers.append(_ask(address, where=uri.display_name, read_only=uri.read_only)),
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
        raise catalogue().own_error("check-daemon-late", where=uri.display_name, seconds=f"{deadline_s:.0f}")
    answer = answers[0]
    if isinstance(answer, BaseException):
        raise answer
    versions = ", ".join(f"{_NAMES.get(name, name)} {version}" for name, version in answer.versions.items())
    return passed("libvirt", f"{versions}; answered in {time.monotonic() - began:.1f} s.")


_NAMES = {"qemu": "QEMU", "lxc": "LXC", "xen": "Xen"}


def _ask(address: str, *, where: str, read_only: bool) -> NodeFacts | BaseException:
    from vmconsole.links.libvirt_link import Connection  # late: the window starts without libvirt

    try:
        connection = Connection.open(address, where=where, read_only=read_only)
    except ConsoleError as error:
        return error
    try:
        return connection.node()
    except ConsoleError as error:
        return error
    finally:
        connection.close()
