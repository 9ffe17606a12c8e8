# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of libvirt's daemon on a host, as plain text in a window of its own. GUI thread; it is read in a lane."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QFontDatabase, QTextCursor
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from vmconsole.inventory.errors import ConsoleError
from vmconsole.operations.daemon import LOG_LINES, LOG_S, LOOK_S, DaemonLog, read_log
from vmconsole.ui.error_view import ErrorView
from vmconsole.ui.remedies import Subject

if TYPE_CHECKING:
    from concurrent.futures import Future

    from vmconsole.inventory.facts import Host
    from vmconsole.ui.context import Context
    from vmconsole.ui.error_help import ErrorHelp

LETTERS, LINES = 120, 32


class LogWindow(QDialog):
    """Reads when it is made, and again when asked. It may be closed while it reads."""

    def __init__(
        self,
        context: Context,
        host: Host,
        parent: QWidget | None = None,
        *,
        helped_by: ErrorHelp | None = None,
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._host = host
        self._is_closed = False
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("daemon-log")
        self.setWindowTitle(self.tr("Log of libvirt's daemon on {host}").format(host=host.name))
        self._source = QLabel(self)
        self._source.setTextFormat(Qt.TextFormat.PlainText)
        self._source.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._error = ErrorView(context.theme, self, helped_by=helped_by)
        self._text = QPlainTextEdit(self)
        self._text.setReadOnly(True)
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._text.setAccessibleName(self.tr("Log"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self._again = QPushButton(context.theme.icon("reload"), self.tr("Read Again"), self)
        buttons.addButton(self._again, QDialogButtonBox.ButtonRole.ActionRole)
        self._again.clicked.connect(self.read)
        buttons.rejected.connect(self.close)
        column = QVBoxLayout(self)
        for part in (self._source, self._error, self._text, buttons):
            column.addWidget(part)
        letter = self._text.fontMetrics()
        self.resize(letter.averageCharWidth() * LETTERS, letter.lineSpacing() * LINES)
        self.destroyed.connect(self._on_destroyed)
        self.read()

    @Slot()
    def read(self) -> None:
        link = self._context.fleet.link(self._host.id)
        if link is None:
            self._source.setText(self.tr("The host is not in the list any more."))
            return
        self._again.setEnabled(False)
        self._source.setText(self.tr("Reading the last {n} lines on the host…").format(n=LOG_LINES))
        future = link.submit_shell(lambda shell: read_log(shell, self._host.id), deadline_s=LOOK_S + LOG_S)
        self._context.bridge.when_done(future, self._on_read)

    def _on_read(self, done: Future[DaemonLog]) -> None:
        if self._is_closed:
            return
        self._again.setEnabled(True)
        error = None if done.cancelled() else done.exception()
        about = Subject(self._host.id, at=time.time())
        self._error.show_explanation(error.explanation if isinstance(error, ConsoleError) else None, about)
        if error is not None or done.cancelled():
            self._source.setText(self.tr("The log could not be read."))
            return
        log = done.result()
        self._source.setText(log.source)
        self._text.setPlainText(log.text)
        self._text.moveCursor(QTextCursor.MoveOperation.End)

    def done(self, result: int) -> None:
        self._is_closed = True
        super().done(result)

    @Slot()
    def _on_destroyed(self) -> None:
        self._is_closed = True
