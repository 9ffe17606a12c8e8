# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, mode, times and attributes of what comes out of an image, as far as this user may set them. Child process.

What a guest says is not trusted here: no set-id bits, no capabilities, and the owner can always read and write.
"""

from __future__ import annotations

import collections
import os
import stat
from dataclasses import dataclass, field

CAPABILITY = "security.capability"
_TOLD = {
    "owner": "Owner and group of {n} things: only root may set them here",
    "set-id": "Set-user-id or set-group-id bits of {n} files: they would give rights on this computer",
    CAPABILITY: "Capabilities of {n} files: they would give rights on this computer",
    "security.selinux": "SELinux labels of {n} things",
    "system.posix_acl_access": "Access lists of {n} things",
    "system.posix_acl_default": "Default access lists of {n} folders",
}


@dataclass(slots=True)
class Tally:
    """What was copied, what was left out, and what could not be kept of the rest."""

    files: int = 0
    bytes: int = 0
    total_bytes: int = 0
    """0 while unknown."""
    skipped: list[str] = field(default_factory=list)
    lost: collections.Counter[str] = field(default_factory=collections.Counter)

    @property
    def not_kept(self) -> tuple[str, ...]:
        """A sentence for each kind of property."""
        return tuple(
            _TOLD.get(what, f"The attribute «{what}» of {{n}} things").format(n=count)
            for what, count in self.lost.items()
        )


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a thing is like inside the image."""

    mode: int
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    xattrs: tuple[tuple[str, bytes], ...] = ()


def safe_mode(mode: int) -> int:
    return (mode & 0o777) | (0o700 if stat.S_ISDIR(mode) else 0o600)


def put_on(local: str, wanted: Attributes, tally: Tally, *, is_link: bool = False) -> None:
    """Make ``local`` as it is in the image, and count what could not be. A link is changed itself."""
    if (wanted.uid, wanted.gid) != (os.geteuid(), os.getegid()):
        try:
            os.chown(local, wanted.uid, wanted.gid, follow_symlinks=False)
        except OSError:
            tally.lost["owner"] += 1
    if not is_link:
        os.chmod(local, safe_mode(wanted.mode))
        if wanted.mode & (stat.S_ISUID | stat.S_ISGID) and not stat.S_ISDIR(wanted.mode):
            tally.lost["set-id"] += 1
    for name, value in wanted.xattrs:
        _put_xattr(local, name, value, tally)
    os.utime(local, ns=(wanted.atime_ns, wanted.mtime_ns), follow_symlinks=False)


def _put_xattr(local: str, name: str, value: bytes, tally: Tally) -> None:
    if name == CAPABILITY:
        tally.lost[name] += 1
        return
    try:
        os.setxattr(local, name, value, follow_symlinks=False)
    except OSError:
        tally.lost[name] += 1
