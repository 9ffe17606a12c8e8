# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of a running guest, through its agent: the image editor's parts in another colour. GUI thread.

There is no draft and no undo: the frame, the strip on top and every question say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QEvent, QSize, Qt, Signal, Slot
from PySide6.QtGui import QAction, QCloseEvent, QColor, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QInputDialog, QMainWindow, QMessageBox, QSplitter, QToolBar, QVBoxLayout, QWidget

from vmconsole.images.live_session import LiveSession
from vmconsole.images.messages import Entry, EntryKind
from vmconsole.ui.error_help import ErrorHelp
from vmconsole.ui.error_view import NOBODY
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.bring_in import Words
from vmconsole.ui.image_editor.browser import Browser
from vmconsole.ui.image_editor.desk import ImageDesk
from vmconsole.ui.image_editor.live_actions import LiveActions
from vmconsole.ui.image_editor.look import Look, Tone, tone_colours
from vmconsole.ui.image_editor.problem import ProblemStrip
from vmconsole.ui.image_editor.progress_strip import ProgressStrip
from vmconsole.ui.image_editor.questions import Question
from vmconsole.ui.image_editor.staging import Staging
from vmconsole.ui.image_editor.strip import Strip
from vmconsole.ui.image_editor.transfers import Transfers
from vmconsole.ui.image_editor.viewer import FileViewer

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.live_agent import Abilities, Call
    from vmconsole.images.messages import SessionEvent
    from vmconsole.images.session import ImageSession
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.context import Context
    from vmconsole.ui.remedies import Subject

FRAME = 4


