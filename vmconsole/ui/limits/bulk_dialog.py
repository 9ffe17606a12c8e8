# SPDX-License-Identifier: GPL-3.0-or-later
"""The same limits for many guests at once, across hosts: wishes, a dry run, results, one undo. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from vmconsole.inventory.errors import ConsoleError
from vmconsole.operations.limits import ChangeLimits
from vmconsole.quotas.bulk import BulkRow, bulk
from vmconsole.quotas.presets import Preset, preset_of, text_of
from vmconsole.quotas.rows import Place
from vmconsole.quotas.situation import Situation
from vmconsole.settings.presets import PresetFiles
from vmconsole.ui.describer import Describer
from vmconsole.ui.limits.dry_run import DryRun
from vmconsole.ui.limits.wish_editor import WishEditor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.ids import GuestId
    from vmconsole.quotas.bulk import Wish
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.context import Context

REFRESH_MS = 200


class BulkDialog(QDialog):
    """Not modal. What is shown is planned afresh whenever a guest or a wish changes, until Apply."""

    def __init__(
        self, guests: Sequence[GuestId], context: Context, parent: QWidget | None = None,
        *, wishes: Sequence[Wish] = (),
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._context = context
        self._guests = tuple(guests)
        self._presets = PresetFiles(context.profile.settings_dir / "presets")
        self._describer = Describer(context, self)
        self._rows: tuple[BulkRow, ...] = ()
        self._tasks: dict[int, int] = {}
        self._is_applied = False
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Limits of {n} guests").format(n=len(self._guests)))
        self.resize(860, 560)
        self.presets, self.editor, self.table = QComboBox(self), WishEditor(self), DryRun(context.theme, self)
        self.live, self.stored = QCheckBox(self.tr("&Now"), self), QCheckBox(self.tr("Next &boot"), self)
        self.title, self.save_button = QLineEdit(self), QPushButton(self.tr("&Save as Preset"), self)
        self.words = QLabel(self)
        self.apply_button, self.undo_button = QPushButton(self), QPushButton(self.tr("&Undo All"), self)
        self.close_button = QPushButton(self.tr("&Close"), self)
        self._soon = QTimer(self, singleShot=True, interval=REFRESH_MS)
        self._lay_out()
        self._connect()
        for host in dict.fromkeys(guest.host for guest in self._guests):
            self._describer.want(host)
        self.editor.take(wishes)
        self.refresh()

    def _lay_out(self) -> None:
        self.presets.addItem(self.tr("Take a preset…"))
        self._fill_presets()
        self.presets.setAccessibleName(self.tr("Presets"))
        self.title.setPlaceholderText(self.tr("Name of a new preset"))
        self.title.setAccessibleName(self.tr("Name of a new preset"))
        self.save_button.setToolTip(self.tr("Keep these limits under a name; the file can be sent to others"))
        for box in (self.live, self.stored):
            box.setChecked(True)
        self.words.setWordWrap(True)
        top, bottom = QHBoxLayout(), QHBoxLayout()
        for widget in (self.presets, self.title, self.save_button):
            top.addWidget(widget)
        top.addStretch(1)
        top.addWidget(QLabel(self.tr("When:"), self))
        for box in (self.live, self.stored):
            top.addWidget(box)
        bottom.addWidget(self.words, 1)
        for button in (self.undo_button, self.apply_button, self.close_button):
            bottom.addWidget(button)
        self.undo_button.setEnabled(False)
        page = QVBoxLayout(self)
        page.addLayout(top)
        page.addWidget(self.editor)
        page.addWidget(self.table, 1)
        page.addLayout(bottom)

    def _connect(self) -> None:
        self.presets.activated.connect(self._on_preset)
        self.save_button.clicked.connect(self._on_save)
        self.editor.changed.connect(self._on_wishes)
        for box in (self.live, self.stored):
            box.toggled.connect(self._on_wishes)
        self._soon.timeout.connect(self.refresh)
        self._describer.progressed.connect(self._soon.start)
        self._context.bridge.store_changed.connect(self._on_store_changed)
        self.apply_button.clicked.connect(self.apply)
        self.undo_button.clicked.connect(self._on_undo)
        self.close_button.clicked.connect(self.close)

    # -- the plan --------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Plan afresh; after Apply the table shows the results instead."""
        if self._is_applied:
            return
        self._rows = bulk(self._situations(), self.editor.wishes(), self._places())
        self.table.show_rows(self._rows)
        able = sum(row.can_run for row in self._rows)
        self.apply_button.setText(self.tr("&Apply to {n} guests").format(n=able))
        self.apply_button.setEnabled(able > 0)
        self.save_button.setEnabled(bool(self.editor.wishes()))
        missing = self._describer.missing
        not_able = len(self._guests) - able
        if missing:
            self.words.setText(self.tr("Reading {n} guests…").format(n=missing))
        elif not self.editor.wishes():
            self.words.setText(self.tr("Choose a preset, or add limits: nothing is written before Apply."))
        else:
            self.words.setText(self.tr("{n} guests are left as they are.").format(n=not_able) if not_able else "")

    def _situations(self) -> list[Situation]:
        store = self._context.store
        found = ((store.hosts.get(guest.host), store.guest(guest)) for guest in self._guests)
        return [Situation(host, guest) for host, guest in found if host is not None and guest is not None]

    def _places(self) -> tuple[Place, ...]:
        boxes = ((self.live, Place.LIVE), (self.stored, Place.STORED))
        return tuple(place for box, place in boxes if box.isChecked())

    def _on_wishes(self) -> None:
        self._is_applied = False
        self._tasks.clear()
        self.refresh()

    # -- presets ---------------------------------------------------------------------------------------------------

    def _fill_presets(self) -> None:
        while self.presets.count() > 1:
            self.presets.removeItem(1)
        for name, text, is_own in self._presets.texts():
            try:
                preset = preset_of(text, name=name, is_own=is_own)
            except ConsoleError:
                continue  # an editor's mistake in one's own file: the others are there all the same
            self.presets.addItem(preset.title, preset)
            self.presets.setItemData(self.presets.count() - 1, preset.about, Qt.ItemDataRole.ToolTipRole)

    def _on_preset(self, place: int) -> None:
        preset = self.presets.itemData(place)
        if isinstance(preset, Preset):
            self.editor.take(preset.wishes)
        self.presets.setCurrentIndex(0)

    def _on_save(self) -> None:
        title = self.title.text().strip()
        if not title:
            self.words.setText(self.tr("Give the preset a name first."))
            self.title.setFocus()
            return
        try:
            self._presets.save(title, text_of(Preset(title, "", self.editor.wishes())))
        except ConsoleError as error:
            self.words.setText(str(error))
            return
        self._fill_presets()
        self.words.setText(self.tr("Saved as «{title}».").format(title=title))

    # -- what is done ----------------------------------------------------------------------------------------------

    def apply(self) -> None:
        """Ask all hosts at once; each guest's line tells what came of it. All of it is one step of undo."""
        able = [(place, row) for place, row in enumerate(self._rows) if row.can_run]
        operations = [ChangeLimits(row.situation, row.values(Place.LIVE), row.values(Place.STORED)) for _, row in able]
        if not operations:
            return
        self._is_applied = True
        self.apply_button.setEnabled(False)
        for place, _ in able:
            self.table.show_waiting(place)
        numbers = self._context.runner.run(operations)
        self._tasks = {number: place for number, (place, _) in zip(numbers, able, strict=True)}
        self._tell(set(numbers))

    def _on_undo(self) -> None:
        self.undo_button.setEnabled(False)
        self._context.runner.undo()
        self._is_applied = False
        self._tasks.clear()
        self._soon.start()

    def _on_store_changed(self, changes: ChangeSet) -> None:
        if self._is_applied:
            self._tell(changes.tasks)
        elif any(guest in changes.guests_changed for guest in self._guests):
            self._soon.start()

    def _tell(self, numbers: set[int]) -> None:
        tasks = self._context.store.tasks
        for number in numbers & self._tasks.keys():
            task = tasks.get(number)
            if task is not None and task.state.is_over:
                self.table.show_result(self._tasks[number], task)
        ended = [tasks[number] for number in self._tasks if number in tasks and tasks[number].state.is_over]
        if len(ended) < len(self._tasks):
            self.words.setText(self.tr("{done} of {all} are done…").format(done=len(ended), all=len(self._tasks)))
            return
        bad = sum(task.problem is not None for task in ended)
        text = self.tr("All are done.") if not bad else self.tr("{n} were refused: see their lines.").format(n=bad)
        self.words.setText(text)
        self.undo_button.setEnabled(self._context.runner.can_undo)

    def closeEvent(self, event: object) -> None:
        self._describer.stop()
        super().closeEvent(event)  # type: ignore[arg-type]  # Qt's own event type
