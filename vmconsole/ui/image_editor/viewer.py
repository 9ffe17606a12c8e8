# SPDX-License-Identifier: GPL-3.0-or-later
"""The right side: the selected file as text that can be edited, as bytes, or as a word on why not. GUI thread.

Text that was changed and not saved stays on the screen until it is saved or reverted, whatever is selected meanwhile: a
click elsewhere loses nothing and asks nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from vmconsole.images.messages import Entry, EntryKind, FileContent
from vmconsole.inventory.errors import Explanation
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.file_model import entry_mode_text
from vmconsole.ui.image_editor.hex_pane import HexPane
from vmconsole.ui.image_editor.look import Tone, bold, plain_label, plain_tip, time_text
from vmconsole.ui.image_editor.strip import Strip
from vmconsole.ui.image_editor.text_file import (
    LINE_MAX,
    TextFile,
    first_unseen,
    longest_line,
    read_beginning,
    read_text,
    write_text,
)
from vmconsole.ui.image_editor.text_pane import TextPane

if TYPE_CHECKING:
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.image_editor.desk import ImageDesk

SHOWN_BYTES_MAX = 1 << 20
"""As much of a file as is edited as text; of a longer one the beginning is shown, and all of it as bytes."""
SETTLE_MS = 120
"""Wait this long after a selection: walking down a list with the arrow keys should not read every file."""


class FileViewer(QWidget):
    """``saved`` carries the path after its text went into the draft; ``unsaved_changed`` whether there is such text."""

    saved = Signal(str)
    unsaved_changed = Signal(bool)

    def __init__(self, desk: ImageDesk, formats: Formats, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._formats = formats
        self._path = ""
        self._entry: Entry | None = None
        self._wanted: tuple[str, Entry] | None = None
        self._file: TextFile | None = None
        self._asked = 0
        self._may_edit = False
        self._unsaved = False
        self.title = bold(plain_label("", self, name=self.tr("Shown file")))
        self.facts = plain_label("", self, name=self.tr("About the file"))
        self.note = Strip(self.tr("Note on the file"), parent=self)
        self.text_pane = TextPane(desk, self)
        self.view = self.text_pane.view
        self.view.modificationChanged.connect(self._on_modified)
        self.hex_pane = HexPane(desk, formats, self)
        self.panes = QStackedWidget(self)
        self.panes.addWidget(self.text_pane)
        self.panes.addWidget(self.hex_pane)
        self.save = self._button(self.tr("&Save"), self.save_text, self.tr("Put the text into the draft (Ctrl+S)"))
        self.revert = self._button(
            self.tr("Re&vert"), self.revert_text, self.tr("Go back to the text before the changes")
        )
        self.save.setShortcut(QKeySequence(QKeySequence.StandardKey.Save))
        self.as_bytes = self._button(self.tr("&Bytes"), self._on_as_bytes, self.tr("Show the bytes (Ctrl+B)"))
        self.as_bytes.setCheckable(True)
        self.as_bytes.setShortcut(QKeySequence("Ctrl+B"))
        self._size_bytes = 0
        self._lay_out()
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._load_wanted)
        self._show_nothing()

    def _button(self, text: str, pressed: object, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setAccessibleName(text.replace("&", ""))
        button.setToolTip(plain_tip(tip))
        button.clicked.connect(pressed)
        return button

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.title, 1)
        top.addWidget(self.as_bytes)
        top.addWidget(self.revert)
        top.addWidget(self.save)
        self.facts.setWordWrap(True)
        self.title.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.facts)
        column.addWidget(self.note)
        column.addWidget(self.panes, 100)
        column.addStretch(1)  # keeps a note at the top while there is no file

    # -- what is wanted ----------------------------------------------------------------------------------------

    @property
    def has_unsaved_text(self) -> bool:
        return self._unsaved

    @property
    def is_about_to_load(self) -> bool:
        """Whether another file was selected a moment ago and will be shown next."""
        return self._settle.isActive()

    @property
    def path(self) -> str:
        """The file that is shown; empty for none."""
        return self._path

    def set_may_edit(self, *, on: bool) -> None:
        self._may_edit = on
        self._update_state()

    def show_entry(self, path: str, entry: Entry) -> None:
        """Show this file soon. With unsaved text on the screen it waits until that is saved or reverted."""
        self._wanted = (path, entry)
        if self._unsaved:
            self._say_unsaved()
        else:
            self._settle.start()

    @Slot(object, object)
    def show_selected(self, path: str, entry: Entry | None) -> None:
        """What the browser has selected: a file, or nothing."""
        if entry is None:
            self.show_nothing()
        else:
            self.show_entry(path, entry)

    @Slot(object, object)
    def show_activated(self, path: str, entry: Entry) -> None:
        """Show this file, and put the keyboard into it."""
        self.show_entry(path, entry)
        self.focus_content()

    def show_nothing(self) -> None:
        """Nothing is selected; soon, for a moment without a selection lies between any two."""
        self._wanted = None
        self._settle.start()

    def _show_nothing(self) -> None:
        self._begin("", None)
        self._say(self.tr("Select a file to see what is in it."), tone=Tone.CALM)

    # -- loading -----------------------------------------------------------------------------------------------

    @Slot()
    def _load_wanted(self) -> None:
        if self._unsaved:
            return
        if self._wanted is None:
            self._show_nothing()
            return
        path, entry = self._wanted
        self._begin(path, entry)
        refusal = self._refusal(entry)
        if refusal:
            self._say(refusal, tone=Tone.CALM)
            return
        number = self._asked
        reading = self._desk.session.read_file(path, limit_bytes=SHOWN_BYTES_MAX)
        self._desk.ask(
            reading,
            lambda content: self._show_content(content) if number == self._asked else None,
            failed=lambda problem: self._show_problem(problem) if number == self._asked else None,
        )

    def _begin(self, path: str, entry: Entry | None) -> None:
        self._asked += 1
        self._path, self._entry, self._file, self._size_bytes = path, entry, None, 0
        self.facts.setText(self._facts(entry) if entry is not None else "")
        self.facts.setVisible(entry is not None)
        self.note.hide()
        self._set_text("", None)
        self.hex_pane.show_file("", 0)
        self.panes.hide()
        self._update_state()

    def _facts(self, entry: Entry) -> str:
        size = self._formats.size(entry.size_bytes)
        owner = f"{names.shown(entry.owner)}:{names.shown(entry.group)}"
        parts = [size, entry_mode_text(entry), owner if owner != ":" else "", time_text(entry.modified_at)]
        return " · ".join(p for p in parts if p)

    def _refusal(self, entry: Entry) -> str:
        """Why this entry has no content to show, or empty."""
        if not entry.is_addressable:
            return self.tr("The name of this file is not UTF-8, so it cannot be opened. Copy its folder out to get it.")
        match entry.kind:
            case EntryKind.FILE | EntryKind.LINK:
                return ""
            case EntryKind.FOLDER:
                return self.tr("This is a folder. Press Enter or double-click to open it.")
            case EntryKind.BLOCK_DEVICE | EntryKind.CHARACTER_DEVICE:
                return self.tr("This is a device node; it has no content of its own.")
            case _:
                return self.tr("This is a pipe, a socket or the like; it has no content of its own.")

    def _show_content(self, content: FileContent) -> None:
        entry = self._entry
        self._size_bytes = content.size_bytes
        text = read_beginning(content.data) if content.is_truncated else read_text(content.data)
        longest = longest_line(text.text) if text is not None else 0
        if longest > LINE_MAX:
            text = None
            self._say(
                self.tr("Shown as bytes: it has a line of {n} characters.").format(n=longest),
                self.tr("A line that long cannot be laid out quickly as text. Copy the file out to change it."),
            )
        if text is not None:
            self._set_text(text.text, text)
            self._file = text if self._survives(text, content.data) else None
            self._say_about_text(content, text, entry)
        if content.is_truncated:
            self._file = None
        self._show_bytes(on=text is None)
        self.as_bytes.setEnabled(text is not None and content.size_bytes > 0)
        self.panes.setVisible(content.size_bytes > 0 or self._file is not None)
        self._update_state()

    def _show_bytes(self, *, on: bool) -> None:
        self.as_bytes.setChecked(on)
        self.panes.setCurrentWidget(self.hex_pane if on else self.text_pane)
        if on:
            self.hex_pane.show_file(self._path, self._size_bytes)

    @Slot()
    def _on_as_bytes(self) -> None:
        """The file as it is in the draft; text that is not saved is not in it yet."""
        self._show_bytes(on=self.as_bytes.isChecked())
        self.focus_content()

    def focus_content(self) -> None:
        """Put the keyboard into what is shown."""
        (self.hex_pane if self.as_bytes.isChecked() else self.text_pane).setFocus()

    def _survives(self, text: TextFile, data: bytes) -> bool:
        """Whether the editor gives back the very bytes it was given; if not, the file must not be edited in it."""
        return write_text(text, self.view.exact_text()) == data

    def _say_about_text(self, content: FileContent, text: TextFile, entry: Entry | None) -> None:
        if content.is_truncated:
            self._say(
                self.tr("Only the first {shown} of {whole} are shown, to look only.").format(
                    shown=self._formats.size(len(content.data)),
                    whole=self._formats.size(content.size_bytes),
                ),
                self.tr("Press Bytes to see all of it; copy the file out to change it."),
            )
        elif self._file is None:
            self._say(self.tr("This file has characters that the editor would change, so it is shown to look only."))
        elif entry is not None and entry.kind is EntryKind.LINK:
            self._say(
                self.tr("This is a link to {target}; saving changes that file.").format(
                    target=names.shown(entry.link_target)
                )
            )
        elif unseen := first_unseen(text.text):
            line, character = unseen
            self._say(
                self.tr("Line {n} has a character that cannot be seen, or turns the writing: {character}.").format(
                    n=line, character=names.shown(character)
                )
            )

    def _show_problem(self, problem: Explanation) -> None:
        self._say(problem.what, " ".join(p for p in (problem.cause, problem.advice) if p), tone=Tone.PROBLEM)

    def _say(self, headline: str, text: str = "", *, tone: Tone = Tone.CALM) -> None:
        self.note.say(headline, text, tone=tone)

    def _set_text(self, text: str, file: TextFile | None) -> None:
        self.text_pane.show_text(file, text, self._path)

    # -- editing -----------------------------------------------------------------------------------------------

    @Slot(bool)
    def _on_modified(self, modified: bool) -> None:  # noqa: FBT001 - the signal's own argument
        unsaved = modified and self._file is not None
        if unsaved != self._unsaved:
            self._unsaved = unsaved
            self._update_state()
            self.unsaved_changed.emit(unsaved)

    def _say_unsaved(self) -> None:
        self._say(
            self.tr("{name} has text that is not saved.").format(name=names.shown(names.base_of(self._path))),
            self.tr("Save or revert it to look at another file."),
            tone=Tone.LOOK_ONLY,
        )

    def _update_state(self) -> None:
        self.view.setReadOnly(self._file is None or not self._may_edit)
        editable = self._file is not None and self._may_edit
        self.as_bytes.setVisible(self._size_bytes > 0 and bool(self._path))
        self.save.setVisible(editable)
        self.revert.setVisible(editable)
        name = names.shown(names.base_of(self._path)) if self._path else ""
        self.title.setText(self.tr("{name} (not saved)").format(name=name) if self._unsaved else name)
        self.save.setEnabled(self._unsaved)
        self.revert.setEnabled(self._unsaved)

    @Slot()
    def save_text(self) -> None:
        """Put the text into the draft."""
        if not self._unsaved or self._file is None:
            return
        text, path = self.view.exact_text(), self._path
        try:
            data = write_text(self._file, text)
        except UnicodeEncodeError as error:
            self._say(
                self.tr("The file is not UTF-8, and its encoding has no “{character}”.").format(
                    character=names.shown(error.object[error.start])
                ),
                self.tr("Take that character out, or copy the file out and convert it there."),
                tone=Tone.PROBLEM,
            )
            return
        self.save.setEnabled(False)
        self._desk.ask(
            self._desk.session.write_file(path, data),
            lambda _none: self._on_saved(path, text),
            failed=self._on_save_failed,
            cancelled=self._update_state,
        )

    def _on_saved(self, path: str, text: str) -> None:
        if path == self._path and self.view.exact_text() == text:
            self._file = read_text(write_text(self._file, text)) if self._file is not None else None
            self.view.document().setModified(False)
            self.note.hide()
        self._update_state()
        self.saved.emit(path)
        if self._wanted is not None and self._wanted[0] != path:
            self._settle.start()

    def _on_save_failed(self, problem: Explanation) -> None:
        self._update_state()
        self._show_problem(problem)

    @Slot()
    def revert_text(self) -> None:
        """Back to the text as it was loaded or last saved."""
        if self._file is not None:
            self._set_text(self._file.text, self._file)
            self.note.hide()
        if self._wanted is not None and self._wanted[0] != self._path:
            self._settle.start()
