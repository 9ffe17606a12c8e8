# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be compared: the draft, the disk without it, its snapshots, other images. Each is a session. GUI thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from vmconsole.images.messages import ImageOverview, ImageSource, SessionEvent
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.desk import ImageDesk

if TYPE_CHECKING:
    from vmconsole.images.session import ImageSession
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.bridge import Bridge

OpenSide = Callable[[ImageSource, Callable[[SessionEvent], None]], "ImageSession"]
"""Makes a session on another image that is reached through the same host."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that can be compared. ``source`` None is what the editor's window shows."""

    words: str
    source: ImageSource | None


def choices(speaker: QObject, overview: ImageOverview, *, is_draft: bool) -> list[Choice]:
    """What is there without asking for another image."""
    source = overview.source
    here = speaker.tr("The draft") if is_draft else speaker.tr("What the window shows")
    found = [Choice(here, None)]
    if is_draft or source.snapshot:
        found.append(
            Choice(speaker.tr("The disk as it is"), dataclasses.replace(source, is_read_only=True, snapshot=""))
        )
    for snapshot in overview.snapshots:
        words = speaker.tr("Snapshot “{name}”").format(name=names.shown(snapshot.name))
        found.append(Choice(words, dataclasses.replace(source, is_read_only=True, snapshot=snapshot.id, more=())))
    return found


class SideDesk(QObject):
    """The session of one side: the editor's own, or one that is opened for the comparison and closed after it."""

    def __init__(self, choice: Choice, own: ImageDesk, open_side: OpenSide, bridge: Bridge, parent: QObject) -> None:
        super().__init__(parent)
        self.choice = choice
        self.is_own = choice.source is None
        source = choice.source
        if source is None:
            self.desk = own
        else:
            self.desk = ImageDesk(lambda on_event: open_side(source, on_event), bridge)
            self.desk.setParent(self)
        self.is_open = self.is_own

    @property
    def may_take(self) -> bool:
        """Whether something can be brought from here into the draft."""
        return not self.is_own

    def open(self, then: Callable[[], None], failed: Callable[[Explanation | None], None]) -> None:
        """Open it if it is not the editor's own. ``failed`` is given None after a cancel."""
        if self.is_open:
            then()
            return

        def opened(_overview: ImageOverview) -> None:
            self.is_open = True
            then()

        self.desk.ask(self.desk.session.open(), opened, failed=failed, cancelled=lambda: failed(None))

    def close(self) -> None:
        if not self.is_own:
            self.desk.close()
