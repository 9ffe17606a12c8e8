# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary folders: ours, which say whose they are, so that those of killed programs are found; and libguestfs' own.

A killed process cannot remove its folder. Its parent does, or else the next start of the program. Any thread.
For root, libguestfs' folder is always ``/tmp/libguestfsXXXXXX``, whatever the environment says (guestfs(3),
«guestfs_get_sockdir»).
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

PREFIX = "vmconsole-"
_OWNER = "owner"
_NAMELESS_AGE_S = 24 * 3600.0
"""A folder that does not say whose it is (its maker was killed at once) is old after that."""
_FOLDER = re.compile(r"(/\S*/libguestfs[A-Za-z0-9]{6})/\S+$")


def make_folder() -> Path:
    """A private folder in the system's temporary place, with a short path (UNIX sockets), marked as this process'."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    (folder / _OWNER).write_text(_mark(os.getpid()), encoding="ascii")
    return folder


def note_folders(folder: Path, others: frozenset[str]) -> None:
    """Write down in our ``folder`` which folders of libguestfs go with it."""
    (folder / "with").write_text("\n".join(sorted(others)), encoding="utf-8")


def clean() -> tuple[str, ...]:
    """Remove the folders of programs of this user that are gone. Returns what was removed."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}????????"):
        if _is_left(folder):
            for name in (*_noted(folder), str(folder)):
                shutil.rmtree(name, ignore_errors=True)
                removed.append(name)
    return tuple(removed)


def _is_left(folder: Path) -> bool:
    try:
        found = folder.lstat()
        if found.st_uid != os.getuid() or folder.is_symlink() or not folder.is_dir():
            return False
        mark = (folder / _OWNER).read_text(encoding="ascii")
    except FileNotFoundError:
        return time.time() - found.st_mtime > _NAMELESS_AGE_S
    except (OSError, ValueError):
        return False
    pid = mark.split(" ")[0]
    return bool(mark) and (not pid.isdecimal() or mark != _mark(int(pid)))


def _mark(pid: int) -> str:
    """A process, told apart from later ones with its number: by when it began (field 22 of proc(5)'s stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return f"{pid} {fields[19]} {boot}"


def _noted(folder: Path) -> list[str]:
    try:
        names = (folder / "with").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [name for name in names if _FOLDER.match(f"{name}/x")]


def socket_folders(pid: int) -> frozenset[str]:
    """libguestfs' folders of the sockets that a process has open; empty if it cannot be looked at."""
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        table = Path(f"/proc/{pid}/net/unix").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    inodes = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    found = set()
    for line in table.splitlines():
        fields = line.split(None, 7)
        place = _FOLDER.match(fields[7]) if len(fields) == 8 and fields[6] in inodes else None
        if place is not None:
            found.add(place.group(1))
    return frozenset(found)
