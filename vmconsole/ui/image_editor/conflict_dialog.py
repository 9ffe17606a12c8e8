# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks, name by name, what to do where a name is taken; each answer can hold for all that are left. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QCommandLinkButton,
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.messages import Conflict, Entry, EntryKind
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import bold, plain_label, time_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.ui.image_editor.conflicts import Taken
    from vmconsole.ui.image_editor.look import Look

ICON_PX = 32


class ConflictDialog(QDialog):
    """``decided`` carries a ``Conflict`` for each name, when all are answered; a cancel answers none."""

    decided = Signal(dict)

    def __init__(
        self, taken: Sequence[Taken], folder: str, look: Look, parent: QWidget, *, comes_from: str, warning: str
    ) -> None:
        """``comes_from``: «this computer», «web2 on kvm1». ``warning``: what a replaced file means here."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setWindowTitle(self.tr("Names are taken"))
        self._taken, self._folder, self._look, self._warning = tuple(taken), folder, look, warning
        self._chosen: dict[str, Conflict] = {}
        self.headline = bold(plain_label("", self, name=self.tr("Question")), larger=1.15)
        self.headline.setWordWrap(True)
        self.count = plain_label("", self, name=self.tr("Which of how many"))
        self.there = _Side(self.tr("In the folder now"), look, self)
        self.coming = _Side(self.tr("Coming from {place}").format(place=names.shown(comes_from)), look, self)
        self.replace = self._link(Conflict.REPLACE)
        self.both = self._link(Conflict.KEEP_BOTH)
        self.skip = self._link(Conflict.SKIP)
        self.skip.setDefault(True)  # and from elsewhere what harms least
        self.for_all = QCheckBox(self)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.buttons.rejected.connect(self.reject)
        cancel = self.buttons.button(QDialogButtonBox.StandardButton.Cancel)
        cancel.setToolTip(self.tr("Bring in nothing at all; everything stays as it is"))
        self._lay_out()
        self._show_next()

    def _link(self, answer: Conflict) -> QCommandLinkButton:
        button = QCommandLinkButton(self)
        button.setIconSize(QSize(20, 20))
        button.clicked.connect(lambda _checked=False: self._on_answer(answer))
        button.setAutoDefault(True)  # Enter presses the one that has the focus
        return button

    def _lay_out(self) -> None:
        sides = QHBoxLayout()
        sides.setSpacing(12)
        sides.addWidget(self.there, 1)
        sides.addWidget(self.coming, 1)
        below = QHBoxLayout()
        below.addWidget(self.for_all, 1)
        below.addWidget(self.buttons)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 12)
        column.setSpacing(8)
        column.addWidget(self.headline)
        column.addWidget(self.count)
        column.addLayout(sides)
        for button in (self.replace, self.both, self.skip):
            column.addWidget(button)
        column.addLayout(below)
        self.setFixedWidth(max(560, self.fontMetrics().averageCharWidth() * 84))

    # -- one name ----------------------------------------------------------------------------------------------

    @property
    def _left(self) -> tuple[Taken, ...]:
        return tuple(one for one in self._taken if one.coming.name not in self._chosen)

    def _show_next(self) -> None:
        one, *others = self._left
        name, folder = names.shown(one.coming.name), names.shown(self._folder)
        self.headline.setText(self.tr("“{name}” is already in {folder}.").format(name=name, folder=folder))
        total = len(self._taken)
        at = self.tr("Name {i} of {n} that are taken").format(i=total - len(others), n=total)
        self.count.setText(at if total > 1 else "")
        self.count.setVisible(total > 1)
        self.there.show_entry(one.there, one.coming)
        self.coming.show_entry(one.coming, one.there)
        self._offer(one, name)
        self.for_all.setChecked(self.for_all.isChecked() and bool(others))
        self.for_all.setVisible(bool(others))
        same = self.tr("Do the same for the &other one")
        many = self.tr("Do the same for all {n} &others").format(n=len(others))
        self.for_all.setText(same if len(others) == 1 else many)
        self.skip.setFocus()

    def _offer(self, one: Taken, name: str) -> None:
        if one.merges and not one.is_move:
            text = self.tr("&Merge the folders")
            what = self.tr("Files of the same name in it are replaced; all other files of both stay.")
        else:
            text = self.tr("&Replace")
            what = self.tr("The one in the folder goes.")
        what = f"{what} {self._warning}"
        if not one.may_replace:
            what = self.tr("A folder cannot replace a file, nor a file a folder.")
            if one.is_final:
                what = self.tr("In a running guest nothing is replaced by moving. Delete it first.")
            if one.merges:
                what = self.tr("Folders are not merged by moving. Copy and paste it: that merges.")
        new = names.shown(one.new_name)
        self._say(self.replace, text, what)
        self.replace.setEnabled(one.may_replace)
        self._say(self.both, self.tr("Keep &Both"), self.tr("The new one is called “{name}”.").format(name=new))
        self._say(self.skip, self.tr("&Skip"), self.tr("“{name}” is not brought in.").format(name=name))

    def _say(self, button: QCommandLinkButton, text: str, what: str) -> None:
        button.setText(text)
        button.setDescription(what)
        button.setAccessibleName(text.replace("&", ""))
        button.setAccessibleDescription(what)

    def _on_answer(self, answer: Conflict) -> None:
        one, *others = self._left
        self._chosen[one.coming.name] = answer
        if self.for_all.isChecked():
            fitting = [o for o in others if o.may_replace or answer is not Conflict.REPLACE]
            self._chosen.update({other.coming.name: answer for other in fitting})
        if self._left:
            self._show_next()
            return
        chosen = dict(self._chosen)
        self.accept()
        self.decided.emit(chosen)


class _Side(QFrame):
    """One of the two: its kind, size and time, and how it differs from the other."""

    def __init__(self, title: str, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAccessibleName(title)
        self._look = look
        self._icon = QLabel(self)
        self.title = bold(plain_label(title, self))
        self.title.setWordWrap(True)
        self.size_line = plain_label("", self, name=title)
        self.time_line = plain_label("", self, name=title)
        grid = QGridLayout(self)
        grid.setContentsMargins(10, 8, 10, 8)
        grid.addWidget(self._icon, 0, 0, 3, 1, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(self.title, 0, 1)
        grid.addWidget(self.size_line, 1, 1)
        grid.addWidget(self.time_line, 2, 1)
        grid.setColumnStretch(1, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def show_entry(self, entry: Entry, other: Entry) -> None:
        kinds = {EntryKind.FOLDER: self.tr("Folder"), EntryKind.FILE: self.tr("File"), EntryKind.LINK: self.tr("Link")}
        icons = {EntryKind.FOLDER: "folder", EntryKind.LINK: "file-link"}
        kind = kinds.get(entry.kind, self.tr("Special file"))
        plain = "file" if entry.kind is EntryKind.FILE else "file-special"
        self._icon.setPixmap(self._look.theme.icon(icons.get(entry.kind, plain)).pixmap(ICON_PX))
        both_files = entry.kind is other.kind is EntryKind.FILE
        size, of_other = entry.size_bytes, other.size_bytes
        words = [kind, self._look.formats.size(size) if entry.kind is EntryKind.FILE else ""]
        if both_files and size is not None and of_other is not None and size != of_other:
            words.append(self.tr("larger") if size > of_other else self.tr("smaller"))
        elif both_files and size is not None and size == of_other:
            words.append(self.tr("same size"))
        self.size_line.setText(" · ".join(word for word in words if word))
        self.time_line.setText(self._when(entry.modified_at, other.modified_at))

    def _when(self, at: float | None, of_other: float | None) -> str:
        words = time_text(at) or self.tr("Time not known")
        if at is None or of_other is None or int(at) == int(of_other):
            return words
        return self.tr("{time} · newer").format(time=words) if at > of_other else words
