# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare two states of a disk, or two disks: the list of differences, and the text of each. GUI thread.

Opening a side starts an appliance for it, as opening the image did; both sides are only looked at. What one side has
can be brought into the draft.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QHBoxLayout,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.comparing import Compared, Comparison, Difference
from vmconsole.images.messages import EntryKind, FileContent
from vmconsole.inventory.errors import ConsoleError
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.buttons import push_button
from vmconsole.ui.image_editor.compare_sides import Choice, OpenSide, SideDesk
from vmconsole.ui.image_editor.diff_view import DiffView
from vmconsole.ui.image_editor.difference_list import PATH, DifferenceList
from vmconsole.ui.image_editor.look import Tone, plain_label
from vmconsole.ui.image_editor.other_image_dialog import OtherImageDialog
from vmconsole.ui.image_editor.strip import Strip
from vmconsole.ui.image_editor.text_diff import DiffLine, text_diff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.images.session import ImageSession
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.bridge import Bridge
    from vmconsole.ui.image_editor.desk import ImageDesk
    from vmconsole.ui.image_editor.look import Look
    from vmconsole.ui.image_editor.other_images import OtherImages

COMPARED_BYTES_MAX = 1 << 20
"""As much of two texts as is compared line by line; their digests tell of the rest."""


class CompareWindow(QDialog):
    """``changed`` carries a path after it was brought into the draft."""

    changed = Signal(str)

    def __init__(
        self,
        desk: ImageDesk,
        bridge: Bridge,
        open_side: OpenSide,
        found: list[Choice],
        look: Look,
        window: QWidget,
        *,
        may_edit: bool,
        others: OtherImages | None = None,
    ) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Compare"))
        self._desk, self._bridge, self._open_side = desk, bridge, open_side
        self._theme, self._may_edit, self._others = look.theme, may_edit, others
        self._choices = found
        self._sides: tuple[SideDesk, ...] = ()
        self._comparison: Comparison | None = None
        self._paths: tuple[str, ...] = ("/",)
        self._asked = 0
        self._closed = False
        self._folder = tempfile.TemporaryDirectory(prefix="vmconsole-back-")
        self.first = self._box(self.tr("First"))
        self.second = self._box(self.tr("Second"))
        if len(found) > 1:
            self.first.setCurrentIndex(1)
        self.more = push_button(self.tr("&Other Image…"), self._on_other, self)
        self.more.setToolTip(self.tr("Compare with the disk of another guest, a snapshot in it, or an image file"))
        self.go = push_button(self.tr("&Compare"), self.start, self)
        self.stop = push_button(self.tr("&Stop"), self.stop_comparing, self)
        self.note = Strip(self.tr("Note"), parent=self)
        self.note.hide()
        self.list = DifferenceList(look.formats, self)
        self.list.currentItemChanged.connect(self._on_selected)
        self.about = plain_label("", self, name=self.tr("About the difference"))
        self.about.setWordWrap(True)
        self.diff = DiffView(self)
        self.diff.setAccessibleName(self.tr("Difference of the texts"))
        self.status = plain_label("", self, name=self.tr("State"))
        self.back = (
            push_button(self.tr("Bring &First Into the Draft"), lambda: self._bring_back(0), self),
            push_button(self.tr("Bring S&econd Into the Draft"), lambda: self._bring_back(1), self),
        )
        self._lay_out()
        self._say_idle()
        self._update_buttons()
        self.resize(980, 600)

    def _box(self, name: str) -> QComboBox:
        box = QComboBox(self)
        box.setAccessibleName(name)
        box.addItems([choice.words for choice in self._choices])
        return box

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(plain_label(self.tr("First:"), self))
        top.addWidget(self.first, 1)
        top.addWidget(plain_label(self.tr("Second:"), self))
        top.addWidget(self.second, 1)
        top.addWidget(self.more)
        top.addWidget(self.go)
        top.addWidget(self.stop)
        lower = QWidget(self)
        inner = QVBoxLayout(lower)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.about)
        inner.addWidget(self.diff, 1)
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.addWidget(self.list)
        split.addWidget(lower)
        split.setChildrenCollapsible(False)
        below = QHBoxLayout()
        below.addWidget(self.status, 1)
        for button in self.back:
            below.addWidget(button)
        column = QVBoxLayout(self)
        column.addLayout(top)
        column.addWidget(self.note)
        column.addWidget(split, 1)
        column.addLayout(below)

    def _say_idle(self) -> None:
        if len(self._choices) > 1:
            self.status.setText(self.tr("Choose two, and press Compare. Both are only looked at."))
        else:
            words = self.tr("No draft, and no snapshot in the image: add another image to compare with.")
            self.status.setText(words)

    def _on_other(self) -> None:
        """A disk of any guest, a snapshot in it, or a path on the same machine."""
        dialog = OtherImageDialog(self._desk.session.source, self._others, self._theme, self)
        dialog.chosen.connect(self.add_choice)
        dialog.open()

    @Slot(object)
    def add_choice(self, choice: Choice) -> None:
        """One more to choose from; it is chosen as the first."""
        self._choices = [*self._choices, choice]
        for box in (self.first, self.second):
            box.addItem(choice.words)
        self.first.setCurrentIndex(len(self._choices) - 1)
        self._say_idle()
        self._update_buttons()

    # -- comparing ---------------------------------------------------------------------------------------------

    def show_difference(self, paths: Sequence[str]) -> None:
        """What the draft has changed at these paths: the disk as it is, and the draft."""
        if len(self._choices) > 1:
            self.first.setCurrentIndex(1)
            self.second.setCurrentIndex(0)
            self.start(paths)

    def start(self, paths: Sequence[str] = ("/",)) -> None:
        """Open what is not open yet, and compare all, or only these paths."""
        self._paths = tuple(paths)
        chosen = [self._choices[box.currentIndex()] for box in (self.first, self.second)]
        self.note.hide()
        if chosen[0] is chosen[1]:
            self.note.say(self.tr("Choose two different ones."))
            return
        self.stop_comparing()
        self.list.clear()
        self._show_diff([])
        old, self._sides = self._sides, ()
        # A side that is open already stays open: another comparison need not start its appliance again.
        try:
            for choice in chosen:
                self._sides = (*self._sides, self._side(choice, old))
        except ConsoleError as error:
            self._say_problem(error.explanation)
            self._sides_closed()
        for side in old:
            if side not in self._sides:
                side.close()
        if self._sides:
            self._open_next()

    def _side(self, choice: Choice, old: tuple[SideDesk, ...]) -> SideDesk:
        """One that is open, or a new one. Raises ConsoleError if its host cannot be reached."""
        kept = next((side for side in old if side.choice is choice), None)
        return kept or SideDesk(choice, self._desk, self._open_side, self._bridge, self)

    def _open_next(self) -> None:
        side = next((side for side in self._sides if not side.is_open), None)
        self._update_buttons()
        if side is None:
            self._compare()
            return
        self.status.setText(self.tr("Opening: {what}. This takes as long as opening the disk did…").format(
            what=side.choice.words
        ))  # fmt: skip
        self.stop.setEnabled(True)
        side.open(self._open_next, self._on_open_failed)

    def _on_open_failed(self, problem: Explanation | None) -> None:
        if problem is not None:
            self._say_problem(problem)
        self._sides_closed()
        self.status.setText(self.tr("Stopped."))

    def _sides_closed(self) -> None:
        for side in self._sides:
            side.close()
        self._sides = ()
        self._update_buttons()

    def _compare(self) -> None:
        first, second = (side.desk.session.tools for side in self._sides)
        call = self._bridge.call
        self._comparison = Comparison(
            first,
            second,
            paths=self._paths,
            on_found=lambda found: call(lambda: self._on_found(found)),
            on_progress=lambda folder, looked: call(lambda: self._on_progress(folder, looked)),
            on_end=lambda done: call(lambda: self._on_end(done)),
        )
        self.status.setText(self.tr("Comparing…"))
        self._update_buttons()
        self._comparison.start()

    def _on_found(self, found: tuple[Difference, ...]) -> None:
        if not self._closed:
            self.list.add(found)

    def _on_progress(self, folder: str, looked: int) -> None:
        if not self._closed and self._comparison is not None:
            words = self.tr("Comparing: {n} names looked at; now in {folder}")
            self.status.setText(words.format(n=looked, folder=names.shown(folder)))

    def _on_end(self, done: Compared) -> None:
        if self._closed:
            return
        self._comparison = None
        self.list.sortItems(PATH, Qt.SortOrder.AscendingOrder)
        first = self.list.topLevelItem(0)
        if self._paths != ("/",) and first is not None:
            self.list.setCurrentItem(first)
        if done.problem is not None:
            self._say_problem(done.problem)
        if done.left_out:
            words = self.tr("{n} folders could not be read.").format(n=len(done.left_out))
            self.note.say(words, names.shown(" · ".join(done.left_out[:3])))
        count = self.tr("1 difference") if done.differences == 1 else self.tr("{n} differences")
        if not done.differences and done.is_whole:
            count = self.tr("No difference")
        names_words = self.tr("{count} in 1 name.") if done.looked_at == 1 else self.tr("{count} in {n} names.")
        words = names_words.format(count=count.format(n=done.differences), n=done.looked_at)
        self.status.setText(words if done.is_whole else self.tr("Not to the end: {words}").format(words=words))
        self._update_buttons()

    @Slot()
    def stop_comparing(self) -> None:
        """Also while a side is being opened."""
        if self._comparison is not None:
            self._comparison.stop()
        for side in self._sides:
            if not side.is_open:
                side.desk.session.cancel()

    def _say_problem(self, problem: Explanation) -> None:
        text = " ".join(part for part in (problem.cause, problem.advice) if part)
        self.note.say(problem.what, text, tone=Tone.PROBLEM)

    # -- one difference ----------------------------------------------------------------------------------------

    @Slot()
    def _on_selected(self) -> None:
        self._asked += 1
        self._update_buttons()
        found = self.list.current()
        if found is None or len(self._sides) != 2:
            self._show_diff([])
            return
        self.about.setText(self._about(found))
        if found.is_folder or not self._has_text(found):
            self.diff.show_lines([])
            return
        contents: list[bytes | None] = [None, None]
        self._read(found, 0, self._asked, contents)

    def _has_text(self, found: Difference) -> bool:
        return any(one is not None and one.kind is EntryKind.FILE for one in (found.first, found.second))

    def _about(self, found: Difference) -> str:
        digests = [
            self.tr("{which}: SHA-256 {digest}").format(which=side.choice.words, digest=digest)
            for side, digest in zip(self._sides, (found.first_sha256, found.second_sha256), strict=True)
            if digest
        ]
        links = [one.link_target for one in (found.first, found.second) if one is not None and one.link_target]
        targets = [self.tr("Points to {target}").format(target=names.shown(" → ".join(links)))] if links else []
        return "\n".join([names.shown(found.path), *targets, *digests])

    def _read(self, found: Difference, which: int, number: int, contents: list[bytes | None]) -> None:
        """Read the first, then the second; then compare them aside."""
        if number != self._asked:
            return
        if which == 2:
            first, second = contents
            self._desk.aside(
                lambda: text_diff(first, second),
                lambda lines: self._show_diff(lines) if number == self._asked else None,
            )
            return
        one = (found.first, found.second)[which]
        if one is None or one.kind is not EntryKind.FILE:
            self._read(found, which + 1, number, contents)
            return

        def take(content: FileContent) -> None:
            contents[which] = content.data
            self._read(found, which + 1, number, contents)

        desk = self._sides[which].desk
        reading = desk.session.read_file(found.path, limit_bytes=COMPARED_BYTES_MAX)
        desk.ask(reading, take, failed=lambda problem: self._say_problem(problem) if number == self._asked else None)

    def _show_diff(self, lines: list[DiffLine]) -> None:
        self.diff.show_lines(lines)
        if not lines:
            self.about.setText(self.tr("Select a difference to see it here."))

    def _update_buttons(self) -> None:
        if self._closed:
            return
        found = self.list.current()
        is_busy = self._comparison is not None or any(not side.is_open for side in self._sides)
        self.go.setEnabled(len(self._choices) > 1 and not is_busy)
        self.stop.setEnabled(is_busy)
        for which, button in enumerate(self.back):
            there = found is not None and (found.first, found.second)[which] is not None
            button.setEnabled(
                self._may_edit and there and len(self._sides) == 2 and self._sides[which].may_take and not is_busy
            )
            button.setVisible(self._may_edit)

    # -- bringing back -----------------------------------------------------------------------------------------

    def _bring_back(self, which: int) -> None:
        """Copy a file or folder, with all it has, from one side into the draft."""
        found = self.list.current()
        if found is None:
            return
        side, path = self._sides[which], found.path
        packed = Path(self._folder.name) / "packed.tar"
        self.status.setText(self.tr("Bringing {path} into the draft…").format(path=names.shown(path)))

        def unpack(_packed: object) -> None:
            unpacking = self._desk.session.tools.unpack(packed, path)
            self._desk.ask(unpacking, done, failed=self._on_back_failed, cancelled=self._on_back_stopped)

        def done(_none: object) -> None:
            packed.unlink(missing_ok=True)
            self.status.setText(self.tr("{path} is in the draft now.").format(path=names.shown(path)))
            self.changed.emit(path)

        packing = side.desk.session.tools.pack(path, packed)
        side.desk.ask(packing, unpack, failed=self._on_back_failed, cancelled=self._on_back_stopped)

    def _on_back_failed(self, problem: Explanation) -> None:
        self._say_problem(problem)
        self.status.setText(self.tr("It was not brought into the draft."))

    def _on_back_stopped(self) -> None:
        self.status.setText(self.tr("Stopped; it was not brought into the draft."))

    # -- the end -----------------------------------------------------------------------------------------------

    def let_go(self) -> tuple[ImageSession, ...]:
        """The disk is about to be written: end what was opened to compare it. The sessions that are ending."""
        ending = tuple(side.desk.session for side in self._sides if not side.is_own)
        if ending:
            self.stop_comparing()
            self._sides_closed()
            self.status.setText(self.tr("Closed, as the disk was to be written. Press Compare to compare again."))
        return ending

    def done(self, result: int) -> None:
        self.close_all()
        super().done(result)

    def close_all(self) -> None:
        """End the comparison, the sessions that were opened for it, and the files on this machine."""
        if self._closed:
            return
        self._closed = True
        comparison, self._comparison = self._comparison, None
        if comparison is not None:
            comparison.stop()
        for side in self._sides:
            side.close()
        self._folder.cleanup()
