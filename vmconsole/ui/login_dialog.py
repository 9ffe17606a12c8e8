# SPDX-License-Identifier: GPL-3.0-or-later
"""One question of ssh: which host, what for, and whether to remember the answer. GUI thread; nothing waits in it.

What is typed goes into the one signal and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFontDatabase, QIcon, QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from vmconsole.links.prompts import Answer, PromptKind
from vmconsole.ui.error_view import with_commands
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from vmconsole.links.prompts import Prompt
    from vmconsole.ui.theme import Theme

WIDTH = 460
ICON_PX = 32
TYPED = frozenset({PromptKind.PASSWORD, PromptKind.PASSPHRASE, PromptKind.OTHER})
"""Kinds whose answer is typed."""


class LoginDialog(QDialog):
    """Not modal: the rest of the window goes on. Ends with one ``answered``, which carries a ``prompts.Answer``, or
    with ``rejected``: closing it in whatever way but the button gives up the login."""

    answered = Signal(object)

    def __init__(self, prompt: Prompt, theme: Theme, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._prompt = prompt
        self._theme = theme
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("login")
        self.setWindowTitle(self._title())
        self.setAccessibleName(self._title())
        self.setMinimumWidth(WIDTH)
        self.resize(WIDTH, 0)
        self._field = self._make_field()
        self._reveal = self._make_reveal()
        self._remember = QCheckBox(self.tr("&Remember in the keyring"), self)
        self._remember.setEnabled(not self._prompt.cannot_remember)
        self._waiting = QLabel(self)
        self._buttons = self._make_buttons()
        self._lay_out()

    def show_waiting(self, count: int) -> None:
        """How many questions come after this one."""
        one, many = self.tr("1 more login after this one"), self.tr("{count} more logins after this one")
        self._waiting.setText("" if not count else one if count == 1 else many.format(count=count))
        self._waiting.setVisible(bool(count))
        self._fit()

    # -- parts -------------------------------------------------------------------------------------------------

    @property
    def _is_typed(self) -> bool:
        return self._prompt.kind in TYPED

    def _title(self) -> str:
        name = self._prompt.name
        if self._prompt.kind is PromptKind.HOST_KEY:
            return self.tr("Unknown Host Key of {name}").format(name=name)
        return self.tr("Log In to {name}").format(name=name)

    def _heading(self) -> str:
        prompt = self._prompt
        texts = {
            PromptKind.PASSWORD: self.tr("Password for {account}").format(account=prompt.account),
            PromptKind.PASSPHRASE: self.tr("Passphrase of the private key {file}").format(file=prompt.key_file),
            PromptKind.HOST_KEY: self.tr("The key of this host is not known yet. Is it this one?"),
            PromptKind.NOTICE: self.tr("Touch the security key"),
        }
        return texts.get(prompt.kind, prompt.text.replace("(yes/no)", "").strip(" :\n"))

    def _make_field(self) -> QLineEdit:
        field = QLineEdit(self)
        field.setEchoMode(QLineEdit.EchoMode.Password)
        field.setAccessibleName(self._heading())
        field.setVisible(self._is_typed)
        field.setMaxLength(1000)  # ssh reads 1023 bytes
        return field

    def _make_reveal(self) -> QToolButton:
        button = QToolButton(self)
        button.setIcon(self._theme.icon("reveal"))
        button.setCheckable(True)
        button.setAccessibleName(self.tr("Show what is typed"))
        button.setToolTip(self.tr("Show what is typed"))
        button.toggled.connect(self._on_reveal)
        button.setVisible(self._is_typed)
        return button

    def _make_buttons(self) -> QDialogButtonBox:
        kind = self._prompt.kind
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        words = {PromptKind.HOST_KEY: self.tr("Accept Key"), PromptKind.CONFIRM: self.tr("Yes")}
        if kind is not PromptKind.NOTICE:
            yes = box.addButton(words.get(kind, self.tr("Log In")), QDialogButtonBox.ButtonRole.AcceptRole)
            yes.setDefault(self._is_typed)
            yes.setAutoDefault(self._is_typed)  # else a stray Enter would accept a key that nobody has looked at
        if kind is PromptKind.CONFIRM:
            no = box.addButton(self.tr("No"), QDialogButtonBox.ButtonRole.ActionRole)
            no.setAutoDefault(False)
            no.clicked.connect(self._on_no)
        for button in box.buttons():
            button.setIcon(QIcon())
        if not self._is_typed:
            box.button(QDialogButtonBox.StandardButton.Cancel).setDefault(True)
        box.accepted.connect(self._on_accepted)
        box.rejected.connect(self.reject)
        return box

    def _lay_out(self) -> None:
        column = QVBoxLayout()
        column.setSpacing(8)
        heading = self._label(self._heading())
        font = heading.font()
        font.setBold(True)
        heading.setFont(font)
        heading.setBuddy(self._field)
        column.addWidget(heading)
        column.addWidget(self._label(self.tr("ssh asks this to connect to {name}.").format(name=self._prompt.name)))
        if self._prompt.was_refused:
            column.addLayout(self._refused())
        if self._prompt.kind is PromptKind.HOST_KEY:
            self._lay_out_key(column)
        if self._prompt.kind is PromptKind.NOTICE:
            column.addWidget(self._label(self._prompt.text.strip()))
        row = QHBoxLayout()
        row.addWidget(self._field, 1)
        row.addWidget(self._reveal)
        column.addLayout(row)
        self._lay_out_memory(column)
        fade(self._waiting, self._theme)
        self._waiting.hide()
        column.addWidget(self._waiting)
        column.addStretch(1)
        column.addWidget(self._buttons)
        icon = QLabel(self)
        icon.setPixmap(self._theme.icon("key").pixmap(ICON_PX, ICON_PX))
        rows = QHBoxLayout(self)
        rows.setSpacing(14)
        rows.addWidget(icon, 0, Qt.AlignmentFlag.AlignTop)
        rows.addLayout(column, 1)
        cancel = self._buttons.button(QDialogButtonBox.StandardButton.Cancel)
        (self._field if self._is_typed else cancel).setFocus()

    def _refused(self) -> QHBoxLayout:
        mark = QLabel(self)
        mark.setPixmap(self._theme.icon("problem").pixmap(16, 16))
        text = self._label(self.tr("What was given before was not accepted."))
        text.setObjectName("refused")
        fade(text, self._theme, "problem")
        row = QHBoxLayout()
        row.addWidget(mark)
        row.addWidget(text, 1)
        return row

    def _lay_out_key(self, column: QVBoxLayout) -> None:
        fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        key = self._label(f"{self._prompt.key_type}\n{self._prompt.fingerprint}")
        key.setFont(fixed)
        key.setObjectName("fingerprint")
        key.setAccessibleName(self.tr("{type} key, fingerprint {fingerprint}").format(
            type=self._prompt.key_type, fingerprint=self._prompt.fingerprint
        ))  # fmt: skip
        column.addWidget(key)
        for note in self._prompt.notes:
            column.addWidget(self._label(note))
        file = f"/etc/ssh/ssh_host_{self._prompt.key_type.lower()}_key.pub"
        how = self._label("")
        how.setTextFormat(Qt.TextFormat.RichText)
        how.setText(with_commands(self.tr(
            "Compare it with what `ssh-keygen -lf {file}` prints at the host's own screen, or with what whoever runs "
            "the host tells you. If you accept it, ssh writes it to your known hosts and will notice a change."
        ).format(file=file)))  # fmt: skip
        fade(how, self._theme)
        column.addWidget(how)

    def _lay_out_memory(self, column: QVBoxLayout) -> None:
        self._remember.setVisible(bool(self._prompt.secret_name))
        column.addWidget(self._remember)
        if self._prompt.secret_name and self._prompt.cannot_remember:
            self._remember.setAccessibleDescription(self._prompt.cannot_remember)
            reason = self._label(self._prompt.cannot_remember)
            fade(reason, self._theme)
            column.addWidget(reason)

    def _label(self, text: str) -> QLabel:
        label = QLabel(self)
        label.setTextFormat(Qt.TextFormat.PlainText)  # the host may have a say in it
        label.setText(text)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit()

    def _fit(self) -> None:
        """As high as the wrapped texts need at this width."""
        layout = self.layout()
        if layout is not None:
            width = max(WIDTH, self.width())
            self.resize(width, layout.totalHeightForWidth(width))

    # -- what the user does --------------------------------------------------------------------------------------

    @Slot(bool)
    def _on_reveal(self, is_shown: bool) -> None:  # noqa: FBT001  # a slot: Qt calls it with the button's state
        self._field.setEchoMode(QLineEdit.EchoMode.Normal if is_shown else QLineEdit.EchoMode.Password)

    @Slot()
    def _on_accepted(self) -> None:
        text = self._field.text() if self._is_typed else "yes"
        remember = self._remember.isChecked() and self._remember.isEnabled()
        self._field.clear()
        self.answered.emit(Answer(text, remember=remember))
        self.accept()

    @Slot()
    def _on_no(self) -> None:
        self.answered.emit(Answer("no"))
        self.accept()
