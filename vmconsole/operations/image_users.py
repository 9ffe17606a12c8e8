# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses an image: asked of every connected host, since storage may be shared and a lock does not reach everywhere.

A path on another host is the same image only if both are on one machine or on storage that both see: files on a disk
of its own are told apart by the kind of filesystem, devices by what the kernel says they are. Blocks; called on an
image session's thread.
"""

from __future__ import annotations

import json
import posixpath
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images import qemu_walls
from vmconsole.inventory.errors import ConsoleError, ImageError, ImageInUse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from vmconsole.inventory.ids import HostId
    from vmconsole.links.base import HostVerbs, Link, Shell

DEADLINE_S = 30.0
_GRACE_S = 5.0
_LOCAL_FILESYSTEMS = frozenset(
    {"ext2/ext3", "xfs", "btrfs", "zfs", "tmpfs", "overlayfs", "f2fs", "jfs", "reiserfs", "bcachefs", "ramfs", "msdos"}
)
"""As ``stat -f -c %T`` names them: no other machine sees what is on these."""


@dataclass(frozen=True, slots=True)
class AskedHost:
    """A host that is connected now."""

    id: HostId
    name: str
    link: Link


@dataclass(frozen=True, slots=True)
class StoragePlace:
    """By which two hosts know whether they mean one image."""

    machine: str
    kind: str
    """The filesystem's name, or ``device``."""
    mark: str
    """The file's inode, or what the kernel knows of the device; empty if there is nothing of this path."""

    def is_same_as(self, other: StoragePlace) -> bool:
        if not self.mark or not other.mark:
            return False
        if self.machine == other.machine:
            return True
        return self.is_shared and (self.kind, self.mark) == (other.kind, other.mark)

    @property
    def is_shared(self) -> bool:
        """Whether another machine could see it at all."""
        return self.kind not in _LOCAL_FILESYSTEMS


def users_of_image(hosts: Iterable[AskedHost], own: HostId, path: str) -> tuple[str, ...]:
    """Names of active guests that use the image at ``path`` of the host ``own``, also through images based on it.

    Raises ImageInUse if another image is based on it; ImageError if a connected host could not be asked.
    """
    asked = list(hosts)
    if not any(host.id == own for host in asked):
        raise ImageError(
            "The image's own host is not connected, so it cannot be asked who uses the image.",
            advice="Wait until it is connected, and try again. The draft is kept.",
            where=f"{own}: {path}",
        )
    running = [(host, host.link.submit(_Users(path), deadline_s=DEADLINE_S)) for host in asked]
    found = [(host, _answer(host, future)) for host, future in running]
    place = next((_place(host, path) for host in asked if host.id == own and host.link.shell() is not None), None)
    here = [host for host in asked if host.id == own or _is_same(host, path, place)]
    for host in here:
        _refuse_children(host, path)
    return tuple(
        name if host.id == own else f"{name} on {host.name}" for host, names in found if host in here for name in names
    )


