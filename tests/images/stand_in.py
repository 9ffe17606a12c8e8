# SPDX-License-Identifier: GPL-3.0-or-later
"""An open image without an appliance: real files, real exports, a real draft, and the product's own Apply.

What an appliance would have written comes from ready layers. Everything else is what a session does.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmconsole.images.disk import OpenDisk
from vmconsole.images.draft import Draft
from vmconsole.images.draft_work import DraftWork, Hooks
from vmconsole.images.layers import put_on
from vmconsole.images.messages import ChangeVerb, ImageSource, SessionState
from vmconsole.images.opening import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vmconsole.images.facts import ImageFacts
    from vmconsole.links.base import Shell


class NoAppliance:
    """Where the session would end its appliance."""

    folder = "/nowhere"

    def ask(self, request: object, *, deadline_s: float) -> None:
        del request, deadline_s


@dataclass
class StandIn:
    """The part of ``OpenImage`` that an Apply uses."""

    disks: Sequence[OpenDisk]
    draft: Draft | None
    client: NoAppliance = field(default_factory=NoAppliance)

    @property
    def all_facts(self) -> tuple[ImageFacts, ...]:
        return tuple(disk.facts for disk in self.disks)

    @property
    def sockets(self) -> tuple[Path, ...]:
        return tuple(disk.socket for disk in self.disks)

    def let_go_of_appliance(self) -> None:
        pass

    def let_go(self, disk: int) -> None:
        self.disks[disk].stop_serving()

    def close(self) -> None:
        for disk in self.disks:
            disk.close()
        draft, self.draft = self.draft, None
        if draft is not None:
            draft.close()


@dataclass
class Place:
    """Where a story happens: the image ``disk.qcow2``, ready layers ``ready/layer-N.qcow2``, and drafts in ``work``. A
    second disk is ``data.raw``, with its layers in ``ready1``."""

    folder: Path
    has_second_disk: bool = False

    @property
    def image(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def second(self) -> Path:
        return self.folder / "data.raw"

    @property
    def images(self) -> tuple[tuple[Path, str], ...]:
        """Every disk with its format."""
        return ((self.image, "qcow2"), (self.second, "raw")) if self.has_second_disk else ((self.image, "qcow2"),)

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def source(self) -> ImageSource:
        first, *more = (
            ImageSource(str(image), kind, where="kvm1", guest_name="web1", target=f"vd{'ab'[number]}")
            for number, (image, kind) in enumerate(self.images)
        )
        return dataclasses.replace(first, more=tuple(more))

    def draft_work(
        self,
        shell: Shell,
        *,
        step: Callable[[str], None] = lambda _words: None,
        users: Callable[[], tuple[str, ...]] = lambda: (),
    ) -> tuple[DraftWork, Callable[[StandIn | None], None]]:
        """The product's own part, and a way to give it the image."""
        current: list[StandIn | None] = [None]

        def enter(_state: SessionState, words: str, _problem: object) -> None:
            step(words)

        def tear_down() -> None:
            if current[0] is not None:
                current[0].close()
                current[0] = None

        def give(image: StandIn | None) -> None:
            current[0] = image

        around = Surroundings(
            source=self.source, shell=shell, work_dir=self.work, cache_dir=None, on_step=step,
            on_progress=lambda words, _position, _total: step(words), on_lost=lambda _error: None,
        )  # fmt: skip
        hooks = Hooks(
            current=lambda: current[0],  # type: ignore[arg-type]  # it stands in for an OpenImage
            tear_down=tear_down,
            reopen=lambda: give(self.open(shell)),  # type: ignore[arg-type,return-value]  # there is nothing to show
            swap_layers=lambda _image: None,  # type: ignore[arg-type,return-value]  # as above
            enter=enter,
            emit=lambda _event: None,
        )
        return DraftWork(around, users, hooks), give

    def open(self, shell: Shell) -> StandIn:
        """Look at the image and serve it; take up the draft if there is one that fits, or begin one."""
        opened = [OpenDisk(source, shell, on_lost=lambda _error: None) for source in self.source.disks]
        facts = [disk.look() for disk in opened]
        if any(one.unfinished is not None for one in facts):
            return StandIn(opened, None)
        draft = Draft(self.work, self.source)
        image = StandIn(opened, draft)
        try:
            fits = draft.identities == tuple(one.identity for one in facts)
            assert not draft.exists or fits, "a draft that does not fit the image was left"
            for disk in opened:
                disk.serve(shares=False)
            if draft.exists:
                draft.resume(*image.sockets)
            else:
                draft.begin_all(facts, image.sockets)
        except BaseException:
            image.close()  # a test that fails here must not leave a server
            raise
        return image

    def edit(self, image: StandIn) -> None:
        """What an appliance would do in two steps."""
        draft = image.draft
        assert draft is not None
        for number in (1, 2):
            for top, folder, disk in zip(draft.overlays, ("ready", "ready1"), image.disks, strict=False):
                shutil.copy(self.folder / folder / top.name, top)
                if number == 1:
                    put_on(top, disk.socket)
            draft.add(ChangeVerb.WRITTEN, f"/file{number}")
            draft.next_tops()
            draft.seal()
