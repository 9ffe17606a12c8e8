# SPDX-License-Identifier: GPL-3.0-or-later
"""Run, Shut Down, Reboot, Pause, Resume and Force Off for the selected guests, on whatever hosts. GUI thread.

An act that is impossible for all of them is greyed, and its tooltip says why. One that is possible for some is done to
those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Qt, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu

from vmconsole.inventory.facts import HostState
from vmconsole.operations import lifecycle
from vmconsole.operations.base import Confirmation
from vmconsole.ui import words
from vmconsole.ui.confirm import confirm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtWidgets import QMessageBox, QWidget

    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import GuestId
    from vmconsole.operations.base import Operation
    from vmconsole.ui.context import Context

translate = QCoreApplication.translate


@dataclass(frozen=True, slots=True)
class Verb:
    """One act: its words, its key, and the operation behind it."""

    key: str
    text: str
    tip: str
    shortcut: str
    make: Callable[[GuestId, str], Operation]
    possible: Callable[[Guest], str]
    many_question: str = ""
    """Asked before it is done to several guests; ``{n}`` is their number. Empty: never asked for that reason."""
    many_loses: str = ""


def verbs() -> tuple[Verb, ...]:
    """In virt-manager's order."""
    return (
        Verb("run", translate("Actions", "&Run"), translate("Actions", "Power on the selected guests"), "Ctrl+R",
             lifecycle.StartGuest, lifecycle.StartGuest.possible),
        Verb("pause", translate("Actions", "&Pause"),
             translate("Actions", "Stop the guests' CPUs; their memory stays"), "Ctrl+P",
             lifecycle.PauseGuest, lifecycle.PauseGuest.possible),
        Verb("resume", translate("Actions", "R&esume"), translate("Actions", "Let paused guests go on"),
             "Ctrl+Shift+P", lifecycle.ResumeGuest, lifecycle.ResumeGuest.possible),
        Verb("shut-down", translate("Actions", "&Shut Down"),
             translate("Actions", "Ask the guests' systems to shut down"), "Ctrl+Shift+D",
             lifecycle.ShutDownGuest, lifecycle.ShutDownGuest.possible,
             translate("Actions", "Shut down {n} guests?"), translate("Actions", "What they serve stops.")),
        Verb("reboot", translate("Actions", "Re&boot"), translate("Actions", "Ask the guests' systems to reboot"),
             "Ctrl+Shift+R", lifecycle.RebootGuest, lifecycle.RebootGuest.possible,
             translate("Actions", "Reboot {n} guests?"), translate("Actions", "What they serve stops meanwhile.")),
        Verb("force-off", translate("Actions", "&Force Off"),
             translate("Actions", "Cut the guests' power; what is not yet written to disk is lost"), "Ctrl+Shift+K",
             lifecycle.ForceOffGuest, lifecycle.ForceOffGuest.possible,
             translate("Actions", "Force {n} guests off?"),
             translate("Actions", "They stop at once, as if the power were cut: "
                                  "everything they have not yet written to disk is lost.")),
    )  # fmt: skip


MOST_NAMED = 8


