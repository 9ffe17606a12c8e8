# SPDX-License-Identifier: GPL-3.0-or-later
"""The image editor's window: lays out the parts, wires them, and follows the session's state. GUI thread.

What it does to files is in ``file_actions`` and ``transfers``; the life of the draft is in ``draft_actions``.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt, Signal, Slot
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QMainWindow, QSplitter, QStackedWidget, QToolBar, QVBoxLayout, QWidget

from vmconsole.images.messages import (
    Change,
    ImageMode,
    ImageOverview,
    ImageSource,
    OldDraft,
    SessionState,
    StateChanged,
)
from vmconsole.ui.error_help import ErrorHelp
from vmconsole.ui.error_view import NOBODY
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.browser import Browser
from vmconsole.ui.image_editor.desk import ImageDesk
from vmconsole.ui.image_editor.draft_actions import DraftActions
from vmconsole.ui.image_editor.draft_panel import DraftPanel
from vmconsole.ui.image_editor.file_actions import FileActions
from vmconsole.ui.image_editor.look import Look, Tone
from vmconsole.ui.image_editor.opening_page import OpeningPage
from vmconsole.ui.image_editor.other_images import OtherImages
from vmconsole.ui.image_editor.places import PlacesPanel
from vmconsole.ui.image_editor.problem import ProblemStrip
from vmconsole.ui.image_editor.progress_strip import ProgressStrip
from vmconsole.ui.image_editor.staging import Staging
from vmconsole.ui.image_editor.strip import Strip
from vmconsole.ui.image_editor.tool_actions import ToolActions
from vmconsole.ui.image_editor.transfers import Transfers
from vmconsole.ui.image_editor.unlocking import Unlocking
from vmconsole.ui.image_editor.viewer import FileViewer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.images.messages import SessionEvent
    from vmconsole.images.session import ImageSession
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.context import Context
    from vmconsole.ui.image_editor.compare_sides import OpenSide
    from vmconsole.ui.remedies import Subject

GEOMETRY_KEY = "image-editor-geometry"
SPLIT_KEY = "image-editor-split"
LET_GO_S = 20.0


class ImageEditorWindow(QMainWindow):
    """One open image. ``closed`` when it is over; the window deletes itself then."""

    closed = Signal()
    other_wanted = Signal(object)
    """The ``ImageSource`` of another state of this image, to be opened beside it."""

    def __init__(
        self,
        context: Context,
        source: ImageSource,
        make_session: Callable[[Callable[[SessionEvent], None]], ImageSession],
        *,
        subject: Subject = NOBODY,
        open_side: OpenSide | None = None,
        others_let_go: Callable[[], Sequence[ImageSession]] = tuple,
    ) -> None:
        """``subject``: the host that it lies on, for the report of a problem. ``open_side`` makes a session on another
        state of the disk, to compare with. ``others_let_go`` closes other windows on this disk before it is written;
        it gives the sessions that are ending."""
        super().__init__(None, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._context = context
        self._subject = subject
        self.source = source
        self.overview: ImageOverview | None = None
        self._others_let_go = others_let_go
        self._undone: tuple[Change, ...] = ()
        self.desk = ImageDesk(make_session, context.bridge)
        self.desk.setParent(self)
        self._look = Look.make(context.theme)
        self._staging = Staging(context.profile.cache_dir / "dragged-out")
        self._make_parts()
        self.transfers = Transfers(self.desk, self.browser, self._staging, self._look, self, profile=context.profile)
        self.actions_on_files = FileActions(self.desk, self.browser, self.transfers, self._look.theme, self)
        others = OtherImages(context, self.desk)
        self.tools = ToolActions(self.desk, self.browser, context.bridge, open_side, self._look, self, others=others)
        self.actions_on_files.add_tools(self.tools)
        self.draft_actions = DraftActions(self.desk, self.viewer, self._look.formats, self)
        self.unlocking = Unlocking(self.desk, self.places, self._look, self)
        self._lay_out()
        self._wire()
        self.setWindowTitle(window_title(self, source))
        self._restore_geometry()

    # -- parts -------------------------------------------------------------------------------------------------

    def _make_parts(self) -> None:
        look = self._look
        self.banner = Strip(self.tr("What is safe"), parent=self)
        self.finish_button = self.banner.add_button(
            self.tr("&Finish the Apply"), self._on_finish, tip=self.tr("Go on where the earlier Apply was cut off")
        )
        self.look_button = self.banner.add_button(
            self.tr("&Look at the Draft"), self._on_look,
            tip=self.tr("Show the files of the kept draft, to copy them out; nothing is written"),
        )  # fmt: skip
        self.trust_button = self.banner.add_button(
            self.tr("&Go On With the Draft…"),
            self._on_trust,
            tip=self.tr("If you know that nobody wrote to the device"),
        )
        self.leave_button = self.banner.add_button(
            self.tr("Leave the D&raft"), self._on_leave, tip=self.tr("Show the disk as it is again; the draft is kept")
        )
        self.drop_button = self.banner.add_button(
            self.tr("&Discard the Draft…"), self._on_drop, tip=self.tr("Forget the draft, and open the disk as it is")
        )
        helped = ErrorHelp(self._context)
        self.problem = ProblemStrip(look.theme, self, helped_by=helped, subject=self._subject)
        self.note = Strip(self.tr("Note"), parent=self)
        self.note.add_button(self.tr("Close"), self.note.hide, tip=self.tr("Put this message away"))
        self.note.hide()
        self.progress = ProgressStrip(look.formats, self)
        self.opening = OpeningPage(look, self, helped_by=helped, subject=self._subject)
        self.places = PlacesPanel(look, self)
        self.browser = Browser(self.desk, look, self)
        self.viewer = FileViewer(self.desk, look.formats, self)
        self.draft = DraftPanel(look.formats, self)

    def _lay_out(self) -> None:
        self._across = QSplitter(Qt.Orientation.Horizontal, self)
        columns: tuple[tuple[QWidget, int], ...] = ((self.places, 0), (self.browser, 5), (self.viewer, 4))
        for column_part, weight in columns:
            self._across.addWidget(column_part)
            self._across.setStretchFactor(self._across.count() - 1, weight)
        self._across.setSizes([330, 540, 370])
        self._across.setChildrenCollapsible(False)
        main = QWidget(self)
        inner = QVBoxLayout(main)
        inner.setContentsMargins(8, 6, 8, 6)
        inner.addWidget(self._across, 1)
        inner.addWidget(self.draft)
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.opening)
        self.pages.addWidget(main)
        self._main_page = main
        whole = QWidget(self)
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for part in (self.banner, self.problem, self.note):
            column.addWidget(part)
        column.addWidget(self.pages, 1)
        column.addWidget(self.progress)
        self.setCentralWidget(whole)
        self.addToolBar(self._make_toolbar())

    def _make_toolbar(self) -> QToolBar:
        bar = QToolBar(self.tr("Files"), self)
        bar.setObjectName("files")
        bar.setMovable(False)
        bar.setIconSize(QSize(18, 18))
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        verbs = self.actions_on_files
        for action in (verbs.import_files, verbs.copy_to, verbs.new_folder, verbs.delete):
            bar.addAction(action)
        bar.addSeparator()
        for action in (self.tools.search, self.tools.compare, self.tools.properties):
            bar.addAction(action)
        bar.toggleViewAction().setEnabled(False)
        self.toolbar = bar
        return bar

    def _wire(self) -> None:
        self.desk.state_changed.connect(self._on_state)
        self.desk.failed.connect(self.problem.show_problem)
        self.desk.progressed.connect(self.progress.take)
        self.desk.progressed.connect(self.opening.take)
        self.desk.busy_changed.connect(self._on_busy)
        self.desk.changes_changed.connect(self._on_changes)
        for speaker in (self.transfers.problem, self.actions_on_files.problem):
            speaker.connect(self.problem.show_problem)
        for talker in (self.transfers.note, self.draft_actions.note):
            talker.connect(self.note.say)
        self.progress.cancel_wanted.connect(self.desk.session.cancel)
        self.opening.cancel_wanted.connect(self.draft_actions.cancel_opening)
        self.opening.open_wanted.connect(self.open)
        self.opening.close_wanted.connect(self.close)
        self.places.folder_wanted.connect(self.browser.open_folder)
        self.places.filesystem_wanted.connect(self._on_filesystem_wanted)
        self.places.snapshot_wanted.connect(self._on_snapshot_wanted)
        self.unlocking.unlocked.connect(self.show_overview)
        self.browser.entry_selected.connect(self.viewer.show_selected)
        self.browser.file_activated.connect(self.viewer.show_activated)
        self.viewer.saved.connect(lambda _path: self.browser.reload())
        self.draft.apply_wanted.connect(self.draft_actions.ask_apply)
        self.draft.discard_wanted.connect(self.draft_actions.ask_discard)
        self.draft.undo_wanted.connect(self.draft_actions.undo)
        self.draft.redo_wanted.connect(self.draft_actions.redo)
        self.draft.take_back_wanted.connect(self.draft_actions.ask_take_back)
        self.opening.take_back_wanted.connect(self.draft_actions.ask_take_back)
        self.opening.forget_way_back_wanted.connect(self.draft_actions.forget_way_back)
        self.draft.path_wanted.connect(self.browser.reveal)
        self.draft.difference_wanted.connect(self.tools.show_difference)
        self.draft_actions.began.connect(self._on_began)
        self.draft_actions.opened.connect(self.show_overview)
        self.draft_actions.failed_to_open.connect(self._on_failed_to_open)
        self.draft_actions.applied.connect(self._on_applied)
        self.draft_actions.apply_failed.connect(self._on_apply_failed)
        self.draft_actions.close_wanted.connect(self.close)
        self.draft_actions.let_go = self._let_go

    # -- the session's life ------------------------------------------------------------------------------------

    @Slot()
    def open(self) -> None:
        """Open the image, for the first time or again."""
        self.draft_actions.open()

    @Slot(str)
    def _on_began(self, headline: str) -> None:
        """Opening, discarding or applying: the whole window shows how far it is."""
        self.problem.put_away()
        self.note.hide()
        self._show_bars(on=False)
        self.opening.begin(headline)
        self.pages.setCurrentWidget(self.opening)

    @Slot(object)
    def show_overview(self, overview: ImageOverview) -> None:
        """The image is open (again): say what is safe, and show its files."""
        self.overview = overview
        is_draft = overview.mode is ImageMode.DRAFT
        reason = "" if is_draft else self._look_only_words(overview)
        self.transfers.set_may_write(on=is_draft)
        self.transfers.forget_fetched()
        self.actions_on_files.set_why_not(reason)
        self.tools.set_image(overview, reason)
        self.viewer.set_may_edit(on=is_draft)
        self.draft.setVisible(is_draft)
        self.draft.show_changes(self.desk.session.changes(), self._undone)
        self.draft.set_way_back(self.draft_actions.way_back_words())
        self.places.show_overview(overview)
        self._say_what_is_safe(overview)
        self._show_files()
        self.browser.open_folder(self.browser.folder, otherwise="/")
        self.unlocking.measure()

    def _show_files(self) -> None:
        self._show_bars(on=True)
        self.pages.setCurrentWidget(self._main_page)
        self.browser.view.setFocus()

    def _show_bars(self, *, on: bool) -> None:
        self.banner.setVisible(on)
        self.toolbar.setVisible(on)

    def _look_only_words(self, overview: ImageOverview) -> str:
        reason = overview.mode_reason
        return reason.what if reason is not None else self.tr("This image is open to look only.")

    def _say_what_is_safe(self, overview: ImageOverview) -> None:
        self.finish_button.setVisible(bool(overview.unfinished_apply))
        self.drop_button.setVisible(bool(overview.unfinished_apply) or self._is_about_the_draft(overview.mode_reason))
        self.look_button.setVisible(overview.old_draft in {"unfit", "untold"})
        self.trust_button.setVisible(overview.old_draft == "untold")
        self.leave_button.setVisible(overview.old_draft == "shown")
        if overview.mode is ImageMode.DRAFT:
            resumed = self.tr("Changes of an earlier time are in it.") if overview.draft_was_resumed else ""
            headline = self.tr("Editing a draft: nothing is written to the disk until Apply.")
            notes = (resumed, overview.speed_note, overview.confinement_note)
            self.banner.say(headline, " ".join(p for p in notes if p), tone=Tone.DRAFT)
            return
        running = self.source.guest_is_running
        headline = self.tr("Guest is running: look only.") if running else self.tr("Look only: nothing can be changed.")
        reason = overview.mode_reason
        told = [reason.what, reason.cause, reason.advice] if reason is not None else []
        told += [overview.speed_note, overview.confinement_note]
        self.banner.say(headline, " ".join(p for p in told if p), tone=Tone.LOOK_ONLY)

    def _is_about_the_draft(self, reason: Explanation | None) -> bool:
        """Whether a draft that does not fit the image any more is in the way: the reason names its folder then."""
        return reason is not None and reason.where.startswith(str(self._context.profile.drafts_dir))

    def _on_finish(self) -> None:
        self.draft_actions.finish_apply()

    def _on_look(self) -> None:
        self.draft_actions.open_again(OldDraft.LOOKED_AT)

    def _on_leave(self) -> None:
        self.draft_actions.open_again(OldDraft.REFUSED)

    def _on_trust(self) -> None:
        self.draft_actions.ask_trust()

    def _on_drop(self) -> None:
        self.draft_actions.ask_discard_unseen(self.overview.mode_reason if self.overview is not None else None)

    @Slot(object)
    def _on_state(self, event: StateChanged) -> None:
        self.opening.add_step(event.words)
        if event.state is SessionState.LOST:
            self.transfers.set_may_write(on=False)
            headline = self.tr("The connection to the image was lost; the draft is kept.")
            if self.pages.currentWidget() is self._main_page:
                self._show_failure(headline, event.problem)

    def _show_failure(self, headline: str, problem: Explanation | None) -> None:
        if problem is not None:
            self._show_bars(on=False)
            self.opening.show_problem(headline, problem)
            self.pages.setCurrentWidget(self.opening)

    @Slot(object)
    def _on_failed_to_open(self, problem: Explanation) -> None:
        name = names.shown(names.base_of(self.source.path))
        self._show_failure(self.tr("{disk} could not be opened.").format(disk=name), problem)

    def _let_go(self, then: Callable[[], None]) -> None:
        """Whoever looks at the disk holds a lock on it."""
        ending = [*self.tools.let_go(), *self._others_let_go()]
        if ending:
            self.desk.aside(lambda: [session.wait_closed(LET_GO_S) for session in ending], lambda _ended: then())
        else:
            then()

    @Slot(str)
    def _on_applied(self, words: str) -> None:
        way_back = self.draft_actions.way_back_words()
        self.opening.show_end(self.draft_actions.headline_after(), words, way_back=way_back)
        self.pages.setCurrentWidget(self.opening)

    @Slot(object)
    def _on_apply_failed(self, problem: Explanation) -> None:
        if self.desk.session.state.is_open and self.overview is not None:
            self._show_files()
            self.problem.show_problem(problem)
        else:
            self._show_failure(self.tr("The draft was not applied; it is kept."), problem)

    # -- what happens ------------------------------------------------------------------------------------------

    @Slot(bool)
    def _on_busy(self, busy: bool) -> None:  # noqa: FBT001 - the signal's own argument
        if busy and self.pages.currentWidget() is self._main_page:
            self.progress.begin(self.tr("Working on the image…"))
        else:
            self.progress.end()

    @Slot(tuple, tuple)
    def _on_changes(self, changes: tuple, undone: tuple) -> None:
        self._undone = undone
        self.draft.show_changes(changes, undone)
        self.transfers.forget_fetched()

    @Slot(object)
    def _on_filesystem_wanted(self, device: str | None) -> None:
        self.desk.ask(self.desk.session.show_filesystem(device), self.show_overview)

    @Slot(str)
    def _on_snapshot_wanted(self, snapshot: str) -> None:
        self.other_wanted.emit(dataclasses.replace(self.source, snapshot=snapshot))

    # -- closing -----------------------------------------------------------------------------------------------

    def close_keeping_draft(self) -> None:
        """Close without a question: what is in the draft is there the next time."""
        self.draft_actions.answer_keep()
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self.draft_actions.may_close():
            event.ignore()
            return
        self._keep_geometry()
        self.tools.close_all()
        self.desk.close(keep_draft=self.draft_actions.keeps_draft)
        self._staging.close()
        super().closeEvent(event)
        self.closed.emit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.ApplicationPaletteChange:
            self._look.follow_palette(self)

    def _restore_geometry(self) -> None:
        self.resize(1240, 680)
        for key, restore in ((GEOMETRY_KEY, self.restoreGeometry), (SPLIT_KEY, self._across.restoreState)):
            kept = self._context.profile.get(key)
            if isinstance(kept, str):
                restore(QByteArray.fromBase64(kept.encode("ascii", "ignore")))

    def _keep_geometry(self) -> None:
        for key, state in ((GEOMETRY_KEY, self.saveGeometry()), (SPLIT_KEY, self._across.saveState())):
            self._context.profile.put(key, bytes(state.toBase64().data()).decode("ascii"))


def window_title(speaker: QWidget, source: ImageSource) -> str:
    """«web1 · disk.qcow2 on kvm3 – Image Editor»."""
    disk = names.shown(names.base_of(source.path))
    where = speaker.tr("{disk} on {host}").format(disk=disk, host=names.shown(source.where)) if source.where else disk
    return " · ".join(p for p in (names.shown(source.guest_name), where, speaker.tr("Image Editor")) if p)
