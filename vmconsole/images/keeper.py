# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the walls around a guestfs child: a process that sees this machine's files, and shows the child few of them.

It makes mount namespaces: its own, with an empty tree in memory, and below that bubblewrap's, in which the child and
its appliance run and whose folders are those of the empty tree. What the console grants later is mounted into the tree
here, and arrives there by mount propagation (mount_namespaces(7)): so an appliance can be started before it is known
for which image. Runs as a file of its own, with the standard library only; one thread. It ends when the console does.

Orders come as JSON texts over a socket: ``["grant", path, may_write]``, ``["revoke", path]``; each is answered by a
text, empty if it was done. The first answer comes unasked: whether the walls stand.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys

HUB = "/sys"
"""Where the empty tree is mounted, in the keeper's own namespace: nobody needs what is below it there."""
_STAGE = f"{HUB}/.stage"
_PROBE_S = 20.0
_LONGEST = 1 << 16
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT = 1, 2, 4, 32
_MS_BIND, _MS_REC, _MS_SLAVE, _MS_SHARED = 4096, 16384, 1 << 19, 1 << 20
_MNT_DETACH = 2
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> int:
    """``CONTROL_FD COUNT BWRAP… COMMAND…``: COUNT is how many words bubblewrap's part has."""
    control = socket.socket(fileno=int(arguments[0]))
    walls, command = arguments[2 : 2 + int(arguments[1])], arguments[2 + int(arguments[1]) :]
    try:
        _make_namespace()
        _call("prctl", _PR_SET_CHILD_SUBREAPER, 1)
        _try(walls)
        child = subprocess.Popen([*walls, *command])
    except (OSError, subprocess.SubprocessError) as error:
        _answer(control, str(error) or repr(error))
        return 1
    # The child's own ends of the pipes must be the only ones, so that both sides see when the other goes.
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    _answer(control, "")
    return _serve(control, child)


def _try(walls: list[str]) -> None:
    """Whether bubblewrap can do it here is only known when it did."""
    tried = subprocess.run(
        [*walls, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_PROBE_S
    )
    if tried.returncode:
        raise OSError(tried.stderr.decode(errors="replace").strip() or f"bubblewrap ended with {tried.returncode}")


def _make_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWNS | (_CLONE_NEWUSER if uid else 0))
    if uid:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    _mount("none", "/", _MS_REC | _MS_SLAVE)
    _call("mount", b"vmconsole", HUB.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=0755")
    _mount("none", HUB, _MS_SHARED)
    os.mkdir(_STAGE, 0o700)
    for top in tops():
        os.mkdir(f"{HUB}/{top}", 0o755)


def tops() -> list[str]:
    """The folders of «/» in which things can be shown; what belongs to the system is shown always, or never."""
    never = {"proc", "sys", "dev", "usr", "boot", "lost+found"}
    found = [n for n in os.listdir("/") if n not in never and os.path.isdir(f"/{n}")]
    return sorted(n for n in found if not (os.path.islink(f"/{n}") and os.readlink(f"/{n}").lstrip("/")[:4] == "usr/"))


def _serve(control: socket.socket, child: subprocess.Popen[bytes]) -> int:
    end = os.pidfd_open(child.pid)
    try:
        while True:
            ready, _, _ = select.select([control.fileno(), end], [], [])
            if end in ready:
                return child.wait()
            order = control.recv(_LONGEST)
            if not order:
                return 0
            try:
                _obey(*json.loads(order))
                _answer(control, "")
            except (OSError, ValueError, TypeError) as error:
                _answer(control, str(error))
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """bubblewrap's second process ends with its first, but for a moment at its start, in which it would wait for ever:
    it becomes ours when the first one goes."""
    child.kill()
    child.wait()
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        left = file.read().split()
    for pid in map(int, left):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _answer(control: socket.socket, words: str) -> None:
    control.sendall(json.dumps(words).encode())


def _obey(verb: str, path: str, may_write: bool = False) -> None:  # noqa: FBT001, FBT002 - the order's third word
    inside = HUB + path
    if not path.startswith("/") or os.path.normpath(path) != path or path == "/":
        raise ValueError(f"not a plain path: {path}")
    if verb == "grant":
        _grant(path, inside, may_write=may_write)
    elif os.path.islink(inside):
        os.unlink(inside)
    else:
        _call("umount2", os.fsencode(inside), _MNT_DETACH)


def _grant(path: str, inside: str, *, may_write: bool) -> None:
    found = os.lstat(path)
    os.makedirs(os.path.dirname(inside), exist_ok=True)
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(path), inside)
        os.lchown(inside, found.st_uid, found.st_gid)
        os.utime(inside, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)
        return
    is_folder = stat.S_ISDIR(found.st_mode)
    for place in (inside, _STAGE + ("/d" if is_folder else "/f")):
        _make_place(place, is_folder=is_folder)
    stage = _STAGE + ("/d" if is_folder else "/f")
    try:
        _mount(path, stage, _MS_BIND)
    except OSError:
        # Without a right of root, what is mounted below may not be left away.
        _mount(path, stage, _MS_BIND | _MS_REC)
    try:
        if not may_write:
            # Before it is shown: later changes of the flag would not arrive.
            flags = _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _kept_flags(stage)
            _call("mount", b"none", stage.encode(), None, flags, None)
        _mount(stage, inside, _MS_BIND | _MS_REC)
    finally:
        _call("umount2", stage.encode(), _MNT_DETACH)


def _make_place(place: str, *, is_folder: bool) -> None:
    if is_folder:
        os.makedirs(place, exist_ok=True)
    elif not os.path.lexists(place):
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _kept_flags(path: str) -> int:
    """nosuid, nodev, noexec and noatime of a mount: in a user namespace they may not be dropped. statvfs(3)'s and
    mount(2)'s numbers are the same for the first four, and for noatime 1024, nodiratime 2048; relatime is not."""
    found = os.statvfs(path).f_flag
    return (found & (2 | 4 | 8 | 1024 | 2048)) | (1 << 21 if found & 4096 else 0)


def _mount(source: str, target: str, flags: int) -> None:
    _call("mount", os.fsencode(source), os.fsencode(target), None, flags, None)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
