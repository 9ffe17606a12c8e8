# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of libguestfs that the child uses, as types, and what a request is given to work with. Child process only.

Sources: guestfs(3). ``download`` and the like are not here on purpose: they take devices for files and cost a quarter
of a second each; ``write``, ``pread``, ``tar_in`` and ``tar_out`` do the same without either. ``upload`` is for big
files only, at a path that cannot mean a device.
"""

from __future__ import annotations

import stat
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from vmconsole.images import names
from vmconsole.images.hints import explained
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.child.volumes import Volume
    from vmconsole.images.messages import Device, Filesystem
    from vmconsole.images.requests import Contents

CHUNK_BYTES = 2 * 1024 * 1024
"""A message to the appliance holds at most 4 MiB (guestfs(3), «Protocol limits»)."""

Stat = dict[str, int]


class Handle(Protocol):
    """guestfs.GuestFS with ``python_return_dict=True``; errors are RuntimeError."""

    def launch(self) -> None: ...
    def shutdown(self) -> None: ...
    def close(self) -> None: ...
    def get_pid(self) -> int: ...
    def user_cancel(self) -> None: ...
    def debug(self, subcommand: str, arguments: list[str]) -> str: ...
    def list_filesystems(self) -> dict[str, str]: ...
    def vfs_label(self, device: str) -> str: ...
    def vfs_uuid(self, device: str) -> str: ...
    def mount_vfs(self, options: str, kind: str, device: str, folder: str) -> None: ...
    def mount_options(self, options: str, device: str, folder: str) -> None: ...
    def mkmountpoint(self, path: str) -> None: ...
    def rmmountpoint(self, path: str) -> None: ...
    def umount_all(self) -> None: ...
    def sync(self) -> None: ...
    def exists(self, path: str) -> int: ...
    def is_dir(self, path: str, *, followsymlinks: bool = False) -> int: ...
    def statns(self, path: str) -> Stat: ...
    def lstatns(self, path: str) -> Stat: ...
    def lstatnslist(self, folder: str, entries: list[str]) -> list[Stat]: ...
    def readdir(self, folder: str) -> list[dict[str, str]]: ...
    def readlinklist(self, folder: str, entries: list[str]) -> list[str]: ...
    def ls0(self, folder: str, local_file: str) -> None: ...
    def statvfs(self, path: str) -> Stat: ...
    def realpath(self, path: str) -> str: ...
    def pread(self, path: str, count: int, offset: int) -> bytes: ...
    def write(self, path: str, content: bytes) -> None: ...
    def write_append(self, path: str, content: bytes) -> None: ...
    def truncate(self, path: str) -> None: ...
    def copy_attributes(self, old: str, new: str, *, all: bool) -> None: ...  # noqa: A002 - guestfs' own name
    def chmod(self, mode: int, path: str) -> None: ...
    def lchown(self, owner: int, group: int, path: str) -> None: ...
    def mkdir_mode(self, path: str, mode: int) -> None: ...
    def rename(self, old: str, new: str) -> None: ...
    def mv(self, old: str, new: str) -> None: ...
    def rm_f(self, path: str) -> None: ...
    def rm_rf(self, path: str) -> None: ...
    def tar_in(self, local_file: str, folder: str, *, xattrs: bool = False) -> None: ...
    def tar_out(
        self, folder: str, local_file: str, *, numericowner: bool, xattrs: bool = False, excludes: list[str] = ...
    ) -> None: ...
    def upload(self, local_file: str, path: str) -> None: ...
    def utimens(self, path: str, at_s: int, at_ns: int, mt_s: int, mt_ns: int) -> None: ...
    def lgetxattrs(self, path: str) -> list[dict[str, Any]]: ...
    def inspect_os(self) -> list[str]: ...
    def inspect_get_product_name(self, root: str) -> str: ...
    def inspect_get_type(self, root: str) -> str: ...
    def inspect_get_distro(self, root: str) -> str: ...
    def inspect_get_major_version(self, root: str) -> int: ...
    def inspect_get_minor_version(self, root: str) -> int: ...
    def inspect_get_hostname(self, root: str) -> str: ...
    def inspect_get_arch(self, root: str) -> str: ...
    def inspect_get_package_format(self, root: str) -> str: ...


class Cancelled(Exception):
    """The user stopped the request."""


@dataclass(slots=True)
class Work:
    """What one request is done with."""

    handle: Handle
    is_look_only: bool
    report: Callable[[str, int, int], None]
    """Announces (words, position, total)."""
    send_part: Callable[[object], None] = lambda _part: None
    """Sends a part of the answer ahead of it."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    found: tuple[tuple[Device, ...], tuple[Volume, ...]] | None = None
    """What is on the disk."""
    contents: Contents | None = None
    """What is mounted."""
    _reported_at: float = 0.0

    def check_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def move(self, words: str, position: int, total: int) -> None:
        """Report progress, at most ten times a second."""
        now = time.monotonic()
        if now - self._reported_at >= 0.1 or position == total:
            self._reported_at = now
            self.report(words, position, total)

    def failed(self, what: str, error: RuntimeError, *, where: str = "") -> ImageError | Cancelled:
        """The error to raise for one of libguestfs'."""
        if self.cancelled.is_set():
            return Cancelled()
        return explained(what, str(error), where=where)

    def mount_points(self) -> tuple[str, ...]:
        return tuple(f.mounted_at for f in self.contents.filesystems if f.mounted_at) if self.contents else ()

    def writable(self, path: object) -> str:
        """The path, if what is there may be changed. Raises ImageError."""
        text = names.ordinary_path(path)
        if self.is_look_only:
            raise ImageError("This image is open to look only.", where=text)
        home = max((f for f in self._mounted() if _is_within(text, f.mounted_at)), key=_depth, default=None)
        if home is None or text == home.mounted_at:
            raise ImageError("This folder is the top of a filesystem, or above one: it cannot be changed.", where=text)
        if not home.is_writable:
            raise ImageError(f"The filesystem {home.device} cannot be written.", cause=home.problem, where=text)
        return text

    def removable(self, path: object) -> str:
        """The path, if it may be deleted or moved: no other filesystem is mounted below it."""
        text = self.writable(path)
        below = next((p for p in self.mount_points() if _is_within(p, text)), None)
        if below is not None:
            raise ImageError("Another filesystem of the guest is mounted inside this folder.", where=f"{text}: {below}")
        return text

    def _mounted(self) -> list[Filesystem]:
        return [f for f in self.contents.filesystems if f.mounted_at] if self.contents else []


def _depth(filesystem: Filesystem) -> int:
    return len(filesystem.mounted_at)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def lstat_of(handle: Handle, path: str) -> Stat | None:
    """lstat(2) of a path, or None if there is nothing. RuntimeError if the folder above is not there."""
    if path == "/":
        return handle.lstatns("/")
    found = handle.lstatnslist(names.parent(path), [names.base(path)])[0]
    return None if found["st_ino"] == -1 else found


def is_folder(found: Stat) -> bool:
    return stat.S_ISDIR(found["st_mode"])


def is_file(found: Stat) -> bool:
    return stat.S_ISREG(found["st_mode"])
