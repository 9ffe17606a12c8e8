# SPDX-License-Identifier: GPL-3.0-or-later
"""Files between the image and the desktop: dropped, pasted, imported, dragged, copied, exported. GUI thread."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QMimeData, QObject, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from vmconsole.images.messages import Entry, EntryKind, Transferred
from vmconsole.ui.image_editor import names, questions
from vmconsole.ui.image_editor.bring_in import BringIn, Words
from vmconsole.ui.image_editor.carry import Carry, Offer
from vmconsole.ui.image_editor.direct_save import DirectSave
from vmconsole.ui.image_editor.fetch import Fetch, PromisedFiles, no_room
from vmconsole.ui.image_editor.ownership_box import OwnershipBox
from vmconsole.ui.image_editor.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.settings.profile import Profile
    from vmconsole.ui.image_editor.browser import Browser
    from vmconsole.ui.image_editor.desk import ImageDesk
    from vmconsole.ui.image_editor.look import Look

PATIENCE_S = 4.5
"""Qt programs wait 5 s for the data of a drop (QXcbClipboard's clipboard_timeout); others about as long or longer."""

SMALL = 16 * 1024 * 1024
"""Bytes that are fetched before it is known whether anybody wants them."""


class Transfers(QObject):
    """``note`` is a headline and text to show: what was left out, or what to do next."""

    note = Signal(str, str)
    problem = Signal(object)

    def __init__(
        self,
        desk: ImageDesk,
        browser: Browser,
        staging: Staging,
        look: Look,
        window: QWidget,
        *,
        profile: Profile | None = None,
        words: Words | None = None,
    ) -> None:
        """``words``: what is different where there is no draft."""
        super().__init__(window)
        self._desk = desk
        self._browser = browser
        self._staging = staging
        self._window = window
        self._may_write = False
        self._last: Fetch | None = None
        self._drag: Fetch | None = None
        self._direct: DirectSave | None = None
        self._cut: tuple[tuple[str, Entry], ...] = ()
        self.ownership = OwnershipBox(profile, window)
        browser.below.addWidget(self.ownership)
        words = words or Words(self.tr("Nothing of it reaches the disk before Apply."), takes_carried=True)
        self._gives_carried = words.takes_carried
        self.bringing = BringIn(desk, browser, staging, self.ownership, words, look, window)
        self.bringing.brought.connect(self._on_brought)
        self.bringing.problem.connect(self.problem)
        self.bringing.note.connect(self.note)
        browser.view.make_drag_data = self._begin_drag
        browser.view.files_dropped.connect(self._on_dropped)
        browser.view.drag_left.connect(self._on_drag_left)
        browser.view.drag_ended.connect(self._on_drag_ended)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self._on_quit)

    def set_may_write(self, *, on: bool) -> None:
        self._may_write = on
        self._browser.view.accepts_drops = on
        self.ownership.setVisible(on)

    def forget_fetched(self) -> None:
        """The image's content changed: what was fetched before is not handed out again."""
        self._last = None

    # -- into the image ----------------------------------------------------------------------------------------

    @Slot(object, object)
    def _on_dropped(self, data: QMimeData, folder_name: str) -> None:
        shown = self._browser.folder
        self.bringing.take(data, names.join(shown, folder_name) if folder_name else shown)

    @Slot()
    def paste(self) -> None:
        """Put the files on the clipboard into the shown folder.

        The clipboard is looked at now and not before: to ask its owner, who may hang, at every change would be waiting.
        """
        data = QGuiApplication.clipboard().mimeData()
        if not self._may_write:
            return
        cut = tuple(path for path, _ in self._cut)
        if cut and isinstance(data, PromisedFiles) and data.guest_paths == cut:
            self._move_cut()
        elif data is not None and data.hasUrls():
            self.bringing.take(data, self._browser.folder)
        else:
            self.note.emit(
                self.tr("There are no files on the clipboard."), self.tr("Copy some in the file manager first.")
            )

    @Slot(object, str)
    def _on_brought(self, result: Transferred, folder: str) -> None:
        self._tell_skipped(result)
        if folder == self._browser.folder:
            self._browser.reload(select=frozenset(names.base_of(path) for path in result.paths))

    @Slot()
    def choose_import(self) -> None:
        """Pick files to bring into the shown folder."""
        dialog = self._file_dialog(self.tr("Import into {folder}"), QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(self._on_chosen_import)
        dialog.open()

    @Slot()
    def choose_import_folder(self) -> None:
        dialog = self._file_dialog(self.tr("Import a folder into {folder}"), QFileDialog.FileMode.Directory)
        dialog.filesSelected.connect(self._on_chosen_import)
        dialog.open()

    @Slot(list)
    def _on_chosen_import(self, chosen: list[str]) -> None:
        self.bringing.bring_in([Path(path) for path in chosen], self._browser.folder)

    # -- out of the image --------------------------------------------------------------------------------------

    @Slot()
    def choose_export(self) -> None:
        """Pick a local folder and copy the selection there."""
        paths = self._browser.selected_paths()
        if not paths:
            return
        dialog = self._file_dialog(self.tr("Copy to"), QFileDialog.FileMode.Directory)
        dialog.filesSelected.connect(lambda chosen: self.export(paths, Path(chosen[0])))
        dialog.open()

    def export(self, guest_paths: Sequence[str], folder: Path) -> None:
        def done(result: Transferred) -> None:
            self._tell_skipped(result)
            count = self.tr("1 file was copied.") if result.files == 1 else self.tr("{n} files were copied.")
            if not result.skipped and not result.not_kept:
                self.note.emit(count.format(n=result.files), str(folder))

        self._desk.ask(self._desk.session.export_paths(guest_paths, folder), done)

    @Slot()
    def copy(self) -> None:
        """Promise the selection to whoever pastes; fetching begins now."""
        self._direct, self._cut = None, ()
        data = self._promise(self._browser.view.selected())
        if data is not None and self._drag is not None:
            self._drag.start()
            QGuiApplication.clipboard().setMimeData(data)

    @Slot()
    def cut(self) -> None:
        """As ``copy``; pasted in this window, the selection moves. Elsewhere it is copied: what another program does
        with its copy is not known here, and nothing is to be lost."""
        entries = [e for e in self._browser.view.selected() if e.is_addressable]
        self.copy()
        self._cut = tuple((self._browser.path_of(entry), entry) for entry in entries)

    @Slot()
    def _on_quit(self) -> None:
        """What is promised is a Python object, and the clipboard would outlive Python; its files go as well."""
        clipboard = QGuiApplication.clipboard()
        if isinstance(clipboard.mimeData(), PromisedFiles):
            clipboard.clear()

    def _move_cut(self) -> None:
        folder = self._browser.folder
        waiting = [(path, entry) for path, entry in self._cut if names.parent_of(path) != folder]
        self._cut = ()
        if waiting:
            self.bringing.move([path for path, _ in waiting], tuple(entry for _, entry in waiting), folder)

    def _begin_drag(self, entries: Sequence[Entry]) -> QMimeData | None:
        """Small files are fetched while the mouse is on its way; for others, the other program says where they go."""
        is_small = all(e.kind is EntryKind.FILE for e in entries) and sum(e.size_bytes or 0 for e in entries) <= SMALL
        self._direct = None if is_small or not DirectSave.is_possible() else DirectSave()
        return self._promise(entries)

    def _save_directly(self, guest_paths: Sequence[str], direct: DirectSave) -> bool:
        """A program that knows XDS has got the drop: save into its folder, however long it takes."""
        folder = direct.folder()
        if folder is None:
            return False
        self.export(guest_paths, folder)
        return True

    def _promise(self, entries: Sequence[Entry]) -> QMimeData | None:
        """What a drag or the clipboard carries. What was fetched last is used again if nothing changed since."""
        paths = tuple(self._browser.path_of(e) for e in entries if e.is_addressable)
        if not paths:
            return None
        last = self._last
        if last is None or last.guest_paths != paths or not last.is_reusable:
            last = self._last = Fetch(self._desk, paths, self._staging.new_folder)
            last.ended.connect(self._on_fetched)
        self._drag = last
        direct = partial(self._save_directly, paths, self._direct) if self._direct is not None else None
        tops = tuple(e for e in entries if e.is_addressable)
        return PromisedFiles(last, direct, partial(self._offer, paths, tops) if self._gives_carried else None)

    def _offer(self, guest_paths: Sequence[str], tops: tuple[Entry, ...]) -> Offer | None:
        """Another image's window took them: they are read for it when it says so."""
        try:
            folder = self._staging.new_folder()
        except OSError as error:
            self.problem.emit(no_room(self, error))
            return None
        source = self._desk.session.source
        disk = names.base_of(source.path)
        where = self.tr("{disk} on {host}").format(disk=disk, host=source.where) if source.where else disk
        offer = Offer(folder, os.getpid(), source.guest_name or where, tops)
        Carry(self._desk, guest_paths, offer, self._staging, self).begin()
        return offer

    @Slot()
    def _on_fetched(self) -> None:
        fetch = self.sender()
        if not isinstance(fetch, Fetch):
            return
        if fetch.problem is not None:
            self.problem.emit(fetch.problem)
        elif fetch.result is not None:
            self._tell_skipped(fetch.result)
            if fetch.seconds_since_asked > PATIENCE_S:
                self._tell_late()

    def _tell_late(self) -> None:
        self.note.emit(
            self.tr("The files are ready now, but the other program may have stopped waiting for them."),
            self.tr("If they did not arrive, drag or paste them once more: it goes at once now."),
        )

    @Slot()
    def _on_drag_left(self) -> None:
        """The drag is on its way to another program: begin, so that small files are there when it asks."""
        if self._drag is None:
            return
        if self._direct is None:
            self._drag.start()
        else:
            self._direct.offer(names.base_of(self._drag.guest_paths[0]))

    @Slot(object)
    def _on_drag_ended(self, action: Qt.DropAction) -> None:
        """A drag that came to nothing: stop what was being fetched for it."""
        fetch, self._drag = self._drag, None
        if fetch is None or action != Qt.DropAction.IgnoreAction or fetch.was_asked:
            return
        if fetch.is_started and not fetch.is_over:
            self._desk.session.cancel()

    # -- words -------------------------------------------------------------------------------------------------

    def _tell_skipped(self, result: Transferred) -> None:
        if result.not_kept and not result.skipped:
            self.note.emit(
                self.tr("Not everything could be kept."), questions.listed(result.not_kept, self.tr("and {n} more"))
            )
        if result.skipped:
            count = len(result.skipped)
            title = (
                self.tr("1 thing was left out.") if count == 1 else self.tr("{n} things were left out.").format(n=count)
            )
            self.note.emit(title, questions.listed((*result.not_kept, *result.skipped), self.tr("and {n} more")))

    def _file_dialog(self, title: str, mode: QFileDialog.FileMode) -> QFileDialog:
        shown = names.shown(self._browser.folder)
        dialog = QFileDialog(self._window, title.format(folder=shown))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(mode)
        if mode is QFileDialog.FileMode.Directory:
            dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        return dialog
