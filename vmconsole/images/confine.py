# SPDX-License-Identifier: GPL-3.0-or-later
"""Walls around a guestfs child and its appliance: no network, and of this machine's files only what its work needs.

bubblewrap makes the walls; ``keeper`` lets things in later. What is always visible is read-only: the system's programs,
our own code. All else is granted for a request (``needs``): the draft's folder, the image's socket, the folder that
files come from. Where bubblewrap is missing, or this system does not allow it, the child runs without, and says so.
Blocks for some tens of milliseconds; any thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images import keeper, requests
from vmconsole.inventory.errors import ImageError
from vmconsole.inventory.resources import resource as data_file
from vmconsole.links.children import Child
from vmconsole.links.ending import kill

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from vmconsole.images.tool_requests import ToolRequest

START_DEADLINE_S = 60.0
_ORDER_DEADLINE_S = 60.0
_MANY = 200
"""More files than that of one folder are not shown one by one: their folder is."""
_NOTE = "The programs that read the image are not confined on this computer: "
_ETC = (
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "passwd", "group", "nsswitch.conf", "localtime",
    "os-release", "debian_version", "redhat-release", "fedora-release", "supermin", "qemu", "magic", "python3",
    "python3.11", "apt/apt.conf.d",
)  # fmt: skip
_PACKAGES = ("/var/lib/dpkg", "/var/lib/rpm", "/usr/lib/sysimage/rpm", "/var/lib/pacman")
"""What supermin compares the appliance's age with."""
_KEPT = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "LIBGUESTFS_", "SUPERMIN_",
    "PYTHON",
)  # fmt: skip
"""Of the environment: no keys, no addresses of agents."""
_ROOTS_RIGHTS = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER")
"""For root only: files that are copied out keep their owners. No right to mount, to make devices, to trace."""
GIB = 1 << 30
LIMITS = (
    (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 4096), (resource.RLIMIT_AS, 16 * GIB),
    (resource.RLIMIT_FSIZE, 16 * 1024 * GIB), (resource.RLIMIT_CPU, 24 * 3600),
)  # fmt: skip
"""Of the child and its appliance each, walls or not. The address space holds the appliance's memory and QEMU's own."""


def bound_self() -> None:
    """Set ``LIMITS`` on this process and those it starts; what is less already stays."""
    for which, most in LIMITS:
        _soft, hard = resource.getrlimit(which)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (value, value))


class Walls:
    """Around one process. ``start`` once, ``close`` once."""

    def __init__(self) -> None:
        self.note = ""
        """Why there are none, in words for the user; empty if they stand."""
        self._control: socket.socket | None = None
        self._lock = threading.Lock()
        self._granted: dict[str, bool] = {}

    @property
    def stand(self) -> bool:
        return self._control is not None

    def start(self, command: list[str], environment: Mapping[str, str], folder: str) -> subprocess.Popen[bytes]:
        """Run a command that may read and write ``folder``, behind walls if that can be."""
        kept = {k: v for k, v in environment.items() if k.startswith(_KEPT)}
        program = shutil.which("bwrap")
        if program is None:
            self.note = _NOTE + "install bubblewrap (`apt install bubblewrap`, `dnf install bubblewrap`)."
            return _popen(command, kept, ())
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            walls = [program, *_bubblewrap()]
            keep = [sys.executable, "-I", keeper.__file__, str(theirs.fileno()), str(len(walls)), *walls]
            process = _popen([*keep, *command], kept | {"PYTHONPATH": _path(kept)}, (theirs.fileno(),))
        ours.settimeout(START_DEADLINE_S)
        said = _received(ours)
        if said:
            ours.close()
            kill(process)
            self.note = f"{_NOTE}bubblewrap does not work ({said.splitlines()[-1][:200]})."
            return _popen(command, kept, ())
        ours.settimeout(_ORDER_DEADLINE_S)
        self._control = ours
        self.grant(folder, may_write=True)
        for name in ("LIBGUESTFS_HV", "LIBGUESTFS_PATH"):
            if os.path.isabs(kept.get(name, "")) and os.path.exists(kept[name]):
                self.grant(os.path.normpath(kept[name]), may_write=False)
        return process

    def grant(self, path: str, *, may_write: bool) -> bool:
        """Let the child see a file or folder from now on. False if it did so already. Raises ImageError."""
        with self._lock:
            if self._control is None or self._granted.get(path) in {may_write, True}:
                return False
            said = self._order("grant", path, may_write)
            if said:
                raise ImageError("The image's appliance cannot be given what it needs.", where=path, said=said)
            self._granted[path] = may_write
            return True

    def revoke(self, path: str) -> None:
        with self._lock:
            if self._control is not None and self._granted.pop(path, None) is not None:
                self._order("revoke", path)

    @contextlib.contextmanager
    def lent(self, request: requests.Request | ToolRequest) -> Iterator[None]:
        """While a request runs, what it needs is visible; the image itself stays so."""
        back = []
        try:
            for path, may_write in needs(request):
                is_new = self.grant(path, may_write=may_write)
                if is_new and isinstance(request, requests.Import | requests.Export):
                    back.append(path)
            yield
        finally:
            for path in reversed(back):
                self.revoke(path)

    def close(self) -> None:
        """The keeper ends by it, and with it all that is behind the walls."""
        with self._lock:
            if self._control is not None:
                self._control.close()
                self._control = None

    def _order(self, *order: object) -> str:
        assert self._control is not None
        try:
            self._control.sendall(json.dumps(order).encode())
            return _received(self._control)
        except OSError as error:
            return str(error)


