# SPDX-License-Identifier: GPL-3.0-or-later
"""«Drafts»: what earlier sessions left on this computer, offered when the program starts. GUI thread.

Also the ways back of applied drafts are here, with the space that they take. Files are read on a thread of their own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QMessageBox,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.jobs import JobThread
from vmconsole.images.kept_drafts import KeptDraft, kept_drafts, remove
from vmconsole.inventory.errors import ConsoleError
from vmconsole.inventory.ids import HostId
from vmconsole.links.ssh import LocalShell
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import Look, plain_label, plain_tip
from vmconsole.ui.image_editor.problem import ProblemStrip
from vmconsole.ui.image_editor.questions import Question, listed

if TYPE_CHECKING:
    from concurrent.futures import Future

    from vmconsole.ui.context import Context
    from vmconsole.ui.image_editor.editors import ImageEditors

_KEPT = Qt.ItemDataRole.UserRole


class KeptDialog(QDialog):
    """``look`` reads what is kept, and shows the dialog if there is a draft. Not modal: nothing waits for it."""

    looked = Signal(int)
    """How many drafts and ways back were found."""

    def __init__(self, context: Context, editors: ImageEditors, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context, self._editors = context, editors
        self._look = Look.make(context.theme)
        self._jobs = JobThread("kept drafts")
        self._shell = LocalShell()
        self.setWindowTitle(self.tr("Drafts"))
        self.problem = ProblemStrip(self._look.theme, self)
        self.words = plain_label(
            self.tr("These changes of disks are kept on this computer. They are not lost, and not on the disks yet."),
            self, name=self.tr("About the drafts"),
        )  # fmt: skip
        self.words.setWordWrap(True)
        self.tree = QTreeWidget(self)
        self.tree.setAccessibleName(self.tr("Kept drafts"))
        self.tree.setHeaderLabels(
            [self.tr("Disk"), self.tr("Guest"), self.tr("Kept"), self.tr("Space here"), self.tr("Last change")]
        )
        self.tree.setRootIsDecorated(False)
        self.tree.setUniformRowHeights(True)
        self.tree.itemActivated.connect(lambda _item, _column: self.open_current())
        self.tree.currentItemChanged.connect(lambda _now, _before: self._update())
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.open_button = QPushButton(self.tr("&Open"), self)
        self.discard_button = QPushButton(self.tr("&Discard…"), self)
        for button, slot in ((self.open_button, self.open_current), (self.discard_button, self.ask_discard)):
            button.setAccessibleName(button.text().replace("&", "").rstrip("…"))
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
            button.clicked.connect(slot)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        for part in (self.problem, self.words, self.tree, buttons):
            column.addWidget(part)
        self.resize(self.fontMetrics().averageCharWidth() * 110, self.fontMetrics().height() * 18)
        self._update()

    def look(self, *, shows: bool = True) -> None:
        """Read what is kept. ``shows``: open if there is a draft (a way back alone does not ask for attention)."""
        work_dir = self._context.profile.drafts_dir
        found = self._jobs.submit(lambda: kept_drafts(work_dir))
        self._context.bridge.when_done(found, partial(self._on_looked, shows=shows))

    def close_down(self) -> None:
        """The program ends."""
        self._jobs.close(lambda: None)
        self._shell.close()
        self.close()

    def _on_looked(self, done: Future[tuple[KeptDraft, ...]], *, shows: bool) -> None:
        if done.cancelled():
            return
        kept = done.result()
        self._fill(kept)
        if shows and any(one.changes for one in kept):
            self.show()
        self.looked.emit(len(kept))

    def _fill(self, kept: tuple[KeptDraft, ...]) -> None:
        formats = self._look.formats
        self.tree.clear()
        for one in kept:
            source = one.source
            disk = names.shown(source.path)
            where = self.tr("{disk} on {host}").format(disk=disk, host=source.where) if source.where else disk
            item = QTreeWidgetItem(
                [where, names.shown(source.guest_name), self._what(one), formats.size(one.bytes), formats.clock(one.at)]
            )
            tip = "\n".join(names.shown(words) for words in (one.changes or one.way_back)[:20])
            item.setToolTip(0, plain_tip(tip))
            item.setToolTip(2, plain_tip(tip))
            item.setData(0, _KEPT, one)
            self.tree.addTopLevelItem(item)
        for column in range(self.tree.columnCount()):
            self.tree.resizeColumnToContents(column)
        first = self.tree.topLevelItem(0)
        if first is not None:
            self.tree.setCurrentItem(first)
        self._update()

    def _what(self, one: KeptDraft) -> str:
        if not one.changes:
            return self.tr("way back of an Apply")
        return self.tr("1 change") if len(one.changes) == 1 else self.tr("{n} changes").format(n=len(one.changes))

    def _current(self) -> KeptDraft | None:
        item = self.tree.currentItem()
        found: KeptDraft | None = item.data(0, _KEPT) if item is not None else None
        return found

    def _update(self) -> None:
        is_chosen = self._current() is not None
        self.open_button.setEnabled(is_chosen)
        self.discard_button.setEnabled(is_chosen)

    @Slot()
    def open_current(self) -> None:
        """Go on with it in an editor; its host must be connected."""
        one = self._current()
        if one is None:
            return
        self.problem.put_away()
        try:
            if one.source.host_uri:
                self._editors.open_on_host(HostId(one.source.host_uri), one.source)
            else:
                self._editors.open(one.source, self._shell, users=lambda: ())
        except ConsoleError as error:
            self.problem.show_problem(error.explanation)
            return
        self.accept()

    @Slot()
    def ask_discard(self) -> None:
        one = self._current()
        if one is None:
            return
        text = self.tr("Forget what is kept of {disk}? This is lost:").format(disk=names.shown(one.source.path))
        told = one.changes or tuple(self.tr("way back: {words}").format(words=words) for words in one.way_back)
        box = Question(self, self.tr("Discard"), text, listed(told, self.tr("and {n} more")))
        box.answer(self.tr("&Discard"), QMessageBox.ButtonRole.DestructiveRole, partial(self._discard, one))
        box.answer(self.tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.open()

    def _discard(self, one: KeptDraft) -> None:
        gone = self._jobs.submit(lambda: remove(one))
        self._context.bridge.when_done(gone, lambda _done: self.look(shows=False))
