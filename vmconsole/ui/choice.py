# SPDX-License-Identifier: GPL-3.0-or-later
"""What the View menu lets one choose of several, done at once and kept in the profile. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QAction, QActionGroup

from vmconsole.ui.layout_memory import GROUPING
from vmconsole.ui.theme import set_scheme

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmconsole.settings.profile import Profile
    from vmconsole.ui.context import Context

SCHEME = "colours"
"""Setting: ``light``, ``dark``, or ``desktop`` (as at first)."""


class Choice(QObject):
    """One of several, by name; the first is chosen where nothing is saved."""

    changed = Signal(str)
    """By the user."""

    def __init__(self, profile: Profile, key: str, texts: Mapping[str, str], parent: QObject) -> None:
        super().__init__(parent)
        self._profile = profile
        self._key = key
        self.actions: dict[str, QAction] = {}
        group = QActionGroup(self)
        for name, text in texts.items():
            action = self.actions[name] = QAction(text, group)
            action.setCheckable(True)
            action.setData(name)
        self.actions.get(self.saved, next(iter(self.actions.values()))).setChecked(True)
        group.triggered.connect(self._on_triggered)

    @property
    def saved(self) -> str:
        return str(self._profile.get(self._key, next(iter(self.actions))))

    @Slot(QAction)
    def _on_triggered(self, action: QAction) -> None:
        name = str(action.data())
        self._profile.put(self._key, name)
        self.changed.emit(name)


def schemes(profile: Profile, parent: QObject) -> Choice:
    """Colours, which it sets itself."""
    texts = {"desktop": parent.tr("As the &Desktop"), "light": parent.tr("&Light"), "dark": parent.tr("&Dark")}
    choice = Choice(profile, SCHEME, texts, parent)
    choice.changed.connect(set_scheme)
    return choice


def groupings(profile: Profile, parent: QObject) -> Choice:
    """What the tree's hosts stand under."""
    return Choice(profile, GROUPING, {"group": parent.tr("Their &Group"), "none": parent.tr("&Nothing")}, parent)


def use_saved_scheme(context: Context) -> None:
    """Before anything is drawn."""
    set_scheme(str(context.profile.get(SCHEME, "desktop")))
    context.theme.refresh()
