# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that belongs to one open image, from the exports on its host to the appliance here, as one.

Starting the appliance takes nearly all the time of an open, so whatever can, happens before or beside it: the child
loads libguestfs and KVM is probed while the host is asked; other images of the folder are looked through while it
starts. Blocks; the session's thread, except ``kill``.
"""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images import old_drafts, requests
from vmconsole.images.client import GuestfsClient
from vmconsole.images.disk import OpenDisk
from vmconsole.images.draft import Draft, make_overlay
from vmconsole.images.facts import Packing
from vmconsole.images.kvm import Acceleration, acceleration, remember_failure
from vmconsole.images.messages import ImageMode, ImageOverview, OldDraft
from vmconsole.images.qmp import MONITOR
from vmconsole.images.unpacking import Unpacked, unpack
from vmconsole.inventory.errors import ImageError, ImageInUse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vmconsole.images.facts import ImageFacts
    from vmconsole.images.messages import Device, ImageSource, Usage
    from vmconsole.inventory.errors import Explanation
    from vmconsole.links.base import Shell

LAUNCH_DEADLINE_S = 900.0
LOOK_DEADLINE_S = 300.0
UNLOCK_DEADLINE_S = 180.0
"""A key is stretched for some seconds on purpose, and an emulated machine is many times slower."""


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
    keys: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    """Keys that opened a volume, by its UUID: for the next ``open``. In memory only."""
    new_client: Callable[..., GuestfsClient] = GuestfsClient
    """Gives a client for ``on_progress`` and ``on_end``: a new one, or one whose appliance runs already."""


class OpenImage:
    """One image, or several disks of one guest, opened once and closed once."""

    def __init__(self, around: Surroundings, old_draft: OldDraft = OldDraft.REFUSED) -> None:
        self._around = around
        self._wanted = old_draft
        self.client = around.new_client(on_progress=around.on_progress, on_end=around.on_lost)
        self._disks = [OpenDisk(s, around.shell, on_lost=around.on_lost) for s in around.source.disks]
        self._unpacked: list[Unpacked] = []
        self._contents: requests.Contents | None = None
        self._killed = threading.Event()
        self._draft: Draft | None = None
        self._shown_draft: Draft | None = None
        self._old_draft = ""
        self._acceleration = Acceleration(works=False)
        self._look_only_reason: Explanation | None = None

    @property
    def facts(self) -> ImageFacts:
        """Of the first disk."""
        return self._disks[0].facts

    @property
    def all_facts(self) -> tuple[ImageFacts, ...]:
        """Of every disk, in order."""
        return tuple(disk.facts for disk in self._disks)

    @property
    def sockets(self) -> tuple[Path, ...]:
        """Where the disks are served, in order."""
        return tuple(disk.socket for disk in self._disks)

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
            self._look_at_disks()
            overlays, was_resumed = self._prepare()
            probe.join()
            self._launch(overlays)
            self._refuse_bases()
        finally:
            probe.join()
        return self._overview(self._look_with_keys(), was_resumed=was_resumed)

    def _look_at_disks(self) -> None:
        for disk in self._disks:
            disk.look()
        if any(facts.packing is not Packing.NONE for facts in self.all_facts):
            self._unpack()
        reasons = (disk.look_only_reason for disk in self._disks)
        self._look_only_reason = self._look_only_reason or next((r for r in reasons if r is not None), None)
        if self._look_only_reason is None:
            for disk in self._disks:
                disk.begin_survey()

    def _unpack(self) -> None:
        """Images that are packed become copies on this machine, to look only."""
        around = self._around
        around.on_step("Unpacking")
        found: list[OpenDisk] = []
        for disk in self._disks:
            if disk.facts.packing is Packing.NONE:
                found.append(disk)
                continue
            unpacked = unpack(
                disk.shell, disk.facts, around.work_dir, report=around.on_progress, is_cancelled=self._killed.is_set
            )
            self._unpacked.append(unpacked)
            found += [OpenDisk(source, shell, on_lost=around.on_lost) for source, shell in unpacked.parts]
            self._look_only_reason = self._look_only_reason or unpacked.reason
        self._disks = found
        for disk in found:
            disk.look()

    def look(self, only_device: str = "") -> requests.Contents:
        """Mount what is there; ``only_device`` shows one filesystem alone."""
        self._around.on_step("Finding the filesystems")
        is_look_only = self._look_only_reason is not None
        targets = tuple(disk.source.target for disk in self._disks)
        contents = self.client.ask(requests.Look(is_look_only, only_device, targets), deadline_s=LOOK_DEADLINE_S)
        assert isinstance(contents, requests.Contents)
        named = {f"/dev/sd{chr(ord('a') + n)}": disk.source for n, disk in enumerate(self._disks[:26])}
        self._contents = contents = dataclasses.replace(
            contents, devices=tuple(_named(device, named) for device in contents.devices)
        )
        return contents

    def _look_with_keys(self) -> requests.Contents:
        """With the keys that were given before: the image is opened for the second time."""
        contents = self.look()
        known = [(f.device, self._around.keys[f.uuid]) for f in contents.filesystems if f.uuid in self._around.keys]
        for device, key in known:
            self.unlock(device, key)
        return self.look() if known else contents

    def unlock(self, device: str, key: str) -> None:
        """Open an encrypted volume; ``look`` then shows what is in it. Raises ImageUnreadable if the key is wrong."""
        self._around.on_step("Unlocking")
        self.client.ask(requests.Unlock(device, key), deadline_s=UNLOCK_DEADLINE_S)
        filesystems = self._contents.filesystems if self._contents is not None else ()
        uuid = next((f.uuid for f in filesystems if f.device == device), "")
        if uuid:
            self._around.keys[uuid] = key

    def usage(self) -> tuple[Usage, ...]:
        """How full what is mounted is."""
        found = self.client.ask(requests.Measure(), deadline_s=LOOK_DEADLINE_S)
        assert isinstance(found, tuple)
        return found

    def overview_of(self, before: ImageOverview, contents: requests.Contents) -> ImageOverview:
        """The overview with other filesystems shown."""
        return dataclasses.replace(
            before,
            filesystems=contents.filesystems,
            os_name=contents.os_name or before.os_name,
            has_os_tree=contents.has_os_tree,
        )

    def swap_layers(self, before: ImageOverview) -> ImageOverview:
        """The draft has other layers now: put them below the running appliance, and look again. Raises ImageError or
        LinkError if that cannot be; the image must be opened anew then."""
        assert self._draft is not None
        self._around.on_step("Changing the layers")
        overlays = tuple(str(overlay) for overlay in self._draft.overlays)
        self.client.ask(requests.Swap(overlays), deadline_s=LOOK_DEADLINE_S)
        return self.overview_of(before, self._look_with_keys())

    def _probe(self) -> None:
        self._acceleration = acceleration(self._kvm_cache)

    @property
    def _kvm_cache(self) -> Path | None:
        return self._around.cache_dir / "kvm.json" if self._around.cache_dir is not None else None

    def _prepare(self) -> tuple[tuple[Path, ...], bool]:
        """Take the draft and serve the disks. Returns their overlays, and whether there are earlier changes."""
        if self._look_only_reason is None:
            self._take_draft()
        self._around.on_step("Serving the image from its host")
        self._serve()
        draft, sockets = self._draft, self.sockets
        if self._shown_draft is not None:
            return self._shown_draft.look_on(*sockets), True
        if draft is None:
            overlays = tuple(socket.with_name("overlay.qcow2") for socket in sockets)
            for overlay, disk in zip(overlays, self._disks, strict=True):
                make_overlay(overlay, disk.socket, disk.facts.virtual_size_bytes)
            return overlays, False
        if draft.exists:
            draft.resume(*sockets)
            return draft.overlays, True
        draft.begin_all(self.all_facts, sockets, old_drafts.samples_of(self._disks))
        return draft.overlays, False

    def _take_draft(self) -> None:
        around = self._around
        try:
            draft = self._draft = Draft(around.work_dir, around.source)
        except ImageInUse as error:
            self._look_only_reason = error.explanation
            return
        if not draft.exists or draft.identities == tuple(facts.identity for facts in self.all_facts):
            return
        found = old_drafts.judge(draft, self._disks)
        if found.is_untold and self._wanted is OldDraft.TRUSTED:
            draft.take_over(self.all_facts)
            return
        self._look_only_reason = found.reason
        self._old_draft = "untold" if found.is_untold else "unfit" if found.may_be_shown else ""
        if found.may_be_shown and self._wanted is OldDraft.LOOKED_AT:
            self._look_only_reason, self._old_draft = old_drafts.shown_words(draft), "shown"
            self._shown_draft, self._draft = draft, None
            return
        self._let_go_of_draft()

    def _let_go_of_draft(self) -> None:
        if self._draft is not None:
            self._draft.close()
            self._draft = None

    def _serve(self) -> None:
        """Serve with the lock; if another has it, beside him and to look only."""
        shares = self._around.source.guest_is_running or self._shown_draft is not None
        try:
            for disk in self._disks:
                disk.serve(shares=shares)
        except ImageInUse as error:
            if shares:
                raise
            self._look_only_reason = self._look_only_reason or error.explanation
            self._let_go_of_draft()
            for disk in self._disks:
                disk.serve(shares=True)

    def _launch(self, overlays: tuple[Path, ...]) -> None:
        around = self._around
        slow = "" if self._acceleration.works else " (without KVM: up to a minute)"
        around.on_step(f"Starting the appliance{slow}")
        cache_dir = str(around.cache_dir) if around.cache_dir is not None else ""
        first, *more = (str(overlay) for overlay in overlays)
        launch = requests.Launch(
            first, force_tcg=not self._acceleration.works, cache_dir=cache_dir, more_overlays=tuple(more),
            monitor=str(Path(self.client.folder) / MONITOR) if self._draft is not None else "",
            sockets=tuple(str(socket) for socket in self.sockets),
        )  # fmt: skip
        launched = self.client.ask(launch, deadline_s=LAUNCH_DEADLINE_S)
        assert isinstance(launched, requests.Launched)
        if launched.said:
            self._acceleration = remember_failure(self._kvm_cache, launched.said)

    def _refuse_bases(self) -> None:
        for disk in self._disks:
            reason = disk.based_on_it()
            if reason is not None and self._look_only_reason is None:
                self._look_only_reason = reason
                self._let_go_of_draft()

    def _overview(self, contents: requests.Contents, *, was_resumed: bool) -> ImageOverview:
        facts, reason = self.facts, self._look_only_reason
        is_unfinished = reason is not None and any(facts.unfinished is not None for facts in self.all_facts)
        return ImageOverview(
            source=self._around.source,
            mode=ImageMode.DRAFT if reason is None else ImageMode.LOOK_ONLY,
            mode_reason=reason,
            format=facts.format,
            virtual_size_bytes=sum(facts.virtual_size_bytes for facts in self.all_facts),
            devices=contents.devices,
            filesystems=contents.filesystems,
            os_name=contents.os_name,
            has_os_tree=contents.has_os_tree,
            is_slow=not self._acceleration.works,
            speed_note=self._acceleration.note,
            confinement_note=self.client.confinement_note,
            draft_was_resumed=was_resumed,
            old_draft=self._old_draft,
            snapshots=() if len(self._disks) > 1 else facts.snapshots,
            unfinished_apply=reason.what if is_unfinished and reason is not None else "",
        )

    def let_go_of_appliance(self) -> None:
        """End the appliance; the exports and the draft stay."""
        self.client.close()

    def let_go(self, disk: int) -> None:
        """End the appliance, and the export of one disk, so that it is free; the draft stays ours."""
        self.client.close()
        self._disks[disk].stop_serving()

    def kill(self, reason: ImageError) -> None:
        """Free a stuck request, at once. Any thread."""
        self._killed.set()
        self.client.kill(reason)

    def close(self, *, keep_draft: bool) -> None:
        """End everything."""
        self.client.close()
        for disk in self._disks:
            disk.close()
        for unpacked in self._unpacked:
            unpacked.close()
        if self._draft is not None:
            if not keep_draft:
                self._draft.forget()
            self._let_go_of_draft()
        if self._shown_draft is not None:
            self._shown_draft.close()


def _named(device: Device, sources: Mapping[str, ImageSource]) -> Device:
    """With the image that it is."""
    source = sources.get(device.name)
    return device if source is None else dataclasses.replace(device, path=source.path, target=source.target)
