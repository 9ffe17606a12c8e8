# SPDX-License-Identifier: GPL-3.0-or-later
"""How full the mounted filesystems are. Child process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.images.messages import Usage

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Work


def measure(work: Work) -> tuple[Usage, ...]:
    """One statvfs(2) each, about a millisecond. A filesystem that does not tell is left out."""
    found = []
    for filesystem in work.contents.filesystems if work.contents is not None else ():
        if not filesystem.mounted_at:
            continue
        work.check_cancelled()
        try:
            told = work.handle.statvfs(filesystem.mounted_at)
        except RuntimeError:
            continue
        found.append(Usage(filesystem.device, told["blocks"] * told["frsize"], told["bavail"] * told["frsize"]))
    return tuple(found)
