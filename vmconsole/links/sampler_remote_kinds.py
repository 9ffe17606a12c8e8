# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: UP006, UP035, UP045 - this file must run on Python 3.6, where the newer spellings do not exist
"""Whose guests are looked for on a host: the system daemon's, a user's own, or containers; and who a process is.

Runs on the host (see ``sampler_remote``): nothing but the standard library. Sources: libvirt's drivers «QEMU» (pid
files in the run directory of the daemon) and «LXC» (``/run/libvirt/lxc/NAME.pid`` is the container's controller, whose
status beside it names the container).
"""

import glob
import os
from typing import Callable, Dict, List, Optional, Tuple

from vmconsole.links.sampler_remote_places import identity, interfaces_of, slurp

SYSTEM, SESSION, CONTAINERS = "system", "session", "lxc"

Taps = Callable[[], Dict[str, bool]]
"""The host's ends of a guest's interfaces; see ``interfaces_of``."""


def pid_directories(root: str, kind: str) -> List[str]:
    """Where libvirt leaves the pids. Without a kind: those of all QEMU guests, of the system and of every user."""
    if kind == CONTAINERS:
        return [root + "/run/libvirt/lxc"]
    if kind == SESSION:
        return own_directories(root)
    users = [] if kind == SYSTEM else glob.glob(root + "/run/user/*/libvirt/qemu/run")
    return [root + "/run/libvirt/qemu", *users]


def own_directories(root: str) -> List[str]:
    """Of the user that this program runs as: a session daemon lives below his run directory, else in his cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    bases = [os.environ.get("XDG_RUNTIME_DIR") or "", f"/run/user/{os.getuid()}", cache]
    found = []  # type: List[str]
    for base in bases:
        directory = root + base + "/libvirt/qemu/run"
        if base and directory not in found:
            found.append(directory)
    return found


def who(root: str, kind: str, pid: int, path: str) -> Optional[Tuple[str, str, Taps]]:
    """(uuid, name, how to find its interfaces) of a guest's process; None for any other process. PermissionError when
    its status is not ours to read."""
    if kind == CONTAINERS:
        return container(root, pid, path)
    found = identity(root, pid)
    return None if found is None else (found[0], found[1], lambda: interfaces_of(root, pid))


def container(root: str, pid: int, path: str) -> Optional[Tuple[str, str, Taps]]:
    """As ``who``; ``pid`` must be the controller that libvirt started for the container of that pid file."""
    import xml.etree.ElementTree as ElementTree  # late: only hosts with containers need it

    name = os.path.basename(path)[: -len(".pid")]
    try:
        args = slurp(f"{root}/proc/{pid}/cmdline").split("\0")
        if os.path.basename(args[0]) != "libvirt_lxc" or args[args.index("--name") + 1] != name:
            return None
        domain = ElementTree.fromstring(slurp(path[: -len(".pid")] + ".xml")).find("domain")
    except PermissionError:
        raise
    except (OSError, ValueError, IndexError, ElementTree.ParseError):
        return None
    uuid = None if domain is None else domain.findtext("uuid")
    if domain is None or not uuid:
        return None
    # The controller holds no descriptor of them, but their names do not change while the container runs.
    names = [target.get("dev") or "" for target in domain.iterfind("devices/interface/target")]
    return uuid.lower(), name, lambda: dict.fromkeys([n for n in names if n], False)
