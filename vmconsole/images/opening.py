# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that belongs to one open image, from the export on its host to the appliance here, as one.

Starting the appliance takes nearly all the time of an open, so whatever can, happens before or beside it: the child
loads libguestfs and KVM is probed while the host is asked; other images of the folder are looked through while it
starts. Blocks; the session's thread, except ``kill``.
"""

from __future__ import annotations

import dataclasses
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images import requests
from vmconsole.images.client import GuestfsClient
from vmconsole.images.draft import Draft, make_overlay
from vmconsole.images.export import Export
from vmconsole.images.facts import EDITABLE_FORMATS, ImageFacts, look_at, overlays_command, overlays_of
from vmconsole.images.kvm import Acceleration, acceleration
from vmconsole.images.messages import ImageMode, ImageOverview
from vmconsole.inventory.errors import Explanation, ImageError, ImageInUse

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.messages import ImageSource
    from vmconsole.links.base import Shell

LAUNCH_DEADLINE_S = 900.0
LOOK_DEADLINE_S = 300.0
_SIDE_DEADLINE_S = 30.0
_SECTOR_BYTES = 512


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What an image is opened with."""

    source: ImageSource
    shell: Shell
    work_dir: Path
    cache_dir: Path | None
    on_step: Callable[[str], None]
    on_progress: Callable[[str, int, int], None]
    on_lost: Callable[[ImageError], None]


