# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of the list of connections (one removed or edited) as an operation, so that it can be undone. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmconsole.inventory.facts import HostLook
from vmconsole.inventory.ids import HostId
from vmconsole.operations.base import Outcome

if TYPE_CHECKING:
    from vmconsole.settings.connections import SavedConnection
    from vmconsole.ui.context import Context

translate = QCoreApplication.translate


@dataclass(frozen=True, slots=True)
class Listed:
    """A connection as it stands in the list."""

    saved: SavedConnection
    is_kept: bool = True
    """In the profile too; one of the command line is not."""
    is_wanted: bool = True
    """It is connected, or tried; else it is only listed."""


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """``operations.base.OwnOperation``: from ``before`` to ``after``; None stands for «not in the list»."""

    context: Context
    name: str
    """What the window calls the host."""
    before: Listed | None
    after: Listed | None

    @property
    def host(self) -> HostId:
        listed = self.after or self.before
        assert listed is not None
        return HostId(listed.saved.uri)

    @property
    def title(self) -> str:
        if self.after is None:
            return translate("Connections", "Remove {name} from the list").format(name=self.name)
        if self.before is None:
            return translate("Connections", "Put {name} back into the list").format(name=self.name)
        return translate("Connections", "Edit the connection to {name}").format(name=self.name)

    def virsh(self) -> str:
        return ""

    def run_here(self) -> Outcome:
        before, after = self.before, self.after
        if before is not None and after is not None and before.saved.uri == after.saved.uri:
            self._show_otherwise(after)
        else:
            self._let_go()
            self._keep()
            if before is not None and after is not None and self.context.secrets is not None:
                self.context.secrets.move(before.saved.uri, after.saved.uri)
            if after is not None:
                self.context.fleet.add_or_show(after.saved.uri, connect=after.is_wanted)
        return Outcome(note=self._note(), undo=ConnectionChange(self.context, self.name, before=after, after=before))

    def _show_otherwise(self, after: Listed) -> None:
        self._keep()
        link = self.context.fleet.link(self.host)
        if link is not None:
            link.set_look(look_of(after.saved))

    def _let_go(self) -> None:
        if self.before is not None:
            self.context.fleet.remove(HostId(self.before.saved.uri))

    def _keep(self) -> None:
        """First in the profile: a new link takes its name and colour from there."""
        connections = self.context.profile.connections
        if self.after is not None and self.after.is_kept:
            connections.replace((self.before or self.after).saved.uri, self.after.saved)
        elif self.before is not None:
            connections.remove(self.before.saved.uri)

    def _note(self) -> str:
        if self.after is None:
            return translate("Connections", "the host and its guests stay as they are")
        if self.before is not None and self.before.saved.uri != self.after.saved.uri:
            return translate("Connections", "connected anew, as the address is another one")
        return ""


def look_of(saved: SavedConnection) -> HostLook:
    return HostLook(saved.name, saved.colour, saved.group)
