# SPDX-License-Identifier: GPL-3.0-or-later
"""What is dropped or pasted into the image: files of this machine, or of another image. GUI thread.

Names that are taken are asked about before anything is read or written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject, Signal

from vmconsole.images.messages import Conflict
from vmconsole.inventory.errors import Explanation
from vmconsole.ui.image_editor import names, uri_list
from vmconsole.ui.image_editor.carry import CARRIED, Arrival, Offer
from vmconsole.ui.image_editor.conflict_dialog import ConflictDialog
from vmconsole.ui.image_editor.conflicts import Taken, answers, entries_of, taken_of
from vmconsole.ui.image_editor.fetch import URI_LIST, PromisedFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PySide6.QtWidgets import QWidget

    from vmconsole.images.messages import Entry, Folder, Transferred
    from vmconsole.ui.image_editor.browser import Browser
    from vmconsole.ui.image_editor.desk import ImageDesk
    from vmconsole.ui.image_editor.look import Look
    from vmconsole.ui.image_editor.ownership_box import OwnershipBox
    from vmconsole.ui.image_editor.staging import Staging


@dataclass(frozen=True, slots=True)
class Words:
    """What differs between a draft and a running guest."""

    warning: str
    """What it means that a file is replaced."""
    takes_carried: bool
    """Whether files of another image can come with all that they are."""


class BringIn(QObject):
    """``brought`` with the result and the folder; ``problem`` with an ``Explanation``; ``note`` with two texts."""

    brought = Signal(object, str)
    problem = Signal(object)
    note = Signal(str, str)

    def __init__(
        self,
        desk: ImageDesk,
        browser: Browser,
        staging: Staging,
        ownership: OwnershipBox,
        words: Words,
        look: Look,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._desk, self._browser, self._staging, self._ownership = desk, browser, staging, ownership
        self._words, self._look, self._window = words, look, window

    def take(self, data: QMimeData, folder: str) -> None:
        """Bring in what a drop or the clipboard holds."""
        offer = self._offer_of(data) if self._words.takes_carried else None
        if offer is not None:
            self._take_offer(offer, folder)
            return
        local, foreign = uri_list.split(bytes(data.data(URI_LIST).data()))
        if foreign:
            self.problem.emit(self._only_local(foreign))
        self.bring_in(local, folder)

    def _offer_of(self, data: QMimeData) -> Offer | None:
        if isinstance(data, PromisedFiles):
            return data.offer()
        return Offer.decode(bytes(data.data(CARRIED).data())) if data.hasFormat(CARRIED) else None

    def _only_local(self, foreign: Sequence[str]) -> Explanation:
        return Explanation(
            what=self.tr("Only files of this machine can be dropped here."),
            cause=self.tr("{address} is on another one.").format(address=names.shown(foreign[0])),
            advice=self.tr("Copy it to a local folder first, and drop it from there."),
        )

    # -- files of this machine ---------------------------------------------------------------------------------

    def bring_in(self, paths: Sequence[Path], folder: str) -> None:
        """Import files and folders of this machine."""
        if paths:
            self._desk.aside(lambda: _described(paths), lambda coming: self._import(paths, coming, folder))

    def _import(self, paths: Sequence[Path], coming: tuple[Entry, ...] | Explanation, folder: str) -> None:
        if isinstance(coming, Explanation):
            self.problem.emit(coming)
            return

        def begin(choices: tuple[Conflict, ...]) -> None:
            chosen = self._ownership.chosen
            bringing = self._desk.session.import_paths(paths, folder, choices=choices, ownership=chosen)
            self._desk.ask(bringing, lambda done: self.brought.emit(done, folder), cancelled=self._browser.reload)

        self._ask(coming, folder, self.tr("this computer"), begin)

    # -- files of another image --------------------------------------------------------------------------------

    def _take_offer(self, offer: Offer, folder: str) -> None:
        self._ask(offer.tops, folder, offer.where, lambda choices: self._await(offer, folder, choices))

    def _await(self, offer: Offer, folder: str, choices: tuple[Conflict, ...]) -> None:
        place = names.shown(offer.where)
        self.note.emit(
            self.tr("Waiting for the files of {place}.").format(place=place),
            self.tr("Its window shows how far it is, and can stop it."),
        )
        arrival = Arrival(offer, self)
        arrival.failed.connect(self._on_not_arrived)
        arrival.arrived.connect(lambda bundle, skipped: self._carry_in(bundle, skipped, folder, choices))
        arrival.begin()

    def _on_not_arrived(self, problem: Explanation | None) -> None:
        if problem is not None:
            self.problem.emit(problem)
        self.note.emit(self.tr("Nothing was brought in."), "")

    def _claimed(self, bundle: Path) -> Path:
        """The bundle in a folder of ours, where it stays until it was read, and no longer."""
        try:
            own = self._staging.new_folder()
        except OSError:
            return bundle
        try:
            moved = bundle.rename(own / bundle.name)
        except OSError:
            self._staging.drop(own)
            return bundle  # on another filesystem: the giver's folder will do, and stays the giver's
        self._staging.hold(own)
        return moved

    def _carry_in(self, bundle: Path, skipped: tuple[str, ...], folder: str, choices: tuple[Conflict, ...]) -> None:
        bundle = self._claimed(bundle)

        def done(result: Transferred) -> None:
            self._staging.drop(bundle.parent)
            self.note.emit(*self._done_words(result))
            self.brought.emit(with_skipped(result, skipped), folder)

        def failed(problem: Explanation) -> None:
            self._staging.drop(bundle.parent)
            self._on_not_arrived(problem)

        def stopped() -> None:
            self._staging.drop(bundle.parent)
            self._on_not_arrived(None)
            self._browser.reload()

        carrying = self._desk.session.carry_in(bundle, folder, choices=choices)
        self._desk.ask(carrying, done, failed=failed, cancelled=stopped)

    def _done_words(self, result: Transferred) -> tuple[str, str]:
        count = self.tr("1 file was brought in.") if result.files == 1 else self.tr("{n} files were brought in.")
        text = self.tr("Owner, mode, times, attributes and links are as they were in the other image.")
        return count.format(n=result.files), text

    # -- within the image --------------------------------------------------------------------------------------

    def move(self, paths: Sequence[str], coming: tuple[Entry, ...], folder: str) -> None:
        """Move things of this image into another folder of it: one rename each."""

        def resolve(entries: Sequence[Entry]) -> None:
            taken = taken_of(coming, {entry.name: entry for entry in entries}, is_move=True)
            taken = tuple(replace(one, is_final=not self._words.takes_carried) for one in taken)
            new_names = {one.coming.name: one.new_name for one in taken}
            self._question(taken, coming, folder, self.tr("another folder"), lambda chosen: begin(chosen, new_names))

        def begin(choices: tuple[Conflict, ...], new_names: Mapping[str, str]) -> None:
            session, last = self._desk.session, None
            for path, entry, choice in zip(paths, coming, choices or (Conflict.REFUSE,) * len(coming), strict=True):
                if choice is Conflict.SKIP:
                    continue
                if choice is Conflict.REPLACE:
                    self._desk.ask(session.delete([names.join(folder, entry.name)]))
                name = new_names[entry.name] if choice is Conflict.KEEP_BOTH else entry.name
                if last is not None:
                    self._desk.ask(last)
                last = session.rename(path, names.join(folder, name))
            if last is not None:
                self._desk.ask(last, lambda _none: self._browser.reload())

        self._with_entries(folder, resolve)

    # -- names that are taken ----------------------------------------------------------------------------------

    def _ask(
        self,
        coming: tuple[Entry, ...],
        folder: str,
        comes_from: str,
        begin: Callable[[tuple[Conflict, ...]], None],
    ) -> None:
        """``begin`` with an answer for each, unless the question is cancelled."""

        def resolve(entries: Sequence[Entry]) -> None:
            taken = taken_of(coming, {entry.name: entry for entry in entries})
            self._question(taken, coming, folder, comes_from, begin)

        self._with_entries(folder, resolve)

    def _question(
        self,
        taken: tuple[Taken, ...],
        coming: tuple[Entry, ...],
        folder: str,
        comes_from: str,
        begin: Callable[[tuple[Conflict, ...]], None],
    ) -> None:
        if not taken:
            begin(())
            return
        dialog = ConflictDialog(
            taken, folder, self._look, self._window, comes_from=comes_from, warning=self._words.warning
        )
        dialog.decided.connect(lambda chosen: begin(answers(coming, chosen)))
        dialog.open()

    def _with_entries(self, folder: str, resolve: Callable[[Sequence[Entry]], None]) -> None:
        """What is in a folder now."""
        if folder == self._browser.folder:
            resolve(self._browser.model.all_entries())
        else:

            def listed(found: Folder) -> None:
                resolve(found.entries)

            self._desk.ask(self._desk.session.list_folder(folder), listed)


def _described(paths: Sequence[Path]) -> tuple[Entry, ...] | Explanation:
    try:
        return entries_of(paths)
    except OSError as error:
        return Explanation(
            "A file on this machine cannot be read.",
            advice="Look whether it is still there, and drop it again.",
            where=names.shown(str(error.filename or "")),
            said=str(error.strerror or error),
        )


def with_skipped(result: Transferred, skipped: tuple[str, ...]) -> Transferred:
    """The same, with what was left out on the way."""
    return replace(result, skipped=(*skipped, *result.skipped))