class _Users:
    """A job for a lane."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, verbs: HostVerbs) -> tuple[str, ...]:
        return verbs.image_users(self._path)


def _answer(host: AskedHost, future: Future[tuple[str, ...]]) -> tuple[str, ...]:
    try:
        return future.result(timeout=DEADLINE_S + _GRACE_S)
    except (ConsoleError, TimeoutError) as error:
        raise _not_asked(host, str(error)) from error


def _not_asked(host: AskedHost, said: str) -> ImageError:
    return ImageError(
        f"{host.name} could not be asked whether it uses the image.",
        cause="Every connected host is asked before an image is written, since storage may be shared.",
        advice="Try again when it answers; or disconnect from it, if it cannot see this image.",
        where=str(host.id),
        said=said,
    )


def _is_same(host: AskedHost, path: str, place: StoragePlace | None) -> bool:
    """Whether another host means the same image by this path. One without a shell is believed to, if storage could
    be shared."""
    if place is None:
        return True
    if host.link.shell() is None:
        return place.is_shared
    return place.is_same_as(_place(host, path))


def _place(host: AskedHost, path: str) -> StoragePlace:
    out = _run(host, place_command(path))
    machine, kind, mark, *_ = [*out.decode(errors="replace").split("\n"), "", "", ""]
    return StoragePlace(machine, kind, mark)


def _run(host: AskedHost, command: str) -> bytes:
    def job(shell: Shell) -> bytes:
        return shell.run(command, deadline_s=DEADLINE_S).out

    try:
        return host.link.submit_shell(job, deadline_s=DEADLINE_S + 1).result(timeout=DEADLINE_S + _GRACE_S)
    except (ConsoleError, TimeoutError) as error:
        raise _not_asked(host, str(error)) from error


def place_command(path: str) -> str:
    """Prints three lines for a ``StoragePlace``. Sources: machine-id(5), sysfs(5) (dm/uuid, wwid)."""
    return "\n".join(
        [
            f"export LC_ALL=C; p={shlex.quote(path)}",
            "echo \"$(cat /etc/machine-id 2>/dev/null) $(cat /proc/sys/kernel/random/boot_id 2>/dev/null)\"",
            "if [ -b \"$p\" ]; then echo device",
            "  d=/sys/dev/block/$(stat -L -c '%Hr:%Lr' -- \"$p\")",
            "  cat $d/dm/uuid $d/wwid $d/device/wwid 2>/dev/null | head -n 1",
            "  echo \"$p\"",
            "elif [ -e \"$p\" ]; then stat -f -L -c %T -- \"$p\"; stat -L -c %i -- \"$p\"; fi",
        ]
    )  # fmt: skip


def _refuse_children(host: AskedHost, path: str) -> None:
    if host.link.shell() is None:
        return
    based = children_in(_run(host, children_command(path)).decode(errors="replace"), path)
    if based:
        raise ImageInUse(
            f"Other images on {host.name} are based on this one: {', '.join(based)}.",
            cause="To change a base image destroys every image that is based on it.",
            advice="Edit the image on top instead, or flatten it first. The draft is kept.",
            where=path,
        )


def children_command(path: str, *, libvirt: str = "/etc/libvirt") -> str:
    """Prints QEMU's JSON of qcow2 files that may be based on the image: of all defined guests, and of all pools.

    A child has its base's name in its first cluster, so few files need to be opened by QEMU.
    """
    name = shlex.quote(posixpath.basename(path))
    xml = shlex.quote(r"s/.*<source \(file\|dev\)='\([^']*\)'.*/\2/p")
    pool = shlex.quote(r"s/.*<path>\([^<]*\)<.*/\1/p")
    plain = shlex.quote(r"""s/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g; s/&apos;/'/g; s/&amp;/\&/g""")
    return "\n".join(
        [
            "export LC_ALL=C",
            qemu_walls.LOOK,
            f"{{ sed -n {xml} {libvirt}/qemu/*.xml 2>/dev/null | sed {plain}",
            f"  sed -n {pool} {libvirt}/storage/*.xml 2>/dev/null | sed {plain} |",
            "    while IFS= read -r d; do case $d in /dev*) ;; *) ls -d \"$d\"/* 2>/dev/null ;; esac; done",
            "} | sort -u | while IFS= read -r f; do",
            "  { [ -f \"$f\" ] || [ -b \"$f\" ]; } && [ \"$(head -c 3 -- \"$f\" 2>/dev/null)\" = QFI ] &&",
            f"  head -c 65536 -- \"$f\" | grep -qaF -- {name} &&",
            "  look \"$f\" qcow2 2>/dev/null",
            "done; exit 0",
        ]
    )  # fmt: skip


def children_in(out: str, path: str) -> tuple[str, ...]:
    """Paths of the images that are based on ``path``, in the output of ``children_command``."""
    decoder, found, position = json.JSONDecoder(), [], 0
    while (position := out.find("{", position)) != -1:
        info, position = decoder.raw_decode(out, position)
        name, backing = str(info["filename"]), str(info.get("full-backing-filename") or "")
        if backing and posixpath.normpath(posixpath.join(posixpath.dirname(name), backing)) == posixpath.normpath(path):
            found.append(name)
    return tuple(found)