class GuestActions(QObject):
    """The QActions. ``refresh`` looks at the selection and at the guests' states again."""

    def __init__(self, context: Context, chosen: Callable[[], Sequence[GuestId]], parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self._theme = context.theme
        self._chosen = chosen
        self._window = parent
        self._verbs = {verb.key: verb for verb in verbs()}
        self._question: QMessageBox | None = None
        self.more: Sequence[QAction] = ()
        """What else can be done with the selected guests, for the end of the menus."""
        self.actions = {verb.key: self._action(verb) for verb in self._verbs.values()}
        context.theme.changed.connect(self._on_theme)
        self.refresh()

    def __getitem__(self, key: str) -> QAction:
        return self.actions[key]

    def menu(self, title: str, parent: QWidget) -> QMenu:
        """All of them, as in the menu bar and the context menu."""
        menu = QMenu(title, parent)
        menu.setToolTipsVisible(True)
        for key in ("run", "pause", "resume"):
            menu.addAction(self[key])
        menu.addSeparator()
        for key in ("shut-down", "reboot"):
            menu.addAction(self[key])
        menu.addSeparator()
        menu.addAction(self["force-off"])
        if self.more:
            menu.addSeparator()
            menu.addActions(self.more)
        return menu

    def refresh(self) -> None:
        guests = self._guests()
        for key, verb in self._verbs.items():
            able, reason = self._able(verb, guests)
            action = self.actions[key]
            action.setEnabled(bool(able))
            action.setToolTip(self._tip(verb, able=len(able), chosen=len(guests), reason=reason))

    def run(self, key: str) -> None:
        """Do it to those selected guests for which it is possible, after asking where that is needed."""
        verb = self._verbs[key]
        able, _ = self._able(verb, self._guests())
        operations = [verb.make(guest.id, guest.name) for guest in able]
        if not operations:
            return
        question = self._needed_question(verb, operations, able)
        if question is None:
            self._context.runner.run(operations)
            return
        text = verb.text.replace("&", "")
        self._question = confirm(
            self._window, self._context.profile, question, verb=text, then=lambda: self._run_now(operations)
        )

    # -- parts -------------------------------------------------------------------------------------------------

    def _action(self, verb: Verb) -> QAction:
        action = QAction(self._theme.icon(verb.key), verb.text, self)
        action.setObjectName(verb.key)
        action.setShortcut(QKeySequence(verb.shortcut))
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.setData(verb.key)
        action.triggered.connect(self._on_triggered)
        return action

    def _run_now(self, operations: Sequence[Operation]) -> None:
        self._context.runner.run(operations)

    def _guests(self) -> Sequence[Guest]:
        found = (self._context.store.guest(wanted) for wanted in self._chosen())
        return [guest for guest in found if guest is not None]

    def _able(self, verb: Verb, guests: Sequence[Guest]) -> tuple[Sequence[Guest], str]:
        """Those for which it is possible, and why it is not for the first of the others."""
        able, reason = [], ""
        for guest in guests:
            why = self._host_reason(guest, verb.key) or verb.possible(guest)
            if not why:
                able.append(guest)
            reason = reason or why
        return able, reason

    def _host_reason(self, guest: Guest, act: str) -> str:
        host = self._context.store.hosts.get(guest.id.host)
        if host is not None and host.is_read_only:
            return translate("Actions", "{host} is opened for looking only.").format(host=host.name)
        if host is not None and host.state is HostState.CONNECTED:
            return host.lacks.get(act, "")
        if host is not None and host.state is HostState.NOT_ANSWERING and host.reason is not None:
            return f"{host.name}: {host.reason.what}"
        return translate("Actions", "{host} is not connected.").format(
            host=guest.id.host if host is None else host.name
        )

    def _tip(self, verb: Verb, *, able: int, chosen: int, reason: str) -> str:
        key = QKeySequence(verb.shortcut).toString(QKeySequence.SequenceFormat.NativeText)
        first = f"{verb.tip} ({key})"
        if not chosen:
            return first + "\n" + translate("Actions", "Not now: no guest is selected.")
        if not able:
            return first + "\n" + translate("Actions", "Not now: {reason}").format(reason=reason)
        if able < chosen:
            some = translate("Actions", "For {able} of the {chosen} selected guests. {reason}")
            return first + "\n" + some.format(able=able, chosen=chosen, reason=reason)
        return first

    def _needed_question(
        self, verb: Verb, operations: Sequence[Operation], guests: Sequence[Guest]
    ) -> Confirmation | None:
        if len(operations) == 1:
            return operations[0].confirmation
        if not verb.many_question:
            return None
        own = operations[0].confirmation
        return Confirmation(
            key=own.key if own is not None else f"many_{verb.key.replace('-', '_')}",
            question=verb.many_question.format(n=len(operations)),
            loses=f"{self._names(guests)}\n\n{verb.many_loses}",
        )

    def _names(self, guests: Sequence[Guest]) -> str:
        """«web1, web2 and 14 others, on 3 hosts»."""
        names = ", ".join(guest.name for guest in guests[:MOST_NAMED])
        more = len(guests) - MOST_NAMED
        if more > 0:
            others = words.counted(more, one=translate("Actions", "one other"), many=translate("Actions", "{n} others"))
            names = translate("Actions", "{names} and {others}").format(names=names, others=others)
        hosts = len({guest.id.host for guest in guests})
        if hosts == 1:
            return names
        return translate("Actions", "{names}, on {n} hosts").format(names=names, n=hosts)

    @Slot()
    def _on_triggered(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.run(str(action.data()))

    @Slot()
    def _on_theme(self) -> None:
        for key, action in self.actions.items():
            action.setIcon(self._theme.icon(key))
