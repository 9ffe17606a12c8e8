# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions the editor asks. None blocks: each is opened, and calls back. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLineEdit, QMessageBox, QVBoxLayout, QWidget

from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import plain_label

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

NAMED_MAX = 12
"""As many names as a question lists; the rest is counted."""


class Question(QMessageBox):
    """A box of plain text with one callback a button. Escape and closing it are the button named ``Cancel``."""

    def __init__(self, parent: QWidget, title: str, text: str, more: str = "") -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setIcon(QMessageBox.Icon.Question)
        self.setWindowTitle(names.shown(title))
        self.setText(names.shown_words(text))
        self.setInformativeText(names.shown_words(more))

    def answer(self, text: str, role: QMessageBox.ButtonRole, chosen: Callable[[], object] | None = None) -> None:
        button = self.addButton(text, role)
        button.setAccessibleName(text.replace("&", ""))
        if chosen is not None:
            button.clicked.connect(lambda _checked=False: chosen())
        if role == QMessageBox.ButtonRole.RejectRole:
            self.setEscapeButton(button)
            self.setDefaultButton(button)


def listed(found: Sequence[str], others: str) -> str:
    """Names one a line, escaped; ``others`` says «and {n} more»."""
    lines = [f"• {names.shown(name)}" for name in found[:NAMED_MAX]]
    if len(found) > NAMED_MAX:
        lines.append(others.format(n=len(found) - NAMED_MAX))
    return "\n".join(lines)


