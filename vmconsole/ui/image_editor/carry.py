# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on their way from one image window into another, of this program or of a second one. GUI thread.

Other programs get copies that belong to this user. Another image gets a bundle (``images.bundle``): owners, modes,
times, attributes and links as they are. Both ends meet in a private folder of this machine, as two programs can reach
nothing else of each other: the receiver writes ``wanted`` when it is clear what to do with names that are taken, the
giver then makes the bundle, and writes ``outcome`` at its end. So nothing is read for a drop that is thought better of.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from vmconsole.images.messages import Entry, EntryKind, Transferred
from vmconsole.inventory.errors import Explanation
from vmconsole.ui.image_editor.staging import KEPT_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.ui.image_editor.desk import ImageDesk
    from vmconsole.ui.image_editor.staging import Staging

CARRIED = "application/x-vmconsole-carried"
LOOK_EVERY_MS = 100
_WANTED, _OUTCOME = "wanted", "outcome"
_PAYLOAD_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True)
class Offer:
    """What a drag or the clipboard says of the files."""

    folder: Path
    """Where both ends meet."""
    pid: int
    """The giving program."""
    where: str
    """What they come from, in words."""
    tops: tuple[Entry, ...]

    def encode(self) -> bytes:
        tops = [[e.name, e.kind.value, e.size_bytes, e.modified_at] for e in self.tops]
        return json.dumps([str(self.folder), self.pid, self.where, tops], ensure_ascii=True).encode("ascii")

    @classmethod
    def decode(cls, payload: bytes) -> Offer | None:
        """None if it is not one, or of another machine."""
        try:
            folder, pid, where, tops = json.loads(payload[:_PAYLOAD_BYTES_MAX])
            found = tuple(Entry(str(n), EntryKind(k), size, modified_at=at) for n, k, size, at in tops)
            offer = cls(Path(str(folder)), int(pid), str(where), found)
            is_ours = os.lstat(offer.folder).st_uid == os.geteuid()
        except (ValueError, TypeError, OSError):
            return None
        return offer if is_ours else None


class Carry(QObject):
    """The giving end. ``begin`` waits until it is wanted."""

    def __init__(
        self, desk: ImageDesk, guest_paths: Sequence[str], offer: Offer, staging: Staging, parent: QObject
    ) -> None:
        """``staging`` made the offer's folder."""
        super().__init__(parent)
        self._desk, self._paths, self.offer = desk, tuple(guest_paths), offer
        self._staging = staging
        self._since = time.monotonic()
        self._look = QTimer(self)
        self._look.setInterval(LOOK_EVERY_MS)
        self._look.timeout.connect(self._on_look)

    def begin(self) -> None:
        self._look.start()

    @Slot()
    def _on_look(self) -> None:
        if not self.offer.folder.exists() or time.monotonic() > self._since + KEPT_S:
            self._look.stop()
            self.deleteLater()  # nobody wanted it
        elif (self.offer.folder / _WANTED).exists():
            self._look.stop()
            self._staging.hold(self.offer.folder)
            carrying = self._desk.session.carry_out(self._paths, self.offer.folder)
            self._desk.ask(carrying, self._on_done, failed=self._on_failed, cancelled=lambda: self._end(["cancelled"]))

    def _on_done(self, done: Transferred) -> None:
        self._end(["done", done.paths[0], list(done.skipped)])

    def _on_failed(self, problem: Explanation) -> None:
        self._desk.failed.emit(problem)
        self._end(["failed", [problem.what, problem.cause, problem.advice, problem.where, problem.said]])

    def _end(self, outcome: list[object]) -> None:
        with contextlib.suppress(OSError):  # the folder is gone: so is who waited for it
            half = self.offer.folder / f"{_OUTCOME}.new"
            half.write_text(json.dumps(outcome, ensure_ascii=True), encoding="ascii")
            half.rename(self.offer.folder / _OUTCOME)
        self._staging.let_go(self.offer.folder)
        self.deleteLater()


class Arrival(QObject):
    """The receiving end: says that the files are wanted, and waits. One of the signals comes, once."""

    arrived = Signal(object, tuple)
    """The bundle's path, and what was left out, a sentence each."""
    failed = Signal(object)
    """An ``Explanation``; None if it was cancelled at the other end."""

    def __init__(self, offer: Offer, parent: QObject) -> None:
        super().__init__(parent)
        self._offer = offer
        self._look = QTimer(self)
        self._look.setInterval(LOOK_EVERY_MS)
        self._look.timeout.connect(self._on_look)

    def begin(self) -> None:
        try:
            (self._offer.folder / _WANTED).touch()
        except OSError as error:
            self._end_with(self._gone(str(error)))
            return
        self._look.start()

    @Slot()
    def _on_look(self) -> None:
        try:
            outcome = json.loads((self._offer.folder / _OUTCOME).read_text(encoding="ascii"))
        except FileNotFoundError:
            if not self._offer.folder.exists() or not _is_alive(self._offer.pid):
                self._end_with(self._gone(""))
        except (OSError, ValueError) as error:
            self._end_with(self._gone(str(error)))
        else:
            self._take(outcome)

    def _take(self, outcome: object) -> None:
        match outcome:
            case ["done", str(path), list(skipped)] if Path(path).parent == self._offer.folder:
                self._look.stop()
                self.arrived.emit(Path(path), tuple(map(str, skipped)))
                self.deleteLater()
            case ["failed", [str(what), str(cause), str(advice), str(where), str(said)]]:
                self._end_with(Explanation(what, cause, advice, where, said))
            case ["cancelled"]:
                self._end_with(None)
            case _:
                self._end_with(self._gone(str(outcome)[:200]))

    def _end_with(self, problem: Explanation | None) -> None:
        self._look.stop()
        self.failed.emit(problem)
        self.deleteLater()

    def _gone(self, said: str) -> Explanation:
        return Explanation(
            what=self.tr("The files did not come from the other window."),
            cause=self.tr("It was closed, or its program ended."),
            advice=self.tr("Open it again, and drag them once more. Nothing was changed here."),
            where=self._offer.where,
            said=said,
        )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True
