# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with a session's draft as a whole: steps, Apply, taking back, discarding. The session's thread.

``cancel`` may be called from any thread.
"""

from __future__ import annotations

import logging
import secrets
import time
from concurrent.futures import CancelledError
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images import monitor, requests, unfinished, way_back
from vmconsole.images.apply import Apply
from vmconsole.images.applying import Applying, Deed, Part, no_room
from vmconsole.images.disk import OpenDisk
from vmconsole.images.draft import Draft
from vmconsole.images.layers import put_on
from vmconsole.images.messages import ChangesChanged, SessionState
from vmconsole.images.qmp import MONITOR
from vmconsole.inventory.errors import ConsoleError, ImageError, ImageNoSpace

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.messages import Applied, ImageOverview, OldDraft, SessionEvent
    from vmconsole.images.opening import OpenImage, Surroundings
    from vmconsole.inventory.errors import Explanation

log = logging.getLogger(__name__)
_FINISH_S = 300.0
MOST_KEPT_BYTES = 16 << 30
"""A way back is never larger; such an Apply must be agreed to without one."""
_MOST_LAYERS = 120
"""So many layers are open at once; further changes of this session are undone together with the last step."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the session gives and does."""

    current: Callable[[], OpenImage | None]
    tear_down: Callable[[], None]
    """End the appliance and the exports; keep the draft."""
    reopen: Callable[..., ImageOverview]
    """Perhaps with an ``OldDraft``."""
    """Open the image anew, whatever was before."""
    swap_layers: Callable[[OpenImage], ImageOverview]
    """Put the draft's layers below the running appliance. Raises ConsoleError."""
    enter: Callable[[SessionState, str, Explanation | None], None]
    emit: Callable[[SessionEvent], None]


