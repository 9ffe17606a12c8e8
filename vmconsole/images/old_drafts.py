# SPDX-License-Identifier: GPL-3.0-or-later
"""A kept draft, and an image that is not what it was when the draft was begun, or of which nobody can tell. Blocks (a
short command on the host, for devices); the session's thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images.device_sample import sample_of
from vmconsole.inventory.errors import Explanation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.images.disk import OpenDisk
    from vmconsole.images.draft import Draft
    from vmconsole.images.facts import ImageFacts

_NAMED = 6


@dataclass(frozen=True, slots=True)
class Judged:
    """A draft that does not simply go on."""

    reason: Explanation
    is_untold: bool
    """Nothing says that the image was written, and nobody can prove that it was not."""
    may_be_shown: bool = True
    """Its layers fit the disks that are open."""


def samples_of(disks: Sequence[OpenDisk]) -> tuple[str, ...]:
    """For a draft that is begun."""
    return tuple(sample_of(disk.shell, disk.facts) for disk in disks)


def judge(draft: Draft, disks: Sequence[OpenDisk]) -> Judged:
    """Of a draft whose identities are not those of the disks now."""
    if len(draft.identities) != len(disks):
        reason = Explanation(
            f"There is a draft of this image that was begun with {len(draft.identities)} disks open together; "
            f"now it is {len(disks)}.",
            advice="Open the same disks as then to go on with it, or discard the draft.",
            where=str(draft.folder),
        )
        return Judged(reason, is_untold=False, may_be_shown=False)
    changed = [
        (disk, identity, sample)
        for disk, identity, sample in zip(disks, draft.identities, draft.samples, strict=True)
        if disk.facts.identity != identity
    ]
    was_restarted = all(_only_restarted(identity, disk.facts) for disk, identity, _ in changed)
    is_untold = was_restarted and all(sample and sample == sample_of(d.shell, d.facts) for d, _, sample in changed)
    return Judged(_restarted_words(draft) if is_untold else _unfit_words(draft), is_untold=is_untold)


def _only_restarted(identity: str, facts: ImageFacts) -> bool:
    """Whether all that is told is that the host was started again (``journal.identity_command``: the device's number,
    the start of the system, the sectors written since)."""
    then, now = identity.split(), facts.identity.split()
    return facts.is_block_device and len(then) == len(now) == 3 and then[1] != now[1]


def _restarted_words(draft: Draft) -> Explanation:
    return Explanation(
        "There is a draft of this device, and its host was restarted since: nobody can tell whether the device was "
        "written meanwhile.",
        cause=f"A device has no time of its last change. Samples of its content are as they were. {_contents(draft)}",
        advice="If the guest did not run and no other machine has this storage, go on with the draft. If you are not "
        "sure, look at the draft, copy out what you need, discard it, and bring that in again.",
        where=str(draft.folder),
    )


def _unfit_words(draft: Draft) -> Explanation:
    return Explanation(
        "There is a draft of an older state of this image, and it does not fit the image any more.",
        cause=f"The guest ran, or somebody else changed the image, since the draft was begun. {_contents(draft)}",
        advice="Look at the draft to copy out what you need; then discard it to edit the image as it is now.",
        where=str(draft.folder),
    )


def shown_words(draft: Draft) -> Explanation:
    """While its files are shown."""
    return Explanation(
        "These are the files of the kept draft, on the image as it is now.",
        cause=f"Where the image was changed since, files may be damaged or mixed. {_contents(draft)}",
        advice="Copy out what you need, look whether it is whole, and discard the draft.",
        where=str(draft.folder),
    )


def _contents(draft: Draft) -> str:
    """What is in it: its list is not shown where it cannot be edited."""
    words = [change.words for change in draft.changes]
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return f"In the draft: {'; '.join(words[:_NAMED])}{more}." if words else ""
