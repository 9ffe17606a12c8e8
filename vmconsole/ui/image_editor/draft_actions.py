# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of the draft: open, apply, discard, close, with what is asked before each. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QCheckBox, QWidget

from vmconsole.images.messages import Applied, ImageOverview, OldDraft, SessionState
from vmconsole.inventory.errors import Explanation
from vmconsole.ui.image_editor import names, questions

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from vmconsole.ui.formats import Formats
    from vmconsole.ui.image_editor.desk import ImageDesk
    from vmconsole.ui.image_editor.viewer import FileViewer


class DraftActions(QObject):
    """Each signal is one outcome; the window shows it."""

    began = Signal(str)
    """Something that takes the whole window began, in words."""
    opened = Signal(object)
    """An ``ImageOverview``."""
    failed_to_open = Signal(object)
    applied = Signal(str)
    apply_failed = Signal(object)
    note = Signal(str, str)
    close_wanted = Signal()
    """The user has answered what was asked before closing."""

    def __init__(self, desk: ImageDesk, viewer: FileViewer, formats: Formats, window: QWidget) -> None:
        super().__init__(window)
        self._formats = formats
        self._desk = desk
        self._viewer = viewer
        self._window = window
        self._answered = False
        self.let_go: Callable[[Callable[[], None]], None] = lambda then: then()
        """Ends what else of this program holds the disk, such as a look at its snapshots, and calls back."""
        self._close_after = False
        self.keeps_draft = True
        """Whether closing keeps the draft; the user may have said no."""
        self.keeps_way_back = True
        """Whether the next Apply can be taken back; the user may have said no, for want of space."""
        for keys, wanted in (("Ctrl+Return", self.ask_apply), ("Ctrl+Z", self.undo), ("Ctrl+Shift+Z", self.redo)):
            QShortcut(QKeySequence(keys), window).activated.connect(wanted)

    @property
    def _where(self) -> str:
        source = self._desk.session.source
        disk = names.base_of(source.path)
        return self.tr("{disk} on {host}").format(disk=disk, host=source.where) if source.where else disk

    def _change_words(self) -> list[str]:
        return [change.words for change in self._desk.session.changes()]

    # -- open --------------------------------------------------------------------------------------------------

    def open(self) -> None:
        self._close_after = False
        self.began.emit(self.tr("Opening {disk}").format(disk=names.shown(self._where)))
        self._desk.ask(
            self._desk.session.open(), self.opened.emit, failed=self.failed_to_open.emit, cancelled=self._on_cancelled
        )

    @Slot()
    def cancel_opening(self) -> None:
        """Stop opening or applying. Without an open image the window shows that it was stopped."""
        self._desk.session.cancel()

    def _on_cancelled(self) -> None:
        what = self.tr("Opening was stopped.")
        self.failed_to_open.emit(
            Explanation(what=what, advice=self.tr("Nothing was changed. Try again when you like."))
        )

    # -- step by step ------------------------------------------------------------------------------------------

    @Slot()
    def undo(self) -> None:
        """Take back the last change: other layers come below the appliance, which takes a moment."""
        if self._change_words() and self._may_step():
            self._step(self.tr("Undoing the last change of {disk}"), self._desk.session.undo())

    @Slot()
    def redo(self) -> None:
        if self._may_step():
            self._step(self.tr("Redoing a change of {disk}"), self._desk.session.redo())

    def _may_step(self) -> bool:
        return self._desk.session.state is SessionState.READY and self._desk.is_idle

    def _step(self, words: str, opened: Future[ImageOverview]) -> None:
        self._viewer.revert_text()
        self.began.emit(words.format(disk=names.shown(self._where)))
        self._desk.ask(opened, self.opened.emit, failed=self._on_step_failed, cancelled=self._on_cancelled)

    def _on_step_failed(self, problem: Explanation) -> None:
        """Nothing more to undo or redo: the image is open as before. Else it could not be opened again."""
        if self._desk.session.state is SessionState.READY:
            self.apply_failed.emit(problem)
        else:
            self.failed_to_open.emit(problem)

    # -- discard -----------------------------------------------------------------------------------------------

    @Slot()
    def ask_discard(self) -> None:
        changes = self._change_words()
        if changes:
            questions.ask_discard(self._window, changes, self._discard)

    def ask_discard_unseen(self, reason: Explanation | None) -> None:
        """Discard what is in the way of editing: a draft that does not fit any more, or an Apply that was cut off."""
        told = [reason.what, reason.cause] if reason is not None else []
        questions.ask_discard(self._window, [t for t in told if t], self._discard)

    def open_again(self, old_draft: OldDraft) -> None:
        """With a kept draft that was refused, or without it again."""
        self._viewer.revert_text()
        self.began.emit(self.tr("Opening {disk}").format(disk=names.shown(self._where)))
        opening = self._desk.session.open_again(old_draft)
        self._desk.ask(opening, self.opened.emit, failed=self.failed_to_open.emit, cancelled=self._on_cancelled)

    def ask_trust(self) -> None:
        """Go on with a draft of a device whose host was restarted: only the user can know."""
        questions.ask_trust(self._window, self._where, lambda: self.open_again(OldDraft.TRUSTED))

    def _discard(self) -> None:
        self._viewer.revert_text()
        self.began.emit(self.tr("Discarding the draft of {disk}").format(disk=names.shown(self._where)))
        self._desk.ask(
            self._desk.session.discard(),
            self._on_discarded,
            failed=self.failed_to_open.emit,
            cancelled=self._on_cancelled,
        )

    def _on_discarded(self, overview: ImageOverview) -> None:
        self.opened.emit(overview)
        self.note.emit(self.tr("The draft was discarded; this is the disk as it is."), "")

    # -- apply -------------------------------------------------------------------------------------------------

    @Slot()
    def ask_apply(self) -> None:
        changes = self._change_words()
        if not changes or self._desk.session.state is not SessionState.READY:
            return
        if self._viewer.has_unsaved_text:
            self._ask_unsaved(self._ask_apply)
        else:
            self._ask_apply()

    def _ask_apply(self) -> None:
        box = questions.ask_apply(self._window, self._where, self._change_words(), self._apply)
        keep = QCheckBox(self.tr("&Keep a way back: what is replaced is kept on this computer"), box)
        keep.setChecked(self.keeps_way_back)
        keep.toggled.connect(self._on_keep_toggled)
        box.setCheckBox(keep)

    @Slot(bool)
    def _on_keep_toggled(self, on: bool) -> None:  # noqa: FBT001 - the signal's own argument
        self.keeps_way_back = on

    def _ask_unsaved(self, then: Callable[[], object]) -> None:
        """Text that is not in the draft would not be applied: save it or drop it first."""

        def drop() -> None:
            self._viewer.revert_text()
            then()

        questions.ask_unsaved(self._window, self._viewer.path, save=self._viewer.save_text, drop=drop)

    def finish_apply(self) -> None:
        """An Apply that was cut off goes on; there is nothing to ask, for it was agreed to then."""
        self._apply()

    def ask_take_back(self) -> None:
        """Undo the last Apply, after a question: it writes to the disk."""
        back = self._desk.session.way_back()
        if back is not None:
            questions.ask_take_back(self._window, self._where, back.changes, self._take_back)

    def way_back_words(self) -> str:
        """On the way back that is kept, and what it takes; empty if there is none."""
        back = self._desk.session.way_back()
        if back is None:
            return ""
        return self.tr("What was replaced is kept on this computer ({size}), until you free the space.").format(
            size=self._formats.size(back.bytes)
        )

    def headline_after(self) -> str:
        """What the last Apply, or its taking back, came to."""
        back = self._desk.session.way_back()
        if back is not None and back.is_taking_back:
            return self.tr("The last Apply was taken back.")
        return self.tr("The draft is on the disk.")

    def _take_back(self) -> None:
        self.began.emit(self.tr("Taking back the last Apply to {disk}").format(disk=names.shown(self._where)))
        self.let_go(self._begin_taking_back)

    def _begin_taking_back(self) -> None:
        self._desk.ask(
            self._desk.session.take_back(),
            self._on_taken_back,
            failed=self._on_apply_failed,
            cancelled=self._on_apply_cancelled,
        )

    def _on_taken_back(self, done: Applied) -> None:
        words = self.tr("The disk is as it was before, after {time}.").format(time=self._formats.age(done.seconds))
        self.applied.emit(words)

    def forget_way_back(self) -> None:
        """Free the space; the last Apply stays for good."""
        words = self.tr("The space was freed. What was applied stays for good.")
        self._desk.ask(self._desk.session.forget_way_back(), lambda _none: self.applied.emit(words))

    def _apply(self) -> None:
        self.began.emit(self.tr("Writing the draft to {disk}").format(disk=names.shown(self._where)))
        self.let_go(self._begin_apply)

    def _begin_apply(self) -> None:
        self._desk.ask(
            self._desk.session.apply(keeps_way_back=self.keeps_way_back),
            self._on_applied,
            failed=self._on_apply_failed,
            cancelled=self._on_apply_cancelled,
        )

    def _on_applied(self, done: Applied) -> None:
        size = self._formats.size(done.carried_bytes)
        count = self.tr("1 change") if done.changes == 1 else self.tr("{n} changes").format(n=done.changes)
        words = self.tr("{changes} written, {size} in {time}.").format(
            changes=count, size=size, time=self._formats.age(done.seconds)
        )
        guest = names.shown(self._desk.session.source.guest_name)
        may_start = self.tr("{guest} may be started.").format(guest=guest) if guest else ""
        self.applied.emit("\n".join(p for p in (words, may_start) if p))
        if self._close_after:
            self.close_wanted.emit()

    def _on_apply_failed(self, problem: Explanation) -> None:
        self._close_after = False
        self.apply_failed.emit(problem)

    def _on_apply_cancelled(self) -> None:
        what = self.tr("Apply was stopped; the draft is kept.")
        self._on_apply_failed(Explanation(what=what, advice=self.tr("Apply it again when you like.")))

    # -- close -------------------------------------------------------------------------------------------------

    def may_close(self) -> bool:
        """Whether the window may go now; if not, the user is being asked."""
        state = self._desk.session.state
        if self._answered or state in {
            SessionState.APPLIED,
            SessionState.CLOSED,
            SessionState.FAILED,
            SessionState.NEW,
        }:
            return True
        if state is SessionState.APPLYING:
            self.note.emit(self.tr("The draft is being written; the window can be closed when that is done."), "")
            return False
        if self._viewer.has_unsaved_text:
            self._ask_unsaved(self.close_wanted.emit)
            return False
        changes = self._change_words()
        if changes and state is SessionState.READY:
            questions.ask_close(
                self._window,
                changes,
                apply=self._on_close_apply,
                keep=self._on_close_keep,
                discard=self._on_close_discard,
            )
            return False
        return True

    def answer_keep(self) -> None:
        """Whatever would be asked before closing is answered: keep the draft."""
        self._answered = True

    def _on_close_apply(self) -> None:
        self._close_after = True
        self._apply()

    def _on_close_keep(self) -> None:
        self._answered = True
        self.close_wanted.emit()

    def _on_close_discard(self) -> None:
        self.keeps_draft = False
        self._on_close_keep()