class DraftWork:
    """Belongs to one session."""

    def __init__(self, around: Surroundings, users: Callable[[], tuple[str, ...]], hooks: Hooks) -> None:
        self._around, self._users, self._hooks = around, users, hooks
        self._applying: Applying | None = None
        self._is_cancelled = False

    def cancel(self) -> bool:
        """Stop the Apply that runs, if one does. Any thread."""
        applying = self._applying
        if applying is not None:
            applying.cancel()
        return applying is not None

    # -- steps -------------------------------------------------------------------------------------------------

    def seal(self, draft: Draft) -> None:
        """What was changed since the last step becomes one that can be undone by itself."""
        image = self._hooks.current()
        if image is None or not draft.may_seal(most=_MOST_LAYERS):
            return
        try:
            tops = draft.next_tops()
            monitor.new_layers(Path(image.client.folder) / MONITOR, tops)
        except ConsoleError as error:
            # It is undone together with the next change.
            log.warning("a step of a draft was not sealed: %s", error.explanation.said or error)
            return
        draft.seal()

    def go(self, steps: int) -> ImageOverview:
        """Undo or redo so many steps, below the running appliance; where that cannot be, the image is opened anew."""
        image, draft = self._opened_draft()
        if -steps > draft.steps_done or steps > draft.steps_undone:
            raise ImageError("There is nothing more to undo." if steps < 0 else "There is nothing to redo.")
        try:
            draft.go(steps)
            return self._hooks.swap_layers(image)
        except CancelledError as error:
            self._end_badly(error, "The change of layers")
            raise
        except ConsoleError as error:
            log.info("the image is opened anew for an undo: %s", error.explanation.said or error)
        image.let_go_of_appliance()
        self._hooks.tear_down()
        return self._hooks.reopen()

    # -- apply -------------------------------------------------------------------------------------------------

    def apply(self, *, keeps_way_back: bool) -> Applied:
        image = self._hooks.current()
        assert image is not None
        if any(facts.unfinished is not None for facts in image.all_facts):
            if unfinished.was_only_carried(image.all_facts):
                image = self._begin_anew(image)
            else:
                return self._finish_earlier(image)
        return self._apply_draft(image, keeps_way_back=keeps_way_back)

    def _apply_draft(self, image: OpenImage, *, keeps_way_back: bool) -> Applied:
        _, draft = self._opened_draft()
        was_closed = False

        def finish() -> None:
            nonlocal was_closed
            was_closed = True
            self._hooks.enter(SessionState.APPLYING, "Closing the draft", None)
            image.client.ask(requests.Finish(), deadline_s=_FINISH_S)
            image.let_go_of_appliance()

        parts = [self._part(draft, number, image) for number in range(len(image.all_facts))]
        _check_room_here(draft, parts, keeps_way_back=keeps_way_back)
        applying = self._begin(parts, finish=finish, let_go=image.let_go, forget=draft.forget)
        deed = Deed(
            draft.id, tuple(c.words for c in draft.changes), draft.packing_folder(), keeps_way_back=keeps_way_back
        )
        try:
            applied = applying.run(deed)
        except BaseException as error:
            # Whatever it was, also a cancel: if the appliance is gone, the state must say so. The draft is kept.
            if was_closed:
                self._end_badly(error)
            raise
        finally:
            self._applying = None
        self._hooks.tear_down()
        self._is_applied("The draft is in the image now.")
        return applied

    def _part(self, draft: Draft, number: int, image: OpenImage) -> Part:
        return Part(
            self._around.source.disks[number], self._around.shell, image.all_facts[number], draft.layers_of(number),
            image.sockets[number], back_folder(draft.folder, number),
        )  # fmt: skip

    def _begin_anew(self, image: OpenImage) -> OpenImage:
        """Of several disks not all were sealed, and none is written: remove what was, and take up the draft again."""
        found = unfinished.record_of(image.all_facts)
        draft = Draft(self._around.work_dir, self._around.source)  # who carries has its lock: nobody does any more
        is_ours = draft.id == found.draft_id
        draft.close()
        if not is_ours:
            raise ImageError(
                "An earlier Apply was cut off before anything was written, and its draft is not on this computer.",
                advice="Apply it where it was made; or Discard removes what is left of it from the host.",
                where=self._around.source.path,
            )
        self._discard_unfinished(image)
        self._hooks.tear_down()
        self._hooks.reopen()
        again = self._hooks.current()
        assert again is not None
        return again

    def _finish_earlier(self, image: OpenImage) -> Applied:
        found = unfinished.record_of(image.all_facts)
        draft = Draft(self._around.work_dir, self._around.source)

        def forget() -> None:
            if draft.id == found.draft_id:
                draft.forget()

        parts = [
            Part(source, self._around.shell, facts, (), Path(), back_folder(draft.folder, number))
            for number, (source, facts) in enumerate(zip(self._around.source.disks, image.all_facts, strict=True))
        ]
        applying = self._begin(parts, finish=lambda: None, let_go=image.let_go, forget=forget)
        self._hooks.enter(SessionState.APPLYING, "Finishing the earlier Apply", None)
        try:
            applied = applying.finish_earlier(found.draft_id, found.changes)
        except BaseException as error:
            # As above.
            self._end_badly(error)
            raise
        finally:
            self._applying = None
            draft.close()
        self._hooks.tear_down()
        self._is_applied("The draft is in the image now.")
        return applied

    def _begin(
        self,
        parts: list[Part],
        *,
        finish: Callable[[], None],
        let_go: Callable[[int], None],
        forget: Callable[[], None],
    ) -> Applying:
        around = self._around
        applying = self._applying = Applying(
            parts, self._users, around.on_progress, around.on_step, finish, let_go, forget
        )
        return applying

    def _is_applied(self, words: str) -> None:
        self._hooks.emit(ChangesChanged(()))
        self._hooks.enter(SessionState.APPLIED, words, None)

    def _end_badly(self, error: BaseException, what: str = "Apply") -> None:
        self._hooks.tear_down()
        problem = error.explanation if isinstance(error, ConsoleError) else None
        was_cancelled = isinstance(error, CancelledError)
        words = f"{what} was cancelled." if was_cancelled else problem.what if problem else f"{what} failed."
        self._hooks.enter(SessionState.LOST, f"{words} The draft is kept.", problem)

    # -- the way back ------------------------------------------------------------------------------------------

    def take_back(self) -> Applied:
        """Write back what the last Apply replaced. What it brought is kept in its place: it can be redone so."""
        around = self._around
        self._hooks.tear_down()
        with ExitStack() as stack:
            draft = Draft(around.work_dir, around.source)
            stack.callback(draft.close)
            if draft.exists:
                raise ImageError(
                    "There is a draft of this image.", advice="Discard it, or apply it, before an Apply is taken back.",
                    where=around.source.path,
                )  # fmt: skip
            self._hooks.enter(SessionState.APPLYING, "Taking back the last Apply", None)
            try:
                applied = self._take_back(draft, stack)
            except BaseException as error:
                # As in ``_apply_draft``.
                self._end_badly(error)
                raise
            finally:
                self._applying = None
        self._is_applied("The last Apply was taken back.")
        return applied

    def _take_back(self, draft: Draft, stack: ExitStack) -> Applied:
        around = self._around
        disks = [OpenDisk(s, around.shell, on_lost=around.on_lost) for s in around.source.disks]
        for disk in disks:
            stack.callback(disk.close)
        parts, backs = [], []
        for number, disk in enumerate(disks):
            folder = back_folder(draft.folder, number)
            back = way_back.load(folder)
            facts = disk.look()
            _check_way_back(back, facts.path, facts.identity, has_journal=facts.unfinished is not None)
            assert back is not None
            backs.append(back)
            disk.serve(shares=False)
            put_on(folder / back.file, disk.socket)
            parts.append(Part(disk.source, around.shell, facts, (folder / back.file,), disk.socket, folder))

        def let_go(number: int) -> None:
            disks[number].stop_serving()

        applying = self._begin(parts, finish=lambda: None, let_go=let_go, forget=lambda: None)
        deed = Deed(
            secrets.token_hex(8), backs[0].changes, draft.packing_folder(),
            is_taking_back=not backs[0].is_taking_back, must_find=tuple(back.digest for back in backs),
        )  # fmt: skip
        return applying.run(deed)

    def kept_way_back(self) -> way_back.WayBack | None:
        """Of the (first) image; reads a small file."""
        return way_back.load(back_folder(Draft.folder_of(self._around.work_dir, self._around.source), 0))

    def forget_way_back(self) -> None:
        """By the user's wish."""
        folder = Draft.folder_of(self._around.work_dir, self._around.source)
        for number in range(len(self._around.source.disks)):
            way_back.remove(back_folder(folder, number))

    # -- discard -----------------------------------------------------------------------------------------------

    def discard(self) -> ImageOverview:
        image = self._hooks.current()
        if image is not None:
            self._discard_unfinished(image)
        self._hooks.tear_down()
        # Also a draft that does not fit the image any more, and was not taken by ``open``, goes.
        draft = Draft(self._around.work_dir, self._around.source)
        draft.forget()
        draft.close()
        return self._hooks.reopen()

    def open_again(self, old_draft: OldDraft) -> ImageOverview:
        self._hooks.tear_down()
        return self._hooks.reopen(old_draft)

    def _discard_unfinished(self, image: OpenImage) -> None:
        for facts in image.all_facts:
            if facts.unfinished is not None and facts.unfinished.is_running:
                raise ImageError("The host is writing the image now; wait for its end.", where=facts.path)
            if facts.unfinished is not None:
                Apply(self._around.shell, facts, report=self._around.on_progress).discard_journal()

    def _opened_draft(self) -> tuple[OpenImage, Draft]:
        image = self._hooks.current()
        if image is None or image.draft is None:
            raise ImageError("This image is open to look only.", where=self._around.source.path)
        return image, image.draft