class OpenImage:
    """One image, opened once and closed once."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.client = GuestfsClient(on_progress=around.on_progress, on_end=around.on_lost)
        self._export: Export | None = None
        self._draft: Draft | None = None
        self._facts: ImageFacts | None = None
        self._acceleration = Acceleration(works=False)
        self._look_only_reason: Explanation | None = None

    @property
    def facts(self) -> ImageFacts:
        assert self._facts is not None
        return self._facts

    @property
    def draft(self) -> Draft | None:
        """None if it was opened to look only."""
        return self._draft

    def open(self) -> ImageOverview:
        """Do all the steps. Raises ImageError or LinkError; ``close`` must be called in any case."""
        around = self._around
        around.on_step("Looking at the image")
        self.client.start()
        probe = threading.Thread(target=self._probe, name="kvm probe")
        probe.start()
        try:
            self._facts = facts = look_at(around.shell, around.source)
            self._look_only_reason = _reason_to_look_only(around.source, facts)
            others = around.shell.popen(overlays_command(facts.path))
            try:
                overlay, was_resumed = self._prepare()
                probe.join()
                self._launch(overlay)
                self._refuse_base(_ended(others))
            finally:
                _end(others)
        finally:
            probe.join()
        return self._overview(self.look(), was_resumed=was_resumed)

    def look(self, only_device: str = "") -> requests.Contents:
        """Mount what is there; ``only_device`` shows one filesystem alone."""
        self._around.on_step("Finding the filesystems")
        is_look_only = self._look_only_reason is not None
        contents = self.client.ask(requests.Look(is_look_only, only_device), deadline_s=LOOK_DEADLINE_S)
        assert isinstance(contents, requests.Contents)
        return contents

    def overview_of(self, before: ImageOverview, contents: requests.Contents) -> ImageOverview:
        """The overview with other filesystems shown."""
        return dataclasses.replace(
            before,
            filesystems=contents.filesystems,
            os_name=contents.os_name or before.os_name,
            has_os_tree=contents.has_os_tree,
        )

    def _probe(self) -> None:
        cache = self._around.cache_dir / "kvm.json" if self._around.cache_dir is not None else None
        self._acceleration = acceleration(cache)

    def _prepare(self) -> tuple[Path, bool]:
        """Take the draft and serve the image. Returns the overlay, and whether it has earlier changes."""
        around, facts = self._around, self.facts
        if self._look_only_reason is None:
            self._take_draft()
        around.on_step("Serving the image from its host")
        export = self._serve()
        if self._draft is None:
            overlay = export.socket.with_name("overlay.qcow2")
            make_overlay(overlay, export.socket, facts.virtual_size_bytes)
            return overlay, False
        if self._draft.exists:
            self._draft.resume(export.socket)
            return self._draft.overlay, True
        self._draft.begin(facts, export.socket)
        return self._draft.overlay, False

    def _take_draft(self) -> None:
        around = self._around
        try:
            self._draft = Draft(around.work_dir, around.source)
        except ImageInUse as error:
            self._look_only_reason = error.explanation
            return
        if self._draft.exists and self._draft.identity != self.facts.identity:
            self._look_only_reason = Explanation(
                "There is a draft of an older state of this image, and it does not fit the image any more.",
                cause="The guest ran, or somebody else changed the image, since the draft was begun.",
                advice="Discard the draft to edit the image as it is now.",
                where=str(self._draft.folder),
            )
            self._let_go_of_draft()

    def _let_go_of_draft(self) -> None:
        if self._draft is not None:
            self._draft.close()
            self._draft = None

    def _serve(self) -> Export:
        """Serve with the lock; if another has it, beside him and to look only."""
        around = self._around
        shares = around.source.guest_is_running
        self._export = Export(around.shell, self.facts, on_lost=around.on_lost)
        try:
            self._export.start(shares=shares)
        except ImageInUse as error:
            if shares:
                raise
            self._export.close()
            self._look_only_reason = error.explanation
            self._let_go_of_draft()
            self._export = Export(around.shell, self.facts, on_lost=around.on_lost)
            self._export.start(shares=True)
        return self._export

    def _launch(self, overlay: Path) -> None:
        around = self._around
        slow = "" if self._acceleration.works else " (without KVM: up to a minute)"
        around.on_step(f"Starting the appliance{slow}")
        cache_dir = str(around.cache_dir) if around.cache_dir is not None else ""
        launch = requests.Launch(str(overlay), force_tcg=not self._acceleration.works, cache_dir=cache_dir)
        self.client.ask(launch, deadline_s=LAUNCH_DEADLINE_S)

    def _refuse_base(self, out: str) -> None:
        """An image that others are based on must never be written."""
        facts = self.facts
        based = overlays_of(out, facts.path, facts.path.rpartition("/")[0])
        if based and self._look_only_reason is None:
            self._look_only_reason = Explanation(
                f"Other images are based on this one: {', '.join(based)}.",
                cause="To change a base image destroys every image that is based on it.",
                advice="Edit the image on top instead, or commit or flatten it first.",
                where=facts.path,
            )
            self._let_go_of_draft()

    def _overview(self, contents: requests.Contents, *, was_resumed: bool) -> ImageOverview:
        facts, reason = self.facts, self._look_only_reason
        return ImageOverview(
            source=self._around.source,
            mode=ImageMode.DRAFT if reason is None else ImageMode.LOOK_ONLY,
            mode_reason=reason,
            format=facts.format,
            virtual_size_bytes=facts.virtual_size_bytes,
            devices=contents.devices,
            filesystems=contents.filesystems,
            os_name=contents.os_name,
            has_os_tree=contents.has_os_tree,
            is_slow=not self._acceleration.works,
            speed_note=self._acceleration.note,
            draft_was_resumed=was_resumed,
            unfinished_apply=reason.what if facts.unfinished is not None and reason is not None else "",
        )

    def let_go(self) -> None:
        """End the appliance and the export, so that the image is free; the draft stays ours."""
        self.client.close()
        if self._export is not None:
            self._export.close()
            self._export = None

    def kill(self, reason: ImageError) -> None:
        """Free a stuck request, at once. Any thread."""
        self.client.kill(reason)

    def close(self, *, keep_draft: bool) -> None:
        """End everything."""
        self.let_go()
        if self._draft is not None:
            if not keep_draft:
                self._draft.forget()
            self._let_go_of_draft()


def _reason_to_look_only(source: ImageSource, facts: ImageFacts) -> Explanation | None:
    """Why this image cannot be edited, as far as its facts say."""
    if facts.unfinished is not None:
        return _unfinished_words(facts)
    if source.guest_is_running:
        return Explanation(
            f"The guest {source.guest_name} is running, so its disk is open to look only.",
            cause="What is shown may be a moment old, and half-written.",
            advice="Shut the guest down to edit.",
            where=facts.path,
        )
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


def _unfinished_words(facts: ImageFacts) -> Explanation:
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
    return Explanation(
        f"An earlier Apply of {unfinished.changes} changes was cut off.",
        cause="The link or the host died while the image was written.",
        advice="Apply finishes it. Do not start the guest before.",
        where=facts.path,
    )


def _ended(process: subprocess.Popen[bytes]) -> str:
    try:
        out, _ = process.communicate(timeout=_SIDE_DEADLINE_S)
    except subprocess.TimeoutExpired as error:
        raise ImageError(
            "The other images beside this one could not be looked through in time.",
            cause="It must be known that none of them is based on it before it may be edited.",
        ) from error
    return out.decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
