# SPDX-License-Identifier: GPL-3.0-or-later
"""An open image without an appliance: real files, real exports, a real draft, and the product's own Apply.

What an appliance would have written comes from ready layers. Everything else is what a session does.
"""

from __future__ import annotations

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
    from collections.abc import Callable
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

    disk: OpenDisk
    draft: Draft | None
    client: NoAppliance = field(default_factory=NoAppliance)

    @property
    def all_facts(self) -> tuple[ImageFacts, ...]:
        return (self.disk.facts,)

    @property
    def sockets(self) -> tuple[Path, ...]:
        return (self.disk.socket,)

    def let_go_of_appliance(self) -> None:
        pass

    def let_go(self) -> None:
        self.disk.stop_serving()

    def close(self) -> None:
        self.disk.close()
        draft, self.draft = self.draft, None
        if draft is not None:
            draft.close()


@dataclass
class Place:
    """Where a story happens: the image ``disk.qcow2``, ready layers ``layer-N.qcow2``, and drafts in ``work``."""

    folder: Path

    @property
    def image(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def source(self) -> ImageSource:
        return ImageSource(str(self.image), "qcow2", where="kvm1", guest_name="web1")

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
            reopen=lambda: None,  # type: ignore[arg-type,return-value]  # nothing is opened here
            enter=enter,
            emit=lambda _event: None,
        )
        return DraftWork(around, users, hooks), give

    def open(self, shell: Shell) -> StandIn:
        """Look at the image and serve it; take up the draft if there is one that fits, or begin one."""
        disk = OpenDisk(self.source, shell, on_lost=lambda _error: None)
        facts = disk.look()
        if facts.unfinished is not None:
            return StandIn(disk, None)
        draft = Draft(self.work, self.source)
        image = StandIn(disk, draft)
        try:
            assert not draft.exists or draft.identity == facts.identity, "a draft that does not fit the image was left"
            disk.serve(shares=False)
            if draft.exists:
                draft.resume(disk.socket)
            else:
                draft.begin(facts, disk.socket)
        except BaseException:
            image.close()  # a test that fails here must not leave a server
            raise
        return image

    def edit(self, image: StandIn) -> None:
        """What an appliance would do in two steps."""
        draft = image.draft
        assert draft is not None
        for number in (1, 2):
            top = draft.overlay
            shutil.copy(self.folder / "ready" / top.name, top)
            if number == 1:
                put_on(top, image.disk.socket)
            draft.add(ChangeVerb.WRITTEN, f"/file{number}")
            draft.next_tops()
            draft.seal()
