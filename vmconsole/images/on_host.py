# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the images of a host's guests and pools really are. Blocks; runs in the host's lane."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmconsole.images.messages import ImageSource
    from vmconsole.links.base import HostVerbs


def located(verbs: HostVerbs, source: ImageSource) -> ImageSource:
    """The source with paths for ``pool/volume``, and with the folders that its backing files may be in. Raises
    ConsoleError when a volume is not there."""
    folders = verbs.pool_folders()
    first, *more = (_one(verbs, disk, folders) for disk in source.disks)
    return dataclasses.replace(first, more=tuple(more))


def _one(verbs: HostVerbs, disk: ImageSource, folders: tuple[str, ...]) -> ImageSource:
    pool, slash, volume = disk.path.partition("/")
    path = verbs.volume_path(pool, volume) if pool and slash else disk.path
    return dataclasses.replace(disk, path=path, backing_folders=folders, more=())


def paths_of(source: ImageSource) -> tuple[str, ...]:
    """The images of a session."""
    return tuple(disk.path for disk in source.disks)
