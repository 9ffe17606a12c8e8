# SPDX-License-Identifier: GPL-3.0-or-later
"""One Apply from the first check to the last: of a draft, of a way back, or the end of one that was cut off.

The order is what keeps the disk whole: nobody uses it, the new and the old blocks are files here, every disk's journal
is sealed on its host, and only then the first block is written. Blocks; the session's thread, except ``cancel``.
"""

from __future__ import annotations

import time
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmconsole.images import way_back
from vmconsole.images.apply import Apply, check_users
from vmconsole.images.bases import check_no_base
from vmconsole.images.journal import Record
from vmconsole.images.messages import Applied
from vmconsole.images.packing import Packed, Packing
from vmconsole.inventory.errors import ImageError, ImageNoSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vmconsole.images.facts import ImageFacts
    from vmconsole.images.messages import ImageSource
    from vmconsole.links.base import Shell


@dataclass(frozen=True, slots=True)
class Part:
    """One disk of the Apply."""

    source: ImageSource
    shell: Shell
    facts: ImageFacts
    layers: Sequence[Path]
    """The lowest first; it lies on the export."""
    export: Path
    """Socket of the image's export."""
    back_folder: Path
    """Where its way back is kept."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What is applied."""

    id: str
    changes: tuple[str, ...]
    """In words."""
    packing_folder: Path
    keeps_way_back: bool = True
    is_taking_back: bool = False
    must_find: tuple[str, ...] = ()
    """Digests of what each disk must have where it is written; empty for a draft."""


