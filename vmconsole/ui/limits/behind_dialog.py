# SPDX-License-Identifier: GPL-3.0-or-later
"""The few changes that QEMU can make behind libvirt's back, each with its price told beside it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from vmconsole.inventory.errors import ConsoleError
from vmconsole.operations.behind import DEADLINE_S, ChangeBehind
from vmconsole.quotas.behind import BY_KEY
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from vmconsole.inventory.facts import Guest
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context

Part = tuple[str, str]


class BehindDialog(QDialog):
    """Not modal. Each line has its own button: nothing is gathered here, as nothing is stored."""

    def __init__(self, guest: Guest, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._guest = guest
        self._context = context
        self._values: dict[Part, str] = {}
        self._asked: dict[int, Part] = {}
        self.lines: dict[Part, tuple[QComboBox, QPushButton]] = {}
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Behind libvirt: {name}").format(name=guest.name))
        self.setMinimumWidth(560)
        self._warning = QLabel(self.tr(
            "These are asked of QEMU itself. libvirt does not know of them: its definition goes on saying what it "
            "said, the guest is marked as tainted until it is shut off, and the next boot has the old values again."
        ), self)  # fmt: skip
        self._warning.setWordWrap(True)
        fade(self._warning, context.theme, "warning")
        self.words = QLabel(self.tr("Asking the host…"), self)
        self.words.setWordWrap(True)
        self._grid = QGridLayout()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.close)
        page = QVBoxLayout(self)
        page.addWidget(self._warning)
        page.addLayout(self._grid)
        page.addWidget(self.words)
        page.addStretch(1)
        page.addWidget(buttons)
        context.bridge.store_changed.connect(self._on_store_changed)
        self._ask()

    def _ask(self) -> None:
        link = self._context.fleet.link(self._guest.id.host)
        if link is None:
            self.words.setText(self.tr("The host is not connected."))
            return
        uuid = self._guest.id.uuid
        asking = link.submit(lambda verbs: verbs.known_behind(uuid), deadline_s=DEADLINE_S)
        self._context.bridge.when_done(asking, self._on_known)

    def _on_known(self, asking: Future[Mapping[Part, str]]) -> None:
        try:
            found = asking.result()
        except ConsoleError as error:
            self.words.setText(str(error))
            return
        self._values = dict(found)
        self.words.setText("" if found else self.tr("There is nothing of this kind to change in this guest."))
        for number, (part, value) in enumerate(sorted(found.items())):
            self._add_line(number, part, value)

    def _add_line(self, number: int, part: Part, value: str) -> None:
        act = BY_KEY[part[0]]
        title = QLabel(f"{act.title} · {part[1]}" if part[1] else act.title, self)
        title.setTextFormat(Qt.TextFormat.PlainText)
        title.setToolTip(f"{act.meaning}\n{act.source}")
        box, button = QComboBox(self), QPushButton(self.tr("Change"), self)
        box.addItems(act.choices)
        box.setCurrentText(value)
        box.setAccessibleName(title.text())
        box.setToolTip(act.meaning)
        button.setAccessibleName(self.tr("Change: {what}").format(what=title.text()))
        button.setEnabled(False)
        box.currentTextChanged.connect(lambda text: button.setEnabled(text != self._values[part]))
        button.clicked.connect(lambda: self._change(part))
        for column, widget in enumerate((title, box, button)):
            self._grid.addWidget(widget, number, column)
        self._grid.setColumnStretch(0, 1)
        self.lines[part] = (box, button)

    def _change(self, part: Part) -> None:
        box, button = self.lines[part]
        guest = self._guest
        operation = ChangeBehind(guest.id, guest.name, *part, value=box.currentText(), before=self._values[part])
        button.setEnabled(False)
        self.words.setText(self.tr("Asking QEMU…"))
        for number in self._context.runner.run([operation]):
            self._asked[number] = part

    def _on_store_changed(self, changes: ChangeSet) -> None:
        for number in changes.tasks & self._asked.keys():
            task = self._context.store.tasks.get(number)
            if task is None or not task.state.is_over:
                continue
            part = self._asked.pop(number)
            box, button = self.lines[part]
            if task.problem is None:
                self._values[part] = box.currentText()
            button.setEnabled(box.currentText() != self._values[part])
            self.words.setText(task.note if task.problem is None else task.problem.summary())
