# SPDX-License-Identifier: GPL-3.0-or-later
"""One disk of an open image: what its host says of it, and its export. Blocks; the session's thread.

An image session has one of these for each disk of the guest that it shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.images.bases import Survey
from vmconsole.images.device_use import why_held
from vmconsole.images.export import Export
from vmconsole.images.facts import EDITABLE_FORMATS, ImageFacts, look_at
from vmconsole.inventory.errors import Explanation, ImageUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmconsole.images.messages import ImageSource
    from vmconsole.inventory.errors import ImageError
    from vmconsole.links.base import Shell

_SECTOR_BYTES = 512


class OpenDisk:
    """``look``, ``begin_survey``, ``serve``, ``based_on_it``, in that order; ``close`` once, in any case."""

    def __init__(self, source: ImageSource, shell: Shell, *, on_lost: Callable[[ImageError], None]) -> None:
        self.source, self.shell = source, shell
        self._on_lost = on_lost
        self._facts: ImageFacts | None = None
        self._export: Export | None = None
        self._survey: Survey | None = None
        self._held: Explanation | None = None

    @property
    def facts(self) -> ImageFacts:
        assert self._facts is not None
        return self._facts

    @property
    def socket(self) -> Path:
        """Where it is served, on this machine."""
        assert self._export is not None
        return self._export.socket

    def look(self) -> ImageFacts:
        """Ask the host. Raises ImageError or LinkError."""
        self._facts = facts = look_at(self.shell, self.source)
        self._held = why_held(self.shell, facts)
        wanted = self.source.snapshot
        if wanted and wanted not in {s.id for s in facts.snapshots}:
            raise ImageUnreadable(
                "The snapshot is not in the image any more.", advice="Open the image as it is now.", where=facts.path
            )
        return facts

    @property
    def look_only_reason(self) -> Explanation | None:
        """Why it cannot be edited, as far as is known before it is served."""
        return reason_to_look_only(self.source, self.facts) or self._held

    def begin_survey(self) -> None:
        """Begin to look through the other images of the folder, beside what comes next."""
        self._survey = Survey(self.shell, self.facts)

    def serve(self, *, shares: bool) -> None:
        """Export it: with its lock, or beside whoever has that. Raises ImageInUse or another ImageError."""
        self.stop_serving()
        self._export = Export(self.shell, self.facts, on_lost=self._on_lost, snapshot=self.source.snapshot)
        self._export.start(shares=shares)

    def based_on_it(self) -> Explanation | None:
        """An image that others are based on must never be written: the words, if it is one."""
        return self._survey.found() if self._survey is not None else None

    def stop_serving(self) -> None:
        if self._export is not None:
            self._export.close()
            self._export = None

    def close(self) -> None:
        self.stop_serving()
        if self._survey is not None:
            self._survey.close()
            self._survey = None


def reason_to_look_only(source: ImageSource, facts: ImageFacts) -> Explanation | None:
    """Why this disk cannot be edited, as far as its facts say."""
    if facts.unfinished is not None and not source.snapshot:
        return unfinished_words(facts)
    if source.guest_is_running:
        return Explanation(
            f"The guest {source.guest_name} is running, so its disk is open to look only.",
            cause="What is shown may be a moment old, and half-written.",
            advice="Shut the guest down to edit.",
            where=facts.path,
        )
    if source.snapshot:
        return _snapshot_words(source, facts)
    if source.is_read_only:
        return Explanation("This image was opened to look only.", where=facts.path)
    if facts.format not in EDITABLE_FORMATS:
        return Explanation(
            f"Images of the format «{facts.format}» can be looked at, not edited.",
            advice="Convert it first: `qemu-img convert -O qcow2`.",
            where=facts.path,
        )
    if facts.virtual_size_bytes % _SECTOR_BYTES:
        return Explanation("Its size is not a whole number of sectors, so it can only be looked at.", where=facts.path)
    return None


def _snapshot_words(source: ImageSource, facts: ImageFacts) -> Explanation:
    name = next((s.name for s in facts.snapshots if s.id == source.snapshot), source.snapshot)
    return Explanation(
        f"This is the snapshot «{name}», which can only be looked at.",
        advice="Copy out what you need, or open the image as it is now to edit.",
        where=facts.path,
    )


def unfinished_words(facts: ImageFacts) -> Explanation:
    """On an Apply that was cut off."""
    unfinished = facts.unfinished
    assert unfinished is not None
    if unfinished.is_running:
        return Explanation(
            f"{unfinished.changes} changes are being written into this image by its host now.",
            advice="Apply waits for the end of it.",
            where=facts.path,
        )
    if unfinished.image_was_written_since and unfinished.result != "0":
        return Explanation(
            "An earlier Apply of this image was cut off, and the image was written by somebody else since.",
            cause="The guest was probably started. To go on would mix two states.",
            advice="Check the guest's filesystems; Discard then removes what is left of the Apply.",
            where=facts.path,
        )
    together = f" It has {len(unfinished.disks)} disks: open them together." if len(unfinished.disks) > 1 else ""
    return Explanation(
        f"An earlier Apply of {unfinished.changes} changes was cut off.",
        cause="The link or the host died while the image was written.",
        advice=f"Apply finishes it. Do not start the guest before.{together}",
        where=facts.path,
    )