class LiveWindow(QMainWindow):
    """``closed`` when it is over; the window deletes itself then."""

    closed = Signal()

    def __init__(
        self, context: Context, guest_name: str, host_name: str, call: Call, *, subject: Subject = NOBODY
    ) -> None:
        """``call`` asks the guest's agent; it blocks and is called on the session's thread."""
        super().__init__(None, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._guest_name = guest_name
        self._may_close = False

        def make_session(on_event: Callable[[SessionEvent], None]) -> ImageSession:
            # The parts use the calls that both sessions have; which those are is under test with the real ones.
            return cast("ImageSession", LiveSession(call, on_event=on_event))

        done = self.tr("What was done before it is in the guest; look whether this one was.")
        self.desk = ImageDesk(make_session, context.bridge, reassurance=done)
        self.desk.setParent(self)
        self._look = Look.make(context.theme)
        self._staging = Staging(context.profile.cache_dir / "dragged-out")
        self._make_parts(context, subject)
        warning = self.tr("That is done at once, and cannot be undone.")
        words = Words(warning, takes_carried=False)
        self.transfers = Transfers(self.desk, self.browser, self._staging, self._look, self, words=words)
        self.actions_on_files = LiveActions(self.desk, self.browser, self.transfers, self._look.theme, self)
        self._lay_out()
        self._wire()
        place = self.tr("{guest} on {host}").format(guest=names.shown(guest_name), host=names.shown(host_name))
        self.setWindowTitle(self.tr("{place} · Live Folders").format(place=place))
        self.resize(1120, 640)

    @property
    def session(self) -> LiveSession:
        return cast("LiveSession", self.desk.session)

    def _make_parts(self, context: Context, subject: Subject) -> None:
        look, helped = self._look, ErrorHelp(context)
        self.banner = Strip(self.tr("What is safe"), tone=Tone.LIVE, parent=self)
        self.again = self.banner.add_button(
            self.tr("&Try Again"), self.open, tip=self.tr("Ask the agent inside the guest once more")
        )
        self.problem = ProblemStrip(look.theme, self, helped_by=helped, subject=subject)
        self.note = Strip(self.tr("Note"), parent=self)
        self.note.add_button(self.tr("Close"), self.note.hide, tip=self.tr("Put this message away"))
        self.note.hide()
        self.progress = ProgressStrip(look.formats, self)
        self.browser = Browser(self.desk, look, self)
        self.viewer = FileViewer(self.desk, look.formats, self)
        self.viewer.save.setToolTip(self.tr("Write the text into the running guest, at once (Ctrl+S)"))

    def _lay_out(self) -> None:
        across = QSplitter(Qt.Orientation.Horizontal, self)
        across.addWidget(self.browser)
        across.addWidget(self.viewer)
        across.setSizes([660, 440])
        across.setChildrenCollapsible(False)
        inner = QVBoxLayout()
        inner.setContentsMargins(8, 6, 8, 6)
        inner.addWidget(across)
        whole = LiveFrame(self)
        column = QVBoxLayout(whole)
        column.setContentsMargins(FRAME, FRAME, FRAME, FRAME)
        column.setSpacing(0)
        for part in (self.banner, self.problem, self.note):
            column.addWidget(part)
        column.addLayout(inner, 1)
        column.addWidget(self.progress)
        self.setCentralWidget(whole)
        bar = QToolBar(self.tr("Files"), self)
        bar.setMovable(False)
        bar.setIconSize(QSize(18, 18))
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        verbs = self.actions_on_files
        self.open_path = QAction(self.tr("Open by &Path…"), self)
        self.open_path.setShortcut("Ctrl+O")
        self.open_path.setToolTip(self.tr("Open a file whose path you know (Ctrl+O)"))
        self.open_path.triggered.connect(self.ask_path)
        for action in (verbs.import_files, verbs.copy_to, verbs.new_folder, verbs.delete, self.open_path):
            bar.addAction(action)
        bar.toggleViewAction().setEnabled(False)
        self.addToolBar(bar)

    def _wire(self) -> None:
        self.desk.failed.connect(self._on_failed)
        self.desk.progressed.connect(self.progress.take)
        self.desk.busy_changed.connect(self._on_busy)
        for speaker in (self.transfers.problem, self.actions_on_files.problem):
            speaker.connect(self.problem.show_problem)
        self.transfers.note.connect(self.note.say)
        self.progress.cancel_wanted.connect(self.session.cancel)
        self.browser.entry_selected.connect(self.viewer.show_selected)
        self.browser.file_activated.connect(self.viewer.show_activated)
        self.browser.folder_shown.connect(lambda _path: self.problem.put_away())
        self.viewer.saved.connect(self._on_saved)

    # -- life --------------------------------------------------------------------------------------------------

    @Slot()
    def open(self) -> None:
        """Ask what the agent can do, and show the top folder, or the folder shown before."""
        self._say(self.tr("Asking the agent inside the guest…"), "")
        self.again.hide()
        self.desk.ask(self.session.begin(), self._on_abilities, failed=self._on_no_agent)

    def _on_abilities(self, able: Abilities) -> None:
        self.problem.put_away()
        words = self.tr(
            "There is no draft and no undo. Files are read and written by the agent in {guest}; what is saved comes "
            "whole or not at all."
        ).format(guest=names.shown(self._guest_name))
        reason = ""
        if not able.runs:
            reason = self.tr("The agent of this guest may not run programs (guest-exec is turned off).")
            words = " ".join(
                [reason, self.tr("Folders cannot be listed; files open by their path, and are written over in place.")]
            )
        self._say(self.tr("Live in the running guest: changes happen at once."), words)
        may_write = able.runs and able.writes
        self.transfers.set_may_write(on=may_write)
        self.transfers.ownership.hide()
        self.actions_on_files.set_why_not(reason or ("" if may_write else self.tr("The agent may not write files.")))
        self.viewer.set_may_edit(on=able.writes)
        if able.runs:
            self.browser.open_folder(self.browser.folder, otherwise="/")
            self.browser.view.setFocus()
        else:
            self.browser.empty.setText(self.tr("Folders cannot be listed here. Open a file by its path (Ctrl+O)."))

    def _on_no_agent(self, problem: Explanation) -> None:
        self._say(self.tr("The agent inside the guest cannot be reached."), "")
        self.again.show()
        self.actions_on_files.set_why_not(problem.what)
        self.problem.show_problem(problem)

    def _say(self, headline: str, text: str) -> None:
        self.banner.say(headline, text, tone=Tone.LIVE)

    @Slot(object)
    def _on_failed(self, problem: Explanation) -> None:
        """What was on the screen stays there; «Try Again» asks the agent anew."""
        self.again.setVisible(problem.entry.startswith("agent-") or not self.browser.model.total)
        self.problem.show_problem(problem)

    # -- what happens ------------------------------------------------------------------------------------------

    @Slot(bool)
    def _on_busy(self, busy: bool) -> None:  # noqa: FBT001 - the signal's own argument
        if busy:
            self.progress.begin(self.tr("Waiting for the guest…"))
        else:
            self.progress.end()

    @Slot(str)
    def _on_saved(self, path: str) -> None:
        self.transfers.forget_fetched()
        if self.session_can_list and names.parent_of(path) == self.browser.folder:
            self.browser.reload()

    @property
    def session_can_list(self) -> bool:
        """Whether folders can be shown at all."""
        return bool(self.browser.model.total)

    @Slot()
    def ask_path(self) -> None:
        """Open a file by a path that is typed, as where folders cannot be listed."""
        dialog = QInputDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(self.tr("Open by path"))
        dialog.setLabelText(self.tr("Path of the file inside the guest:"))
        dialog.setTextValue(names.join(self.browser.folder, ""))
        dialog.textValueSelected.connect(self.open_file)
        dialog.open()

    @Slot(str)
    def open_file(self, path: str) -> None:
        """Show a file on the right, wherever it lies."""
        self.viewer.show_entry(path, Entry(names.base_of(path), EntryKind.FILE))

    # -- closing -----------------------------------------------------------------------------------------------

    def close_without_asking(self) -> None:
        self._may_close = True
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.viewer.has_unsaved_text and not self._may_close:
            event.ignore()
            self._ask_close()
            return
        self.desk.close()
        self._staging.close()
        super().closeEvent(event)
        self.closed.emit()

    def _ask_close(self) -> None:
        name = names.shown(names.base_of(self.viewer.path))
        text = self.tr("The text of “{name}” is not saved.").format(name=name)
        box = Question(self, self.tr("Unsaved text"), text, self.tr("Nothing of it is in the guest yet."))
        box.answer(self.tr("&Drop the Text"), QMessageBox.ButtonRole.DestructiveRole, self.close_without_asking)
        box.answer(self.tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.open()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.ApplicationPaletteChange:
            self._look.follow_palette(self)


class LiveFrame(QWidget):
    """A coloured edge around all of the window, which no image's window has."""

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        dark = self.palette().color(QPalette.ColorRole.Window).lightness() < 128
        edge = QColor(tone_colours(Tone.LIVE, dark=dark)[1])
        painter = QPainter(self)
        for side in range(FRAME):
            painter.setPen(edge)
            painter.drawRect(self.rect().adjusted(side, side, -side - 1, -side - 1))