@dataclass(slots=True)
class Applying:
    """``run`` once. The callables are the session's: each is called in its turn, and may raise."""

    parts: Sequence[Part]
    users: Callable[[], tuple[str, ...]]
    """Who uses the image now."""
    report: Callable[[str, int, int], None]
    step: Callable[[str], None]
    finish: Callable[[], None]
    """End the appliance, so that the draft is whole on this machine's disk."""
    let_go: Callable[[int], None]
    """End the export of one disk (by its place in ``parts``), so that it can be written."""
    forget: Callable[[], None]
    """The draft is in the image: it is needed no more."""
    _is_cancelled: bool = False
    _applies: list[Apply] = field(default_factory=list)

    def cancel(self) -> None:
        """Stop, as long as nothing is written on the host. Any thread."""
        self._is_cancelled = True
        if any(apply.has_begun for apply in self._applies):
            self.step("It cannot be stopped any more, as half of a disk would be left; the host is writing")
        for apply in list(self._applies):
            apply.cancel()

    def run(self, deed: Deed) -> Applied:
        """Raises ImageError or LinkError, with the draft kept; CancelledError."""
        began_at = time.monotonic()
        self._applies = [Apply(p.shell, p.facts, report=self.report) for p in self.parts]
        self._check(deed)
        self.finish()
        self.step("Comparing the draft with the disk")
        packed = [self._pack(number, deed) for number in range(len(self.parts))]
        try:
            self._check_growth(packed)
            self._remember(deed, packed)
            self.step("Carrying the draft to the host")
            self._carry(deed)
            self.step("Writing the image")
            self._commit()
        except BaseException:
            # Whatever it was, also a cancel: what is sealed but not begun must not stay on any host.
            self._clear_untouched(deed)
            raise
        self._end(deed.id, keeps_way_back=deed.keeps_way_back)
        return Applied(len(deed.changes), sum(p.carried_bytes for p in packed), time.monotonic() - began_at)

    def finish_earlier(self, draft_id: str, changes: int) -> Applied:
        """Go on with an Apply whose journals are on the hosts already."""
        began_at = time.monotonic()
        self._applies = [Apply(p.shell, p.facts, report=self.report) for p in self.parts]
        check_users(self.users(), self.parts[0].source.path)
        for apply, part in zip(self._applies, self.parts, strict=True):
            apply.check_free()
            if part.facts.unfinished is not None and not part.facts.unfinished.has_begun:
                check_no_base(part.shell, part.facts)
        for number, (apply, part) in enumerate(zip(self._applies, self.parts, strict=True)):
            self.let_go(number)
            unfinished = part.facts.unfinished
            if unfinished is None:
                continue
            if unfinished.is_running or unfinished.result == "0":
                apply.await_end()
            else:
                apply.commit(expects_unchanged=not unfinished.has_begun, keeps_journal=True)
        self._end(draft_id, keeps_way_back=True)
        return Applied(changes, 0, time.monotonic() - began_at)

    def _check(self, deed: Deed) -> None:
        where = self.parts[0].source.path
        if not deed.changes:
            raise ImageError("There is nothing to apply.", where=where)
        check_users(self.users(), where)
        for apply, part in zip(self._applies, self.parts, strict=True):
            apply.check_free()
            apply.check_unchanged()
            check_no_base(part.shell, part.facts)
            apply.check_space(sum(layer.stat().st_size for layer in part.layers))

    def _check_growth(self, packed: Sequence[Packed]) -> None:
        """Now it is known where the image will be written: one of large clusters grows by more than the draft."""
        for apply, part, made in zip(self._applies, self.parts, packed, strict=True):
            apply.check_space(made.carried_bytes, min(made.touched_bytes, part.facts.may_grow_bytes))

    def _pack(self, number: int, deed: Deed) -> Packed:
        part = self.parts[number]
        replaced = way_back.file_for(part.back_folder, deed.id) if deed.keeps_way_back else None
        if replaced is not None:
            part.back_folder.mkdir(mode=0o700, exist_ok=True)
        packing = Packing(
            part.layers, part.export, part.facts.virtual_size_bytes, part.facts.cluster_bytes,
            deed.packing_folder / f"carried{number}.qcow2",
            replaced, self.report, lambda: self._is_cancelled,
        )  # fmt: skip
        try:
            packed = packing.pack()
        except BaseException as error:
            # Half a way back is none, whatever stopped it.
            if replaced is not None:
                replaced.unlink(missing_ok=True)
            if isinstance(error, ImageNoSpace):
                raise no_room(error, keeps_way_back=deed.keeps_way_back) from error
            raise
        if deed.must_find and packed.old_digest != deed.must_find[number]:
            if replaced is not None:
                replaced.unlink(missing_ok=True)
            raise _other_content(part)
        return packed

    def _carry(self, deed: Deed) -> None:
        for number, (apply, part) in enumerate(zip(self._applies, self.parts, strict=True)):
            if self._is_cancelled:
                raise CancelledError
            record = Record(
                deed.id, len(deed.changes), part.facts.format, identity=part.facts.identity,
                disks=tuple(part.facts.path for part in self.parts),
            )  # fmt: skip
            apply.carry(deed.packing_folder / f"carried{number}.qcow2", record)

    def _remember(self, deed: Deed, packed: Sequence[Packed]) -> None:
        """Before the journal is sealed: from then on the Apply may be finished without this session."""
        if deed.keeps_way_back:
            for part, made in zip(self.parts, packed, strict=True):
                way_back.begin(
                    part.back_folder, part.source, draft_id=deed.id, changes=deed.changes, digest=made.new_digest,
                    is_taking_back=deed.is_taking_back,
                )  # fmt: skip

    def _commit(self) -> None:
        """Disk by disk. While one is written, the exports still hold the next ones' locks, so that no guest starts."""
        self.let_go(0)
        check_users(self.users(), self.parts[0].source.path)
        for apply in self._applies:
            apply.check_free()
        if self._is_cancelled:
            raise CancelledError
        for number, apply in enumerate(self._applies):
            if number:
                self.let_go(number)
            apply.commit(expects_unchanged=True, keeps_journal=number > 0)

    def _clear_untouched(self, deed: Deed) -> None:
        """If nothing was written on any disk, leave neither journals nor a way back behind."""
        if any(apply.has_begun for apply in self._applies):
            return
        # A journal that could not be removed will be finished later: then its way back must be there.
        removed = [apply.discard_quietly() for apply in self._applies]
        if all(removed):
            for part in self.parts:
                way_back.drop_pending(part.back_folder)
                way_back.file_for(part.back_folder, deed.id).unlink(missing_ok=True)

    def _end(self, draft_id: str, *, keeps_way_back: bool) -> None:
        """All is written and verified. Each line may be the last: the next Apply does the rest."""
        for apply, part in zip(self._applies, self.parts, strict=True):
            if not keeps_way_back:
                way_back.remove(part.back_folder)
            elif part.facts.unfinished is not None or apply.has_begun:
                way_back.complete(part.back_folder, draft_id, apply.identity_after())
        self.forget()
        for apply in self._applies:
            apply.clean()


def no_room(error: ImageNoSpace, *, keeps_way_back: bool) -> ImageNoSpace:
    """The same, with what can be done about it."""
    found = error.explanation
    otherwise = ", or apply without keeping a way back" if keeps_way_back else ""
    return ImageNoSpace(
        found.what, cause=found.cause, where=found.where, said=found.said,
        advice=f"Free some space on this computer{otherwise}. The draft is kept.",
    )  # fmt: skip


def _other_content(part: Part) -> ImageError:
    return ImageError(
        "The disk has something else now where the Apply wrote, so it cannot be taken back.",
        cause="The guest ran, or somebody else changed the disk, since the Apply.",
        advice="Restore single files by hand, or from a backup.",
        where=part.facts.path,
    )