def ask_delete(parent: QWidget, found: Sequence[str], delete: Callable[[], object]) -> Question:
    if len(found) == 1:
        text = parent.tr("Delete “{name}” from the draft?").format(name=names.shown(found[0]))
    else:
        text = parent.tr("Delete {n} things from the draft?").format(n=len(found))
    more = parent.tr("Folders go with all that is in them. The disk itself keeps everything until you apply the draft.")
    box = Question(parent, parent.tr("Delete"), text, "\n\n".join([listed(found, parent.tr("and {n} more")), more]))
    box.answer(parent.tr("&Delete"), QMessageBox.ButtonRole.DestructiveRole, delete)
    box.answer(parent.tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.open()
    return box


def ask_apply(parent: QWidget, where: str, changes: Sequence[str], apply: Callable[[], object]) -> Question:
    count = parent.tr("1 change") if len(changes) == 1 else parent.tr("{n} changes").format(n=len(changes))
    text = parent.tr("Write {changes} to {disk}?").format(changes=count, disk=names.shown(where))
    more = parent.tr(
        "The disk must be in use by nobody; that is checked first. If the link dies meanwhile, nothing is lost: "
        "the draft is kept, and Apply goes on from there."
    )
    box = Question(
        parent, parent.tr("Apply the draft"), text, "\n\n".join([listed(changes, parent.tr("and {n} more")), more])
    )
    box.answer(parent.tr("&Apply"), QMessageBox.ButtonRole.AcceptRole, apply)
    box.answer(parent.tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.open()
    return box


def ask_take_back(parent: QWidget, where: str, changes: Sequence[str], take_back: Callable[[], object]) -> Question:
    text = parent.tr("Take back the last Apply to {disk}?").format(disk=names.shown(where))
    more = parent.tr(
        "What it replaced is written back to the disk, if nobody has changed the disk since. "
        "This can be taken back, too."
    )
    box = Question(
        parent, parent.tr("Take back"), text, "\n\n".join([listed(changes, parent.tr("and {n} more")), more])
    )
    box.answer(parent.tr("&Take Back"), QMessageBox.ButtonRole.AcceptRole, take_back)
    box.answer(parent.tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.open()
    return box


def ask_trust(parent: QWidget, where: str, trust: Callable[[], object]) -> Question:
    text = parent.tr("Was nothing written to {disk} since the draft was begun?").format(disk=names.shown(where))
    more = parent.tr(
        "Its host was restarted, so it cannot tell. If the guest ran, or another machine wrote to this storage, to "
        "apply the draft would destroy the filesystem. If you are not sure, look at the draft instead, and copy out "
        "what you need."
    )
    box = Question(parent, parent.tr("Go on with the draft"), text, more)
    box.setIcon(QMessageBox.Icon.Warning)
    box.answer(parent.tr("&Nothing Was Written: Go On"), QMessageBox.ButtonRole.DestructiveRole, trust)
    box.answer(parent.tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.open()
    return box


def ask_discard(parent: QWidget, changes: Sequence[str], discard: Callable[[], object]) -> Question:
    text = parent.tr("Forget the whole draft? This is lost:")
    box = Question(parent, parent.tr("Discard the draft"), text, listed(changes, parent.tr("and {n} more")))
    box.answer(parent.tr("&Discard the Draft"), QMessageBox.ButtonRole.DestructiveRole, discard)
    box.answer(parent.tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.open()
    return box


def ask_close(
    parent: QWidget,
    changes: Sequence[str],
    *,
    apply: Callable[[], object],
    keep: Callable[[], object],
    discard: Callable[[], object],
) -> Question:
    """The window is being closed over changes that are not on the disk."""
    text = parent.tr("The draft is not on the disk yet.")
    more = parent.tr("A draft that is kept is there when the disk is opened again.")
    parts = [listed(changes, parent.tr("and {n} more")), more]
    box = Question(parent, parent.tr("Close the image"), text, "\n\n".join(parts))
    box.answer(parent.tr("&Apply…"), QMessageBox.ButtonRole.ActionRole, apply)
    box.answer(parent.tr("&Keep the Draft"), QMessageBox.ButtonRole.AcceptRole, keep)
    box.answer(parent.tr("&Discard"), QMessageBox.ButtonRole.DestructiveRole, discard)
    box.answer(parent.tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.open()
    return box


def ask_unsaved(parent: QWidget, path: str, *, save: Callable[[], object], drop: Callable[[], object]) -> Question:
    """The text on the right was changed and is not in the draft."""
    name = names.shown(names.base_of(path))
    box = Question(parent, parent.tr("Unsaved text"), parent.tr("The text of “{name}” is not saved.").format(name=name))
    box.answer(parent.tr("&Save into the Draft"), QMessageBox.ButtonRole.AcceptRole, save)
    box.answer(parent.tr("&Drop the Text"), QMessageBox.ButtonRole.DestructiveRole, drop)
    box.answer(parent.tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.open()
    return box


class NameDialog(QDialog):
    """Asks for a name that is free and possible. ``accepted`` when there is one in ``name``."""

    def __init__(self, parent: QWidget, title: str, suggestion: str, taken: Collection[str]) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setWindowTitle(title)
        self._taken = taken
        self.line = QLineEdit(suggestion, self)
        self.line.setAccessibleName(self.tr("Name"))
        self.line.selectAll()
        self.problem = plain_label(" ", self, name=self.tr("What is wrong with the name"))
        self.buttons = QDialogButtonBox(self)
        self.buttons.setStandardButtons(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(plain_label(self.tr("Name:"), self))
        column.addWidget(self.line)
        column.addWidget(self.problem)
        column.addWidget(self.buttons)
        self.setMinimumWidth(self.fontMetrics().averageCharWidth() * 48)
        self.line.textChanged.connect(self._on_text)
        self._on_text()

    @property
    def name(self) -> str:
        return self.line.text()

    def _on_text(self) -> None:
        words = name_problem_words(self, self.name, self._taken)
        self.problem.setText(words if self.name else "")
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not words)


def name_problem_words(widget: QWidget, name: str, taken: Collection[str]) -> str:
    """Why this name cannot be given, in a sentence; empty if it can."""
    match names.name_problem(name):
        case "empty":
            return widget.tr("A name has at least one character.")
        case "dots":
            return widget.tr("“.” and “..” mean folders.")
        case "slash":
            return widget.tr("A name cannot have a slash in it.")
        case "nul":
            return widget.tr("A name cannot have a NUL character in it.")
        case "long":
            return widget.tr("A name has 255 bytes at most.")
        case _:
            return widget.tr("This name is taken.") if name in taken else ""
