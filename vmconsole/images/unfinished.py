# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of an Apply that was cut off, by what its disks' journals say. Pure; any thread.

Every disk's journal is sealed before the first block is written, and none is cleared away before the last disk is
verified. So a disk without a journal means that nothing was written yet, or that all was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.images.facts import ImageFacts
    from vmconsole.images.journal import Record


def record_of(facts: Sequence[ImageFacts]) -> Record:
    """The Apply that was cut off on these disks, which are open together. Raises ImageError, in words, unless it may be
    finished."""
    found = [(disk, disk.unfinished) for disk in facts if disk.unfinished is not None]
    first, record = found[0]
    for disk, other in found:
        if other.is_spoilt:
            raise _was_written_since(disk.path)
        if other.draft_id != record.draft_id:
            raise ImageError(
                "On these disks, two different Applies were cut off.",
                advice="Open each disk alone and finish its own.",
                where=f"{first.path}, {disk.path}",
            )
    elsewhere = [path for path in record.disks if path not in {disk.path for disk in facts}]
    if elsewhere:
        raise ImageError(
            "The Apply that was cut off also changes other disks, which are not open here.",
            cause="One of them alone would be newer than the others.",
            advice=f"Open them together: {', '.join((first.path, *elsewhere))}.",
            where=first.path,
        )
    return record


def was_only_carried(facts: Sequence[ImageFacts]) -> bool:
    """Whether it was cut off before every disk had its journal: nothing is written, and it must be begun anew."""
    found = [disk.unfinished for disk in facts if disk.unfinished is not None]
    missing = [disk for disk in facts if disk.unfinished is None and disk.path in found[0].disks]
    return bool(missing) and not any(record.has_begun for record in found)


def _was_written_since(path: str) -> ImageError:
    return ImageError(
        "The earlier Apply cannot be finished: the image was written by somebody else since.",
        advice="Check the guest's filesystems; Discard removes what is left of the Apply.",
        where=path,
    )
