# SPDX-License-Identifier: GPL-3.0-or-later
"""Set Limits, Copy Limits and Paste Limits for the selected guests. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence

from vmconsole.inventory.errors import ConsoleError
from vmconsole.quotas.bulk import Wish, wishes_of
from vmconsole.quotas.presets import Preset, preset_of, text_of
from vmconsole.quotas.situation import Situation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtWidgets import QWidget

    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import GuestId
    from vmconsole.ui.context import Context


class LimitActions(QObject):
    """``told`` shows a sentence in the window's status line."""

    def __init__(
        self, context: Context, chosen: Callable[[], Sequence[GuestId]], window: QWidget,
        *, told: Callable[[str], object],
    ) -> None:  # fmt: skip
        super().__init__(window)
        self._context = context
        self._chosen = chosen
        self._window = window
        self._told = told
        self.set_action = self._action(self.tr("Set &Limits…"), "Ctrl+L", self.set_limits)
        self.copy_action = self._action(self.tr("&Copy Limits"), "Ctrl+Shift+C", self.copy)
        self.paste_action = self._action(self.tr("Pas&te Limits…"), "Ctrl+Shift+V", self.paste)
        self.refresh()

    def _action(self, text: str, shortcut: str, slot: Callable[[], object]) -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(shortcut))
        action.triggered.connect(slot)
        return action

    def all(self) -> tuple[QAction, ...]:
        return (self.set_action, self.copy_action, self.paste_action)

    def refresh(self) -> None:
        chosen = self._chosen()
        none = self.tr("Not now: no guest is selected.")
        source = self._source()
        self.set_action.setEnabled(bool(chosen))
        self.set_action.setToolTip(
            self.tr("The same limits for all selected guests, on whatever hosts") if chosen else none
        )
        self.copy_action.setEnabled(source is not None)
        why = self.tr("Not now: select one guest whose limits are read.")
        self.copy_action.setToolTip(self.tr("Put this guest's limits on the clipboard") if source else why)
        self.paste_action.setEnabled(bool(chosen))
        self.paste_action.setToolTip(self.tr("Limits from the clipboard for all selected guests") if chosen else none)

    def _source(self) -> Guest | None:
        chosen = self._chosen()
        guest = self._context.store.guest(chosen[0]) if len(chosen) == 1 else None
        return guest if guest is not None and guest.described and (guest.live or guest.stored) else None

    def set_limits(self) -> None:
        self._open(())

    def _open(self, wishes: Sequence[Wish]) -> None:
        from vmconsole.ui.limits.bulk_dialog import BulkDialog  # late: the first window can do without it

        if self._chosen():
            BulkDialog(self._chosen(), self._context, self._window, wishes=wishes).show()

    def copy(self) -> None:
        """As a preset's text: it can be pasted into a mail as well."""
        guest = self._source()
        host = self._context.store.hosts.get(guest.id.host) if guest is not None else None
        limits = (guest.live or guest.stored) if guest is not None else None
        if guest is None or host is None or limits is None:
            return
        wishes = wishes_of(limits, Situation(host, guest))
        QGuiApplication.clipboard().setText(text_of(Preset(guest.name, f"Limits of {guest.name}.", wishes)))
        self._told(self.tr("{n} limits of {name} are on the clipboard.").format(n=len(wishes), name=guest.name))

    def paste(self) -> None:
        try:
            preset = preset_of(QGuiApplication.clipboard().text(), name=self.tr("the clipboard"))
        except ConsoleError as error:
            self._told(
                self.tr("Nothing to paste: take a guest's limits with Copy Limits first. {why}").format(why=error)
            )
            return
        self._open(preset.wishes)