def needs(request: requests.Request | ToolRequest) -> tuple[tuple[str, bool], ...]:
    """Which files and folders a request is about, and whether they are written."""
    match request:
        case requests.Prepare():
            return _cache(request.cache_dir)
        case requests.Launch():
            folders = dict.fromkeys(os.path.dirname(o) for o in (request.overlay, *request.more_overlays))
            # On this computer the name beside the overlay is a link to the server's own socket.
            sockets = dict.fromkeys(place for s in request.sockets for place in (os.path.dirname(s), _real(s)))
            shown = [(s, False) for s in sockets if s not in folders]
            return (*_cache(request.cache_dir), *((f, True) for f in folders), *shown)
        case requests.Import():
            return tuple((path, False) for path in _few(request.local_paths))
        case requests.Export():
            return ((request.local_folder, True),)
        case _:
            return ()


def _real(socket_path: str) -> str:
    """Where a link of ours leads; what is there is the server's, and not followed further."""
    return os.path.dirname(os.readlink(socket_path) if os.path.islink(socket_path) else socket_path)


def _few(paths: Iterable[str]) -> list[str]:
    there = [os.path.normpath(path) for path in paths if os.path.lexists(path)]
    return list(dict.fromkeys(there if len(there) <= _MANY else map(os.path.dirname, there)))


def cache_folder(cache_dir: str) -> Path:
    """Where libguestfs keeps the appliance (guestfs(3), «guestfs_get_cachedir»)."""
    return Path(cache_dir or os.environ.get("LIBGUESTFS_CACHEDIR") or "/var/tmp") / f".guestfs-{os.geteuid()}"


def is_built(folder: Path) -> bool:
    """Whether the appliance there is younger than the list of this machine's packages, as supermin sees it."""
    try:
        age = (folder / "appliance.d").stat().st_mtime
        if not (folder / "appliance.d" / "root").exists():
            return False
    except OSError:
        return False
    lists = (Path(p) / name for p in _PACKAGES for name in ("status", "rpmdb.sqlite", "Packages", "local"))
    return all(age >= found.stat().st_mtime for found in lists if found.exists())


def _cache(cache_dir: str) -> tuple[tuple[str, bool], ...]:
    """The appliance itself is read-only: one image's appliance must not change the next one's."""
    folder = cache_folder(cache_dir)
    return (str(folder), True), (str(folder / "appliance.d"), False)


def outer_pid(group: int, inner: int) -> int:
    """The number on this machine of a process that is ``inner`` behind the walls, and of our process group; 0 if it
    is gone. Source: proc(5), «NSpid»."""
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if os.getpgid(int(name)) != group:
                continue
            lines = Path(f"/proc/{name}/status").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        numbers = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
        if len(numbers) > 1 and numbers[-1] == str(inner):
            return int(name)
    return 0


def _bubblewrap() -> list[str]:
    words = [
        "--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--die-with-parent",
        "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr", "--ro-bind-try", "/boot", "/boot",
        "--proc", "/proc", "--dev", "/dev",
        "--dev-bind-try", "/dev/kvm", "/dev/kvm",
        # Root without any right may still write /proc/sys/kernel/core_pattern, and would have them all again.
        "--remount-ro", "/proc",
    ]  # fmt: skip
    if os.geteuid() == 0:
        words += [word for right in _ROOTS_RIGHTS for word in ("--cap-add", right)]
    tops = keeper.tops()
    for name in tops:
        words += ["--bind", f"{keeper.HUB}/{name}", f"/{name}"]
    for name in sorted(set(os.listdir("/")) - set(tops)):
        if os.path.islink(f"/{name}") and os.path.isdir(f"/{name}"):
            words += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
    for path in (*(f"/etc/{name}" for name in _ETC), *_PACKAGES, *_code()):
        if os.path.exists(path) and not path.startswith("/usr/"):
            words += ["--ro-bind", path, path]
    return [*words, "--chdir", "/"]


def _code() -> list[str]:
    return list(dict.fromkeys((sys.prefix, sys.base_prefix, str(_package()), str(data_file("errors").parent))))


def _package() -> Path:
    return Path(__file__).resolve().parent.parent


def _path(kept: Mapping[str, str]) -> str:
    return os.pathsep.join(filter(None, (str(_package().parent), kept.get("PYTHONPATH", ""))))


def _popen(command: list[str], environment: Mapping[str, str], fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return Child(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, pass_fds=fds)


def _received(control: socket.socket) -> str:
    try:
        answer = control.recv(1 << 16)
    except OSError as error:
        return str(error) or repr(error)
    return str(json.loads(answer)) if answer else "it ended at once"