def _check_room_here(draft: Draft, parts: list[Part], *, keeps_way_back: bool) -> None:
    """For what is carried, and as much again for the way back. Raises ImageNoSpace while the image is still open."""
    size = sum(layer.stat().st_size for part in parts for layer in part.layers)
    if keeps_way_back and size > MOST_KEPT_BYTES:
        found = ImageNoSpace(f"The way back would take more than {MOST_KEPT_BYTES >> 30} GiB on this computer.")
        raise no_room(found, keeps_way_back=True)
    try:
        draft.check_room(2 * size if keeps_way_back else size)
    except ImageNoSpace as error:
        raise no_room(error, keeps_way_back=keeps_way_back) from error


def back_folder(draft_folder: Path, disk: int) -> Path:
    """Where the way back of one disk is kept."""
    return draft_folder / f"back{disk}"


def _check_way_back(back: way_back.WayBack | None, path: str, identity: str, *, has_journal: bool) -> None:
    if back is None:
        raise ImageError("There is no Apply of this image that could be taken back.", where=path)
    if has_journal:
        raise ImageError(
            "An Apply of this image was cut off.", advice="Open the image and finish that first.", where=path
        )
    if back.identity != identity:
        raise ImageError(
            "The image was changed since the last Apply, so that cannot be taken back.",
            cause="The guest ran, or somebody else changed the disk. To bring single blocks back would destroy it.",
            advice="Open the image and restore single files by hand.",
            where=path,
            said=f"applied {_day(back.at)}: {back.identity}; now: {identity}",
        )


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
